"""The task store of a run. It keeps little of tasks that completed without a failure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from recovery.model import TaskStatus
from recovery.stores import PlainTaskStore
from recovery.stores.memory import MemoryTaskStore, Record
from sim.world.entities import task_number

AppendCheckpoint = Callable[[str, int, float], bool]
"""Appends a checkpoint of a task by its epoch and progress. False: refused."""
_SAVES: Final = MemoryTaskStore.save_checkpoint  # as it is imported: a program may replace it on the class


def checkpoint_appender(store: PlainTaskStore) -> AppendCheckpoint:
    """What appends checkpoints to a store: its `append_checkpoint`, if it has one and saves none in its own way."""
    saves_its_own_way = getattr(store.save_checkpoint, "__func__", None) is not _SAVES
    if saves_its_own_way or not isinstance(store, MemoryTaskStore):
        return lambda task_id, epoch, progress: store.save_checkpoint(task_id, epoch, progress) is not None
    return store.append_checkpoint


class NumberedTaskStore(MemoryTaskStore):
    """A memory store for tasks that are named `task.0`, `task.1` and so on.

    Of a task that was completed by its first attempt and not fenced, one byte is kept. Its record is rebuilt when it is
    read, and kept in full from then on.
    """

    def __init__(self) -> None:
        super().__init__()
        self._records = self._tidy = _Records()

    def __len__(self) -> int:
        """Number of tasks with a record."""
        return len(self._records)

    def commit(self, task_id: str, epoch: int) -> bool:
        """Make the effect of an attempt final, unless it is fenced or too late."""
        accepted = super().commit(task_id, epoch)
        if accepted:
            self._tidy.reduce(task_id)
        return accepted


class _Records(dict[str, Record]):
    """Records by task. A reduced record is rebuilt when it is read."""

    def __init__(self) -> None:
        super().__init__()
        self._reduced = bytearray()  # by task number, whether its record is reduced

    def reduce(self, task_id: str) -> None:
        """Reduces a record to one byte, if it can be rebuilt from that."""
        record = self[task_id]
        if record.epoch != 1 or record.fence or record.retries is not None:
            return
        number = task_number(task_id)
        if number >= len(self._reduced):
            self._reduced.extend(bytes(number + 1))
        self._reduced[number] = True
        del self[task_id]

    def __missing__(self, task_id: str) -> Record:
        prefix, _, digits = task_id.partition(".")
        number = int(digits) if prefix == "task" and digits.isdecimal() else len(self._reduced)
        if number >= len(self._reduced) or not self._reduced[number]:
            raise KeyError(task_id)
        self._reduced[number] = False
        record = self[task_id] = Record(TaskStatus.COMPLETED, epoch=1)
        return record
