"""A check: a promise of a port, and how to find out whether somebody keeps it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from recovery.errors import RecoveryBenchError, error_text
from recovery.ports import System

PATIENCE = 30.0
"""Seconds that a check may take."""
AGENT = "agent.0"


class NotConformant(RecoveryBenchError, AssertionError):
    """A port does not keep what it promises. The text says what was asked, what came, and what should have."""


class Rig(Protocol):
    """A system under test, fresh for each check, and how to make things happen in it.

    `agents` are the names of one or more agents that live, and do nothing by themselves for as long as the check lasts;
    `pools` has the units of each pool of resources that tasks may need, all in service and free.
    """

    system: System
    agents: tuple[str, ...]
    pools: Mapping[str, int]

    async def submit(self, task_id: str, needs: Mapping[str, int]) -> None:
        """A client submits a new task: it is registered, and waits."""

    async def begin(self, task_id: str, agent_id: str) -> int:
        """An agent takes this task from the queue, with all that it needs; returns the epoch of its attempt."""

    async def fail(self, task_id: str, epoch: int) -> None:
        """The attempt ends as failed, with an error code, and what it holds is not given back."""

    async def lose(self, agent_id: str) -> None:
        """The agent dies without a word; returns when it cannot be seen to live any more."""

    async def close(self) -> None:
        """Let go of everything."""


@dataclass(frozen=True, slots=True)
class Check:
    """`promise` is what is checked, in a sentence; `check` raises `NotConformant`."""

    port: str
    promise: str
    check: Callable[[Rig], Awaitable[None]]

    async def of(self, rig: Rig) -> None:
        """Check it, and let go of the rig. Raises NotConformant, also for what a port raises and for no answer."""
        try:
            async with asyncio.timeout(PATIENCE):
                await self.check(rig)
        except NotConformant as wrong:
            raise NotConformant(f"{self}: {wrong}") from None
        except TimeoutError:
            raise NotConformant(f"{self}: no answer within {PATIENCE:g} s") from None
        except Exception as error:
            raise NotConformant(f"{self}: raised {error_text(error)}") from error
        finally:
            await rig.close()

    def __str__(self) -> str:
        return f"{self.port}: {self.promise}"


T = TypeVar("T", bound=Callable[[Rig], Awaitable[None]])


class Checks:
    """Collects the checks of a port: each a coroutine function whose docstring is the promise."""

    def __init__(self, port: str) -> None:
        self._port = port
        self.all: list[Check] = []

    def __call__(self, check: T) -> T:
        """Add one, as a decorator."""
        self.all.append(Check(self._port, " ".join((check.__doc__ or "").split()).rstrip("."), check))
        return check


def expect(what: str, found: Any, wanted: Any) -> None:
    """Raise unless it is what is wanted."""
    if found != wanted:
        raise NotConformant(f"{what} is {found!r}; expected {wanted!r}")


async def expect_raised(what: str, kind: type[Exception], asked: Awaitable[object]) -> None:
    """Raise unless asking does."""
    try:
        found = await asked
    except kind:
        return
    raise NotConformant(f"{what} is {found!r}; expected it to raise {kind.__name__}")
