"""Failure detection in a scenario."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, WithJsonSchema, model_validator

from recovery.config import PHI_DURATIONS, PHI_LONGEST, PHI_MAX, PHI_MIN, DetectionConfig, Detector
from scenarios.errors import invalid, shown
from scenarios.fields.base import Settings, core_field
from scenarios.fields.quantities import Number, PositiveCount, PositiveSeconds, Quantity, Seconds, bounded
from scenarios.sections.presets import DETECTIONS, with_preset


def _two(window: int) -> int:
    if window < 2:
        raise invalid(f"{shown(window)} is too few for a deviation; valid: 2 or more")
    return window


def _phi_threshold(threshold: float) -> float:
    if not PHI_MIN <= threshold <= PHI_MAX:
        raise invalid(f"{shown(threshold)} is not a threshold; valid: {PHI_MIN:g} to {PHI_MAX:g}")
    return threshold


Threshold = Annotated[
    Number, AfterValidator(_phi_threshold), bounded(minimum=PHI_MIN, maximum=PHI_MAX), Quantity("number > 0")
]


class _Preset(BaseModel):
    """Declares `preset` as the first key of the detection: fields of the last base class come first."""

    preset: Literal["temporal", "rabbitmq", "kafka", "kubernetes", "ray", "airflow", "akka"] | None = Field(
        default=None, description="an engine whose detector applies to keys that are not given; null: none"
    )


class DetectionSettings(Settings, DetectionConfig, _Preset):
    """Failure detectors, in addition to the reports of failed attempts. A preset sets the keys that are not given."""

    detector: Detector = core_field(
        DetectionConfig,
        "detector",
        "heartbeat: by missed heartbeats; phi_accrual: by each agent's heartbeat history; perfect: immediately",
    )
    heartbeat_interval: PositiveSeconds = core_field(
        DetectionConfig, "heartbeat_interval", "time between two heartbeats of an agent"
    )
    missed_heartbeats: PositiveCount = core_field(
        DetectionConfig,
        "missed_heartbeats",
        "missed heartbeats before an agent is suspected; not used by phi_accrual",
    )
    phase: Literal["uniform", "aligned"] = Field(
        default="uniform", description="uniform: random heartbeat phase per agent; aligned: from the agent's start on"
    )
    poll: PositiveSeconds | None = core_field(
        DetectionConfig, "poll", "interval of the detector's checks; null: it checks exactly at each deadline"
    )
    phi_threshold: Threshold = core_field(
        DetectionConfig, "phi_threshold", "phi at which an agent is suspected: −log₁₀ of the odds of a longer silence"
    )
    phi_window: Annotated[PositiveCount, AfterValidator(_two), WithJsonSchema({"type": "integer", "minimum": 2})] = (
        core_field(DetectionConfig, "phi_window", "number of latest heartbeat gaps in the estimate")
    )
    phi_min_deviation: PositiveSeconds = core_field(
        DetectionConfig, "phi_min_deviation", "lower bound of the gaps' standard deviation"
    )
    phi_acceptable_pause: Seconds = core_field(
        DetectionConfig, "phi_acceptable_pause", "silence tolerated beyond the mean gap"
    )
    heartbeat_latency: Seconds | None = core_field(
        DetectionConfig,
        "heartbeat_latency",
        "added to the timeout of the first heartbeat after a start or a response to a probe; null: the mean of "
        "network.latency",
    )
    stalled_after: PositiveSeconds | None = core_field(
        DetectionConfig,
        "stalled_after",
        "longest time without progress in heartbeats before the agent is reported; null: not checked",
    )
    failed_deliveries: PositiveCount = core_field(
        DetectionConfig, "failed_deliveries", "failed sends over a connection before it is reported"
    )
    resource_probe: PositiveSeconds | None = core_field(
        DetectionConfig, "resource_probe", "interval of probes of all pools and searches for blocked tasks; null: never"
    )

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, data: Any) -> Any:
        return with_preset(data, DETECTIONS)

    @model_validator(mode="after")
    def _between_beats(self) -> Self:
        if self.stalled_after is not None and self.detector == "perfect":
            raise invalid("a perfect detector needs no check of progress; valid: omit it", "stalled_after")
        if self.stalled_after is not None and self.stalled_after <= self.heartbeat_interval:
            raise invalid(
                f"{shown(self.stalled_after)} is not longer than the heartbeat interval; "
                f"valid: more than heartbeat_interval, {self.heartbeat_interval:g}s",
                "stalled_after",
            )
        return self

    @model_validator(mode="after")
    def _can_be_squared(self) -> Self:
        for key in PHI_DURATIONS:
            if self.detector == "phi_accrual" and getattr(self, key) > PHI_LONGEST:
                raise invalid(
                    f"{shown(getattr(self, key))} is too long for phi_accrual; valid: up to {PHI_LONGEST:g}s", key
                )
        return self
