"""Injectors of the faults of the storage."""

from __future__ import annotations

from collections.abc import Callable

from recovery.checkpoints import is_intact
from recovery.model import Checkpoint
from scenarios.faults import CheckpointCorrupt, CheckpointStale, CheckpointTorn, StorageFailure, StorageSlow
from sim.faults.injection import Injection, Injector
from sim.history import Event
from sim.world.entities import Attempt


def corrupt(injection: Injection) -> None:
    """Damage the latest intact checkpoints."""
    _damage(injection, injection.site.store.corrupt_checkpoint)


def tear(injection: Injection) -> None:
    """Truncate the latest intact checkpoints, as a partial write does."""
    _damage(injection, injection.site.store.tear_checkpoint)


def _damage(injection: Injection, damage: Callable[[str], Checkpoint | None]) -> None:
    """Once per task, also with several running attempts."""
    site = injection.site
    sound: dict[int, Attempt] = {}
    for attempt in site.running():
        stored = site.store.checkpoints(attempt.task.name)
        if stored and is_intact(stored[-1]):
            sound.setdefault(attempt.task.number, attempt)
    for attempt in injection.choose(list(sound.values()), len(sound)):
        sound_one = site.store.checkpoints(attempt.task.name)[-1]
        damage(attempt.task.name)
        injection.note(Event.FAULT_INJECTED, task=attempt.task.number)
        site.world.history.record(
            Event.CHECKPOINT_CORRUPTED, attempt.task.number, epoch=sound_one.epoch, value=sound_one.progress
        )


def fail(injection: Injection) -> None:
    """Fail writes, each active fault independently of the others."""
    injection.inject(injection.site.write_failure.add(injection.fault.probability))


def slow(injection: Injection) -> None:
    """Slow down reads and writes."""
    injection.inject(injection.site.storage_slowness.add(injection.fault.factor))


def go_stale(injection: Injection) -> None:
    """Read stale data; of several active lags the longest applies."""
    injection.inject(injection.site.staleness.add(injection.fault.lag))


INJECTORS: dict[type, Injector] = {
    CheckpointCorrupt: corrupt,
    CheckpointTorn: tear,
    CheckpointStale: go_stale,
    StorageFailure: fail,
    StorageSlow: slow,
}
