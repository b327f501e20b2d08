"""`explore` runs a program in many orders; `replay` runs one of them again."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any, Final

from sim.programs.exploration.errors import InvalidToken, NotDeterministic
from sim.programs.exploration.execution import Check, Limits, Main, Outcome, Program, collected_between_runs
from sim.programs.exploration.interleaving import interleaving
from sim.programs.exploration.report import Exploration, OrderFailure, RunRow
from sim.programs.exploration.shrinking import Shrunk, shrunk_order
from sim.programs.exploration.steps import Step
from sim.programs.exploration.strategies import (
    BoundedOrders,
    ByDeviations,
    PriorityOrders,
    RandomOrders,
    Strategy,
    by_deviations,
    deviations_of,
)
from sim.programs.exploration.tokens import Order, digest, digest_of_name, parse, token

STRATEGIES: Final = ("random", "pct", "bounded", "cancel")
MAX_STEPS: Final = 100_000
MAX_TIME: Final = 30 * 86_400.0


def explore(
    main: Main,
    check: Check | None = None,
    strategy: str = "random",
    runs: int = 1000,
    *,
    seed: int | str = 0,
    depth: int = 3,
    deviations: int = 2,
    keep_going: bool = False,
    shrink: bool = True,
    max_steps: int = MAX_STEPS,
    max_time: float = MAX_TIME,
) -> Exploration:
    """Run the coroutine function `main` in many orders of what is ready at the same instant, and judge each run.

    A run fails if main raises, if nothing is ready and main is not done (a deadlock), if a task fails and no task
    retrieves its exception, if it has more than `max_steps` steps or takes more than `max_time` seconds of virtual
    time, or if `check` fails: `check(result)`, or `check()`, fails by an exception or a false value other than None.

    Strategies: `random` orders; `pct`, priorities with `depth - 1` changes; `bounded`, every order with at most
    `deviations` deviations from first in, first out; `cancel`, which cancels the tasks that main starts at each of
    their awaits in turn (main itself if it starts none) and leaves the order as it is. The first run is first in, first
    out, and is made twice.

    The exploration ends after `runs` runs, when no order is left, or, unless `keep_going`, at the first failure. A
    failing order is shrunk, unless `shrink` is false. The orders depend on `seed` alone.

    Raises NotDeterministic if two runs in one order differ, ForeignThreads if another thread calls the loop, TypeError
    and ValueError for invalid arguments.
    """
    program = Program(main, check, _limits(max_steps, max_time))
    _check_arguments(strategy, runs, depth, deviations)
    with collected_between_runs():
        first = _first_run_twice(program)
        if strategy == "cancel":
            return _Explorer(program, strategy, seed, keep_going=True, shrink=shrink).cancel_each(first, runs)
        orders: dict[str, Strategy] = {
            "random": RandomOrders(seed),
            "pct": PriorityOrders(seed, depth),
            "bounded": BoundedOrders(deviations),
        }
        return _Explorer(program, strategy, seed, keep_going=keep_going, shrink=shrink).run(
            orders[strategy], first, runs, deviations
        )


def replay(
    main: Main,
    token: str,
    check: Check | None = None,
    *,
    max_steps: int = MAX_STEPS,
    max_time: float = MAX_TIME,
) -> Any:
    """Run `main` in the order of a token, and return its result.

    Raises what main raises, Deadlock, or DoesNotHold for a run that does not end or that `check` fails; the exception
    has the interleaving as a note. Raises InvalidToken if the token is damaged or is of another program.
    """
    order = parse(token)
    program = Program(main, check, _limits(max_steps, max_time))
    with collected_between_runs():
        outcome = program.run(by_deviations(order.deviations), trace=True, cancel_at=order.cancel_at)
    _check_program(program, order, outcome)
    if outcome.verdict is None:
        return outcome.result
    error = outcome.error
    if error is None or outcome.verdict == "background":
        from sim.results.base import DoesNotHold  # noqa: PLC0415 - its imports take longer than most explorations

        error = DoesNotHold(outcome.message)
    error.add_note(interleaving(outcome.trace))
    raise error


def is_of(main: Main, token: str) -> bool:
    """Whether a token is of a program with this name of main. Raises InvalidToken."""
    name = Program(main, None, _limits(MAX_STEPS, MAX_TIME)).name
    return parse(token).digest.startswith(digest_of_name(name))


class _Explorer:
    """Runs orders, and collects what fails."""

    def __init__(self, program: Program, strategy: str, seed: int | str, *, keep_going: bool, shrink: bool) -> None:
        self._program = program
        self._strategy = strategy
        self._seed = seed
        self._keep_going = keep_going
        self._shrink = shrink
        self._rows: list[RunRow] = []
        self._orders: set[tuple[object, ...]] = set()
        self._found: dict[tuple[object, ...], tuple[int, int, Outcome]] = {}  # by kind: run, canceled await, outcome

    def run(self, strategy: Strategy, first: Outcome, runs: int, bound: int) -> Exploration:
        """Run the orders of a strategy, of which `first` is the first one."""
        complete = False
        for number in range(runs):
            choose = strategy.next(number)
            if choose is None:
                complete = True
                break
            outcome = self._program.run(choose) if number else first
            strategy.ran(outcome.picks, outcome.sizes)
            self._add(outcome)
            if outcome.verdict is not None and not self._keep_going:
                break
        if isinstance(strategy, BoundedOrders):
            complete = not strategy.left
            most = f"at most {bound} deviation{'' if bound == 1 else 's'} from first in, first out"
            if complete:
                scope = f"complete: every order with {most} was run"
            else:
                scope = f"not complete: orders with {most} are left, at least {strategy.left}"
        elif complete:
            scope = "complete: every order was run"
        else:
            scope = f"a sample of the orders, seed {self._seed!r}"
        return self._report(complete, scope)

    def cancel_each(self, first: Outcome, runs: int) -> Exploration:
        """Cancel a task at each await of a run, or at so many of them, spread evenly."""
        assert first.recorder is not None
        points, sign, whose = first.recorder.awaits, 1, "tasks"
        if not points:
            points, sign, whose = first.recorder.main_awaits, -1, "main, which starts no task that awaits"
        self._add(first)
        count = len(points)
        chosen = [*range(1, count + 1)]
        if count > runs - 1:
            chosen = sorted({1 + (count * place) // (runs - 1) for place in range(runs - 1)})
        if first.verdict is None:
            for point in chosen:
                self._add(self._program.run(by_deviations({}), trace=True, cancel_at=sign * point), sign * point)
        complete = first.verdict is None and len(chosen) == count
        covered = f"{len(chosen)} of {count}" if not complete else f"each of {count}"
        scope = f"canceled at {covered} awaits of {whose}"
        if not count:
            scope = "nothing to cancel: main starts no task that awaits, and does not await itself"
        return self._report(complete, scope)

    def _add(self, outcome: Outcome, cancel_at: int = 0) -> None:
        picks = outcome.picks
        deviating = sum(1 for pick in picks if pick)
        verdict = outcome.verdict or "holds"
        message = outcome.message.partition("\n")[0]
        self._rows.append(RunRow(len(self._rows) + 1, deviating, verdict, message, outcome.steps, outcome.time))
        self._orders.add((cancel_at, *deviations_of(picks).items()))
        if outcome.verdict is not None:
            key = (*outcome.kind, outcome.canceled.position if outcome.canceled is not None else None)
            self._found.setdefault(key, (len(self._rows), cancel_at, outcome))

    def _report(self, complete: bool, scope: str) -> Exploration:
        failures = [self._failure(*found) for found in self._found.values()]
        failures.sort(key=lambda failure: failure.deviations)
        return Exploration(
            self._program.name,
            self._strategy,
            self._seed,
            len(self._rows),
            len(self._orders),
            tuple(failures),
            complete,
            scope,
            tuple(self._rows),
        )

    def _failure(self, run: int, cancel_at: int, outcome: Outcome) -> OrderFailure:
        program = self._program
        if cancel_at or not self._shrink:
            found = deviations_of(outcome.picks)
            shrunk = Shrunk(found, len(found), 0, fewest=not found)
        else:
            shrunk = shrunk_order(outcome, program.run)
        choose = ByDeviations(shrunk.deviations)
        if outcome.recorder is not None and deviations_of(outcome.picks) == shrunk.deviations:
            shown = outcome
        else:
            shown = program.run(choose, trace=True, cancel_at=cancel_at)
        if shown.kind != outcome.kind:
            said = f"{shown.verdict or 'holds'}" + (f", {shown.message}" if shown.message else "")
            raise NotDeterministic(
                f"{program.name} is not deterministic: run {run} failed ({outcome.verdict}, {outcome.message}), and "
                f"the same order again: {said}. {_CAUSES}"
            )
        order = Order(shrunk.deviations, cancel_at, digest(program.name, shown.trace, shrunk.deviations))
        return OrderFailure(
            str(shown.verdict),
            shown.message,
            run,
            token(order),
            len(shrunk.deviations),
            shrunk.before,
            shrunk.runs,
            shrunk.fewest,
            tuple(choose.held_back),
            tuple(step.with_text() for step in shown.trace),
            None if shown.canceled is None else shown.canceled.with_text(),
            shown.error,
        )


_CAUSES: Final = (
    "Does it keep state between runs, outside of main? Does it use the machine's clock, random numbers without a seed, "
    "memory addresses, or threads? sim.virtual_time(seed=…) inside main replaces clock and random numbers"
)


def _first_run_twice(program: Program) -> Outcome:
    """The run in first-in-first-out order. Raises NotDeterministic if a second one differs."""
    first, second = (program.run(by_deviations({}), trace=True) for _ in range(2))
    for number, (one, other) in enumerate(zip(first.trace, second.trace, strict=False), 1):
        if one.key() != other.key():
            raise NotDeterministic(
                f"{program.name} is not deterministic: two runs in one order differ at step {number}.\n"
                f"  first run:  {_said(one)}\n  second run: {_said(other)}\n{_CAUSES}"
            )
    if len(first.trace) != len(second.trace) or first.kind != second.kind:
        ends = [
            f"{len(each.trace)} steps, {each.verdict or 'holds'} {each.message}".rstrip() for each in (first, second)
        ]
        last = min(first.trace, second.trace, key=len)[-1:]
        where = f", after {_said(last[0])}" if last else ""
        raise NotDeterministic(
            f"{program.name} is not deterministic: two runs in one order end differently{where}.\n"
            f"  first run:  {ends[0]}\n  second run: {ends[1]}\n{_CAUSES}"
        )
    return first


def _said(step: Step) -> str:
    where = f" at {step.position}" if step.position is not None else ""
    source = f": {step.position.source}" if step.position is not None and step.position.source else ""
    return f"{step.who} {step.ending}{where}{source}, {step.ready} ready"


def _check_program(program: Program, order: Order, outcome: Outcome) -> None:
    picks, sizes = outcome.picks, outcome.sizes
    happened = [
        number < len(picks) and (picks[number] == pick if pick > 0 else -1 - pick < sizes[number])
        for number, pick in order.deviations.items()
    ]
    missing = not all(happened) or (order.cancel_at and outcome.canceled is None)
    if missing or digest(program.name, outcome.trace, order.deviations) != order.digest:
        raise InvalidToken(
            f"the token is not of {program.name}: its order does not occur there. Is it of another program, or has the "
            "program changed since? Then explore again"
        )


def _limits(max_steps: int, max_time: float) -> Limits:
    if not max_steps > 0 or not max_time > 0:
        raise ValueError(f"max_steps={max_steps}, max_time={max_time}: valid: numbers above 0")
    return Limits(max_steps, max_time)


def _check_arguments(strategy: str, runs: int, depth: int, deviations: int) -> None:
    if strategy not in STRATEGIES:
        near = get_close_matches(str(strategy), STRATEGIES, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"strategy {strategy!r} is unknown; valid: {', '.join(map(repr, STRATEGIES))}{hint}")
    for name, value, least in (("runs", runs, 1), ("depth", depth, 1), ("deviations", deviations, 0)):
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name}={value!r}: valid: a whole number from {least} on")
