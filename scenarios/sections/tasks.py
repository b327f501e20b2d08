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
