"""Faults of the checkpoint storage."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from scenarios.faults.base import INSTANT, Duration, Factor, Fault
from scenarios.faults.targets import TaskTargets
from scenarios.fields.quantities import PositiveSeconds, Share


class CheckpointCorrupt(Fault):
    """The latest checkpoints of running tasks are damaged, undetected until they are read."""

    kind: ClassVar[str] = "checkpoint_corrupt"
    unites: ClassVar[str] = "happens at an instant, to checkpoints that are still intact"
    refused: ClassVar[dict[str, str]] = Fault.refused | INSTANT
    targets: TaskTargets = Field(default=1, description="which running tasks")


class CheckpointTorn(Fault):
    """The latest checkpoints of running tasks were written only in part, undetected until they are read."""

    kind: ClassVar[str] = "checkpoint_torn"
    unites: ClassVar[str] = "happens at an instant, to checkpoints that are still intact"
    refused: ClassVar[dict[str, str]] = Fault.refused | INSTANT
    targets: TaskTargets = Field(default=1, description="which running tasks")


class CheckpointStale(Fault):
    """Checkpoints are read from a lagging replica; gaps in their numbers reveal that the latest are missing."""

    kind: ClassVar[str] = "checkpoint_stale"
    unites: ClassVar[str] = "the longest lag"
    lag: PositiveSeconds = Field(description="replication lag")
    for_: Duration = Field(default=None, alias="for", description="duration; null: to the end")


class StorageFailure(Fault):
    """Checkpoint writes fail: the attempt continues without the checkpoint."""

    kind: ClassVar[str] = "storage_failure"
    unites: ClassVar[str] = "1 − (1 − p)(1 − q), also with `storage.failure`"
    probability: Share = Field(default=1.0, description="fraction of the writes")
    for_: Duration = Field(default=None, alias="for", description="duration; null: to the end")


class StorageSlow(Fault):
    """Reading and writing checkpoints takes longer, from the next operation on."""

    kind: ClassVar[str] = "storage_slow"
    unites: ClassVar[str] = "factors multiply"
    factor: Factor = Field(description="factor by which every checkpoint cost grows")
    for_: Duration = Field(default=None, alias="for", description="duration; null: to the end")
