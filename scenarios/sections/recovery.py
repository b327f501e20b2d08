"""How failures are detected and how recovery answers each kind of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ModelWrapValidatorHandler, PrivateAttr, ValidationInfo, model_validator

from recovery.config import RecoveryConfig
from recovery.model import FailureKind
from recovery.policies.load_limit import LoadLimit
from recovery.policies.stale_reads import StaleReads
from recovery.runbook.catalogue import Runbook, documented
from scenarios.errors import instead, invalid
from scenarios.fields.base import Settings, core_field
from scenarios.fields.commands import COMMANDS
from scenarios.fields.quantities import Count, PositiveCount, Quantity, Rate, Seconds
from scenarios.sections.cores import CoresSettings
from scenarios.sections.detection import DetectionSettings
from scenarios.sections.monitoring import MonitorSettings
from scenarios.sections.policies import Condition
from scenarios.sections.runbook import LoadedRunbook, only_given, read_runbook, with_conditions_of


def _known_commands(costs: dict[str, float]) -> dict[str, float]:
    for command in costs:
        if command not in COMMANDS:
            raise invalid(f"unknown command; {instead(command, COMMANDS)}", command)
    return costs


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

    task_failure: TaskFailureCondition | None = Field(default=TaskFailureCondition(), description="an attempt failed")
    resource_failure: ResourceFailureCondition | None = Field(
        default=ResourceFailureCondition(), description="a task lost, or cannot get, resources that it needs"
    )
    agent_failure: Condition | None = Field(
        default=None, description="an agent was declared dead; null: not counted, no delay"
    )
    communication_failure: Condition | None = Field(
        default=None, description="messages do not arrive; null: not counted, no delay"
    )


class LoadSettings(Settings, LoadLimit):
    """How many tasks recovery puts back to work over time: more wait, so that a mass failure becomes no storm."""

    rate: Rate = core_field(LoadLimit, "rate", "tasks put back, in the long run")
    burst: PositiveCount = core_field(LoadLimit, "burst", "tasks put back at once after a quiet time")


class StaleReadSettings(Settings, StaleReads):
    """What the core does when the checkpoints that it reads are older than what was acknowledged."""

    max_retries: Count = core_field(
        StaleReads,
        "max_retries",
        "how often it reads again, before it takes the latest of those that it can read",
    )
    retry_delay: Seconds = core_field(StaleReads, "retry_delay", "delay before each")


class RecoverySettings(Settings):
    """The recovery core's configuration, and what its commands cost in virtual time."""

    runbook: Annotated[str, Quantity("file")] | None = Field(
        default=None,
        description="YAML, or a Markdown guide with YAML blocks, relative to the scenario's file; null: the documented "
        "one; its conditions hold where none are given",
    )
    detection: DetectionSettings = Field(default=DetectionSettings(), description="the failure detector")
    conditions: ConditionSettings = Field(default=ConditionSettings(), description="retries per kind of failure")
    costs: Annotated[
        dict[str, Seconds],
        AfterValidator(_known_commands),
        Field(json_schema_extra={"propertyNames": {"enum": list(COMMANDS)}}),
        Quantity("command: duration"),
    ] = Field(default={}, description="virtual time of each command; a command that is not named costs nothing")
    parallel: PositiveCount | None = core_field(
        RecoveryConfig,
        "parallel",
        "recoveries at once, the kinds of failure in turn; null: any number. There is no cap by default, because a cap "
        "makes failures wait for each other, and the right one depends on what their recoveries share",
    )
    unconditional_tries: PositiveCount = core_field(
        RecoveryConfig,
        "unconditional_tries",
        "tries at a recovery whose kind of failure has no condition, before it is escalated",
    )
    load: LoadSettings | None = core_field(RecoveryConfig, "load", "a cap on the tasks put back to work; null: none")
    stale_reads: StaleReadSettings = Field(default=StaleReadSettings(), description="checkpoints that are behind")
    cores: CoresSettings = Field(default=CoresSettings(), description="how many there are, and which one leads")
    monitor: MonitorSettings | None = Field(default=None, description="the recovery monitor; null: nobody watches")

    _loaded: LoadedRunbook | None = PrivateAttr(default=None)

    @property
    def in_force(self) -> Runbook:
        """The runbook that the core follows."""
        return documented() if self._loaded is None else self._loaded.runbook

    @property
    def runbook_sha256(self) -> str | None:
        """SHA-256 of the runbook's file as it was read; None for the documented one."""
        return None if self._loaded is None else self._loaded.sha256

    @model_validator(mode="wrap")
    @classmethod
    def _with_runbook(
        cls, data: Any, handler: ModelWrapValidatorHandler[RecoverySettings], info: ValidationInfo
    ) -> RecoverySettings:
        if not isinstance(data, Mapping) or not isinstance(data.get("runbook"), str):
            return handler(data)
        loaded = read_runbook(data["runbook"], (info.context or {}).get("folder", "."))
        given = data.get("conditions", {})
        if not isinstance(given, Mapping):
            return handler(data)
        made = handler({**data, "conditions": with_conditions_of(loaded.runbook, given, Condition)})
        made._loaded = loaded
        only_given(made.conditions, given)
        return made
