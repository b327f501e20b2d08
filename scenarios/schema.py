"""The schema of scenario files: every key with its type, default and meaning.

What is not given does not happen and costs nothing. All durations are float seconds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PrivateAttr, WithJsonSchema, model_validator

from scenarios.cross_checks import first_contradiction
from scenarios.errors import invalid, shown
from scenarios.faults import FaultEntry
from scenarios.fields.base import Settings
from scenarios.fields.distributions import ZERO, Distribution, RandomInterval
from scenarios.fields.expectations import Expected
from scenarios.fields.quantities import Count, PositiveCount, PositiveSeconds, Probability, Quantity, Seconds, Truth
from scenarios.sections.arrivals import Arrivals, Burst, Closed, Interval, Poisson
from scenarios.sections.clients import ClientSettings
from scenarios.sections.detection import DetectionSettings
from scenarios.sections.policies import Condition, Policy
from scenarios.sections.recovery import ConditionSettings, RecoverySettings
from scenarios.sections.steady_state import SteadyState

NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"


class CheckpointSettings(Settings):
    """Checkpoints that a task writes while it runs."""

    every: PositiveSeconds = Field(description="work between two checkpoints")
    cost: Seconds = Field(default=0.0, description="agent time to write one")
    restore: Seconds = Field(default=0.0, description="agent time to read one back")
    final: Truth = Field(default=False, description="whether one is written when the work is done")


class TaskSettings(Settings):
    """The load: which tasks arrive, what they need, and how their attempts fail."""

    arrivals: Arrivals = Field(description="how tasks arrive")
    count: PositiveCount | None = Field(default=None, description="stop submitting after so many; null: never")
    work: Distribution = Field(description="time of one task on a healthy agent")
    needs: Annotated[dict[str, PositiveCount], Quantity("pool: units")] = Field(
        default={}, description="units that a task holds while it runs"
    )
    failure_probability: Probability = Field(default=0.0, description="an attempt ends in execution_failure")
    failure_at: Literal["end", "uniform"] = Field(
        default="end", description="when it fails: at the end of its work, or uniform over it"
    )
    timeout: PositiveSeconds | None = Field(default=None, description="of one attempt; null: none")
    interrupted: Literal["restart", "resume", "redraw"] = Field(
        default="restart",
        description="work of an attempt that was cut short: same work again, the rest of it, or new work",
    )
    requeue: Literal["tail", "head"] = Field(default="tail", description="where a retried task rejoins the queue")
    retry_holds_agent: Truth = Field(
        default=False, description="whether the agent's slot is held while the retry delay runs"
    )
    checkpoint: CheckpointSettings | None = Field(default=None, description="null: no checkpoints")
    client: ClientSettings = Field(default=ClientSettings(), description="who waits for the answer")


class AgentSettings(Settings):
    """The agents."""

    count: PositiveCount = Field(description="number of agents: agent.0, agent.1, …")
    slots: PositiveCount = Field(default=1, description="tasks that an agent works on at once")
    mtbf: RandomInterval | None = Field(
        default=None,
        description="time between random crashes; a bare duration is the mean of an exponential; null: none",
    )
    failure_clock: Literal["always", "busy"] = Field(
        default="always", description="whether that time passes always, or only while the agent is busy"
    )
    restart_time: Distribution = Field(default=ZERO, description="time that a restart takes")
    restart_slots: PositiveCount | None = Field(default=None, description="restarts at once; null: any number")


class QueueSettings(Settings):
    """The at-least-once task queue. Waiting tasks count against its capacity, those in service do not."""

    capacity: Count | None = Field(default=None, description="waiting tasks; what does not fit is rejected; null: any")
    latency: Distribution = Field(default=ZERO, description="of a delivery")
    loss: Probability = Field(default=0.0, description="a delivery is lost")
    ack_loss: Probability = Field(default=0.0, description="an acknowledgement is lost")
    duplication: Probability = Field(default=0.0, description="a delivery arrives twice")
    ack_timeout: PositiveSeconds | None = Field(
        default=None, description="a delivery not acknowledged by then is made again; null: never"
    )
    max_deliveries: PositiveCount | None = Field(
        default=None, description="after so many a task becomes a dead letter; null: any number"
    )


class ResourceSettings(Settings):
    """One pool of resources."""

    units: PositiveCount = Field(description="size of the pool")


class NetworkSettings(Settings):
    """The network between agents, queue and core."""

    latency: Distribution = Field(default=ZERO, description="of a message")
    loss: Probability = Field(default=0.0, description="a message is lost")


class StorageSettings(Settings):
    """Where checkpoints are kept."""

    write: Seconds = Field(default=0.0, description="latency of a write")
    read: Seconds = Field(default=0.0, description="latency of a read")
    failure: Probability = Field(default=0.0, description="a write fails, and the attempt goes on without")


def _a_name(name: str) -> str:
    if not re.fullmatch(NAME, name):
        raise invalid(f"{shown(name)} is no name; valid: letters, digits, - and _")
    return name


def _named(resources: dict[str, ResourceSettings]) -> dict[str, ResourceSettings]:
    for name in resources:
        if not re.fullmatch(NAME, name):
            raise invalid(f"{shown(name)} is no name; valid: letters, digits, - and _", name)
    return resources


class Scenario(Settings):
    """One experiment: the load, the world, the recovery policies, what goes wrong, and what is expected."""

    name: Annotated[
        str, AfterValidator(_a_name), WithJsonSchema({"type": "string", "pattern": f"^{NAME}$"}), Quantity("name")
    ] = Field(description="letters, digits, - and _; the file is NAME.scenario.yaml")
    description: Annotated[str, Quantity("text")] = Field(
        default="", description="what is injected, whom it hits, what should happen"
    )
    extends: Annotated[str, Quantity("scenario")] | None = Field(
        default=None,
        description="one that ships, or a file relative to this one: what is not said here is as there, but for name "
        "and description; mappings are merged, lists replaced",
    )
    documents: Annotated[str, Quantity("text")] | None = Field(
        default=None, description="the guide's entry that it exercises"
    )
    seed: Count = Field(default=0, description="seed of all randomness, unless a run gives another")
    duration: PositiveSeconds = Field(description="virtual time that is simulated")
    warmup: Seconds = Field(default=0.0, description="cut from the metrics")
    tasks: TaskSettings = Field(description="the load")
    agents: AgentSettings = Field(description="who works")
    queue: QueueSettings = Field(default=QueueSettings(), description="the task queue")
    resources: Annotated[dict[str, ResourceSettings], AfterValidator(_named)] = Field(
        default={},
        description="pools of resources by name",
        json_schema_extra={"propertyNames": {"pattern": f"^{NAME}$"}},
    )
    network: NetworkSettings = Field(default=NetworkSettings(), description="the network")
    storage: StorageSettings = Field(default=StorageSettings(), description="checkpoint storage")
    recovery: RecoverySettings = Field(default=RecoverySettings(), description="the recovery core")
    faults: tuple[FaultEntry, ...] = Field(default=(), description="what goes wrong")
    history: Literal["full", "summary"] = Field(
        default="full",
        description="full: every event is kept; summary: the metrics, the verdicts and the hash only, in less memory",
    )
    steady_state: SteadyState | None = Field(
        default=None,
        description="when the service is as it should be; null: learnt from the time before the first fault",
    )
    expect: tuple[Expected, ...] = Field(default=(), description="what must hold, in the mean over replications")

    _source: str | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _consistent(self) -> Scenario:
        contradiction = first_contradiction(self)
        if contradiction is not None:
            path, problem = contradiction
            raise invalid(problem, *path)
        return self

    @property
    def source(self) -> str | None:
        """The file that it came from, None when it came from a text."""
        return self._source

    def resolved(self) -> dict[str, Any]:
        """Every key with its value, as plain data that JSON can hold: durations in seconds, rates per second."""
        return self.model_dump(mode="json", by_alias=True)

    def with_values(self, values: Mapping[str, Any]) -> Scenario:
        """A scenario with other values at some paths, such as `{"recovery.conditions.task_failure.retry_delay": "5s"}`.

        Texts are read as in a file (`"5s"`, `"null"`, `"[agents, queue]"`). The whole is validated again. Raises
        `ScenarioError` that names the path; for an unknown one it suggests the nearest.
        """
        from scenarios.documents.overrides import changed  # noqa: PLC0415 - it builds scenarios, and so imports this module

        return changed(self, values)

    def __eq__(self, other: object) -> bool:
        """Equal in every key; where it came from does not matter."""
        return isinstance(other, Scenario) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]  # holds mappings


__all__ = [
    "AgentSettings",
    "Burst",
    "CheckpointSettings",
    "ClientSettings",
    "Closed",
    "Condition",
    "ConditionSettings",
    "DetectionSettings",
    "Interval",
    "NetworkSettings",
    "Poisson",
    "Policy",
    "QueueSettings",
    "RecoverySettings",
    "ResourceSettings",
    "Scenario",
    "StorageSettings",
    "TaskSettings",
]
