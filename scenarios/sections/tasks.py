"""Tasks: arrivals, work, failures, retries, checkpoints and clients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, cast

from pydantic import ConfigDict, Field, model_validator

from scenarios.errors import invalid
from scenarios.fields.base import Settings
from scenarios.fields.distributions import Distribution
from scenarios.fields.quantities import PositiveCount, PositiveSeconds, Probability, Quantity, Truth
from scenarios.sections.arrivals import Arrivals
from scenarios.sections.checkpoints import CheckpointSettings
from scenarios.sections.clients import ClientSettings
from scenarios.sections.task_kinds import COMMON, KindSettings, check_kinds, named, shares


def _alternatives(schema: dict[str, Any]) -> None:
    """Add to the JSON Schema: kinds replace keys that are required without them; a list is a list of kinds."""
    properties = schema["properties"]
    for key in ("arrivals", "work"):
        properties[key].pop("default", None)
    name = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
    kinds = {"type": "array", "minItems": 1, "items": name}
    by_name = {"type": "object", "additionalProperties": properties["kinds"].pop("additionalProperties")}
    properties["kinds"].pop("type")
    properties["kinds"]["anyOf"] = [by_name, kinds]
    schema["anyOf"] = [{"required": ["arrivals", "work"]}, {"required": ["kinds"]}]


class TaskSettings(Settings):
    """The load: arrivals, work, resource needs and failures of tasks.

    With kinds, `arrivals` is None if each kind has its own, and so is `work`. `of_kind` has what applies to one kind.
    """

    model_config = ConfigDict(json_schema_extra=_alternatives)

    arrivals: Arrivals = Field(default=cast("Any", None), description="the arrival process")
    count: PositiveCount | None = Field(default=None, description="maximum number of submitted tasks; null: no limit")
    work: Distribution = Field(default=cast("Any", None), description="service time of one task on a healthy agent")
    needs: Annotated[dict[str, PositiveCount], Quantity("pool: units")] = Field(
        default={}, description="resource units that a task holds while it runs"
    )
    failure_probability: Probability = Field(
        default=0.0, description="probability that an attempt fails with execution_failure"
    )
    failure_at: Literal["end", "uniform"] = Field(
        default="end", description="when an attempt fails: at the end of its work, or uniformly distributed over it"
    )
    timeout: PositiveSeconds | None = Field(default=None, description="time limit of one attempt; null: none")
    calls: Annotated[tuple[str, ...], Quantity("list of dependencies")] = Field(
        default=(),
        description="dependencies in `downstream` that an attempt calls in this order, before its work",
    )
    interrupted: Literal["restart", "resume", "redraw"] = Field(
        default="restart",
        description="work after an interruption: restart: the same work; resume: the remaining work; redraw: new work",
    )
    requeue: Literal["tail", "head"] = Field(
        default="tail", description="end of the queue at which a retried task is inserted"
    )
    retry_holds_agent: Truth = Field(
        default=False, description="whether a task holds its agent's slot during the retry delay"
    )
    retry_holds_resources: Truth = Field(
        default=False,
        description="whether a task holds its resources during the retry delay; those of a crashed agent are held"
        " until they are released",
    )
    retried: Literal["repeat", "redraw"] = Field(
        default="repeat", description="work of a retry after a failed attempt: repeat: the same work; redraw: new work"
    )
    checkpoint: CheckpointSettings | None = Field(default=None, description="checkpoints of running tasks; null: none")
    client: ClientSettings = Field(default=ClientSettings(), description="clients that wait for responses and retry")
    kinds: Annotated[dict[str, KindSettings], Quantity("name: kind, or a list of kinds with names")] = Field(
        default={}, description="kinds of tasks; what a kind does not have is as here"
    )

    @model_validator(mode="before")
    @classmethod
    def _kinds_by_name(cls, data: Any) -> Any:
        data, _ = named(data)
        if isinstance(data, Mapping):
            absent = [key for key in ("arrivals", "work") if key in data and data[key] is None]
            return {key: value for key, value in data.items() if key not in absent} if absent else data
        return data

    @model_validator(mode="after")
    def _arrive_and_work(self) -> Self:
        if not self.kinds:
            for key in ("arrivals", "work"):
                if getattr(self, key) is None:
                    raise invalid("is missing; it is required", key)
            return self
        check_kinds(self.kinds, has_arrivals=self.arrivals is not None, has_work=self.work is not None)
        return self

    def of_kind(self, name: str) -> TaskSettings:
        """The settings of one kind of tasks, without other kinds: its own, else those of all kinds.

        Of a kind that shares the arrivals, `arrivals` are those of all kinds that do.
        """
        kind = self.kinds[name]
        own = {key: value for key in COMMON if (value := getattr(kind, key)) is not None}
        return self.model_copy(update={**own, "kinds": {}})

    @property
    def clients(self) -> dict[str, ClientSettings]:
        """The clients of each kind of tasks; without kinds those of `""`."""
        return {name: self.client if kind.client is None else kind.client for name, kind in self.kinds.items()} or {
            "": self.client
        }

    @property
    def clients_wait(self) -> bool:
        """Whether any client has a timeout or retries."""
        return any(client.waits for client in self.clients.values())

    @property
    def shares(self) -> dict[str, float]:
        """The share of `arrivals` of each kind without arrivals of its own."""
        return shares(self.kinds)
