"""A result as a compact table for a terminal of 80 columns: the phases of recovery, the load, and the expectations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import isinf
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from recovery.audit import RecoveryPhase
from scenarios.fields.expectations import Expectation
from scenarios.fields.metrics import lookup
from sim.experiments.runs.heavy_tails import heavy_tails
from sim.experiments.runs.metric_estimates import failure_kinds
from sim.experiments.runs.replications import Result
from sim.experiments.runs.warmup import Warmup
from sim.measures.metrics.recovery_time import PHASES
from sim.measures.outcomes import Outcome
from sim.presentation.formatting import UNICODE, Signs, count, duration, estimated, percent, quantity, restriction
from sim.presentation.visible_text import visible
from sim.reports.diagnosis import wrong_diagnoses
from sim.reports.explained.explanation import never_injected
from sim.reports.failures.failed_expectations import broken, replay_of
from sim.reports.failures.replay import Replay
from sim.stats.precision import Reached

WIDTH = 80
BAR_WIDTH_MAX = 30
COLUMN_GAP = 2
LOAD_WIDTH = 66
ERRORS_SHOWN = 5
NOT_OBSERVED = "not observed"
"""In place of a value, where an expectation is on a metric without an observation."""
PHASE_STYLES: Mapping[str, str] = {
    RecoveryPhase.DETECT: "yellow",
    RecoveryPhase.WAIT: "bright_black",
    RecoveryPhase.ANALYZE: "cyan",
    RecoveryPhase.EXECUTE: "blue",
    RecoveryPhase.VERIFY: "green",
}


def summary(result: Result, style: Signs = UNICODE) -> Group:
    """Everything that `recovery-bench run` prints about a scenario, except for `failures`, whose lines must not be
    wrapped.
    """
    parts: list[Any] = [headline(result, style), *([] if result.warmup is None else warmup_lines(result.warmup))]
    parts += [Text(sentence, "yellow") for sentence in never_injected(result.scenario)]
    if len(result.runs) > 1:
        parts += [Text(str(tail), "yellow") for tail in heavy_tails(result.scenario)]
    parts += [precise(each, result, style) for each in result.precision]
    if _mean(result, "recovery.count"):
        parts += [Text(), phases(result, style)]
    if len(kinds := failure_kinds(result.runs)) > 1:
        parts += [Text(), by_kind(result, kinds, style)]
    parts += [Text(), load(result, style)]
    if result.scenario.tasks.kinds:
        parts += [Text(), by_task_kind(result, style)]
    if result.scenario.agents.pools:
        parts += [Text(), by_pool(result, style)]
    if result.scenario.queues:
        parts += [Text(), by_queue(result, style)]
    wrong = wrong_diagnoses(result.diagnosis)
    if wrong is not None:
        parts += [Text(), wrong]
    if notes := list(cut_off_notes(result)):
        parts += [Text(), *(Text(note, "yellow") for note in notes)]
    if result.expectations:
        parts += [Text(), expectations(result, style)]
    return Group(*parts)


def headline(result: Result, style: Signs = UNICODE) -> Text:
    """Scenario, seed, replications, events, virtual time and wall-clock time."""
    runs = result.runs
    several = len(runs) > 1
    seed = f"{result.seed} {style.times} {count(len(runs), 'replication')}" if several else runs[0].seed
    events, took = sum(run.events for run in runs), sum(run.wall_seconds for run in runs)
    virtual = duration(runs[0].virtual_seconds) + (" each" if several else "")
    line = Text(result.scenario.name, "bold")
    line.append(f"  seed {seed}: {events:,} events, {virtual} in {took:.1f} s", "not bold")
    if result.interrupted:
        line.append(" (interrupted)", "yellow not bold")
    return line


def warmup_lines(found: Warmup) -> Iterator[Text]:
    """A warm-up that was determined, and its warning if there is one."""
    pilots = count(found.replications, "pilot run")
    yield Text(f"warm-up {duration(found.seconds)} found (MSER-5, {found.metric}, {pilots})", "dim")
    if found.warning is not None:
        yield Text(found.warning, "yellow")


def precise(found: Reached, result: Result, style: Signs = UNICODE) -> Text:
    """The reached precision of a mean, if a precision was requested."""
    asked = "" if result.asked is None else percent(result.asked.epsilon)
    has = "no interval" if isinf(found.epsilon) else f"{found.epsilon * 100:.4g} %"
    if found.holds:
        return Text(f"precision of {found.metric}: {has}, where {asked} was asked for", "green")
    return Text(f"precision of {found.metric}: {has}, and not {asked}: more replications are needed", "yellow")


# ------------------------------------------------------------------------------ phases
def phases(result: Result, style: Signs = UNICODE) -> Table:
    """Each phase of recovery with its mean, its 95th percentile, and a bar."""
    means = {phase: _mean(result, f"recovery.{phase}.mean") or 0.0 for phase in PHASES}
    table = _plain(header_style="dim")
    table.add_column("recovery")
    table.add_column(_mean_heading(result, style), justify="right")
    table.add_column("p95", justify="right")
    table.add_column("")
    numbers = {phase: _mean_and_p95(result, phase, style) for phase in PHASES}
    whole = _mean_and_p95(result, "time", style)
    columns = (*zip(*numbers.values(), whole, strict=True), [f"  {phase}" for phase in PHASES])
    taken = sum(max(map(len, column)) + COLUMN_GAP for column in columns)
    bar_width = min(BAR_WIDTH_MAX, WIDTH - taken)
    total = sum(means.values())
    before = 0.0
    for phase in PHASES:
        bar = _bar(before, means[phase], total, bar_width, style)
        table.add_row(f"  {phase}", *numbers[phase], Text(bar, PHASE_STYLES[phase]))
        before += means[phase]
    table.add_row("  total", *whole, _outcomes(result, style), style="bold")
    return table


def _mean_and_p95(result: Result, part: str, style: Signs) -> list[str]:
    return [estimated(result.metrics.get(f"recovery.{part}.{statistic}"), style) for statistic in ("mean", "p95")]


def _bar(before: float, length: float, total: float, width: int, style: Signs) -> str:
    """A bar from the start to the end of the phase in the mean recovery; empty if it takes no time."""
    if not length:
        return ""
    start, end = round(before / total * width), round((before + length) / total * width)
    return " " * min(start, width - 1) + (style.bar * (end - start) or style.instant)


def _outcomes(result: Result, style: Signs) -> str:
    """`5 opened, 5 succeeded`, and the other outcomes."""
    found = {
        called: _mean(result, f"recovery.{name}")
        for name, called in (
            ("count", "opened"),
            ("succeeded", "succeeded"),
            ("failed", "failed"),
            ("escalated", "escalated"),
            ("dismissed", "dismissed"),
            ("censored", "cut off"),
        )
    }
    always = ("opened", "succeeded")
    return ", ".join(
        f"{quantity(mean, '', style)} {called}" for called, mean in found.items() if mean or called in always
    )


def by_kind(result: Result, kinds: Sequence[str], style: Signs = UNICODE) -> Table:
    """The recoveries of each kind of failure: a mean over all kinds depends on how many there are of each."""
    table = _plain(header_style="dim")
    table.add_column("by kind")
    for heading in ("succeeded", _mean_heading(result, style), "p95"):
        table.add_column(heading, justify="right")
    for kind in kinds:
        succeeded, opened = (_mean(result, f"recovery.{kind}.{each}") for each in ("succeeded", "count"))
        counts = f"{quantity(succeeded, '', style)} of {quantity(opened, '', style)}"
        table.add_row(f"  {kind.replace('_', ' ')}", counts, *_mean_and_p95(result, f"{kind}.time", style))
    return table


def by_task_kind(result: Result, style: Signs = UNICODE) -> Table:
    """The tasks of each kind: numbers, mean wait and sojourn time."""
    table = _plain(header_style="dim")
    table.add_column("by kind of tasks")
    for heading in ("completed", f"{_mean_heading(result, style)} wait", "mean sojourn", "p95"):
        table.add_column(heading, justify="right")
    for kind in result.scenario.tasks.kinds:
        completed, submitted = (_mean(result, f"tasks.{kind}.{each}") for each in ("completed", "submitted"))
        counts = f"{quantity(completed, '', style)} of {quantity(submitted, '', style)}"
        values = [
            _of_metric(result, f"tasks.{kind}.{each}", style) for each in ("wait.mean", "sojourn.mean", "sojourn.p95")
        ]
        table.add_row(f"  {kind}", counts, *values)
    return table


def by_pool(result: Result, style: Signs = UNICODE) -> Table:
    """The agents of each pool: their number, utilization and availability."""
    table = _plain(header_style="dim")
    for heading in ("by pool", "agents", "utilization", "availability", "restarts"):
        table.add_column(heading, justify="left" if heading == "by pool" else "right")
    for name, pool in result.scenario.agents.pools.items():
        of = [
            _of_metric(result, f"agents.{name}.{each}", style) for each in ("utilization", "availability", "restarts")
        ]
        table.add_row(f"  {name}", str(pool.count), *of)
    return table


def by_queue(result: Result, style: Signs = UNICODE) -> Table:
    """The tasks in each of the further queues."""
    table = _plain(header_style="dim")
    for heading in ("by queue", "mean depth", "maximum", "deliveries", "redeliveries"):
        table.add_column(heading, justify="left" if heading == "by queue" else "right")
    for name in result.scenario.queues:
        values = ("depth.mean", "depth.max", "deliveries", "redeliveries")
        table.add_row(f"  {name}", *(_of_metric(result, f"queue.{name}.{each}", style) for each in values))
    return table


def _of_metric(result: Result, name: str, style: Signs) -> str:
    found = result.metrics.get(name)
    return style.dash if found is None else quantity(found.mean, lookup(name, result.scenario.parts).unit, style)


def _mean_heading(result: Result, style: Signs) -> str:
    return "mean" if len(result.runs) == 1 else f"mean {style.plus_minus} 95 %"


# -------------------------------------------------------------------------------- load
GROUPS: Mapping[str, tuple[str, ...]] = {
    "tasks": (
        "tasks.submitted",
        "tasks.completed",
        "tasks.failed?",
        "tasks.rejected?",
        "tasks.lost",
        "tasks.unfinished?",
    ),
    "": ("tasks.wait.mean", "tasks.sojourn.mean", "tasks.sojourn.p95"),
    "attempts": ("attempts.started", "attempts.failed", "attempts.interrupted", "attempts.timed_out?"),
    "retries": ("retries.count", "retries.exhausted?", "work.wasted_fraction"),
    "clients": ("client.timeouts", "client.retries", "client.abandoned?", "client.goodput", "client.response.mean"),
    "faults": ("faults.skipped?",),
    "detection": ("detection.missed", "detection.false_positives"),
    "operator": ("escalations.open?", "alerts.critical?", "alerts.warning?"),
}
"""Lines of the table and their metrics; one with a question mark is left out when it is zero, and so is an empty line.
"""
CALLED = {
    "tasks.wait.mean": "mean wait",
    "tasks.sojourn.mean": "sojourn",
    "tasks.sojourn.p95": "p95",
    "faults.skipped": "without a target",
    "retries.count": "granted",
    "client.goodput": "answered",
    "client.response.mean": "mean response",
    "escalations.open": "escalations open",
    "alerts.critical": "critical alerts",
    "alerts.warning": "warnings",
    "work.wasted_fraction": "of the work wasted",
}
OF_ONE = {
    "escalations open": "escalation open",
    "critical alerts": "critical alert",
    "warnings": "warning",
    "false positives": "false positive",
}


def load(result: Result, style: Signs = UNICODE) -> Table:
    """Tasks, attempts, retries, detection and consistency in a line or two each."""
    table = _plain(show_header=False)
    table.add_column(style="dim")
    table.add_column(no_wrap=True)
    for group, metrics in GROUPS.items():
        if cells := list(_cells(result, metrics, style)):
            table.add_row(group, packed(cells, LOAD_WIDTH))
    violations = _mean(result, "consistency.violations")
    words = "no invariant violated"
    if violations:
        words = "1 violation" if violations == 1 else f"{quantity(violations, '', style)} violations"
    table.add_row("consistency", Text(words, "red" if violations else ""))
    return table


def _cells(result: Result, metrics: tuple[str, ...], style: Signs) -> Iterator[str]:
    for name in metrics:
        metric, unless_zero = name.rstrip("?"), name.endswith("?")
        found = result.metrics.get(metric)
        if found is None or (unless_zero and not found.mean):
            continue
        called = CALLED.get(metric, metric.rpartition(".")[2].replace("_", " "))
        text = estimated(found, style)
        called = OF_ONE.get(called, called) if text == "1" else called
        yield f"{called} {text}" if found.unit == "s" else f"{text} {called}"


def packed(cells: list[str], width: int) -> str:
    """Cells separated by commas, on as many lines as needed; no cell is broken."""
    lines: list[str] = []
    for number, cell in enumerate(cells):
        text = cell + ("," if number < len(cells) - 1 else "")
        if lines and len(lines[-1]) + 1 + len(text) <= width:
            lines[-1] += f" {text}"
        else:
            lines.append(text)
    return "\n".join(lines)


# ------------------------------------------------------------------------- what the figures leave out
SHOWN = ("recovery.time.mean", "tasks.wait.mean", "tasks.sojourn.mean", "client.response.mean")
"""The means of the table that the end of the runs can restrict."""


def cut_off_notes(result: Result) -> Iterator[str]:
    """Which means are restricted because the end of the runs cut off the longest observations, and which intervals rest
    on too few replications.
    """
    for name in SHOWN:
        yield from restriction(name, result.metrics.get(name))
    skewed = [name for name in SHOWN if (found := result.metrics.get(name)) is not None and found.skewed]
    if skewed:
        said = "one replication decides the mean; its interval needs more replications"
        yield f"{', '.join(skewed)}: {said}"


# ---------------------------------------------------------------------------- promises
def expectations(result: Result, style: Signs = UNICODE) -> Table:
    """Each expectation with the observed value."""
    table = _plain(header_style="dim")
    table.add_column("expected")
    table.add_column("observed", justify="right")
    for expectation, outcome in zip(result.scenario.expect, result.expectations, strict=True):
        sign, color = (style.holds, "green") if outcome.holds else (style.fails, "red")
        mark = Text("  ").append(f"{sign} ", color).append(outcome.expression)
        table.add_row(mark, _outcome(result, expectation, outcome, style))
    return table


def failures(result: Result, how: Replay, style: Signs = UNICODE) -> Iterator[str]:
    """What does not hold, each with the command that reproduces it."""
    yield from run_errors(result, style)
    for expectation, outcome in zip(result.scenario.expect, result.expectations, strict=True):
        if not outcome.holds:
            said = _outcome(result, expectation, outcome, style)
            yield f"{style.fails} {outcome.expression}: {said if said == NOT_OBSERVED else f'observed {said}'}"
            yield f"  replay: {replay_of(result, expectation, how)}"
    for run, violation in broken(result):
        yield f"{style.fails} {visible(str(violation))}"
        yield f"  replay: {how.command(run.seed)}"


def run_errors(result: Result, style: Signs = UNICODE) -> Iterator[str]:
    """The errors of runs, and that the result is not valid because of them; nothing if there are none."""
    if not result.errors:
        return
    invalid = len({error.seed for error in result.errors})
    runs = f"{invalid} of {count(len(result.runs), 'run')}"
    yield f"{style.fails} {runs} not valid: the recovery core raised an exception"
    for error in result.errors[:ERRORS_SHOWN]:
        yield visible(f"  {error.seed}: {error}")
    if len(result.errors) > ERRORS_SHOWN:
        yield f"  and {len(result.errors) - ERRORS_SHOWN} more"


def _outcome(result: Result, of: Expectation, outcome: Outcome, style: Signs) -> str:
    """`41.2 s`, and in how many runs it does not hold: `3 in one run, not as expected in 2 of 20 runs`."""
    if outcome.observed is None:
        return NOT_OBSERVED
    estimate = result.metrics.get(of.metric)
    unit = lookup(of.metric, result.scenario.parts).unit
    if of.in_runs is None:
        said = estimated(estimate, style)
    elif isinf(outcome.observed) and estimate is not None and estimate.cut_off:
        said = "beyond the horizon"
    else:
        said = quantity(outcome.observed, unit, style)
    if outcome.runs > 1 and outcome.failing:
        said += f"; {outcome.failing} of {outcome.runs} runs fail"
    return said


def _mean(result: Result, metric: str) -> float | None:
    found = result.metrics.get(metric)
    return None if found is None else found.mean


def _plain(**style: Any) -> Table:
    return Table(box=None, pad_edge=False, padding=(0, COLUMN_GAP, 0, 0), **style)
