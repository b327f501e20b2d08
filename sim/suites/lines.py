"""What a suite reports of a scenario, in lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite

from scenarios.fields.tolerances import Tolerance
from sim.baselines import MetricJudgment, Verdict
from sim.baselines.power import MOST
from sim.presentation.formatting import UNICODE, Signs, difference, quantity
from sim.presentation.visible_text import visible
from sim.reports.failures.replay import Replay
from sim.reports.table import failures
from sim.suites.suite import Case, Status

OTHER_SEEDS = "other seeds than the baseline, so that the replications are not paired"


def problems(case: Case, changes: Mapping[str, str] | None = None, style: Signs = UNICODE) -> Iterator[str]:
    """What makes a scenario fail: that it is not valid, its failed expectations, and its regressions."""
    if case.entry.problem:
        yield f"{style.fails} {case.entry.problem}"
    if case.result is not None and not case.is_expected_to_fail:
        yield from failures(case.result, Replay(case.entry.file, changes or {}), style)
    if case.judgment is not None:
        for each in case.judgment.of(Verdict.REGRESSION):
            yield f"{style.fails} {judged(each, style)}"


def remarks(case: Case, style: Signs = UNICODE) -> Iterator[str]:
    """What does not make a scenario fail: how it differs from the baseline, inconclusive metrics, improvements."""
    if case.status is Status.XFAILED and case.result is not None:
        yield visible(f"failed as expected: {case.result.scenario.xfail}")
    judgment = case.judgment
    if judgment is None or judgment.identical:
        return
    for change in judgment.changes:
        yield f"changed since the baseline: {change}"
    if not judgment.paired:
        yield OTHER_SEEDS
    for each in (*judgment.of(Verdict.INCONCLUSIVE), *judgment.improved):
        yield judged(each, style)


def judged(of: MetricJudgment, style: Signs = UNICODE) -> str:
    """The verdict on a metric, with its value then and now, the change and the tolerance."""
    word = "improved" if of.improved else str(of.verdict)
    now = None if of.now is None else of.now.mean
    unit = of.before.unit
    said = f"{of.metric}: {word}: {quantity(of.before.mean, unit, style)} in the baseline, "
    said += "not observed now" if now is None else f"{quantity(now, unit, style)} now"
    change = of.difference
    if change is not None and change.difference is not None:
        share = "" if change.relative is None else f", {100 * change.relative:+.1f} %"
        said += f" ({difference(change.difference, style)}{share})"
    if of.verdict is Verdict.INCONCLUSIVE:
        return f"{said}: {_why(of, style)}"
    return f"{said}; {tolerated(of.tolerance, of.margin, unit, style)}"


def _why(of: MetricJudgment, style: Signs) -> str:
    """Why a metric is inconclusive, and how many replications would do."""
    change = of.difference
    if change is None or change.difference is None:
        seen = 0 if of.now is None else sum(value is not None for value in of.now.values)
        return f"observed in {of.before.n} replications of the baseline and in {seen} now; two of each are needed"
    if not isfinite(change.difference.mean):
        return "some values are beyond the horizon, and more replications are needed"
    needed = f"{of.needed:,} would do" if of.needed is not None else f"more than {MOST:,} would be needed"
    limit = tolerated(of.tolerance, of.margin, of.before.unit, style)
    return f"{change.difference.n} replications are too few for {limit}; {needed}"


def tolerated(tolerance: Tolerance, margin: float, unit: str, style: Signs = UNICODE) -> str:
    """`a tolerance of 5 % (1.6 s)`."""
    if margin == 0:
        return "a tolerance of 0"
    value = quantity(margin, unit, style)
    if tolerance.relative > 0 and margin != tolerance.absolute:
        return f"a tolerance of {100 * tolerance.relative:.4g} % ({value})"
    return f"a tolerance of {value}"


def verdict(case: Case) -> str:
    """The verdict of the baseline in a word: `identical`, `PASS`, `REGRESSION`, `INCONCLUSIVE`, or `new`."""
    if case.result is None:
        return ""
    if case.judgment is None:
        return "not judged" if case.result.interrupted else "new"
    return "identical" if case.judgment.identical else str(case.judgment.verdict)


def expected(case: Case) -> str:
    """How many expectations hold: `3 of 3`."""
    if case.result is None:
        return ""
    outcomes = case.result.expectations
    return f"{sum(outcome.holds for outcome in outcomes)} of {len(outcomes)}" if outcomes else "none"
