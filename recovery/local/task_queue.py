"""The task queue in the store: waiting tasks, their agents, and the effect of each.

An action of an attempt and the change of its task are one transaction: a taken task always has an agent, and a fenced
attempt has no effect.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, insert, select, update

from recovery.checkpoints import as_json
from recovery.errors import RecoveryBenchError
from recovery.local import agent_registry, log_store, resource_pools
from recovery.model import Checkpoint, TaskStatus, TaskView
from recovery.stores.sql_tasks import checkpoint_of, chosen, committed, epoch_of, escalated, failed, registered, started
from recovery.stores.stored_json import read_json
from recovery.stores.tables import ALLOCATIONS, EFFECTS, TASKS, WORK

BEHIND_THE_FIRST = 64
"""The number of waiting tasks that are checked for one whose needs are free."""
UNAVAILABLE = "resource_unavailable"
DEAD_LETTER = "dead_lettered"
"""The error code of a task that was started as often as allowed and has no other one."""
_TASK = WORK.c.task_id == bindparam("task")
_CHANGE = update(WORK).where(_TASK)
_LINE = (
    select(WORK.c.task_id, WORK.c.payload, WORK.c.needs, TASKS.c.status, TASKS.c.epoch, TASKS.c.restore)
    .join(TASKS, TASKS.c.task_id == WORK.c.task_id)
    .where(WORK.c.place.is_not(None))
    .order_by(WORK.c.place)
    .limit(BEHIND_THE_FIRST)
    .with_for_update(skip_locked=True)
)
_FIRST = _LINE.limit(1)
_FIRST_PLACE, _LAST_PLACE = (select(func.coalesce(edge(WORK.c.place), 0)) for edge in (func.min, func.max))
_WAITS = select(WORK.c.task_id).where(WORK.c.place.is_not(None)).limit(1)
_DEPTH = select(func.count()).select_from(WORK).where(WORK.c.place.is_not(None))
_SUBMIT, _EFFECT = insert(WORK), insert(EFFECTS)
_QUEUE = _CHANGE.values(place=bindparam("new_place"), agent=bindparam("new_agent"))
_FINISH = _CHANGE.values(place=None, agent=None, error_code=None)
_COMMITTED = select(EFFECTS.c.epoch, EFFECTS.c.agent).where(EFFECTS.c.task_id == bindparam("task"))
_VIEW = (
    select(TASKS.c.status, TASKS.c.epoch, WORK.c.needs, WORK.c.place, WORK.c.agent, WORK.c.error_code)
    .add_columns(ALLOCATIONS.c.pool, ALLOCATIONS.c.units)
    .select_from(TASKS)
    .join(WORK, WORK.c.task_id == TASKS.c.task_id)
    .join(ALLOCATIONS, ALLOCATIONS.c.task_id == TASKS.c.task_id, isouter=True)
    .where(TASKS.c.task_id == bindparam("task"))
    .order_by(ALLOCATIONS.c.pool)
)


@dataclass(frozen=True, slots=True)
class Taken:
    """A task that an agent has started: its payload as JSON, and the row of the checkpoint that it starts from."""

    task_id: str
    epoch: int
    stored: str
    chosen: Sequence[Any] | None

    @property
    def payload(self) -> Any:
        """The payload. Raises StoreError if it is damaged."""
        return read_json(self.stored)

    @property
    def start(self) -> Checkpoint | None:
        """The checkpoint from which the attempt starts. Raises StoreError if it is damaged."""
        return None if self.chosen is None else checkpoint_of(self.chosen)


@dataclass(frozen=True, slots=True)
class Item:
    """The record of a task in the queue."""

    needs: Mapping[str, int]
    waits: bool
    agent: str | None
    error_code: str | None


class QueueFull(RecoveryBenchError, RuntimeError):
    """As many tasks wait as may. One line; nothing has changed."""


def submit(
    connection: Connection, task_id: str, payload: Any, needs: Mapping[str, int], most: int | None = None
) -> None:
    """Submit a new task. Raises ValueError for an invalid name or invalid needs, QueueFull if `most` tasks wait."""
    if not isinstance(task_id, str) or not is_text(task_id):
        raise ValueError(f"{task_id!r} is not the name of a task; valid: a text")
    wrong = next((units for units in needs.values() if type(units) is not int), None)
    if wrong is not None:
        raise ValueError(f"{task_id}: needs {wrong!r} units; valid: a whole number")
    text = as_json(f"{task_id}: the payload", payload)
    units = {pool.name: pool.units for pool in resource_pools.health(connection)} if needs else {}
    for pool, wanted in needs.items():
        if not 0 <= wanted <= units.get(pool, 0):
            there = f"there are {units[pool]}" if pool in units else "there is no such pool"
            raise ValueError(f"{task_id}: needs {wanted} of {pool}, and {there}")
    if most is not None and depth(connection) >= most:
        raise QueueFull(f"{task_id}: the queue is full: {most:,} tasks wait; valid: when fewer wait")
    registered(connection, task_id)
    place = _end_of_line(connection, head=False)
    row = {"task_id": task_id, "payload": text, "needs": json.dumps(dict(needs)), "place": place}
    connection.execute(_SUBMIT, row)


def is_text(name: str) -> bool:
    """Whether the text can be encoded; a lone surrogate cannot."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in name


def enqueue(connection: Connection, task_id: str, *, at_head: bool = False, most: int | None = None) -> bool:
    """Queue a task, unless it waits already. False: it is unknown, or a dead letter: `most` attempts have started."""
    found = find(connection, task_id)
    if found is None:
        return False
    if found.waits:
        return True
    if most is not None and epoch_of(connection, task_id) >= most:
        _dead_letter(connection, task_id, most)
        return False
    connection.execute(_QUEUE, {"task": task_id, "new_place": _end_of_line(connection, at_head), "new_agent": None})
    return True


def _dead_letter(connection: Connection, task_id: str, most: int) -> None:
    """Give up a task, unless it is finished, and release its resources."""
    if escalated(connection, task_id):
        code = func.coalesce(WORK.c.error_code, DEAD_LETTER)
        connection.execute(_CHANGE.values(place=None, agent=None, error_code=code), {"task": task_id})
        resource_pools.release(connection, task_id)
        line = f"ERROR {task_id}: {DEAD_LETTER} after {most} attempts"
        log_store.write(connection, f"{log_store.TASK_LOGS}{task_id}", line)


def _end_of_line(connection: Connection, head: bool) -> int:
    found: int = connection.execute(_FIRST_PLACE if head else _LAST_PLACE).scalar_one()
    return found + (-1 if head else 1)


def take(connection: Connection, agent: str, incarnation: int) -> Taken | None:
    """Start the first task whose needs are free. None: there is none, or another process has this name.

    A task that needs units which are out of service becomes blocked, for a recovery.
    """
    if not agent_registry.is_mine(connection, agent, incarnation):
        return None
    for task_id, payload, text, status, before, restore in _first_of_line(connection):
        needs = read_json(text)
        has_all = not needs or resource_pools.allocate(connection, task_id, needs)
        if not has_all and not _out_of_service(connection, needs):
            continue
        epoch = started(connection, task_id, TaskStatus(status), before)
        connection.execute(_QUEUE, {"task": task_id, "new_place": None, "new_agent": agent if epoch else None})
        if epoch is None:
            resource_pools.release(connection, task_id)
        elif has_all:
            return Taken(task_id, epoch, payload, None if restore is None else chosen(connection, task_id))
        else:
            fail(connection, task_id, epoch, agent, TaskStatus.BLOCKED, UNAVAILABLE)
    return None


def _first_of_line(connection: Connection) -> Iterator[Any]:
    """The first waiting tasks, in order. Usually the very first one is taken: the others are read when it is not."""
    first = connection.execute(_FIRST).all()
    yield from first
    if first:
        yield from (row for row in connection.execute(_LINE).all() if row.task_id != first[0].task_id)


def _out_of_service(connection: Connection, needs: Mapping[str, int]) -> bool:
    """Whether a pool has enough units for these needs, but too few of them in service."""
    return any(pool.available < needs[pool.name] for pool in resource_pools.health(connection, tuple(needs)))


def commit(connection: Connection, task_id: str, epoch: int, agent: str, effect: str) -> bool:
    """Commit an effect as JSON. False: refused, and nothing has changed."""
    if not committed(connection, task_id, epoch):
        return False
    connection.execute(_EFFECT, {"task_id": task_id, "epoch": epoch, "agent": agent, "effect": effect})
    connection.execute(_FINISH, {"task": task_id})
    resource_pools.release(connection, task_id)
    return True


def has_effect(connection: Connection, task_id: str, epoch: int, agent: str) -> bool:
    """Whether the effect of this attempt is committed."""
    return connection.execute(_COMMITTED, {"task": task_id}).one_or_none() == (epoch, agent)


def fail(connection: Connection, task_id: str, epoch: int, agent: str, status: TaskStatus, code: str) -> bool:
    """Record that an attempt has failed or is blocked. It keeps its resources for the core. False: refused."""
    if not failed(connection, task_id, epoch, status):
        return False
    connection.execute(_CHANGE.values(error_code=code), {"task": task_id})
    log_store.write(connection, f"{log_store.TASK_LOGS}{task_id}", f"ERROR {task_id} on {agent}: {code}")
    return True


def abandon(connection: Connection, task_id: str, code: str) -> None:
    """Record that the attempt of a process that has ended has failed."""
    found = find(connection, task_id)
    assert found is not None
    fail(connection, task_id, epoch_of(connection, task_id), found.agent or "nobody", TaskStatus.FAILED, code)


def abandon_all(connection: Connection, agent: str, incarnation: int, code: str) -> None:
    """Record that all attempts of an agent have failed, which does not know of them."""
    if agent_registry.is_mine(connection, agent, incarnation):
        for task_id in had_by(connection, agent):
            abandon(connection, task_id, code)


def let_go(connection: Connection, task_id: str) -> None:
    """Remove the task from its agent and from the queue."""
    connection.execute(_CHANGE.values(place=None, agent=None), {"task": task_id})


def find(connection: Connection, task_id: str) -> Item | None:
    """The record of a task; None if it is unknown."""
    asked = select(WORK.c.needs, WORK.c.place, WORK.c.agent, WORK.c.error_code).where(_TASK)
    row = connection.execute(asked, {"task": task_id}).one_or_none()
    return None if row is None else Item(read_json(row[0]), row[1] is not None, row[2], row[3])


def view(connection: Connection, task_id: str) -> TaskView | None:
    """The task as a probe sees it; None if it is unknown.

    It is one statement, because an agent may take or commit the task between two, and the result would be inconsistent.
    """
    rows = connection.execute(_VIEW, {"task": task_id}).all()
    if not rows:
        return None
    status, epoch, needs, place, agent, error_code, *_ = rows[0]
    return TaskView(
        task_id,
        TaskStatus(status),
        epoch,
        agent,
        error_code,
        waiting_in_queue=place is not None,
        needs=read_json(needs),
        held={row.pool: row.units for row in rows if row.pool is not None},
    )


def had_by(connection: Connection, agent: str | None = None) -> list[str]:
    """The tasks that run on an agent, or on any."""
    asked = select(WORK.c.task_id).join(TASKS, TASKS.c.task_id == WORK.c.task_id)
    asked = asked.where(TASKS.c.status == TaskStatus.RUNNING.value, WORK.c.agent.is_not(None))
    if agent is not None:
        asked = asked.where(WORK.c.agent == agent)
    return list(connection.execute(asked.order_by(WORK.c.task_id)).scalars())


def waiting(connection: Connection) -> list[str]:
    """The waiting tasks, in order."""
    return list(connection.execute(_in_line(select(WORK.c.task_id)).order_by(WORK.c.place)).scalars())


def is_waiting(connection: Connection) -> bool:
    """Whether any task waits."""
    return connection.execute(_WAITS).one_or_none() is not None


def depth(connection: Connection) -> int:
    """The number of waiting tasks."""
    found: int = connection.execute(_DEPTH).scalar_one()
    return found


def _in_line(asked: Select[Any]) -> Select[Any]:
    return asked.where(WORK.c.place.is_not(None))


def effects(connection: Connection) -> dict[str, Any]:
    """All effects by task."""
    rows = connection.execute(select(EFFECTS.c.task_id, EFFECTS.c.effect).order_by(EFFECTS.c.task_id))
    return {task_id: read_json(effect) for task_id, effect in rows}


def statuses(connection: Connection) -> dict[TaskStatus, int]:
    """The number of tasks by status."""
    asked = select(TASKS.c.status, func.count()).join(WORK, WORK.c.task_id == TASKS.c.task_id)
    return {TaskStatus(status): count for status, count in connection.execute(asked.group_by(TASKS.c.status))}
