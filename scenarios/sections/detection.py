"""What notices failures, in a scenario."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from recovery.config import PHI_MAX, DetectionConfig, Detector
from scenarios.errors import invalid, shown
from scenarios.fields.base import Settings, core_field
from scenarios.fields.quantities import Number, PositiveCount, PositiveSeconds, Quantity, Seconds, bounded


def _two(window: int) -> int:
    if window < 2:
        raise invalid(f"{shown(window)} has no deviation; valid: 2 or more")
    return window


def _bearable(threshold: float) -> float:
    if not 0 < threshold <= PHI_MAX:
        raise invalid(f"{shown(threshold)} is no threshold; valid: above 0, up to {PHI_MAX:g}")
    return threshold


Threshold = Annotated[
    Number, AfterValidator(_bearable), bounded(exclusiveMinimum=0, maximum=PHI_MAX), Quantity("number > 0")
]


class DetectionSettings(Settings, DetectionConfig):
    """What notices failures, beside the reports of attempts that failed."""

    detector: Detector = core_field(
        DetectionConfig,
        "detector",
        "heartbeat: by missed beats; phi_accrual: by how each agent has been beating; perfect: at once",
    )
    heartbeat_interval: PositiveSeconds = core_field(
        DetectionConfig, "heartbeat_interval", "time between two beats of an agent"
    )
    missed_heartbeats: PositiveCount = core_field(
        DetectionConfig,
        "missed_heartbeats",
        "beats missed before an agent is declared dead; of no matter to phi_accrual",
    )
    phase: Literal["uniform", "aligned"] = Field(
        default="uniform", description="uniform: each agent beats at its own phase; aligned: from its start on"
    )
    poll: PositiveSeconds | None = core_field(
        DetectionConfig, "poll", "how often the detector looks; null: the deadline itself wakes it"
    )
    phi_threshold: Threshold = core_field(
        DetectionConfig, "phi_threshold", "suspicion at which an agent is declared dead: −log₁₀ of its odds"
    )
    phi_window: Annotated[PositiveCount, AfterValidator(_two), WithJsonSchema({"type": "integer", "minimum": 2})] = (
        core_field(DetectionConfig, "phi_window", "gaps between beats, the last ones, by which an agent is judged")
    )
    phi_min_deviation: PositiveSeconds = core_field(
        DetectionConfig, "phi_min_deviation", "the gaps are never taken to be more regular than this"
    )
    phi_acceptable_pause: Seconds = core_field(
        DetectionConfig, "phi_acceptable_pause", "silence that is borne beyond the mean gap"
    )
    stalled_after: PositiveSeconds | None = core_field(
        DetectionConfig,
        "stalled_after",
        "no progress in heartbeats for so long: the agent is reported; null: not looked at",
    )
    failed_deliveries: PositiveCount = core_field(
        DetectionConfig, "failed_deliveries", "sends over a broken connection before it is reported"
    )
    resource_probe: PositiveSeconds | None = core_field(
        DetectionConfig, "resource_probe", "how often all pools are probed, and blocked tasks looked for; null: never"
    )

    @model_validator(mode="after")
    def _between_beats(self) -> Self:
        if self.stalled_after is not None and self.detector == "perfect":
            raise invalid("a perfect detector knows at once; valid: leave it out", "stalled_after")
        if self.stalled_after is not None and self.stalled_after <= self.heartbeat_interval:
            raise invalid(
                f"{shown(self.stalled_after)} is over before the next heartbeat; "
                f"valid: more than heartbeat_interval, {self.heartbeat_interval:g}s",
                "stalled_after",
            )
        return self
