"""Checks: a promise of a port, and the test of an implementation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from recovery.errors import RecoveryBenchError, error_text
from recovery.ports import System

PATIENCE = 30.0
"""The time limit of a check in seconds."""
AGENT = "agent.0"


class NotConformant(RecoveryBenchError, AssertionError):
    """A port does not conform. The message has the query, the result, and the expected result."""


class Rig(Protocol):
    """A system under test, new for each check, with methods that make things happen in it.

    `agents` are the names of one or more agents that are up, and take no tasks by themselves during the check. `pools`
    has the units of each resource pool, all in service and free.
    """

    system: System
    agents: tuple[str, ...]
    pools: Mapping[str, int]

    async def submit(self, task_id: str, needs: Mapping[str, int]) -> None:
        """Submit a new task: it is registered and queued."""

    async def begin(self, task_id: str, agent_id: str) -> int:
        """Let an agent take this task from the queue, with its resources; returns the epoch of the attempt."""

    async def fail(self, task_id: str, epoch: int) -> None:
        """Let the attempt fail with an error code, without a release of its resources."""

    async def lose(self, agent_id: str) -> None:
        """Let the agent crash; returns when probes show that it is down."""

    async def close(self) -> None:
        """Release all resources of the rig."""


@dataclass(frozen=True, slots=True)
class Check:
    """`promise` is the checked property in a sentence; `check` raises `NotConformant`."""

    port: str
    promise: str
    check: Callable[[Rig], Awaitable[None]]

    async def of(self, rig: Rig) -> None:
        """Run the check, and close the rig. Raises NotConformant, also after an error of a port or a timeout."""
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
    """Collects the checks of a port: coroutine functions whose docstrings are the promises."""

    def __init__(self, port: str) -> None:
        self._port = port
        self.all: list[Check] = []

    def __call__(self, check: T) -> T:
        """Add a check, as a decorator."""
        self.all.append(Check(self._port, " ".join((check.__doc__ or "").split()).rstrip("."), check))
        return check


def expect(what: str, found: Any, expected: Any) -> None:
    """Raise NotConformant unless both are equal."""
    if found != expected:
        raise NotConformant(f"{what} is {found!r}; expected {expected!r}")


async def expect_raised(what: str, kind: type[Exception], call: Awaitable[object]) -> None:
    """Raise NotConformant unless the call raises an error of this kind."""
    try:
        found = await call
    except kind:
        return
    raise NotConformant(f"{what} is {found!r}; expected it to raise {kind.__name__}")
