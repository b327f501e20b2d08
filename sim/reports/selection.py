"""A selection as a table of 80 columns: the settings by rank, and the first ones on fresh replications."""

from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from sim.experiments.designs import shown
from sim.experiments.selected import Ranked, Selection
from sim.experiments.tails import heavy_tails
from sim.numbers import UNICODE, Signs, count, difference, duration, estimated, quantity
from sim.statistics import Estimate

MOST_ROWS = 40
SELECTED, TIED, OUT, IN_CONTENTION = "selected", "exactly as good", "out", "in contention"


def selection(found: Selection, style: Signs = UNICODE) -> Group:
    """The settings, what became of them, and how sure that is."""
    parts: list[Any] = [_headline(found), Text(f"  {_aim(found, style)}"), Text(), _ranks(found, style)]
    if len(found.ranked) > MOST_ROWS:
        parts.append(Text(f"and {count(len(found.ranked) - MOST_ROWS, 'more setting', 'more settings')}", "dim"))
    parts += [Text(), Text(outcome(found, style), "" if found.decided else "yellow")]
    if found.unobserved:
        left_out = count(found.unobserved, "replication was", "replications were")
        parts.append(Text(f"{left_out} left out: no setting observes {found.metric.name} there"))
    if found.judged:
        parts += [Text(), Text(f"on {count(len(found.fresh), 'fresh replication')}, which selected nothing:")]
        parts += [Text(), _fresh(found, style)]
    parts += [Text(str(tail), "yellow") for tail in heavy_tails(found.scenario)]
    return Group(*parts)


def status(found: Selection, each: Ranked) -> str:
    """What became of a setting: `selected`, `exactly as good`, `out` (eliminated) or `in contention`."""
    if each.eliminated:
        return OUT
    if not found.decided:
        return IN_CONTENTION
    return SELECTED if each is found.ranked[0] else TIED


def outcome(found: Selection, style: Signs = UNICODE) -> str:
    """How sure it is, or why it is not decided."""
    if found.decided:
        return (
            f"95 % sure to be the best, where the best is ahead of all others by {margin(found, style)} or more "
            "(Kim and Nelson)"
        )
    after, left = count(found.replications, "replication"), count(len(found.contention), "setting")
    if found.interrupted:
        return f"not decided: interrupted after {after}, with {left} still in contention"
    return f"not decided after {after}: {left} still in contention; more replications, or a larger indifference, decide"


def mean(of: Estimate, style: Signs = UNICODE) -> str:
    """A mean with its half-width, where it has one: infinite ones have none."""
    return quantity(of.mean, of.unit, style) if of.ci95 is None else estimated(of, style)


def margin(found: Selection, style: Signs = UNICODE) -> str:
    """The indifference with its unit; of shares, in percentage points."""
    text = quantity(found.indifference, found.metric.unit, style)
    return text.removesuffix("%") + "pp" if found.metric.unit == "fraction" else text


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
    return f"wanted: the {best} {found.metric.name}; less than {margin(found, style)} does not matter"


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
    table = _table(found, _mean_heading(style))
    table.add_column("", no_wrap=True)
    for rank, each in enumerate(found.ranked[:MOST_ROWS], 1):
        became = Text(f"{status(found, each)} after {each.replications:,}", "dim" if each.eliminated else "green")
        if each.is_own:
            became.append(" (as it is)")
        values = [shown(each.point[path]) for path in found.paths]
        table.add_row(f"{rank}", *values, mean(each.estimate, style), became)
    return table


def _fresh(found: Selection, style: Signs) -> Table:
    table = _table(found, _mean_heading(style), f"1 {style.dash} it")
    for rank, each in enumerate(found.ranked, 1):
        if each.fresh is None:
            continue
        values = [shown(each.point[path]) for path in found.paths]
        apart = "" if each.difference is None else difference(each.difference, style)
        table.add_row(f"{rank}", *values, mean(each.fresh, style), apart)
    return table
