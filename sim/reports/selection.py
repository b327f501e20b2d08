"""A selection as a table of 80 columns: the settings by rank, and the first ones on fresh replications."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from scenarios.fields.metrics import lookup
from sim.experiments.runs.heavy_tails import heavy_tails
from sim.experiments.selection.result import Selection
from sim.experiments.sweeps.designs import named, shown
from sim.presentation.formatting import (
    UNICODE,
    Signs,
    count,
    difference,
    duration,
    estimated,
    observation,
    quantity,
    restriction,
)

MOST_ROWS = 40


def selection(found: Selection, style: Signs = UNICODE) -> Group:
    """The settings, their states, and the certainty of the selection."""
    parts: list[Any] = [_headline(found), Text(f"  {_aim(found, style)}"), Text(), _ranks(found, style)]
    if len(found.ranked) > MOST_ROWS:
        parts.append(Text(f"and {count(len(found.ranked) - MOST_ROWS, 'more setting', 'more settings')}", "dim"))
    parts += [Text(), Text(found.outcome(style), "" if found.decided else "yellow")]
    parts += [Text(note, "yellow") for note in _notes(found, style)]
    if found.unobserved:
        left_out = count(found.unobserved, "replication was", "replications were")
        parts.append(Text(f"{left_out} left out: no setting observes {found.metric.name} there"))
    if found.judged:
        parts += [Text(), Text(f"on {count(len(found.fresh), 'fresh replication')}, which selected nothing:")]
        parts += [Text(), _fresh(found, style)]
    parts += [Text(str(tail), "yellow") for tail in heavy_tails(found.scenario)]
    return Group(*parts)


def _headline(found: Selection) -> Text:
    line = Text(found.scenario.name, "bold")
    runs, virtual = count(found.runs, "run"), duration(found.scenario.duration)
    settings = count(len(found.ranked), "setting")
    line.append(f"  seed {found.seed}: {settings}, {runs}, {virtual} each in {found.wall_seconds:.1f} s", "not bold")
    if found.interrupted:
        line.append(" (interrupted)", "yellow not bold")
    return line


def _aim(found: Selection, style: Signs) -> str:
    best = "largest" if found.metric.direction == "higher" else "smallest"
    return f"wanted: the {best} {found.metric.name}; less than {found.margin(style)} does not matter"


def _table(found: Selection, *headings: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("", justify="right", no_wrap=True)
    for path in found.paths:
        table.add_column(path.rpartition(".")[2], justify="right", overflow="fold")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _mean_heading(style: Signs) -> str:
    return f"mean {style.plus_minus} 95 %"


def _ranks(found: Selection, style: Signs) -> Table:
    table = _table(found, _mean_heading(style), f"1 {style.dash} it")
    table.add_column("", no_wrap=True)
    for rank, each in enumerate(found.ranked[:MOST_ROWS], 1):
        out = each.eliminated or each.failed
        became = Text(f"{found.status(each)} after {each.replications:,}", "dim" if out else "green")
        if each.is_own:
            became.append(" (as it is)")
        values = [shown(each.point[path]) for path in found.paths]
        apart = "" if each.ahead is None else difference(each.ahead, style)
        table.add_row(f"{rank}", *values, estimated(each.estimate, style), apart, became)
    return table


def _notes(found: Selection, style: Signs) -> Iterator[str]:
    """Which expectations disqualify which setting, where the mean is restricted, and which settings give up more tasks
    than the first.
    """
    pools = found.scenario.parts
    units = {each.expression: lookup(each.metric, pools).unit for each in found.scenario.expect}
    for each in found.ranked[:MOST_ROWS]:
        for one in each.failed:
            observed = observation(one.observed, units[one.expression], style)
            yield f"{named(each.point)} is disqualified: {one.expression}, observed {observed}"
    for each in found.ranked[:MOST_ROWS]:
        for said in restriction(found.metric.name, each.estimate):
            yield f"{named(each.point)}: {said}"
    best = found.ranked[0].given_up
    for each in found.ranked[1:MOST_ROWS]:
        of = each.given_up
        if best is not None and of is not None and of.mean != best.mean and not each.failed:
            more = "more" if of.mean > best.mean else "fewer"
            given_up = f"{quantity(of.mean, '', style)} tasks in a run, the first {quantity(best.mean, '', style)}"
            yield f"{named(each.point)} gives up {more} tasks: {given_up}"


def _fresh(found: Selection, style: Signs) -> Table:
    table = _table(found, _mean_heading(style), f"1 {style.dash} it")
    for rank, each in enumerate(found.ranked, 1):
        if each.fresh is None:
            continue
        values = [shown(each.point[path]) for path in found.paths]
        apart = "" if each.difference is None else difference(each.difference, style)
        table.add_row(f"{rank}", *values, estimated(each.fresh, style), apart)
    return table
