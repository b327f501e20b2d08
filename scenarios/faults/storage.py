"""Faults of the storage that checkpoints are kept in."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from scenarios.faults.base import INSTANT, Duration, Factor, Fault, TaskTargets
from scenarios.fields.quantities import PositiveSeconds, Share


class CheckpointCorrupt(Fault):
    """The latest checkpoints of running tasks are damaged, which nobody notices before they are read."""

    kind: ClassVar[str] = "checkpoint_corrupt"
    refused: ClassVar[dict[str, str]] = Fault.refused | INSTANT
    targets: TaskTargets = Field(default=1, description="which running tasks")


class CheckpointTorn(Fault):
    """The latest checkpoints of running tasks were written only in part, which nobody notices before they are read."""

    kind: ClassVar[str] = "checkpoint_torn"
    refused: ClassVar[dict[str, str]] = Fault.refused | INSTANT
    targets: TaskTargets = Field(default=1, description="which running tasks")


class CheckpointStale(Fault):
    """Checkpoints are read from a replica that is behind; their numbers tell that the latest are missing."""

    kind: ClassVar[str] = "checkpoint_stale"
    lag: PositiveSeconds = Field(description="how old what is read is")
    for_: Duration = Field(default=None, alias="for", description="how long; null: to the end")


class StorageFailure(Fault):
    """Checkpoints cannot be written: the attempt goes on without."""

    kind: ClassVar[str] = "storage_failure"
    probability: Share = Field(default=1.0, description="share of the writes")
    for_: Duration = Field(default=None, alias="for", description="how long; null: to the end")


class StorageSlow(Fault):
    """Reading and writing checkpoints takes longer, from the next one on."""

    kind: ClassVar[str] = "storage_slow"
    factor: Factor = Field(description="how many times as long, of all that a checkpoint costs")
    for_: Duration = Field(default=None, alias="for", description="how long; null: to the end")
