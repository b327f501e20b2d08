"""`fit`: from a task log to a scenario."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recovery.errors import argument
from scenarios.errors import instead, shown
from scenarios.fields.quantities import is_number
from sim.experiments.fitting.agents import AgentsFit, fit_agents
from sim.experiments.fitting.arrivals import DIURNAL, KINDS, TRACE, ArrivalsFit, fit_arrivals
from sim.experiments.fitting.attempts import Attempts, attempts_of, work_sample
from sim.experiments.fitting.durations import CONSTANT, EMPIRICAL, DurationsFit, durations_of, fit_durations
from sim.experiments.fitting.entries import (
    agents_entries,
    arrivals_entry,
    attempts_entries,
    durations_entry,
    policy_entry,
    pool_entries,
    resources_entry,
)
from sim.experiments.fitting.exports.formats import table_of
from sim.experiments.fitting.families import FAMILIES
from sim.experiments.fitting.logs.errors import FitError
from sim.experiments.fitting.logs.files import read_log
from sim.experiments.fitting.logs.task_log import Reading, TaskLog, task_log_of
from sim.experiments.fitting.policy import fit_policy
from sim.experiments.fitting.remarks import head, notes, unknown
from sim.experiments.fitting.resources import PoolUse, pools_of
from sim.experiments.fitting.result import Entry, Fit
from sim.experiments.fitting.scenario_text import name_of, scenario_text
from sim.experiments.fitting.task_kinds import COMMON, KindFit, kind_entries, kinds_of
from sim.presentation.formatting import count, span

Numbers = NDArray[np.float64]
AUTO = "auto"
WORK = (AUTO, CONSTANT, *FAMILIES, EMPIRICAL)
ARRIVALS = (AUTO, *KINDS)
TASKS_OF_A_RUN = 20_000
"""The scenario lasts for about so many tasks, or as long as the log if that is shorter."""
MOST_TASKS_OF_A_PERIOD = 200_000
HEARTBEATS = 3
LATENCY = HEARTBEATS - 0.5
"""Mean detection latency in heartbeat intervals: an agent crashes at any moment between two heartbeats."""


@dataclass(frozen=True)
class Wanted:
    """What a fit is asked for: the format of the log, families by name, and what is known otherwise.

    `detection_time`: seconds from a crash until it is noticed, which are part of the gaps in a log.
    """

    format: str = AUTO
    arrivals: str = AUTO
    work: str = AUTO
    detection_time: float | None = None
    span: str | None = None
    reading: Reading = field(default_factory=Reading)


def fit(
    log: str | os.PathLike[str] | pd.DataFrame,
    *,
    columns: Mapping[str, str] | None = None,
    format: str = AUTO,  # noqa: A002 - the option has this name
    zone: str = "UTC",
    words: Mapping[str, str] | None = None,
    arrivals: str = AUTO,
    work: str = AUTO,
    detection_time: float | None = None,
    skip: int = 0,
    tolerance: float = 0.0,
    spans: str | None = None,
    name: str | None = None,
    on_log: Callable[[TaskLog], object] | None = None,
) -> Fit:
    """Fit a scenario to a task log: a CSV or Parquet file, a JSON export, or a data frame. One row is one attempt.

    `columns`: names by meaning (`sim.experiments.fitting.logs.columns`); those of known names are found without.
    `format`: auto, plain, celery, temporal, airflow, otel or history. `zone`: of times without one. `words`: meanings
    of status words. `arrivals` and `work`: auto, or a form by its name in the schema. `detection_time`: seconds from
    a crash until it is noticed, which the gaps of a log contain; None: unknown, the restart time contains it. `skip`:
    bad rows to leave out at most, also of CSV with another number of columns. `tolerance`: seconds by which times may
    go backwards. `spans`: for otel, the name of the spans that are attempts. `on_log` is called with the
    attempts as they were read.

    Raises FitError: what is wrong with the log, in which row, and what is valid.
    """
    _check_number("tolerance", tolerance)
    _check_number("detection_time", 0.0 if detection_time is None else detection_time)
    wanted = Wanted(
        format,
        _known("arrivals", arrivals, ARRIVALS),
        _known("work", work, WORK),
        detection_time,
        spans,
        Reading(columns or {}, zone, words or {}, skip, tolerance),
    )
    if isinstance(log, pd.DataFrame):
        source, read = "a data frame", _table_of_frame(log)
    else:
        if not isinstance(log, str | os.PathLike):
            raise FitError(f"{shown(log)} is no log; valid: the path of a file, or a data frame")
        source = os.fspath(log)
        read = read_log(Path(source), skip)
    try:
        table, noun, first, used, more = table_of(read, wanted.format, wanted.span, wanted.reading)
        attempts = task_log_of(table, used, noun, first)
        if on_log is not None:
            on_log(attempts)
        return _fitted(attempts, source, wanted, name or name_of(Path(source).name.split(".")[0]), more)
    except FitError as error:
        raise FitError(f"{source}: {error}") from None


def _check_number(option: str, value: float) -> None:
    if not is_number(value) or value < 0:
        raise FitError(f"{argument(option, value)}: is not a duration; valid: a number of seconds, 0 or more")


def _known(option: str, given: str, valid: tuple[str, ...]) -> str:
    if given not in valid:
        raise FitError(f"{argument(option, given)}: {instead(given, valid, 'valid')}")
    return given


def _table_of_frame(frame: pd.DataFrame) -> Any:
    import pyarrow as pa  # noqa: PLC0415 - only when a log is read

    if not len(frame):
        raise FitError("a data frame: has no rows; valid: one row for each attempt")
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise FitError(
            f"a data frame: {' '.join(str(error).split())[:200]}; valid: one kind of value in a column"
        ) from None


# --------------------------------------------------------------------------------------------------- the fit
def _fitted(log: TaskLog, source: str, wanted: Wanted, name: str, seen: tuple[str, ...]) -> Fit:
    first = log.is_first()
    times, by = _arrival_times(log, first)
    arrivals = _arrivals(log, times, wanted)
    attempts = attempts_of(log)
    work, work_notes = _work(log, attempts, wanted)
    agents = fit_agents(log)
    restart = _restart(agents, log, wanted)
    policy = fit_policy(log)
    pools = pools_of(log)
    kinds, of_kinds = kinds_of(log, lambda of_kind, of: _work(of_kind, of, wanted))
    recorded = {each.file: each.work for each in kinds if each.file} if kinds else {"work": work}
    files = _files(name, arrivals, {**recorded, "restart": restart})
    paths = {key: f"{name}.{key}.csv" for key in ("arrivals", "work", "restart")}
    lasts = _duration(arrivals)
    entries = [
        Entry("duration", f"{lasts:g}", _why_so_long(lasts, arrivals)),
        arrivals_entry(arrivals, paths["arrivals"], by),
        *_task_entries(log, kinds, work, attempts, pools, name),
        *agents_entries(agents, restart, paths["restart"]),
        *_detection(agents, wanted),
    ]
    of_policy = policy_entry(policy, attempts, is_linked=log.is_linked)
    if of_policy is not None and not kinds:
        entries.append(of_policy)
    entries.sort(key=_place)
    told = (
        *seen,
        *log.notes,
        *work_notes,
        *of_kinds,
        *notes(log, arrivals, attempts, work, agents, restart, () if kinds else pools, kinds),
    )
    missing = tuple(unknown(log, attempts, agents, policy, pools, knows_detection=bool(wanted.detection_time)))
    tasks = int(first.sum())
    description = f"Fitted to {Path(source).name}: {count(tasks, 'task')}, {span(log.end - log.begin)}."
    text = scenario_text(name, description, head(log, source, tasks), entries, told, missing)
    return Fit(
        name,
        source,
        tasks,
        len(log),
        tuple(entries),
        attempts.errors,
        missing,
        tuple(told),
        text,
        files,
        arrivals,
        work,
        restart,
        log.origin,
        log.zone,
    )


def _task_entries(
    log: TaskLog,
    kinds: tuple[KindFit, ...],
    work: DurationsFit,
    attempts: Attempts,
    pools: tuple[PoolUse, ...],
    name: str,
) -> Iterator[Entry]:
    """The work, failures and needs of all tasks, or of each kind."""
    noun = "tasks" if log.is_linked else "attempts"
    if not kinds:
        yield durations_entry("tasks.work", work, f"{name}.work.csv", noun)
        yield from attempts_entries(attempts)
        yield from pool_entries(pools)
        return
    own = {f"tasks.{key}" for key in COMMON}
    yield from (each for each in attempts_entries(attempts) if each.path not in own)
    yield from kind_entries(kinds, name, noun, is_linked=log.is_linked)
    needed = {use.name for kind in kinds for use in kind.pools[:1] if use.share >= 0.99}
    if needed:
        yield resources_entry(tuple(pool for pool in pools if pool.name in needed))


_ORDER = ("duration", "tasks", "agents", "resources", "recovery")


def _place(entry: Entry) -> int:
    return _ORDER.index(entry.path.partition(".")[0])


def _arrival_times(log: TaskLog, first: NDArray[np.bool_]) -> tuple[Numbers, str]:
    """When tasks were submitted, ascending, and which column says so."""
    submitted = log.submitted[first]
    if "submitted" in log.has and np.isfinite(submitted).mean() >= 0.5:
        times, by = submitted, "submission"
    else:
        times, by = log.started[first], "first start (the log has no submissions)"
    return np.sort(times[np.isfinite(times)]), by


def _arrivals(log: TaskLog, times: Numbers, wanted: Wanted) -> ArrivalsFit:
    chosen = None if wanted.arrivals == AUTO else wanted.arrivals
    try:
        return fit_arrivals(times, log.resolution, has_clock=log.origin is not None, wanted=chosen)
    except ValueError as error:
        other = "" if chosen is None else f", or another {argument('arrivals')}"
        raise FitError(f"{error}; valid: a log of two tasks or more{other}") from None


def _work(log: TaskLog, attempts: Attempts, wanted: Wanted) -> tuple[DurationsFit, tuple[str, ...]]:
    sample = work_sample(log, attempts.retries)
    if not len(sample.exact):
        raise FitError(
            "no attempt has succeeded, and so no duration of work is known; valid: one that has a start and an end"
        )
    if not sample.exact.any():
        raise FitError(
            "every attempt ends when it starts; valid: durations above 0 (other columns for starts and ends, or times "
            "that are not rounded)"
        )
    notes = list(sample.notes)
    zeros = int((sample.exact <= 0).sum())
    if zeros:
        half = log.resolution / 2
        notes.append(f"{count(zeros, 'attempt')} took 0 s by the log, and {half:g} s, half its resolution, in the fit")
    durations = durations_of(sample.exact, sample.longer, log.resolution)
    if log.resolution > 0.2 * durations.mean:
        notes.append(
            f"times are rounded to {log.resolution:g} s, which is coarse for work of {durations.mean:.3g} s on average"
        )
    try:
        return fit_durations(durations, log.resolution, None if wanted.work == AUTO else wanted.work), tuple(notes)
    except ValueError as error:
        raise FitError(f"{argument('work', wanted.work)}: {error}; valid: auto, or {EMPIRICAL}") from None


def _restart(agents: AgentsFit, log: TaskLog, wanted: Wanted) -> DurationsFit | None:
    """The time from a crash to the agent's next start, without the time until the crash is noticed."""
    less = wanted.detection_time or 0.0
    exact, longer, sums, least = (
        np.maximum(each - less, 0.0) for each in (agents.gaps, agents.longer, agents.sums, agents.least)
    )
    if len(sums) and agents.idle is None:  # nothing is known of waits: upper bounds
        exact, sums = np.concatenate([exact, sums]), sums[:0]
    if not len(exact) + len(sums):
        return None
    if max(exact.max(initial=0.0), sums.max(initial=0.0)) <= 0:
        most = max(agents.gaps.max(initial=0.0), agents.sums.max(initial=0.0))
        given = argument("detection_time", f"{less:g}s", python=f"detection_time={less:g}")
        raise FitError(f"{given}: agents are back after at most {most:.4g} s; valid: less than that")
    durations = durations_of(exact, longer, log.resolution, sums, least[: len(sums)], agents.idle)
    return fit_durations(durations, log.resolution)


def _files(name: str, arrivals: ArrivalsFit, durations: Mapping[str, DurationsFit | None]) -> dict[str, str]:
    files = {}
    if arrivals.kind == TRACE:
        files[f"{name}.arrivals.csv"] = _csv("submitted", arrivals.values)
    for key, of in durations.items():
        if of is not None and of.family == EMPIRICAL:
            files[f"{name}.{key}.csv"] = _csv("seconds", of.values)
    return files


def _csv(column: str, values: tuple[float, ...]) -> str:
    return "\n".join([column, *(f"{value:.9g}" if value < 1e3 else f"{value:.6f}" for value in values)]) + "\n"


def _duration(arrivals: ArrivalsFit) -> float:
    """How long the scenario lasts: about TASKS_OF_A_RUN tasks, a whole period where there is one."""
    whole = max(arrivals.end - arrivals.begin, 1e-3)
    lasts = min(whole, TASKS_OF_A_RUN / arrivals.rate)
    if arrivals.kind == DIURNAL and arrivals.period * arrivals.rate <= MOST_TASKS_OF_A_PERIOD:
        lasts = max(lasts, arrivals.period)
    for step in (3600.0, 60.0, 1.0):
        if lasts >= 10 * step:
            return float(round(lasts / step) * step)
    return float(f"{lasts:.3g}")


def _why_so_long(lasts: float, arrivals: ArrivalsFit) -> str:
    whole = arrivals.end - arrivals.begin
    if lasts < 0.95 * whole:
        return f"About {lasts * arrivals.rate:,.0f} tasks. The log covers {span(whole)}, which is duration={whole:.0f}s"
    return f"About {lasts * arrivals.rate:,.0f} tasks"


def _detection(agents: AgentsFit, wanted: Wanted) -> Iterator[Entry]:
    if agents.mtbf is None:
        return
    if not wanted.detection_time:
        yield Entry(
            "recovery.detection",
            "{detector: perfect}",
            "A log shows when an agent is back, and not when its crash was noticed: the restart time contains both. "
            "With a known detection time they are separate",
        )
        return
    interval = wanted.detection_time / LATENCY
    yield Entry(
        "recovery.detection",
        f"{{heartbeat_interval: {interval:.6g}, missed_heartbeats: {HEARTBEATS}}}",
        f"A crash is noticed after {wanted.detection_time:g} s on average (given, not fitted), which the restart time "
        "does not contain",
    )
