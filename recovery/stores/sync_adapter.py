"""Task stores with synchronous methods, and their adapter to a port."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, Protocol, TypeVar

from recovery.model import Checkpoint, TaskStatus

P = ParamSpec("P")
R = TypeVar("R")


class PlainTaskStore(Protocol):
    """`recovery.ports.TaskStore` with synchronous methods, which are documented there."""

    def register(self, task_id: str) -> None:
        """Add a task."""

    def begin(self, task_id: str, agent_id: str) -> int | None:
        """Start an attempt."""

    def commit(self, task_id: str, epoch: int) -> bool:
        """Make the effect of an attempt final. False: refused."""

    def fail(self, task_id: str, epoch: int, status: TaskStatus, error_code: str) -> bool:
        """Record that an attempt has failed or is blocked. False: refused."""

    def fence(self, task_id: str) -> int:
        """Fence all epochs so far, and return the highest of them."""

    def is_current(self, task_id: str, epoch: int) -> bool:
        """Whether the epoch is not fenced and the task is not finished."""

    def requeue(self, task_id: str, fenced: int | None = None) -> bool:
        """Set the status to queued. False: refused."""

    def escalate(self, task_id: str, reason: str) -> bool:
        """Set the status to escalated. False: refused."""

    def status(self, task_id: str) -> TaskStatus | None:
        """The status of the task; None if it is unknown."""

    def halted(self) -> Sequence[str]:
        """The failed and blocked tasks."""

    def epoch(self, task_id: str) -> int:
        """The latest epoch."""

    def count_retry(self, task_id: str, kind: str, retry: int) -> None:
        """Count a retry by its number."""

    def retries(self, task_id: str, kind: str) -> int:
        """The number of retries so far."""

    def save_checkpoint(self, task_id: str, epoch: int, progress: float, state: Any = None) -> Checkpoint | None:
        """Append a checkpoint."""

    def checkpoints(self, task_id: str) -> Sequence[Checkpoint]:
        """The readable checkpoints, the oldest first."""

    def last_checkpoint(self, task_id: str) -> int:
        """The sequence number of the last checkpoint."""

    def restore_point(self, task_id: str) -> Checkpoint | None:
        """The checkpoint from which the next attempt starts."""

    def set_restore_point(self, task_id: str, checkpoint: Checkpoint | None) -> None:
        """Set the checkpoint from which the next attempt starts."""


class Call(Protocol):
    """Calls a synchronous function from a coroutine."""

    async def __call__(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function, and return its result."""


async def _at_once(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    return function(*args, **kwargs)


class TaskStorePort:
    """Implements `recovery.ports.TaskStore` by a store with synchronous methods, which `call` calls."""

    def __init__(self, store: PlainTaskStore, call: Call) -> None:
        self._store = store
        self._call = call

    async def register(self, task_id: str) -> None:
        """Add a task."""
        await self._call(self._store.register, task_id)

    async def begin(self, task_id: str, agent_id: str) -> int | None:
        """Start an attempt."""
        return await self._call(self._store.begin, task_id, agent_id)

    async def commit(self, task_id: str, epoch: int) -> bool:
        """Make the effect of an attempt final. False: refused."""
        return await self._call(self._store.commit, task_id, epoch)

    async def fail(self, task_id: str, epoch: int, status: TaskStatus, error_code: str) -> bool:
        """Record that an attempt has failed or is blocked. False: refused."""
        return await self._call(self._store.fail, task_id, epoch, status, error_code)

    async def fence(self, task_id: str) -> int:
        """Fence all epochs so far, and return the highest of them."""
        return await self._call(self._store.fence, task_id)

    async def is_current(self, task_id: str, epoch: int) -> bool:
        """Whether the epoch is not fenced and the task is not finished."""
        return await self._call(self._store.is_current, task_id, epoch)

    async def requeue(self, task_id: str, fenced: int | None = None) -> bool:
        """Set the status to queued. False: refused."""
        return await self._call(self._store.requeue, task_id, fenced)

    async def escalate(self, task_id: str, reason: str) -> bool:
        """Set the status to escalated. False: refused."""
        return await self._call(self._store.escalate, task_id, reason)

    async def status(self, task_id: str) -> TaskStatus | None:
        """The status of the task; None if it is unknown."""
        return await self._call(self._store.status, task_id)

    async def halted(self) -> Sequence[str]:
        """The failed and blocked tasks."""
        return await self._call(self._store.halted)

    async def epoch(self, task_id: str) -> int:
        """The latest epoch."""
        return await self._call(self._store.epoch, task_id)

    async def count_retry(self, task_id: str, kind: str, retry: int) -> None:
        """Count a retry by its number."""
        await self._call(self._store.count_retry, task_id, kind, retry)

    async def retries(self, task_id: str, kind: str) -> int:
        """The number of retries so far."""
        return await self._call(self._store.retries, task_id, kind)

    async def save_checkpoint(self, task_id: str, epoch: int, progress: float, state: Any = None) -> Checkpoint | None:
        """Append a checkpoint."""
        return await self._call(self._store.save_checkpoint, task_id, epoch, progress, state)

    async def checkpoints(self, task_id: str) -> Sequence[Checkpoint]:
        """The readable checkpoints, the oldest first."""
        return await self._call(self._store.checkpoints, task_id)

    async def last_checkpoint(self, task_id: str) -> int:
        """The sequence number of the last checkpoint."""
        return await self._call(self._store.last_checkpoint, task_id)

    async def restore_point(self, task_id: str) -> Checkpoint | None:
        """The checkpoint from which the next attempt starts."""
        return await self._call(self._store.restore_point, task_id)

    async def set_restore_point(self, task_id: str, checkpoint: Checkpoint | None) -> None:
        """Set the checkpoint from which the next attempt starts."""
        await self._call(self._store.set_restore_point, task_id, checkpoint)


def inline(store: PlainTaskStore) -> TaskStorePort:
    """A port of a store with methods that do not block. They are called directly."""
    return TaskStorePort(store, _at_once)


def threaded(store: PlainTaskStore) -> TaskStorePort:
    """A port of a store with methods that block. They are called in threads."""
    return TaskStorePort(store, asyncio.to_thread)
