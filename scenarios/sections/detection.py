"""What notices failures, in a scenario."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from recovery.config import PHI_MAX, DetectionConfig
from scenarios.errors import invalid, shown
from scenarios.fields.base import Settings
from scenarios.fields.quantities import Number, PositiveCount, PositiveSeconds, Quantity, Seconds, bounded

_DETECTION = DetectionConfig()


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


class DetectionSettings(Settings):
    """What notices failures, beside the reports of attempts that failed."""

    detector: Literal["heartbeat", "phi_accrual", "perfect"] = Field(
        default="heartbeat",
        description="heartbeat: by missed beats; phi_accrual: by how each agent has been beating; perfect: at once",
    )
    heartbeat_interval: PositiveSeconds = Field(default=5.0, description="time between two beats of an agent")
    missed_heartbeats: PositiveCount = Field(
        default=3, description="beats missed before an agent is declared dead; of no matter to phi_accrual"
    )
    phase: Literal["uniform", "aligned"] = Field(
        default="uniform", description="uniform: each agent beats at its own phase; aligned: from its start on"
    )
    poll: PositiveSeconds | None = Field(
        default=None, description="how often the detector looks; null: the deadline itself wakes it"
    )
    phi_threshold: Threshold = Field(
        default=_DETECTION.phi_threshold, description="suspicion at which an agent is declared dead: −log₁₀ of its odds"
    )
    phi_window: Annotated[PositiveCount, AfterValidator(_two), WithJsonSchema({"type": "integer", "minimum": 2})] = (
        Field(
            default=_DETECTION.phi_window, description="gaps between beats, the last ones, by which an agent is judged"
        )
    )
    phi_min_deviation: PositiveSeconds = Field(
        default=_DETECTION.phi_min_deviation, description="the gaps are never taken to be more regular than this"
    )
    phi_acceptable_pause: Seconds = Field(
        default=_DETECTION.phi_acceptable_pause, description="silence that is borne beyond the mean gap"
    )
    stalled_after: PositiveSeconds | None = Field(
        default=None, description="no progress in heartbeats for so long: the agent is reported; null: not looked at"
    )
    failed_deliveries: PositiveCount = Field(
        default=_DETECTION.failed_deliveries, description="sends over a broken connection before it is reported"
    )
    resource_probe: PositiveSeconds | None = Field(
        default=None, description="how often all pools are probed, and blocked tasks looked for; null: never"
    )

    @model_validator(mode="after")
    def _between_beats(self) -> DetectionSettings:
        if self.stalled_after is not None and self.detector == "perfect":
            raise invalid("a perfect detector knows at once; valid: leave it out", "stalled_after")
        if self.stalled_after is not None and self.stalled_after <= self.heartbeat_interval:
            raise invalid(
                f"{shown(self.stalled_after)} is over before the next heartbeat; "
                f"valid: more than heartbeat_interval, {self.heartbeat_interval:g}s",
                "stalled_after",
            )
        return self
