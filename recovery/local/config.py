"""How many processes there are, and how fast they notice things."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from recovery.config import DetectionConfig, RecoveryConfig
from recovery.leadership import LeaseConfig
from recovery.policies.durations import PositiveSeconds, Seconds

MOST = 256
"""Processes of a kind: what a machine is asked for is meant."""


class LocalConfig(BaseModel):
    """A local system: so many `agents`, and so many `cores`, of which one leads. All durations are seconds.

    `recovery` configures the core; its `heartbeat_interval` is the agents' as well. `requeue` says where a task rejoins
    the queue that is retried or was taken over. Who has nothing to do looks for something every `poll`. An agent that
    is to end may finish what it does within `grace`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    agents: Annotated[int, Field(ge=1, le=MOST)] = 4
    cores: Annotated[int, Field(ge=1, le=MOST)] = 1
    recovery: RecoveryConfig = RecoveryConfig(detection=DetectionConfig(heartbeat_interval=1.0))
    lease: LeaseConfig = LeaseConfig(duration=5.0, renew_every=1.0)
    requeue: Literal["tail", "head"] = "tail"
    poll: PositiveSeconds = 0.02
    grace: Seconds = 5.0

    @model_validator(mode="after")
    def _can_be_noticed(self) -> LocalConfig:
        if self.recovery.detection.detector == "perfect":
            raise ValueError("detector: nobody knows at once that a process has died; valid: heartbeat, phi_accrual")
        return self
