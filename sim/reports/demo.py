"""The four documented failures side by side: one table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from sim.experiments.runs.replications import Result
from sim.measures.metrics.recovery_time import PHASES
from sim.presentation.formatting import UNICODE, Signs, quantity
from sim.reports.table import PHASE_STYLES

COUNTS = (
    ("retries", "retries.count"),
    ("tasks done", "tasks.completed"),
    ("tasks lost", "tasks.lost"),
    ("violations", "consistency.violations"),
)


def side_by_side(results: Sequence[Result], style: Signs = UNICODE) -> Table:
    """A column for each scenario: recoveries, the mean of each phase, retries, losses and violations."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("")
    for result in results:
        table.add_column(result.scenario.name.replace("-", "-\n"), justify="right")
    table.add_row("recoveries", *_row(results, "recovery.count", style))
    for phase in PHASES:
        label = Text("  ").append(phase, PHASE_STYLES[phase])
        table.add_row(label, *_row(results, f"recovery.{phase}.mean", style))
    table.add_row("  total, mean", *_row(results, "recovery.time.mean", style), style="bold")
    for name, metric in COUNTS:
        table.add_row(name, *_row(results, metric, style))
    table.add_row("expected", *(_kept(result, style) for result in results))
    return table


def _row(results: Sequence[Result], metric: str, style: Signs) -> list[str]:
    found = [result.metrics.get(metric) for result in results]
    return [quantity(None if one is None else one.mean, "" if one is None else one.unit, style) for one in found]


def _kept(result: Result, style: Signs) -> Text:
    held = sum(outcome.holds for outcome in result.expectations)
    sign, color = (style.holds, "green") if result.holds else (style.fails, "red")
    return Text(f"{held} of {len(result.expectations)} {sign}", color)
