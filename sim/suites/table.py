"""The results of a suite as a table for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from rich.table import Table
from rich.text import Text

from sim.presentation.formatting import UNICODE, Signs, count
from sim.suites.lines import expected, problems, remarks, verdict
from sim.suites.suite import Status, Suite

COLORS = {
    Status.PASSED: "green",
    Status.XFAILED: "green",
    Status.INCONCLUSIVE: "yellow",
    Status.NOT_RUN: "yellow",
    Status.REGRESSION: "red",
    Status.FAILED: "red",
    Status.INVALID: "red",
}


def table(suite: Suite) -> Table:
    """A row for each scenario: what became of it, its expectations, and the verdict of the baseline."""
    rows = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    rows.add_column("scenario", overflow="fold")
    rows.add_column("", no_wrap=True)
    rows.add_column("expected", justify="right", no_wrap=True)
    if suite.is_judged:
        rows.add_column("baseline", no_wrap=True)
    for case in suite.cases:
        cells = [Text(case.status, COLORS[case.status]), Text(expected(case))]
        rows.add_row(case.entry.name, *cells, *([Text(verdict(case))] if suite.is_judged else []))
    return rows


def details(suite: Suite, changes: Mapping[str, str] | None = None, style: Signs = UNICODE) -> Iterator[Text]:
    """What does not hold, what is remarkable, and a line with the totals."""
    for case in suite.cases:
        wrong = [Text(line, "red") for line in problems(case, changes, style)]
        others = [Text(line, "yellow") for line in remarks(case, style)]
        if wrong or others:
            yield Text(f"\n{case.entry.name}", "bold")
            yield from (*wrong, *others)
    for name in suite.absent:
        yield Text(f"\n{name} is in the baseline, and not in this suite", "yellow")
    yield Text(f"\n{totals(suite)}")


def totals(suite: Suite) -> str:
    """`3 scenarios: 2 passed, 1 failed`."""
    of = Counter(case.status for case in suite.cases)
    parts = [f"{of[status]} {status}" for status in Status if of[status]]
    said = f"{count(len(suite.cases), 'scenario')}: {', '.join(parts)}"
    return f"{said}; interrupted" if suite.interrupted else said
