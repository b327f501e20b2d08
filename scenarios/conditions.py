"""How failures are detected and how recovery answers each kind of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from recovery.model import FailureKind
from recovery.runbook import documented
from scenarios.commands import COMMANDS
from scenarios.errors import instead, invalid
from scenarios.policies import Condition
from scenarios.quantities import Count, PositiveCount, PositiveSeconds, Quantity, Seconds, not_yet, only
from scenarios.settings import Settings


def _known_commands(costs: dict[str, float]) -> dict[str, float]:
    for command in costs:
        if command not in COMMANDS:
            raise invalid(f"unknown command; {instead(command, COMMANDS)}", command)
    return costs


DETECTORS = "heartbeat, perfect"


class DetectionSettings(Settings):
    """The failure detector."""

    detector: Annotated[Literal["heartbeat", "perfect"], not_yet("phi_accrual", DETECTORS)] = Field(
        default="heartbeat", description="heartbeat: by missed beats; perfect: knows at once"
    )
    heartbeat_interval: PositiveSeconds = Field(default=5.0, description="time between two beats of an agent")
    missed_heartbeats: PositiveCount = Field(default=3, description="beats missed before an agent is declared dead")
    phase: Literal["uniform", "aligned"] = Field(
        default="uniform", description="uniform: each agent beats at its own phase; aligned: from its start on"
    )
    poll: PositiveSeconds | None = Field(
        default=None, description="how often the detector looks; null: the deadline itself wakes it"
    )


def _documented(kind: FailureKind) -> tuple[int, float]:
    """The documented condition of a kind: how many retries, and after which delay."""
    condition = documented().conditions()[kind]
    assert condition is not None, f"the documented runbook has no condition for {kind}"
    assert condition.max_retries is not None, f"the documented runbook does not bound the retries of {kind}"
    return condition.max_retries, condition.retry_delay


_TASK_RETRIES, _TASK_DELAY = _documented(FailureKind.TASK)
_RESOURCE_RETRIES, _RESOURCE_DELAY = _documented(FailureKind.RESOURCE)


class TaskFailureCondition(Condition):
    """The guide's condition for failed tasks unless given otherwise."""

    max_retries: Count | None = Field(
        default=_TASK_RETRIES, description="retries after the first attempt; null: any number"
    )
    retry_delay: Seconds = Field(default=_TASK_DELAY, description="delay before the first retry")


class ResourceFailureCondition(Condition):
    """The guide's condition for failed resources unless given otherwise."""

    max_retries: Count | None = Field(
        default=_RESOURCE_RETRIES, description="retries after the first attempt; null: any number"
    )
    retry_delay: Seconds = Field(default=_RESOURCE_DELAY, description="delay before the first retry")


class ConditionSettings(Settings):
    """The conditions of automatic recovery, per kind of failure."""

    task_failure: TaskFailureCondition = Field(default=TaskFailureCondition(), description="an attempt failed")
    resource_failure: ResourceFailureCondition = Field(
        default=ResourceFailureCondition(), description="a task lost, or cannot get, resources that it needs"
    )
    agent_failure: Condition | None = Field(
        default=None, description="an agent was declared dead; null: not counted, no delay"
    )
    communication_failure: Condition | None = Field(
        default=None, description="messages do not arrive; null: not counted, no delay"
    )


class RecoverySettings(Settings):
    """The recovery core's configuration, and what its commands cost in virtual time."""

    runbook: Annotated[None, only(None, "another runbook")] = Field(
        default=None, description="null: the documented one"
    )
    detection: DetectionSettings = Field(default=DetectionSettings(), description="the failure detector")
    conditions: ConditionSettings = Field(default=ConditionSettings(), description="retries per kind of failure")
    costs: Annotated[dict[str, Seconds], AfterValidator(_known_commands), Quantity("command: duration")] = Field(
        default={}, description="virtual time of each command; a command that is not named costs nothing"
    )
    parallel: PositiveCount | None = Field(default=None, description="recoveries at once; null: any number")
