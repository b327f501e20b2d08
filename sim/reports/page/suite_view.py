"""The part of a page about a suite, from its JSON."""

from __future__ import annotations

from dataclasses import dataclass, field

from sim.baselines.judgment import Verdict
from sim.presentation.formatting import count, difference, quantity
from sim.reports.page.settings import joined
from sim.reports.stored.shapes import CaseShape, ExpectationShape, JudgedMetricShape, SuiteShape

STATUS_CLASSES = {"passed": "good", "failed as expected": "none", "inconclusive": "warn", "not run": "warn"}
"""Classes of color; every other status is bad."""


@dataclass(frozen=True)
class CaseRow:
    """A scenario of a suite: its status, what does not hold, and the metrics that are not as the baseline."""

    name: str
    file: str
    status: str
    kind: str
    seed: str
    held: str
    problems: list[str]


@dataclass(frozen=True)
class SuiteView:
    """What the template of a suite shows."""

    template: str = field(default="suite.html.jinja", init=False)
    title: str
    subtitle: str
    headline: str
    holds: bool | None
    notes: list[str]
    cases: list[CaseRow]
    command: str
    facts: list[tuple[str, str]]


def suite_view(data: SuiteShape) -> SuiteView:
    """The view of a suite: its scenarios, those that are not as expected first."""
    rows = [_row(case) for case in data.scenarios]
    rows.sort(key=lambda row: ("bad", "warn", "none", "good").index(row.kind))
    passed = sum(case.status == "passed" for case in data.scenarios)
    notes = ["The suite was interrupted: some scenarios did not run."] if data.interrupted else []
    if data.absent:
        notes.append(f"In the baseline, but not in the suite: {', '.join(data.absent)}.")
    files = [case.file or case.scenario for case in data.scenarios]
    return SuiteView(
        title="Suite",
        subtitle=count(len(data.scenarios), "scenario"),
        headline=f"{passed} of {count(len(data.scenarios), 'scenario')} passed",
        holds=data.holds,
        notes=notes,
        cases=rows,
        command=joined(["recovery-bench", "suite", *files]),
        facts=[("version", data.version)],
    )


def _row(case: CaseShape) -> CaseRow:
    problems = [case.problem] if case.problem else []
    problems += [_expected(each) for each in case.expectations if not each.holds]
    violated = sum(bool(run.get("violations")) for run in case.runs)
    problems += [f"invariants were violated in {count(violated, 'run')}"] if violated else []
    failed = sum(bool(run.get("errors")) for run in case.runs)
    problems += [f"{count(failed, 'run')} with errors of the core"] if failed else []
    if case.baseline is not None:
        problems += list(case.baseline.changes)
        problems += [
            _judged(name, each) for name, each in case.baseline.metrics.items() if each.verdict != Verdict.PASS
        ]
    held = sum(each.holds for each in case.expectations)
    return CaseRow(
        case.scenario,
        case.file,
        case.status,
        STATUS_CLASSES.get(case.status, "bad"),
        "" if case.seed is None else f"seed {case.seed}, {count(case.replications, 'replication')}",
        f"{held} of {len(case.expectations)}" if case.expectations else "",
        problems,
    )


def _expected(of: ExpectationShape) -> str:
    observed = "not observed" if of.observed is None else f"observed {quantity(of.observed)}"
    return f"{of.expression}: {observed}"


def _judged(name: str, of: JudgedMetricShape) -> str:
    before, now = (quantity(value, of.unit) for value in (of.baseline, of.now))
    change = "" if of.difference is None else f" ({difference(of.difference.estimate(of.unit))})"
    return f"{name}: {of.verdict.lower()}, {before} → {now}{change}"
