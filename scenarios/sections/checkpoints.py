"""Checkpoints of running tasks."""

from __future__ import annotations

from pydantic import Field

from scenarios.fields.base import Settings
from scenarios.fields.quantities import PositiveSeconds, Seconds, Truth


class CheckpointSettings(Settings):
    """Checkpoints written by running tasks."""

    every: PositiveSeconds = Field(description="work time between two checkpoints")
    cost: Seconds = Field(default=0.0, description="agent time to write one")
    restore: Seconds = Field(default=0.0, description="agent time to read one back")
    final: Truth = Field(default=False, description="whether a checkpoint is written at the end of the work")
