"""The schema of scenario files: every key with its type, default and meaning.

A feature that is not configured is disabled and has no cost. All durations are float seconds.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, WithJsonSchema

from scenarios.errors import invalid, shown
from scenarios.faults import FaultEntry
from scenarios.fields.base import Settings
from scenarios.fields.expectations import Expected
from scenarios.fields.metrics import parts_of
from scenarios.fields.quantities import Count, PositiveSeconds, Quantity, Seconds
from scenarios.fields.tolerances import Tolerances
from scenarios.sections.agents import AgentSettings, PoolSettings
from scenarios.sections.cost import CostSettings
from scenarios.sections.downstream import DownstreamSettings
from scenarios.sections.found_by import FoundBy
from scenarios.sections.infrastructure import NetworkSettings, QueueSettings, ResourceSettings, StorageSettings
from scenarios.sections.presets import PREFETCHED_PER_SLOT
from scenarios.sections.recovery import RecoverySettings
from scenarios.sections.steady_state import SteadyState
from scenarios.sections.tasks import TaskSettings

S = TypeVar("S")
NAME = r"[A-Za-z0-9][A-Za-z0-9_-]*"


def _a_name(name: str) -> str:
    if not re.fullmatch(NAME, name):
        raise invalid(f"{shown(name)} is not a name; valid: letters, digits, - and _")
    return name


Name = Annotated[
    str, AfterValidator(_a_name), WithJsonSchema({"type": "string", "pattern": f"^{NAME}$"}), Quantity("name")
]
"""Letters, digits, - and _."""


def _named(settings: dict[str, S]) -> dict[str, S]:
    for name in settings:
        if not re.fullmatch(NAME, name):
            raise invalid(f"{shown(name)} is not a name; valid: letters, digits, - and _", name)
    return settings


def _once(tags: tuple[str, ...]) -> tuple[str, ...]:
    for place, tag in enumerate(tags):
        if tag in tags[:place]:
            raise invalid(f"{shown(tag)} is there twice; valid: each tag once", place)
    return tags


def _a_reason(value: object) -> object:
    """`true` as a reason, and `false` as none."""
    return {True: "expected to fail", False: None}[value] if isinstance(value, bool) else value


class ScenarioFields(Settings):
    """Every key of a scenario file, each validated alone; `scenarios.Scenario` checks them against each other."""

    name: Name = Field(description="letters, digits, - and _; the file is NAME.scenario.yaml")
    description: Annotated[str, Quantity("text")] = Field(
        default="", description="what is injected, what it affects, and the expected result"
    )
    extends: Annotated[str, Quantity("scenario")] | None = Field(
        default=None,
        description="a shipped scenario, or a file relative to this one, from which keys that are omitted here are "
        "inherited, except name, description, tags and xfail; mappings are merged, lists replaced",
    )
    tags: Annotated[tuple[Name, ...], AfterValidator(_once)] = Field(
        default=(),
        description="markers of the scenario in pytest: `pytest -m slow` runs those with the tag slow",
        json_schema_extra={"uniqueItems": True},
    )
    xfail: Annotated[
        Annotated[str, Quantity("text")] | None,
        BeforeValidator(_a_reason),
        WithJsonSchema({"type": ["string", "boolean", "null"]}),
    ] = Field(
        default=None,
        description="why the scenario is expected to fail, for pytest; `true` gives no reason, null: it has to hold",
    )
    documents: Annotated[str, Quantity("text")] | None = Field(
        default=None, description="the entry of the guide that it exercises"
    )
    found_by: FoundBy | None = Field(
        default=None, description="the search that wrote this file, and what it found; it has no effect on a run"
    )
    seed: Count = Field(default=0, description="seed of all randomness, unless a run sets another")
    duration: PositiveSeconds = Field(description="virtual time that is simulated")
    warmup: Seconds = Field(default=0.0, description="initial time that is excluded from the metrics")
    drain: PositiveSeconds | None = Field(
        default=None,
        description="how long a run may go on after its duration, without new arrivals and faults, until all tasks and "
        "recoveries have ended; null: not at all",
    )
    tasks: TaskSettings = Field(description="the load")
    agents: AgentSettings = Field(description="the agents")
    queue: QueueSettings = Field(default=QueueSettings(), description="the task queue")
    queues: Annotated[dict[str, QueueSettings], AfterValidator(_named)] = Field(
        default={},
        description="further queues by name, in which kinds of tasks wait",
        json_schema_extra={"propertyNames": {"pattern": f"^{NAME}$"}},
    )
    resources: Annotated[dict[str, ResourceSettings], AfterValidator(_named)] = Field(
        default={},
        description="pools of resources by name",
        json_schema_extra={"propertyNames": {"pattern": f"^{NAME}$"}},
    )
    downstream: Annotated[dict[str, DownstreamSettings], AfterValidator(_named)] = Field(
        default={},
        description="dependencies by name, which attempts call",
        json_schema_extra={"propertyNames": {"pattern": f"^{NAME}$"}},
    )
    network: NetworkSettings = Field(default=NetworkSettings(), description="the network")
    storage: StorageSettings = Field(default=StorageSettings(), description="checkpoint storage")
    recovery: RecoverySettings = Field(default=RecoverySettings(), description="the recovery core")
    faults: tuple[FaultEntry, ...] = Field(default=(), description="the faults to inject")
    history: Literal["full", "summary"] = Field(
        default="full",
        description="full: keeps every event; summary: keeps only metrics, verdicts and hash, in less memory",
    )
    steady_state: SteadyState | None = Field(
        default=None,
        description="condition for normal service; null: learned from the time before the first fault",
    )
    cost: CostSettings | None = Field(
        default=None, description="prices, in any currency, of which `cost.total` is the sum; null: no costs"
    )
    expect: tuple[Expected, ...] = Field(
        default=(), description="conditions that the means over replications must satisfy"
    )
    tolerances: Tolerances = Field(
        default={},
        description="how much worse than in a baseline a metric may be, by its name or a pattern: 5% of the baseline, "
        "a value in the metric's unit, or {relative: 5%, absolute: 200ms}, of which the larger one counts",
    )

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that have metrics of their own, as `scenarios.fields.metrics.lookup` takes them."""
        return parts_of(self.resources, self.tasks.kinds, self.downstream, self.agents.pools, self.queues)

    def prefetch_of(self, agent: int) -> int:
        """The deliveries that an agent takes beyond those that it works on, by its number."""
        return self._prefetch(self.agents.pools.get(self.agents.pool_of(agent)))

    @property
    def most_prefetched(self) -> int:
        """The largest prefetch of any agent; 0: no agent prefetches."""
        return max(self._prefetch(pool) for pool in self.agents.pools.values() or [None])

    def _prefetch(self, pool: PoolSettings | None) -> int:
        given = self.agents.prefetch if pool is None or pool.prefetch is None else pool.prefetch
        return PREFETCHED_PER_SLOT.get(self.queue.preset or "", 0) * self.agents.slots if given is None else given

    _source: str | None = PrivateAttr(default=None)

    @property
    def source(self) -> str | None:
        """The file of the scenario; None for a scenario from a string."""
        return self._source

    def resolved(self) -> dict[str, Any]:
        """Every key with its value as JSON-compatible data: durations in seconds, rates per second.

        `tasks.arrivals` and `tasks.work` are absent if every kind of tasks has its own.
        """
        data = self.model_dump(mode="json", by_alias=True)
        for key in ("arrivals", "work"):
            if data["tasks"][key] is None:
                del data["tasks"][key]
        return data

    def __eq__(self, other: object) -> bool:
        """Equal when every key is equal; the source does not matter."""
        return isinstance(other, ScenarioFields) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]  # holds mappings
