"""Tasks: arrivals, work, failures, retries, checkpoints and clients."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from scenarios.fields.base import Settings
from scenarios.fields.distributions import Distribution
from scenarios.fields.quantities import PositiveCount, PositiveSeconds, Probability, Quantity, Seconds, Truth
from scenarios.sections.arrivals import Arrivals
from scenarios.sections.clients import ClientSettings


class CheckpointSettings(Settings):
    """Checkpoints written by running tasks."""

    every: PositiveSeconds = Field(description="work time between two checkpoints")
    cost: Seconds = Field(default=0.0, description="agent time to write one")
    restore: Seconds = Field(default=0.0, description="agent time to read one back")
    final: Truth = Field(default=False, description="whether a checkpoint is written at the end of the work")


class TaskSettings(Settings):
    """The load: arrivals, work, resource needs and failures of tasks."""

    arrivals: Arrivals = Field(description="the arrival process")
    count: PositiveCount | None = Field(default=None, description="maximum number of submitted tasks; null: no limit")
    work: Distribution = Field(description="service time of one task on a healthy agent")
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
