"""The keys of the scenario, with what each is based on, in words."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite

from sim.experiments.fitting.agents import AgentsFit
from sim.experiments.fitting.arrivals import DIURNAL, INTERVAL, POISSON, TRACE, ArrivalsFit
from sim.experiments.fitting.attempts import Attempts, Share
from sim.experiments.fitting.durations import CONSTANT, EMPIRICAL, DurationsFit, rounded
from sim.experiments.fitting.policy import PolicyFit
from sim.experiments.fitting.resources import PoolUse
from sim.experiments.fitting.result import Entry, Figure
from sim.presentation.formatting import count, percent, probability, quantity, rate, span

SURE = 1e-3
"""Level at which failures of retries differ from those of first attempts."""
_UNITS = {"k": "", "cv": "", "shape": "", "alpha": "", "rate": "1/s", "amplitude": ""}


def figures(path: str, parameters: dict[str, float], intervals: dict[str, tuple[float, float]]) -> tuple[Figure, ...]:
    """The figures of a distribution or an arrival process."""
    found = []
    for name, value in parameters.items():
        low, high = intervals.get(name, (None, None))
        found.append(Figure(f"{path}.{name}", value, low, high, _UNITS.get(name, "s")))
    return tuple(found)


def between(low: float | None, high: float | None, unit: str) -> str:
    """`2.9 s to 3.1 s`, or `at least 2.9 s` for an interval without an upper end."""
    if low is None or high is None:
        return ""
    first, last = (rate(value) if unit == "1/s" else quantity(value, unit) for value in (low, high))
    return f"{first} to {last}" if isfinite(high) else f"at least {first}"


def _intervals(of: tuple[Figure, ...]) -> str:
    parts = [
        f"{each.path.rpartition('.')[2]} {between(each.low, each.high, each.unit)}"
        for each in of
        if each.low is not None and each.low != each.high
    ]
    return f"95 % intervals: {', '.join(parts)}" if parts else ""


# -------------------------------------------------------------------------------------------- arrivals
def arrivals_entry(of: ArrivalsFit, file: str, source: str) -> Entry:
    """`tasks.arrivals`."""
    path = f"tasks.arrivals.{of.kind}"
    found = figures(path, of.parameters, of.intervals)
    if of.kind == TRACE:
        written = f"{{trace: {{file: {file}, column: submitted}}}}"
    else:
        written = (
            f"{{{of.kind}: {{{', '.join(f'{name}: {rounded(value)}' for name, value in of.parameters.items())}}}}}"
        )
    basis = f"{count(of.count, 'arrival')} in {span(of.end - of.begin)}, by {source}; {rate(of.rate)} on average"
    return Entry("tasks.arrivals", written, basis, ". ".join(_about_arrivals(of, found)), found)


def _about_arrivals(of: ArrivalsFit, found: tuple[Figure, ...]) -> Iterator[str]:
    tested = of.count >= 50
    if of.kind == INTERVAL:
        yield "The times between arrivals are all equal"
    if of.kind == POISSON and tested:
        yield f"A constant rate is not rejected: p = {of.p_constant:.2g} against a rate with a period"
    if of.kind == DIURNAL:
        yield f"A constant rate is rejected, {probability(of.p_constant)}; the rate has a period of {span(of.period)}"
    if of.kind == TRACE:
        yield (
            f"The recorded times: neither a constant rate nor one with a period explains them, as counts vary "
            f"{of.dispersion:.2g} times as much"
        )
    elif of.kind != INTERVAL and tested:
        yield f"Counts vary {of.dispersion:.2f} times as much as those of this process (p = {of.p_dispersion:.2g})"
    if not tested:
        yield "Too few arrivals to test whether the rate is constant"
    intervals = _intervals(found)
    if intervals:
        yield intervals


def hours_text(of: ArrivalsFit, *, has_clock: bool, zone: str) -> str:
    """Arrivals by hour of the day, or by 24th of the period."""
    rates = {hour: each for hour, each in enumerate(of.hours) if isfinite(each)}
    if len(rates) < 2:
        return ""
    best, least = (chosen(rates, key=rates.__getitem__) for chosen in (max, min))
    covered = "" if len(rates) == 24 else f"; {len(rates)} of 24 are covered"
    if has_clock and of.period == 86_400.0:
        return (
            f"arrivals by hour of the day ({zone}): most from {best}:00, {rate(of.hours[best])}, "
            f"fewest from {least}:00, {rate(of.hours[least])}{covered}"
        )
    return f"arrivals in 24 parts of {span(of.period)}: {rate(of.hours[least])} to {rate(of.hours[best])}{covered}"


# ------------------------------------------------------------------------------------------------ durations
def durations_entry(path: str, of: DurationsFit, file: str, noun: str) -> Entry:
    """A distribution: work or restarts."""
    recorded = f"{{empirical: {{file: {file}, column: seconds}}}}"
    written = recorded if of.family == EMPIRICAL else of.written()
    found = figures(f"{path}.{of.family}", of.parameters, of.intervals)
    known = [f"{of.count:,} {noun}"] if of.count or not of.sums else []
    if of.longer:
        known.append(f"{of.longer:,} that took longer than was seen")
    if of.sums:
        known.append(f"{of.sums:,} {'that' if known else noun + ' that'} contain a wait for a task")
    return Entry(path, written, " and ".join(known), ". ".join(_about_durations(of, found)), found)


def _about_durations(of: DurationsFit, found: tuple[Figure, ...]) -> Iterator[str]:
    if of.family == CONSTANT:
        yield "One value and different waits explain them" if of.sums else "All are equal"
        return
    best = of.candidates[0] if of.candidates else None
    if of.family == EMPIRICAL:
        if best is not None:
            yield (
                f"No family is near: the best, {best.family}, differs by up to {percent(best.distance)} "
                "(Kolmogorov-Smirnov)"
            )
        else:
            yield "Too few to choose a family"
        return
    others = [each for each in of.candidates if each.family != of.family]
    if others and best is not None:
        own = next(each.aic for each in of.candidates if each.family == of.family)
        next_best = min(others, key=lambda each: each.aic)
        apart = next_best.aic - own
        if apart >= 0:
            yield f"The best of {len(of.candidates)} families by AIC; {next_best.family} is next, {apart:,.1f} higher"
        else:
            yield f"AIC {-apart:,.1f} above {next_best.family}, the lowest of {len(of.candidates)} families"
    intervals = _intervals(found)
    if of.sums:
        yield "How near it is cannot be tested, with durations that contain a wait"
        if intervals:
            yield intervals
        return
    chance = f"chance exceeds {percent(of.critical)} in 5 % of samples to which it was fitted"
    more = "" if of.is_supported else ", and so the difference is real, if small"
    yield f"It differs from the log by up to {percent(of.distance)} (Kolmogorov-Smirnov); {chance}{more}"
    if intervals:
        yield intervals


# ------------------------------------------------------------------------------------------------- attempts
def attempts_entries(of: Attempts, path: str = "tasks") -> Iterator[Entry]:
    """Failures, time limits, and what a retry repeats: of all tasks, or of the kind at a path."""
    failure = of.failure
    if failure.of:
        basis = f"{failure.count:,} of {failure.of:,} attempts failed ({_between(failure)})"
        found = (Figure(f"{path}.failure_probability", failure.value, failure.low, failure.high, "fraction"),)
        quality = f"By error: {errors_text(of.errors)}" if of.errors else ""
        yield Entry(f"{path}.failure_probability", rounded(failure.value), basis, quality, found)
    retries = of.retries
    if failure.count and retries.failure_at:
        why = {
            "end": "Failed attempts take as long as successful ones",
            "uniform": "Failed attempts end anywhere within the work",
        }
        yield Entry(f"{path}.failure_at", retries.failure_at, why[retries.failure_at])
    if retries.retried:
        again = {"repeat": "takes what the failed attempt would have taken", "redraw": "has a duration of its own"}
        if retries.checkpoints is not None:
            again["repeat"] = "takes at most as long as the failed attempt"
        yield Entry(
            "tasks.retried", retries.retried, f"A retry {again[retries.retried]}, in {retries.failed_pairs:,} retries"
        )
    if retries.interrupted:
        what = {
            "restart": "repeats the whole work",
            "resume": "takes what was left of the work",
            "redraw": "has a duration of its own",
        }[retries.interrupted]
        yield Entry(
            "tasks.interrupted",
            retries.interrupted,
            f"The attempt after an interruption {what}, in {retries.interrupted_pairs:,} of them",
        )
    if of.timeout is not None:
        yield Entry(
            f"{path}.timeout",
            rounded(of.timeout),
            f"{count(of.timed_out, 'attempt')} timed out, all after about this time",
            "",
            (Figure(f"{path}.timeout", of.timeout, None, None, "s"),),
        )


def _between(of: Share) -> str:
    return f"95 %: {percent(of.low)} to {percent(of.high)}"


def errors_text(errors: dict[str, int], most: int = 8) -> str:
    """The errors with their share of the failures."""
    total = sum(errors.values())
    named = [f"{name} {percent(number / total)}" for name, number in list(errors.items())[:most]]
    left = sum(list(errors.values())[most:])
    return ", ".join([*named, *([f"{len(errors) - most} others {percent(left / total)}"] if left else [])])


def policy_entry(
    of: PolicyFit, attempts: Attempts, *, is_linked: bool, path: str = "recovery.conditions.task_failure"
) -> Entry | None:
    """The policy for failed attempts; None when the log does not show it."""
    if not is_linked or not attempts.failure.count:
        return None
    if not of.retries:
        return Entry(path, "{max_retries: 0}", f"No failed task was tried again, of {count(of.given_up, 'failure')}")
    parts, found, about = [], [], []
    most = of.max_retries
    if most is not None:
        about.append(f"{count(of.at_limit, 'task')} ended with failure number {most + 1}, and none had more")
        found.append(Figure(f"{path}.max_retries", float(most)))
    else:
        most = max(len(of.delays), 3)
        about.append("How often a task is tried again at most is not seen: a guess")
    parts.append(f"max_retries: {most}")
    delay = of.retry_delay if of.retry_delay is not None else (of.delays[0] if of.delays else 0.0)
    parts.append(f"retry_delay: {rounded(delay)}")
    found.append(Figure(f"{path}.retry_delay", delay, None, None, "s"))
    if of.backoff != "fixed":
        parts.append(f"backoff: {of.backoff}")
    if of.backoff == "exponential":
        parts.append(f"multiplier: {rounded(of.multiplier)}")
        found.append(Figure(f"{path}.multiplier", of.multiplier))
    seen = ", ".join(f"{quantity(each, 's')} before retry {n}" for n, each in enumerate(of.delays[:6], start=1))
    about.append(f"The shortest tenth of the times from a failure to the next start: {seen}" if seen else "")
    if of.delays and of.retry_delay is None:
        about.append("They follow no backoff; the first is used")
    if of.spread > 0.5:
        about.append("They vary, by waiting for an agent or by jitter: try jitter: full or proportional")
    basis = f"{count(of.retries, 'retry', 'retries')} of failed attempts"
    return Entry(path, f"{{{', '.join(parts)}}}", basis, ". ".join(each for each in about if each), tuple(found))


# ------------------------------------------------------------------------------------------------- agents
def agents_entries(of: AgentsFit, restart: DurationsFit | None, file: str) -> Iterator[Entry]:
    """Agents, their slots, crashes and restarts."""
    if not of.names:
        basis = f"The log has no agents: as many as the {count(of.most_at_once, 'attempt')} that ran at once"
    elif of.names > of.count:
        basis = f"{of.names:,} names, {of.count:,} of them at once, from their first start to their last end"
    else:
        basis = f"{count(of.names, 'name')} in the log"
    yield Entry("agents.count", str(of.count), basis, "", (Figure("agents.count", of.count),))
    if of.names:
        more = f"; for a moment {of.most_at_once}" if of.most_at_once > of.slots else ""
        yield Entry(
            "agents.slots",
            str(of.slots),
            f"An agent has up to {count(of.slots, 'task')} at once for 0.1 % of its busy time or more{more}",
            "",
            (Figure("agents.slots", of.slots),),
        )
    if of.mtbf is None:
        return
    seen = "while they were busy" if of.seen_by == "interruptions" else "between their first start and last end"
    yield Entry(
        "agents.mtbf",
        rounded(of.mtbf),
        f"{count(of.crashes, 'crash', 'crashes')} (by {of.seen_by}) in {span(of.busy)} of agents {seen}",
        f"95 %: {span(of.interval[0])} to {span(of.interval[1])}",
        (Figure("agents.mtbf", of.mtbf, *of.interval, "s"),),
    )
    if restart is not None:
        yield durations_entry("agents.restart_time", restart, file, "gaps from a crash to the agent's next start")


def pool_entries(pools: tuple[PoolUse, ...]) -> Iterator[Entry]:
    """The needs of tasks, when all hold the same pool, and the pools."""
    needs = needs_entry(pools)
    if needs is not None:
        yield needs
        yield resources_entry(pools[:1])


def needs_entry(pools: tuple[PoolUse, ...], path: str = "tasks") -> Entry | None:
    """What tasks need, if all hold the same pool: all tasks, or those of the kind at a path."""
    if not pools or pools[0].share < 0.99:
        return None
    pool = pools[0]
    same = "" if pool.same >= 0.99 else f"; {percent(pool.same)} hold so many, and a scenario has one number"
    return Entry(f"{path}.needs", f"{{{pool.name}: {pool.units}}}", f"Attempts hold units of '{pool.name}'{same}")


def resources_entry(pools: tuple[PoolUse, ...]) -> Entry:
    """The pools and their sizes."""
    sizes = ", ".join(f"{pool.name}: {{units: {max(pool.most, pool.units)}}}" for pool in pools)
    return Entry("resources", f"{{{sizes}}}", "The most units that were held at once: a pool may have more")
