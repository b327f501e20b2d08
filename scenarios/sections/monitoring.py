"""Monitoring and alerts of recoveries."""

from __future__ import annotations

from pydantic import Field

from recovery.model import FailureKind
from recovery.monitoring.alerts import LATE, Storm
from recovery.monitoring.monitor import MetricsConfig
from scenarios.fields.base import Settings, core_field
from scenarios.fields.quantities import PositiveCount, PositiveSeconds


class LateSettings(Settings):
    """The age at which a recovery is late, per kind of failure."""

    task_failure: PositiveSeconds | None = Field(
        default=LATE[FailureKind.TASK], description="age limit of the recovery of a failed task; null: none"
    )
    resource_failure: PositiveSeconds | None = Field(
        default=LATE[FailureKind.RESOURCE],
        description="age limit of the recovery of a task without resources; null: none",
    )
    agent_failure: PositiveSeconds | None = Field(
        default=LATE[FailureKind.AGENT], description="age limit of the recovery of an agent; null: none"
    )
    communication_failure: PositiveSeconds | None = Field(
        default=LATE[FailureKind.COMMUNICATION], description="age limit of the recovery of a connection; null: none"
    )


class StormSettings(Settings, Storm):
    """The limit above which alerts are folded into one that counts the others."""

    alerts: PositiveCount = core_field(Storm, "alerts", "alerts sent individually within the window")
    window: PositiveSeconds = core_field(Storm, "window", "the window in which alerts are counted")


class MonitorSettings(Settings, MetricsConfig):
    """The recovery monitor: its samples of open recoveries and its alerts."""

    every: PositiveSeconds = core_field(MetricsConfig, "every", "time between two samples of an open recovery")
    late: LateSettings = Field(default=LateSettings(), description="age limits of recoveries")
    storm: StormSettings | None = Field(
        default=StormSettings(), description="folding of alert storms; null: every alert is sent"
    )
