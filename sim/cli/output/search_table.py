"""A search as text of 80 columns: what was found, or what was reached without finding anything."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sim.experiments.search.coverage import OUTCOMES, Coverage
from sim.experiments.search.found import Found
from sim.experiments.search.search import SearchResult
from sim.presentation.formatting import UNICODE, Signs, count, duration

MOST_ROWS = 40
TIMES = frozenset({"at", "after", "every", "for"})
"""Keys of faults that are seconds where they are numbers."""


def search_report(result: SearchResult, style: Signs = UNICODE) -> Group:
    """Headline, the schedule that was found, and the coverage."""
    parts: list[RenderableType] = [_headline(result)]
    if result.found is not None:
        parts += [Text(), *_found(result.found, style)]
    if _rows(result.coverage):
        parts += [Text(), coverage_table(result.coverage, style)]
    hidden = len(_rows(result.coverage)) - MOST_ROWS
    if hidden > 0:
        parts.append(Text(f"and {count(hidden, 'more row', 'more rows')}; --json has all", "dim"))
    missed = result.coverage.missed
    parts.append(Text())
    if not missed:
        parts.append(Text(f"all {len(result.coverage.marks)} marks were reached"))
    else:
        parts.append(Text(f"not reached: {', '.join(missed)}", "yellow"))
        if result.found is None:
            parts.append(Text("Without its marks, a quiet search does not show that the system is safe.", "yellow"))
    return Group(*parts)


def _headline(result: SearchResult) -> Text:
    line = Text(result.scenario.name, "bold")
    runs, kinds = count(result.examples, "example"), count(len(result.kinds), "kind of fault", "kinds of fault")
    each = duration(result.scenario.duration)
    line.append(f"  seed {result.seed}: {runs} of {kinds}, {each} each in {result.wall_seconds:.1f} s", "not bold")
    if result.interrupted:
        line.append(" (interrupted)", "yellow not bold")
    if result.found is None:
        line.append("\nnothing breaks", "not bold")
    return line


def _found(found: Found, style: Signs) -> list[RenderableType]:
    many = count(len(found.faults), "fault") if found.faults else "no fault at all"
    where = f"found by example {found.example}, {many} after {count(found.runs, 'run')} of shrinking"
    lines = [Text(f"{style.fails} breaks {found.name}", "red"), Text(where)]
    lines += [Text(f"  {path} = {value}") for path, value in found.drawn.values.items()]
    for fault in found.faults:
        ((kind, keys),) = fault.items()
        lines.append(Text(f"  {kind}: " + ", ".join(f"{key} {_value(key, value)}" for key, value in keys.items())))
    lines += [Text(each.message) for each in found.breaks]
    return [*lines]


def _value(key: str, value: Any) -> str:
    """The value of a key of a fault; a time with its unit."""
    return duration(value) if key in TIMES and isinstance(value, float | int) else str(value)


def coverage_table(coverage: Coverage, style: Signs = UNICODE) -> Table:
    """Examples by kind of fault, step of the recovery that it hit, and outcome of that recovery."""
    rows = _rows(coverage)
    shown = [outcome for outcome in OUTCOMES if any(outcome in outcomes for outcomes in rows.values())]
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("fault")
    table.add_column("during")
    for outcome in shown:
        table.add_column(outcome, justify="right")
    last = ""
    for (fault, step), outcomes in list(rows.items())[:MOST_ROWS]:
        table.add_row("" if fault == last else fault, step, *(str(outcomes.get(each, "")) for each in shown))
        last = fault
    return table


def _rows(coverage: Coverage) -> dict[tuple[str, str], dict[str, int]]:
    rows: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for (fault, step, outcome), number in sorted(coverage.cells.items()):
        rows[fault, step][outcome] = number
    return dict(rows)
