"""Attempts that call downstream dependencies before their work."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from sim.loop.callbacks import after, disarm
from sim.world.agents.execution import Execution
from sim.world.downstream import Dependency
from sim.world.entities import Attempt, Call


class CallingExecution(Execution):
    """Runs attempts that call `dependencies`, one after the other. A rejected call ends its attempt with an error.

    The slot of the agent is taken meanwhile, and the time limit of the attempt runs. While its agent hangs, a call goes
    on, and its answer is seen when the agent wakes up.
    """

    def __init__(self, dependencies: Sequence[Dependency], *arguments: Any) -> None:
        super().__init__(*arguments)
        self._dependencies = dependencies

    def _go_on(self, attempt: Attempt) -> None:
        if attempt.called >= len(self._dependencies):
            super()._go_on(attempt)
            return
        call = attempt.call = Call(attempt, self._env.now, self._answered)
        attempt.called += 1
        attempt.due = self._env.now
        self._await_deadline(attempt)
        self._dependencies[attempt.called - 1].begin(call)

    def _await_deadline(self, attempt: Attempt) -> None:
        if self._settings.timeout is not None:
            attempt.then = self._time_out
            attempt.timer = after(self._env, max(0.0, attempt.deadline - self._env.now), self._fire, attempt)

    def _answered(self, call: Call, error: str | None, retry_after: float | None) -> None:
        attempt = call.attempt
        attempt.call = None
        disarm(attempt.timer)
        attempt.timer = None
        then = self._go_on if error is None else partial(self._rejected, error, retry_after)
        if attempt.frozen:
            attempt.due, attempt.then = 0.0, then
        else:
            then(attempt)

    def _rejected(self, error: str, retry_after: float | None, attempt: Attempt) -> None:
        attempt.retry_after = retry_after
        self._observe(attempt)
        self.listener.attempt_failed(attempt, error)

    def _drop(self, attempt: Attempt) -> None:
        if attempt.call is not None:
            self._dependencies[attempt.called - 1].drop(attempt.call)
            attempt.call = None

    def _time_out(self, attempt: Attempt) -> None:
        self._drop(attempt)
        super()._time_out(attempt)

    def stop(self, attempt: Attempt) -> None:
        """Ends the attempt now; a call that waits is dropped."""
        self._drop(attempt)
        super().stop(attempt)

    def thaw(self, attempt: Attempt) -> None:
        """Resumes a suspended attempt."""
        if attempt.call is None:
            super().thaw(attempt)
        else:
            attempt.frozen = False
            self._await_deadline(attempt)
