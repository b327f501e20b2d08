"""Stores of plain calls, and what makes ports of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, Protocol, TypeVar

from recovery.model import Checkpoint, TaskStatus

P = ParamSpec("P")
R = TypeVar("R")


class PlainTaskStore(Protocol):
    """`recovery.ports.TaskStore` in plain calls: what each does is documented there."""

    def register(self, task_id: str) -> None:
        """A task was accepted."""

    def begin(self, task_id: str, agent_id: str) -> int | None:
        """Start an attempt."""

    def commit(self, task_id: str, epoch: int) -> bool:
        """Make an effect final."""

    def fail(self, task_id: str, epoch: int, status: TaskStatus, error_code: str) -> bool:
        """An attempt has failed or is blocked."""

    def fence(self, task_id: str) -> int:
        """Void every epoch so far."""

    def is_current(self, task_id: str, epoch: int) -> bool:
        """Whether an attempt may still act."""

    def requeue(self, task_id: str, fenced: int | None = None) -> bool:
        """Status queued again."""

    def escalate(self, task_id: str, reason: str) -> bool:
        """Automatic recovery gave up."""

    def status(self, task_id: str) -> TaskStatus | None:
        """Where the task stands."""

    def halted(self) -> Sequence[str]:
        """Tasks that are failed or blocked."""

    def epoch(self, task_id: str) -> int:
        """The latest epoch."""

    def count_retry(self, task_id: str, kind: str, retry: int) -> None:
        """There has been a retry of this number."""

    def retries(self, task_id: str, kind: str) -> int:
        """Retries so far."""

    def save_checkpoint(self, task_id: str, epoch: int, progress: float, state: Any = None) -> Checkpoint | None:
        """Append a checkpoint."""

    def checkpoints(self, task_id: str) -> Sequence[Checkpoint]:
        """What can be read."""

    def last_checkpoint(self, task_id: str) -> int:
        """Sequence of the last checkpoint."""

    def restore_point(self, task_id: str) -> Checkpoint | None:
        """From where the next attempt starts."""

    def set_restore_point(self, task_id: str, checkpoint: Checkpoint | None) -> None:
        """Choose from where the next attempt starts."""


class Call(Protocol):
    """How a plain call is made by a coroutine."""

    async def __call__(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call it and return what it returns."""


async def _at_once(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    return function(*args, **kwargs)


class TaskStorePort:
    """Implements `recovery.ports.TaskStore` by a store of plain calls, each made as `call` makes it."""

    def __init__(self, store: PlainTaskStore, call: Call) -> None:
        self._store = store
        self._call = call

    async def register(self, task_id: str) -> None:
        """A task was accepted."""
        await self._call(self._store.register, task_id)

    async def begin(self, task_id: str, agent_id: str) -> int | None:
        """Start an attempt."""
        return await self._call(self._store.begin, task_id, agent_id)

    async def commit(self, task_id: str, epoch: int) -> bool:
        """Make an effect final."""
        return await self._call(self._store.commit, task_id, epoch)

    async def fail(self, task_id: str, epoch: int, status: TaskStatus, error_code: str) -> bool:
        """An attempt has failed or is blocked."""
        return await self._call(self._store.fail, task_id, epoch, status, error_code)

    async def fence(self, task_id: str) -> int:
        """Void every epoch so far."""
        return await self._call(self._store.fence, task_id)

    async def is_current(self, task_id: str, epoch: int) -> bool:
        """Whether an attempt may still act."""
        return await self._call(self._store.is_current, task_id, epoch)

    async def requeue(self, task_id: str, fenced: int | None = None) -> bool:
        """Status queued again."""
        return await self._call(self._store.requeue, task_id, fenced)

    async def escalate(self, task_id: str, reason: str) -> bool:
        """Automatic recovery gave up."""
        return await self._call(self._store.escalate, task_id, reason)

    async def status(self, task_id: str) -> TaskStatus | None:
        """Where the task stands."""
        return await self._call(self._store.status, task_id)

    async def halted(self) -> Sequence[str]:
        """Tasks that are failed or blocked."""
        return await self._call(self._store.halted)

    async def epoch(self, task_id: str) -> int:
        """The latest epoch."""
        return await self._call(self._store.epoch, task_id)

    async def count_retry(self, task_id: str, kind: str, retry: int) -> None:
        """There has been a retry of this number."""
        await self._call(self._store.count_retry, task_id, kind, retry)

    async def retries(self, task_id: str, kind: str) -> int:
        """Retries so far."""
        return await self._call(self._store.retries, task_id, kind)

    async def save_checkpoint(self, task_id: str, epoch: int, progress: float, state: Any = None) -> Checkpoint | None:
        """Append a checkpoint."""
        return await self._call(self._store.save_checkpoint, task_id, epoch, progress, state)

    async def checkpoints(self, task_id: str) -> Sequence[Checkpoint]:
        """What can be read."""
        return await self._call(self._store.checkpoints, task_id)

    async def last_checkpoint(self, task_id: str) -> int:
        """Sequence of the last checkpoint."""
        return await self._call(self._store.last_checkpoint, task_id)

    async def restore_point(self, task_id: str) -> Checkpoint | None:
        """From where the next attempt starts."""
        return await self._call(self._store.restore_point, task_id)

    async def set_restore_point(self, task_id: str, checkpoint: Checkpoint | None) -> None:
        """Choose from where the next attempt starts."""
        await self._call(self._store.set_restore_point, task_id, checkpoint)


def inline(store: PlainTaskStore) -> TaskStorePort:
    """A port of a store whose calls do not block: they are made at once."""
    return TaskStorePort(store, _at_once)


def threaded(store: PlainTaskStore) -> TaskStorePort:
    """A port of a store whose calls block: they are made in threads, while the loop goes on."""
    return TaskStorePort(store, asyncio.to_thread)
