"""Attempts at tasks of several kinds: each is run by the execution of its kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.randomness.streams import Residual
from sim.world.agents.execution import Execution
from sim.world.entities import Attempt, Task


class ExecutionByKind(Execution):
    """Delegates each attempt to the execution of its task's kind. Attributes that are set are set in all of them."""

    by_kind: Mapping[str, Execution]

    def __init__(self, by_kind: Mapping[str, Execution]) -> None:
        self.__dict__["by_kind"] = by_kind  # not by an attribute, which would be set in all of them
        for name in ("write_failure", "storage_slowness", "slowness_of", "checkpoint_listener"):
            self.__dict__[name] = getattr(next(iter(by_kind.values())), name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Sets a listener, or what a fault has changed."""
        self.__dict__[name] = value
        for execution in self.by_kind.values():
            setattr(execution, name, value)

    def _of(self, task: Task) -> Execution:
        return self.by_kind[task.kind]

    def work_of(self, draw: int, kind: str = "") -> float:
        """The work of a task in work-seconds. It depends on the number of its draw and on its kind alone."""
        return self.by_kind[kind].work_of(draw)

    def redraw(self, task: Task, residual: Residual, *, keeps_work: bool) -> None:
        """Draws again what is not yet observed of a task: its work, and whether and where its attempts fail."""
        self._of(task).redraw(task, residual, keeps_work=keeps_work)

    def start(self, attempt: Attempt) -> None:
        """Starts the work, from the task's restore point or where resumed work continues."""
        self._of(attempt.task).start(attempt)

    def progress_of(self, attempt: Attempt) -> float:
        """Progress of a started attempt at this instant, in work-seconds."""
        return self._of(attempt.task).progress_of(attempt)

    def stop(self, attempt: Attempt) -> None:
        """Ends the attempt now; its progress is in `attempt.progress`."""
        self._of(attempt.task).stop(attempt)

    def fail_now(self, attempt: Attempt, error: str) -> None:
        """Ends the attempt with an injected failure."""
        self._of(attempt.task).fail_now(attempt, error)

    def keep_for_next(self, attempt: Attempt) -> None:
        """Keeps the progress of an interrupted attempt for the next one, as `tasks.interrupted` specifies."""
        self._of(attempt.task).keep_for_next(attempt)

    def prepare_retry(self, attempt: Attempt) -> None:
        """Draws the work of the attempt after a failed one, if `tasks.retried` specifies it."""
        self._of(attempt.task).prepare_retry(attempt)

    def change_pace(self, attempt: Attempt, slowness: float) -> None:
        """Sets the seconds that a work-second of a started attempt takes from now on."""
        self._of(attempt.task).change_pace(attempt, slowness)

    def freeze(self, attempt: Attempt) -> None:
        """Suspends a started attempt while its agent hangs."""
        self._of(attempt.task).freeze(attempt)

    def thaw(self, attempt: Attempt) -> None:
        """Resumes a suspended attempt."""
        self._of(attempt.task).thaw(attempt)
