"""One run of a program in one order, and its verdict."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from sim.loop import SimLoop
from sim.loop.errors import Deadlock, Livelock, who_waits
from sim.programs.exploration.errors import ForeignThreads
from sim.programs.exploration.ready_order import Chooser, ExecutorJob, ReadyOrder, TooLong
from sim.programs.exploration.steps import AwaitPoint, Recorder, Step, described_with_place, label, raised_at

Main = Callable[[], Coroutine[Any, Any, Any]]
Check = Callable[..., object]
_RUNS_BETWEEN_COLLECTIONS: Final = 200


@dataclass(frozen=True, slots=True)
class Limits:
    """What ends a run that does not end by itself."""

    max_steps: int
    max_time: float


class ExploringLoop(SimLoop):
    """A `SimLoop` that asks `choose` what runs next, and keeps its tasks."""

    def __init__(self, choose: Chooser, limits: Limits) -> None:
        super().__init__()
        self.order = self._ready = ReadyOrder(choose, self.env, limits.max_steps, limits.max_time)
        self.tasks: list[asyncio.Task[Any]] = []  # the first one is main
        self.reported: list[dict[str, Any]] = []  # errors that no task awaits
        self.set_exception_handler(lambda _, context: self.reported.append(context))

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        """As `SimLoop.create_task`."""
        task = super().create_task(coro, **options)
        self.tasks.append(task)
        return task

    def end(self) -> None:
        """Close the loop. Tasks that are pending never continue."""
        if any(not task.done() for task in self.tasks):
            self.abandon()
        else:
            self.close()

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """As `SimLoop.run_in_executor`, but the function may run later than it is called, as in a thread."""
        self._check_closed()
        future = self.create_future()
        self.call_soon(ExecutorJob(lambda: super(ExploringLoop, self).run_in_executor(executor, func, *args), future))
        return future


@dataclass(slots=True)
class Outcome:
    """What a run gave."""

    verdict: str | None = None
    """None if the run holds, or `check`, `exception`, `deadlock`, `endless` or `background`."""
    message: str = ""
    error: BaseException | None = None
    result: Any = None
    returned: bool = False  # main has returned `result`
    picks: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    steps: int = 0
    time: float = 0.0
    recorder: Recorder | None = None

    @property
    def kind(self) -> tuple[object, ...]:
        """Equal for failures of the same kind: verdict, type and place of the error."""
        return self.verdict, type(self.error), raised_at(self.error) if self.verdict in {"exception", "check"} else None

    @property
    def trace(self) -> list[Step]:
        """The steps, if they were recorded."""
        return self.recorder.steps if self.recorder is not None else []

    @property
    def canceled(self) -> AwaitPoint | None:
        """The await at which the exploration canceled a task."""
        return self.recorder.canceled if self.recorder is not None else None


class Program:
    """A program under exploration: what is run, what judges it, and its limits. Raises TypeError."""

    def __init__(self, main: Any, check: Any, limits: Limits) -> None:
        if inspect.iscoroutine(main):
            main.close()
            raise TypeError("main is a coroutine, which runs once; valid: the function itself, explore(main, check)")
        if not callable(main):
            raise TypeError(f"main is {main!r}; valid: a coroutine function without arguments, which each run calls")
        if check is not None and (not callable(check) or inspect.iscoroutinefunction(check)):
            raise TypeError(f"check is {check!r}; valid: a plain function check() or check(result)")
        self.main: Main = main
        self.limits = limits
        self._check: Check | None = check
        self._takes_result = check is not None and _takes_argument(check)
        self._runs = 0

    @property
    def name(self) -> str:
        """The name of `main`."""
        function = self.main
        while hasattr(function, "func"):
            function = function.func
        return str(getattr(function, "__qualname__", type(function).__name__))

    def run(self, choose: Chooser, *, trace: bool = False, cancel_at: int = 0) -> Outcome:
        """Run main once, as `asyncio.run` does, and judge it. Raises ForeignThreads."""
        outcome = Outcome()
        loop = ExploringLoop(choose, self.limits)
        if trace or cancel_at:
            outcome.recorder = Recorder(loop, cancel_at)
            loop.order.wrap = outcome.recorder.wrap
        self._runs += 1
        if self._runs % _RUNS_BETWEEN_COLLECTIONS == 0:
            gc.collect(1)
        try:
            self._run(loop, outcome)
            if loop._foreign_threads:
                names = ", ".join(map(repr, loop._foreign_threads))
                raise ForeignThreads(
                    f"{self.name}: other threads called the loop: {names}. An exploration chooses the order of tasks, "
                    "not of threads: do their work in a coroutine, or inline with asyncio.to_thread()"
                )
            if outcome.verdict is None:
                self._judge(outcome)
        finally:
            loop.end()
        return outcome

    def _run(self, loop: ExploringLoop, outcome: Outcome) -> None:
        order = loop.order
        coroutine = self.main()
        if not inspect.iscoroutine(coroutine):
            raise TypeError(f"main returned {coroutine!r}; valid: a coroutine function, async def main()")
        main = loop.create_task(coroutine)
        main.add_done_callback(lambda _: _stop_choosing(order, outcome))
        try:
            outcome.result = loop.run_until_complete(main)
            outcome.returned = True
        except Deadlock as error:
            if not main.done():
                _fail(outcome, "deadlock", str(error), error)
            else:
                _fail(outcome, "exception", described_with_place(error), error)
        except (TooLong, Livelock):
            _fail(outcome, "endless", self._endless(loop), None)
        except KeyboardInterrupt:
            raise
        except asyncio.CancelledError as error:
            if outcome.canceled is None:
                _fail(outcome, "exception", "CancelledError: main was canceled", error)
        except BaseException as error:  # noqa: BLE001 - a failure of the program
            _fail(outcome, "exception", described_with_place(error), error)
        _stop_choosing(order, outcome)
        outcome.steps, outcome.time = order.steps, loop.time()
        if outcome.verdict in {"deadlock", "endless"}:
            return
        self._clean_up(loop, outcome)
        _look_for_unseen_errors(loop, outcome)

    def _clean_up(self, loop: ExploringLoop, outcome: Outcome) -> None:
        """Cancel what main has left, as `asyncio.run` does."""
        left = [task for task in loop.tasks if not task.done()]
        if not left and not loop._asyncgens:
            return
        for task in left:
            task.cancel()
        try:
            if left:
                loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            loop.run_until_complete(loop.shutdown_asyncgens())
        except (TooLong, Livelock, Deadlock):
            if outcome.verdict is None:
                waiting = ", ".join(label(task) for task in left if not task.done())
                _fail(
                    outcome, "endless", f"tasks do not end when they are canceled at the end of main: {waiting}", None
                )

    def _endless(self, loop: ExploringLoop) -> str:
        limits = self.limits
        if loop.order.steps > limits.max_steps:
            said = f"does not end: more than {limits.max_steps} steps, at {loop.time():g} s of virtual time"
        else:
            said = f"does not end: more than {limits.max_time:g} s of virtual time, after {loop.order.steps} steps"
        waiting = who_waits(loop).partition("\n")[2]
        return f"{said}; max_steps and max_time are the limits. Tasks:\n{waiting}"

    def _judge(self, outcome: Outcome) -> None:
        """Call `check`. One that takes the result is not called if main was canceled and has none."""
        if self._check is None or (self._takes_result and not outcome.returned):
            return
        try:
            said = self._check(outcome.result) if self._takes_result else self._check()
        except KeyboardInterrupt:
            raise
        except AssertionError as error:
            _fail(outcome, "check", described_with_place(error), error)
            return
        except Exception as error:  # noqa: BLE001 - said as the check's
            _fail(outcome, "check", f"check raised {described_with_place(error)}", error)
            return
        if inspect.isawaitable(said):
            raise TypeError("check returned a coroutine; valid: a plain function check() or check(result)")
        if said is not None and not said:
            _fail(
                outcome,
                "check",
                f"check returned {said!r}" + (f" for {outcome.result!r}" if outcome.returned else ""),
                None,
            )


def _stop_choosing(order: ReadyOrder, outcome: Outcome) -> None:
    """From the end of main on, everything runs first in, first out."""
    if order.choose is not None:
        order.choose = None
        outcome.picks, outcome.sizes = order.picks, order.sizes
    if outcome.recorder is not None and outcome.recorder.recording:
        outcome.recorder.recording = False


def _fail(outcome: Outcome, verdict: str, message: str, error: BaseException | None) -> None:
    outcome.verdict, outcome.message, outcome.error = verdict, message, error


def _look_for_unseen_errors(loop: ExploringLoop, outcome: Outcome) -> None:
    """A failure of tasks that no task awaits, and of callbacks. asyncio would log them."""
    for task in loop.tasks[1:]:
        if task.done() and task._log_traceback:
            error = task._exception
            task._log_traceback = False
            if outcome.verdict is None and error is not None:
                _fail(
                    outcome,
                    "background",
                    f"exception of {label(task)} that no task retrieves: {described_with_place(error)}",
                    error,
                )
    loop.tasks[0]._log_traceback = False
    for context in loop.reported:
        if outcome.verdict is None and context.get("exception") is not None:
            error = context["exception"]
            message = str(context.get("message", "")).partition(" at 0x")[0]
            _fail(outcome, "background", f"{message}: {described_with_place(error)}", error)


def _takes_argument(check: Check) -> bool:
    try:
        parameters = inspect.signature(check).parameters.values()
    except (TypeError, ValueError):  # of a function written in C
        return True
    return any(
        each.kind in {each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD, each.VAR_POSITIONAL} for each in parameters
    )


@contextmanager
def collected_between_runs() -> Iterator[None]:
    """No garbage collection inside a run: what it finalizes would run at an instant that no order defines."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
