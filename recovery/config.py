"""What the core is configured with."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from recovery.model import FailureKind
from recovery.policy import RetryPolicy, Seconds
from recovery.runbook import documented


def documented_conditions() -> dict[FailureKind, RetryPolicy | None]:
    """The conditions of the documented runbook."""
    return documented().conditions()


class DetectionConfig(BaseModel):
    """The failure detector. `poll` None: the deadline itself wakes it; else it looks every `poll` seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    detector: Literal["heartbeat", "perfect"] = "heartbeat"
    heartbeat_interval: Annotated[Seconds, Field(gt=0)] = 5.0
    missed_heartbeats: Annotated[int, Field(ge=1)] = 3
    poll: Annotated[Seconds, Field(gt=0)] | None = None


class RecoveryConfig(BaseModel):
    """The core: a condition per kind of failure (None: no delay, not counted, no limit), and how it detects and works.

    Conditions that are left out altogether are the documented runbook's. `parallel` is the number of recoveries at once
    (None: any number). `unconditional_tries` bounds how often a recovery is tried whose kind has no condition, before
    it is escalated.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    conditions: dict[FailureKind, RetryPolicy | None] = Field(default_factory=documented_conditions)
    detection: DetectionConfig = DetectionConfig()
    parallel: Annotated[int, Field(ge=1)] | None = 8
    unconditional_tries: Annotated[int, Field(ge=1)] = 3

    def condition(self, kind: FailureKind) -> RetryPolicy | None:
        """The policy for failures of a kind."""
        return self.conditions.get(kind)
