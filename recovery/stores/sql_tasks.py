"""Task state and checkpoints in a database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, Update, bindparam, delete, func, insert, select, update

from recovery.checkpoints import read_state, sealed, written_state
from recovery.model import FINISHED, LEGAL_TRANSITIONS, Checkpoint, TaskStatus
from recovery.stores.database import Writable
from recovery.stores.memory import IllegalTransition
from recovery.stores.tables import CHECKPOINTS, RETRIES, TASKS

_TASK = TASKS.c.task_id == bindparam("task")
_KNOWN = select(TASKS.c.status, TASKS.c.epoch, TASKS.c.fence, TASKS.c.sequence)
_FIND = _KNOWN.where(_TASK)
_LOCK = _FIND.with_for_update()
_LOCK_ALL = (
    _KNOWN.add_columns(TASKS.c.task_id)
    .where(TASKS.c.task_id.in_(bindparam("tasks", expanding=True)))
    .order_by(TASKS.c.task_id)  # a consistent order, so that there is no deadlock
    .with_for_update()
)
_COUNT = update(TASKS).where(_TASK).values(sequence=bindparam("last"))
_OF_TASK = CHECKPOINTS.c.task_id == bindparam("task")
_SAVE = insert(CHECKPOINTS)
_SAVED = tuple(column.name for column in CHECKPOINTS.columns)
_REGISTER = insert(TASKS)
_DELETE = delete(CHECKPOINTS).where(_OF_TASK)
_CHOSEN = (
    select(CHECKPOINTS)
    .join(TASKS, (TASKS.c.task_id == CHECKPOINTS.c.task_id) & (TASKS.c.restore == CHECKPOINTS.c.sequence))
    .where(_OF_TASK)
)
_READ = select(CHECKPOINTS).where(_OF_TASK).order_by(CHECKPOINTS.c.sequence)


class SqlTaskStore:
    """A `recovery.stores.PlainTaskStore`. Unknown tasks raise KeyError, errors of the database StoreError."""

    def __init__(self, database: Writable) -> None:
        self._database = database

    def register(self, task_id: str) -> None:
        """Add a task."""
        self._database.write(lambda connection: registered(connection, task_id))

    def begin(self, task_id: str, agent_id: str) -> int | None:
        """Start an attempt and return its epoch. None: the task is finished."""
        return self._database.write(lambda connection: begun(connection, task_id))

    def commit(self, task_id: str, epoch: int) -> bool:
        """Make the effect of an attempt final. False: refused."""
        return self._database.write(lambda connection: committed(connection, task_id, epoch))

    def fail(self, task_id: str, epoch: int, status: TaskStatus, error_code: str) -> bool:
        """Record that the latest attempt has failed or is blocked. False: refused."""
        return self._database.write(lambda connection: failed(connection, task_id, epoch, status))

    def fence(self, task_id: str) -> int:
        """Fence all epochs so far, and return the highest of them."""

        def work(connection: Connection) -> int:
            epoch = _locked(connection, task_id).epoch
            _change(connection, task_id, fence=epoch)
            return epoch

        return self._database.write(work)

    def is_current(self, task_id: str, epoch: int) -> bool:
        """Whether the epoch is not fenced and the task is not finished."""
        return self._database.read(lambda connection: _is_current(_found(connection, task_id), epoch))

    def requeue(self, task_id: str, fenced: int | None = None) -> bool:
        """Set the status to queued. False: refused."""

        def work(connection: Connection) -> bool:
            task = _locked(connection, task_id)
            runs_on = fenced is not None and task.status is TaskStatus.RUNNING and task.epoch > fenced
            if task.status in FINISHED or runs_on:
                return False
            _move(connection, task_id, task, TaskStatus.QUEUED)
            return True

        return self._database.write(work)

    def escalate(self, task_id: str, reason: str) -> bool:
        """Set the status to escalated. False: refused."""
        return self._database.write(lambda connection: escalated(connection, task_id))

    def status(self, task_id: str) -> TaskStatus | None:
        """The status of the task; None if it is unknown."""
        task = self._database.read(lambda connection: _task(connection, task_id, _FIND))
        return None if task is None else task.status

    def halted(self) -> Sequence[str]:
        """The failed and blocked tasks."""
        asked = select(TASKS.c.task_id).where(TASKS.c.halted.is_not(None)).order_by(TASKS.c.halted, TASKS.c.task_id)
        return self._database.read(lambda connection: tuple(connection.execute(asked).scalars()))

    def epoch(self, task_id: str) -> int:
        """The latest epoch."""
        return self._database.read(lambda connection: epoch_of(connection, task_id))

    def count_retry(self, task_id: str, kind: str, retry: int) -> None:
        """Count a retry by its number."""

        def work(connection: Connection) -> None:
            _locked(connection, task_id)
            before = _retries(connection, task_id, kind)
            if before is None:
                row = {"task_id": task_id, "kind": str(kind), "count": retry}
                connection.execute(insert(RETRIES), row)
            elif before < retry:
                counted = update(RETRIES).where(RETRIES.c.task_id == task_id, RETRIES.c.kind == str(kind))
                connection.execute(counted.values(count=retry))

        self._database.write(work)

    def retries(self, task_id: str, kind: str) -> int:
        """The number of retries so far."""

        def question(connection: Connection) -> int:
            _found(connection, task_id)
            return _retries(connection, task_id, kind) or 0

        return self._database.read(question)

    def save_checkpoint(self, task_id: str, epoch: int, progress: float, state: Any = None) -> Checkpoint | None:
        """Append a checkpoint. None: refused."""
        text = None if state is None else written_state(task_id, state)
        save = task_id, epoch, progress, state, text
        saved: Checkpoint | None = self._database.write_one(_save_all, save)
        return saved

    def checkpoints(self, task_id: str) -> Sequence[Checkpoint]:
        """The stored checkpoints, the oldest first."""

        def question(connection: Connection) -> Sequence[Checkpoint]:
            _found(connection, task_id)
            return tuple(_checkpoint(*row) for row in connection.execute(_READ, {"task": task_id}))

        return self._database.read(question)

    def last_checkpoint(self, task_id: str) -> int:
        """The sequence number of the last checkpoint."""
        return self._database.read(lambda connection: _found(connection, task_id).sequence)

    def restore_point(self, task_id: str) -> Checkpoint | None:
        """The checkpoint from which the next attempt starts, as it is stored now."""

        def question(connection: Connection) -> Checkpoint | None:
            _found(connection, task_id)
            row = chosen(connection, task_id)
            return None if row is None else checkpoint_of(row)

        return self._database.read(question)

    def set_restore_point(self, task_id: str, checkpoint: Checkpoint | None) -> None:
        """Set the checkpoint from which the next attempt starts."""

        def work(connection: Connection) -> None:
            _locked(connection, task_id)
            _change(connection, task_id, restore=None if checkpoint is None else checkpoint.sequence)

        self._database.write(work)


# ------------------------------------------- changes by attempts, for use within a larger transaction
def registered(connection: Connection, task_id: str) -> None:
    """Add a task. Raises ValueError if the name exists."""
    if _task(connection, task_id, _FIND) is not None:
        raise ValueError(f"{task_id}: a task with this name exists")
    connection.execute(_REGISTER, {"task_id": task_id, "status": TaskStatus.QUEUED.value})


def epoch_of(connection: Connection, task_id: str) -> int:
    """The latest epoch."""
    return _found(connection, task_id).epoch


def begun(connection: Connection, task_id: str) -> int | None:
    """Start an attempt and return its epoch. None: the task is finished."""
    task = _locked(connection, task_id)
    return started(connection, task_id, task.status, task.epoch)


def started(connection: Connection, task_id: str, status: TaskStatus, before: int) -> int | None:
    """Start an attempt at a locked task with this status and this latest epoch. None: the task is finished."""
    if status in FINISHED:
        return None
    epoch = before + 1
    _change(connection, task_id, status=TaskStatus.RUNNING.value, epoch=epoch, halted=None)
    return epoch


def committed(connection: Connection, task_id: str, epoch: int) -> bool:
    """Make the effect of an attempt final. False: it is fenced, or the task is finished."""
    task = _locked(connection, task_id)
    if not _is_current(task, epoch):
        return False
    _change(connection, task_id, status=TaskStatus.COMPLETED.value, halted=None, sequence=0, restore=None)
    if task.sequence:
        connection.execute(_DELETE, {"task": task_id})
    return True


def failed(connection: Connection, task_id: str, epoch: int, status: TaskStatus) -> bool:
    """Record that the latest attempt has failed or is blocked. False: it is fenced, or not the latest."""
    task = _locked(connection, task_id)
    if epoch != task.epoch or not _is_current(task, epoch):
        return False
    halted = 1 + connection.execute(select(func.coalesce(func.max(TASKS.c.halted), 0))).scalar_one()
    _move(connection, task_id, task, status, halted=halted)
    return True


def escalated(connection: Connection, task_id: str) -> bool:
    """Set the status to escalated, and fence the attempts. False: the task is finished."""
    task = _locked(connection, task_id)
    if task.status in FINISHED:
        return False
    _move(connection, task_id, task, TaskStatus.ESCALATED, fence=task.epoch)
    return True


def reopened(connection: Connection, task_id: str) -> bool:
    """Set an escalated task to queued, for a manual recovery; it is in no queue yet. False: it is not escalated.

    Automatic recovery does not do that: an escalated task is finished.
    """
    if _locked(connection, task_id).status is not TaskStatus.ESCALATED:
        return False
    _change(connection, task_id, status=TaskStatus.QUEUED.value)
    return True


@dataclass(frozen=True, slots=True)
class _Task:
    status: TaskStatus
    epoch: int
    fence: int
    sequence: int


def _task(connection: Connection, task_id: str, asked: Select[Any]) -> _Task | None:
    row = connection.execute(asked, {"task": task_id}).one_or_none()
    return None if row is None else _Task(TaskStatus(row[0]), *row[1:])


def _found(connection: Connection, task_id: str, asked: Select[Any] = _FIND) -> _Task:
    task = _task(connection, task_id, asked)
    if task is None:
        raise KeyError(task_id)
    return task


def _locked(connection: Connection, task_id: str) -> _Task:
    """A task, locked until the transaction ends."""
    return _found(connection, task_id, _LOCK)


def _all_locked(connection: Connection, task_ids: Sequence[str]) -> dict[str, _Task]:
    """The known tasks among these, locked until the transaction ends."""
    if len(task_ids) == 1:  # the usual case, without an expanded list in the statement
        task = _task(connection, task_ids[0], _LOCK)
        return {} if task is None else {task_ids[0]: task}
    rows = connection.execute(_LOCK_ALL, {"tasks": task_ids})
    return {task_id: _Task(TaskStatus(status), *rest) for status, *rest, task_id in rows}


Save = tuple[str, int, float, Any, str | None]
"""A task, an epoch, progress, a state, and the state as JSON."""


def _save_all(connection: Connection, saves: Sequence[Save]) -> Sequence[Checkpoint | KeyError | None]:
    """Save checkpoints of several tasks with three statements."""
    tasks = _all_locked(connection, sorted({task_id for task_id, *_ in saves}))
    last: dict[str, int] = {}
    done: list[Checkpoint | KeyError | None] = []
    written: list[dict[str, Any]] = []
    for task_id, epoch, progress, state, text in saves:
        task = tasks.get(task_id)
        if task is None or not _is_current(task, epoch):
            done.append(KeyError(task_id) if task is None else None)
            continue
        last[task_id] = last.get(task_id, task.sequence) + 1
        saved = sealed(task_id, last[task_id], epoch, progress, state)
        written.append({name: getattr(saved, name) for name in _SAVED} | {"state": text})
        done.append(saved)
    if written:
        connection.execute(_SAVE, written)
        connection.execute(_COUNT, [{"task": task_id, "last": sequence} for task_id, sequence in last.items()])
    return done


def chosen(connection: Connection, task_id: str) -> Sequence[Any] | None:
    """The row of the checkpoint from which the next attempt starts."""
    return connection.execute(_CHOSEN, {"task": task_id}).one_or_none()


def checkpoint_of(row: Sequence[Any]) -> Checkpoint:
    """The checkpoint of a row. Raises StoreError if its state is not JSON."""
    return _checkpoint(*row)


def _checkpoint(
    task_id: str, sequence: int, epoch: int, progress: float, checksum: int, state: str | None
) -> Checkpoint:
    return Checkpoint(task_id, sequence, epoch, progress, checksum, read_state(state))


def _is_current(task: _Task, epoch: int) -> bool:
    return epoch > task.fence and task.status not in FINISHED


def _retries(connection: Connection, task_id: str, kind: str) -> int | None:
    asked = select(RETRIES.c.count).where(RETRIES.c.task_id == task_id, RETRIES.c.kind == str(kind))
    return connection.execute(asked).scalar_one_or_none()


def _change(connection: Connection, task_id: str, **values: Any) -> None:
    connection.execute(
        _changing(*values), {"task": task_id, **{f"new_{name}": value for name, value in values.items()}}
    )


@cache
def _changing(*names: str) -> Update:
    """The statement that changes these columns. To build one takes longer than to execute it."""
    return update(TASKS).where(_TASK).values({name: bindparam(f"new_{name}") for name in names})


def _move(connection: Connection, task_id: str, task: _Task, status: TaskStatus, **values: Any) -> None:
    if status not in LEGAL_TRANSITIONS[task.status]:
        raise IllegalTransition(f"{task_id}: {task.status} cannot become {status}")
    _change(connection, task_id, **{"halted": None, "status": status.value, **values})
