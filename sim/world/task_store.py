"""The task store of a run: it remembers every task, and hardly anything of those that went well."""

from __future__ import annotations

from recovery.model import TaskStatus
from recovery.stores.memory import MemoryTaskStore, Record
from sim.world.entities import task_number


class NumberedTaskStore(MemoryTaskStore):
    """A memory store for tasks that are called `task.0`, `task.1` and so on.

    Of a task that was completed by its first attempt, and not fenced, a byte is kept. Whoever asks for it finds it as
    it was, and it is kept in full from then on.
    """

    def __init__(self) -> None:
        super().__init__()
        self._records = self._tidy = _Records()

    def __len__(self) -> int:
        """How many tasks a record is kept of."""
        return len(self._records)

    def commit(self, task_id: str, epoch: int) -> bool:
        """Make the effect of an attempt final, unless it is fenced or too late."""
        accepted = super().commit(task_id, epoch)
        if accepted:
            self._tidy.reduce(task_id)
        return accepted


class _Records(dict[str, Record]):
    """Records by task; those that `reduce` was called for come back when they are asked for."""

    def __init__(self) -> None:
        super().__init__()
        self._reduced = bytearray()  # by task number, whether nothing but that byte is kept

    def reduce(self, task_id: str) -> None:
        """Keep no more than a byte, if that says it all."""
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
