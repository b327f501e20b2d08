"""How recoveries are monitored, and what is alerted."""

from __future__ import annotations

from pydantic import Field

from recovery.model import FailureKind
from recovery.monitoring.alerts import LATE, Storm
from recovery.monitoring.monitor import MetricsConfig
from scenarios.fields.base import Settings, core_field
from scenarios.fields.quantities import PositiveCount, PositiveSeconds


class LateSettings(Settings):
    """After which time a recovery is late, per kind of failure."""

    task_failure: PositiveSeconds | None = Field(
        default=LATE[FailureKind.TASK], description="a failed task is not recovered yet; null: never late"
    )
    resource_failure: PositiveSeconds | None = Field(
        default=LATE[FailureKind.RESOURCE], description="a task is still without its resources; null: never late"
    )
    agent_failure: PositiveSeconds | None = Field(
        default=LATE[FailureKind.AGENT], description="an agent is not back yet; null: never late"
    )
    communication_failure: PositiveSeconds | None = Field(
        default=LATE[FailureKind.COMMUNICATION], description="messages still do not arrive; null: never late"
    )


class StormSettings(Settings, Storm):
    """When there are so many alerts that they become one, which counts the others."""

    alerts: PositiveCount = core_field(Storm, "alerts", "alerts within the window that are still sent")
    window: PositiveSeconds = core_field(Storm, "window", "the time in which they are counted")


class MonitorSettings(Settings, MetricsConfig):
    """The recovery monitor: what it looks at while a recovery lasts, and what it alerts."""

    every: PositiveSeconds = core_field(
        MetricsConfig, "every", "time between two looks at a recovery that is under way"
    )
    late: LateSettings = Field(default=LateSettings(), description="bounds of a recovery's age")
    storm: StormSettings | None = Field(default=StormSettings(), description="null: every alert is sent")
