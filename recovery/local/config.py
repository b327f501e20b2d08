"""The configuration of a local system."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from recovery.config import DetectionConfig, RecoveryConfig
from recovery.leadership import LeaseConfig
from recovery.policies.durations import PositiveSeconds, Seconds

MOST = 256
"""The maximum number of processes of a kind, against typing errors."""


class LocalConfig(BaseModel):
    """A local system with `agents` and `cores`, of which one leads. All durations are seconds.

    `recovery` configures the core; its `heartbeat_interval` is also that of the agents. `requeue` is the end of the
    queue at which a retried or reassigned task is queued. A task of which `max_deliveries` attempts have started is not
    queued again, but escalated as a dead letter, whether its attempts failed or killed their agents; None: no limit.
    At most `max_waiting` tasks wait: `submit` blocks while the queue is full. Idle processes check the store every
    `poll`. When the system ends, the cores have `grace` to end, then the agents to finish their tasks; what is left is
    killed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    agents: Annotated[int, Field(ge=1, le=MOST)] = 4
    cores: Annotated[int, Field(ge=1, le=MOST)] = 1
    recovery: RecoveryConfig = RecoveryConfig(detection=DetectionConfig(heartbeat_interval=1.0))
    lease: LeaseConfig = LeaseConfig(duration=5.0, renew_every=1.0)
    requeue: Literal["tail", "head"] = "tail"
    max_deliveries: Annotated[int, Field(ge=1)] | None = None
    max_waiting: Annotated[int, Field(ge=1)] = 1000
    poll: PositiveSeconds = 0.02
    grace: Seconds = 5.0

    @model_validator(mode="after")
    def _can_be_noticed(self) -> LocalConfig:
        if self.recovery.detection.detector == "perfect":
            raise ValueError("detector: a process cannot be monitored perfectly; valid: heartbeat, phi_accrual")
        return self
