"""A loop that counts the steps of a program's tasks, and ends the program between two of them as a power cut does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from functools import partial
from typing import Any, Final, TypeVarTuple

from recovery.errors import RecoveryBenchError
from sim.loop import SimLoop, VirtualEnvironment

Ts = TypeVarTuple("Ts")
_STEPS: Final = frozenset({"task_wakeup", "__step", "__wakeup", "_Task__step", "_Task__wakeup"})
_NOT_OF_PROGRAM: Final = ("asyncio", "_asyncio", "sim.loop", "sim.programs", "builtins", "simpy")
_wake_sleeper: Final = asyncio.futures._set_result_unless_cancelled  # type: ignore[attr-defined]


class PowerCut(RecoveryBenchError, SystemExit):
    """Ends a run between two steps of its tasks. No code of the program sees it."""


class RunsTooLong(RecoveryBenchError, SystemExit):
    """A program has taken more steps, or more virtual time, than it may."""


Observer = Callable[[Any, int], None]
"""Called after each step with the task, or with the callback that is not of a task, and the number of the step."""


class PowerLoop(SimLoop):
    """A `SimLoop` that calls `observe` after each step of a task and after each callback of the program.

    `observe` may raise PowerCut: nothing of the program runs afterwards. The end of the main task is not observed, and
    nothing after it.
    """

    def __init__(self, now: float, observe: Observer | None, *, max_steps: int, until: float) -> None:
        super().__init__(VirtualEnvironment(now))
        self.main: asyncio.Task[Any] | None = None
        self.is_dead = False
        self.is_silent = False
        self.steps = 0
        self._observe = observe
        self._max_steps, self._until = max_steps, until

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """As `SimLoop.call_soon`."""
        return super().call_soon(self._watched(callback), *args, context=context)

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As `SimLoop.call_later`."""
        watched = callback if callback is _wake_sleeper else self._watched(callback)
        return super().call_later(delay, watched, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """As `SimLoop.call_at`."""
        return super().call_at(when, self._watched(callback), *args, context=context)

    def call_exception_handler(self, context: Any) -> None:
        """As asyncio's, for the run that is shown; a run that is repeated reports nothing twice."""
        if not (self.is_dead or self.is_silent):
            super().call_exception_handler(context)

    def _watched(self, callback: Any) -> Any:
        if isinstance(callback, Watched):
            return callback
        owner = getattr(callback, "__self__", None)
        if owner is not None and _is_step(callback):
            return Watched(callback, owner, self)
        return Watched(callback, None, self) if _is_of_program(callback) else callback

    def stepped(self, task: asyncio.Task[Any] | None, callback: Any) -> None:
        """Count a step that has ended. Raises RunsTooLong, and what `observe` raises."""
        self.steps += 1
        if self.steps > self._max_steps or self.env._now > self._until:
            raise RunsTooLong
        if self.main is None or self.main.done():
            return
        if self._observe is not None:
            self._observe(callback if task is None else task, self.steps)


class Watched:
    """A callback after which the loop counts a step."""

    __slots__ = ("__self__", "_callback", "_loop", "_task")

    def __init__(self, callback: Any, task: asyncio.Task[Any] | None, loop: PowerLoop) -> None:
        self._callback, self._task, self._loop = callback, task, loop
        self.__self__ = getattr(callback, "__self__", None)

    def __call__(self, *args: Any) -> None:
        """Run the callback, then count it."""
        self._callback(*args)
        self._loop.stepped(self._task, self._callback)

    def __getattr__(self, name: str) -> Any:
        """Attributes of the callback, such as its name."""
        return getattr(self._callback, name)


def _is_step(callback: Any) -> bool:
    if type(callback).__name__ == "TaskStepMethWrapper":
        return True
    return getattr(callback, "__name__", "") in _STEPS and asyncio.isfuture(callback.__self__)


def _is_of_program(callback: Any) -> bool:
    """Whether a callback is a function of the program, and not one of asyncio or of this package."""
    while isinstance(callback, partial):
        callback = callback.func
    module = getattr(callback, "__module__", None)
    return isinstance(module, str) and not any(
        module == each or module.startswith(f"{each}.") for each in _NOT_OF_PROGRAM
    )
