"""Task state in memory, for tests, simulations and programs without persistence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from recovery.checkpoints import sealed
from recovery.errors import RecoveryBenchError
from recovery.model import FINISHED, HALTED, LEGAL_TRANSITIONS, Checkpoint, TaskStatus

_RUNNING, _COMPLETED = TaskStatus.RUNNING, TaskStatus.COMPLETED


class IllegalTransition(RecoveryBenchError, RuntimeError):
    """An illegal change of a task's status: a defect of the core, not of its input."""

    reports_defect = True


@dataclass(slots=True)
class Record:
    """The state of a task. Containers are created on first use, because most tasks need none."""

    status: TaskStatus = TaskStatus.QUEUED
    epoch: int = 0
    fence: int = 0
    retries: dict[str, int] | None = None
    checkpoints: list[Checkpoint] | None = None
    unsealed: list[tuple[int, float]] | None = None  # epoch and progress of further checkpoints
    restore_point: Checkpoint | None = None


class MemoryTaskStore:
    """A `recovery.stores.PlainTaskStore`. Unknown tasks raise KeyError."""

    def __init__(self) -> None:
        self._records: dict[str, Record] = {}
        self._may_be_halted: dict[str, None] = {}  # filtered when it is read, so that a start costs nothing

    def register(self, task_id: str) -> None:
        """Add a task."""
        if task_id in self._records:
            raise ValueError(f"{task_id}: a task with this name exists")
        self._records[task_id] = Record()

    def begin(self, task_id: str, agent_id: str) -> int | None:
        """Start an attempt and return its epoch. None: the task is finished."""
        record = self._records[task_id]
        if record.status in FINISHED:
            return None
        record.status = _RUNNING
        record.epoch += 1
        return record.epoch

    def commit(self, task_id: str, epoch: int) -> bool:
        """Make the effect of an attempt final. False: refused."""
        record = self._records[task_id]
        if epoch <= record.fence or record.status in FINISHED:
            return False
        record.status = _COMPLETED
        record.checkpoints = record.unsealed = None
        record.restore_point = None
        return True

    def fail(self, task_id: str, epoch: int, status: TaskStatus, error_code: str) -> bool:
        """Record that the latest attempt has failed or is blocked. False: refused."""
        record = self._records[task_id]
        if epoch != record.epoch or epoch <= record.fence or record.status in FINISHED:
            return False
        self._move(task_id, record, status)
        self._may_be_halted[task_id] = None
        return True

    def fence(self, task_id: str) -> int:
        """Fence all epochs so far, and return the highest of them."""
        record = self._records[task_id]
        record.fence = record.epoch
        return record.fence

    def is_current(self, task_id: str, epoch: int) -> bool:
        """Whether the epoch is not fenced and the task is not finished."""
        record = self._records[task_id]
        return epoch > record.fence and record.status not in FINISHED

    def requeue(self, task_id: str, fenced: int | None = None) -> bool:
        """Set the status to queued. False: refused."""
        record = self._records[task_id]
        if record.status in FINISHED or (fenced is not None and record.status is _RUNNING and record.epoch > fenced):
            return False
        self._move(task_id, record, TaskStatus.QUEUED)
        return True

    def escalate(self, task_id: str, reason: str) -> bool:
        """Set the status to escalated. False: refused."""
        record = self._records[task_id]
        if record.status in FINISHED:
            return False
        self._move(task_id, record, TaskStatus.ESCALATED)
        record.fence = record.epoch
        return True

    def status(self, task_id: str) -> TaskStatus | None:
        """The status of the task; None if it is unknown."""
        try:
            return self._records[task_id].status
        except KeyError:
            return None

    def halted(self) -> Sequence[str]:
        """The failed and blocked tasks."""
        halted = tuple(task_id for task_id in self._may_be_halted if self._records[task_id].status in HALTED)
        self._may_be_halted = dict.fromkeys(halted)
        return halted

    def epoch(self, task_id: str) -> int:
        """The latest epoch."""
        return self._records[task_id].epoch

    def count_retry(self, task_id: str, kind: str, retry: int) -> None:
        """Count a retry by its number."""
        record = self._records[task_id]
        if record.retries is None:
            record.retries = {}
        record.retries[kind] = max(record.retries.get(kind, 0), retry)

    def retries(self, task_id: str, kind: str) -> int:
        """The number of retries so far."""
        return (self._records[task_id].retries or {}).get(kind, 0)

    def save_checkpoint(self, task_id: str, epoch: int, progress: float, state: Any = None) -> Checkpoint | None:
        """Append a checkpoint. None: refused."""
        if not self.is_current(task_id, epoch):
            return None
        stored = self._sealed(task_id)
        checkpoint = sealed(task_id, len(stored) + 1, epoch, progress, state)
        stored.append(checkpoint)
        return checkpoint

    def append_checkpoint(self, task_id: str, epoch: int, progress: float) -> bool:
        """As `save_checkpoint`, without a state. False: refused.

        The checkpoint is sealed when one of the task is read, which is never the case for most tasks.
        """
        if not self.is_current(task_id, epoch):
            return False
        record = self._records[task_id]
        if record.unsealed is None:
            record.unsealed = []
        record.unsealed.append((epoch, progress))
        return True

    def _sealed(self, task_id: str) -> list[Checkpoint]:
        """The stored checkpoints, the oldest first, after all of them are sealed."""
        record = self._records[task_id]
        if record.checkpoints is None:
            record.checkpoints = []
        stored = record.checkpoints
        for epoch, progress in record.unsealed or ():
            stored.append(sealed(task_id, len(stored) + 1, epoch, progress))
        record.unsealed = None
        return stored

    def checkpoints(self, task_id: str) -> Sequence[Checkpoint]:
        """The stored checkpoints, the oldest first."""
        return tuple(self._sealed(task_id))

    def last_checkpoint(self, task_id: str) -> int:
        """The sequence number of the last checkpoint."""
        return len(self._sealed(task_id))

    def restore_point(self, task_id: str) -> Checkpoint | None:
        """The checkpoint from which the next attempt starts."""
        return self._records[task_id].restore_point

    def set_restore_point(self, task_id: str, checkpoint: Checkpoint | None) -> None:
        """Set the checkpoint from which the next attempt starts."""
        self._records[task_id].restore_point = checkpoint

    def corrupt_checkpoint(self, task_id: str) -> Checkpoint | None:
        """Fault injection: damage the latest checkpoint, so that its checksum does not match."""
        stored = self._sealed(task_id)
        if not stored:
            return None
        stored[-1] = replace(stored[-1], checksum=stored[-1].checksum ^ 1)
        return stored[-1]

    def tear_checkpoint(self, task_id: str) -> Checkpoint | None:
        """Fault injection: truncate the latest checkpoint, with the checksum of the whole."""
        stored = self._sealed(task_id)
        if not stored:
            return None
        stored[-1] = replace(stored[-1], progress=stored[-1].progress / 2)
        return stored[-1]

    def _move(self, task_id: str, record: Record, status: TaskStatus) -> None:
        if status not in LEGAL_TRANSITIONS[record.status]:
            raise IllegalTransition(f"{task_id}: {record.status} cannot become {status}")
        self._may_be_halted.pop(task_id, None)
        record.status = status
