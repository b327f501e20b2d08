"""A sweep as a table: a row for each point, a column for each metric."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from scenarios.fields.metrics import lookup
from sim.experiments.sweeps.designs import named, shown
from sim.experiments.sweeps.folder import key
from sim.experiments.sweeps.sweep import Sweep
from sim.measures.outcomes import Outcome
from sim.presentation.formatting import UNICODE, Signs, count, estimated, observation, restriction

SHOWN = ("recovery.time.mean", "tasks.sojourn.p95", "tasks.lost")
"""The default metrics of a table."""
MOST_ROWS = 40
"""Maximum number of rows; further points are only in the folder."""


def sweep_table(found: Sweep, metrics: Sequence[str], style: Signs = UNICODE) -> Group:
    """The values at each point, the estimates of the metrics, and whether what the scenario expects holds there."""
    line = Text(found.scenario.name, "bold")
    line.append(
        f"  seed {found.seed}: {count(len(found.points), 'point')} {style.times} "
        f"{count(found.replications, 'replication')}, {found.computed:,} of the runs new",
        "not bold",
    )
    if found.interrupted:
        line.append(" (interrupted)", "yellow not bold")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for path in found.paths:
        table.add_column(path.rpartition(".")[2], justify="right", overflow="fold")
    for metric in metrics:
        table.add_column(metric, justify="right", no_wrap=True)
    if found.scenario.expect:
        table.add_column("expected", no_wrap=True)
    estimates = {metric: found.estimates(metric) for metric in metrics}
    for point in found.points[:MOST_ROWS]:
        values = [shown(point[path]) for path in found.paths]
        row = [*values, *(estimated(estimates[metric].get(key(point)), style) for metric in metrics)]
        table.add_row(*row, *([_held(found.outcomes.get(key(point), ()), style)] if found.scenario.expect else []))
    parts: list[Text | Table] = [line, Text(), table]
    if len(found.points) > MOST_ROWS:
        parts.append(Text(f"and {len(found.points) - MOST_ROWS} more points", "dim"))
    parts += [Text(note, "yellow") for note in _notes(found, style)]
    for point in found.points[:MOST_ROWS]:
        restricted = [said for metric in metrics for said in restriction(metric, estimates[metric].get(key(point)))]
        parts += [Text(f"{named(point)}: {said}", "yellow") for said in restricted]
    if found.violations:
        parts += [Text(), Text(f"invariants were violated in {count(found.violations, 'run')}", "red")]
    return Group(*parts)


def _held(outcomes: Sequence[Outcome], style: Signs) -> Text:
    """Whether the expectations hold at a point, and how many do not; what is better than expected counts as held."""
    if not outcomes:
        return Text(style.dash)
    failed = sum(each.disqualifies for each in outcomes)
    return Text(f"{style.fails} {failed} of {len(outcomes)}", "red") if failed else Text(style.holds, "green")


def _notes(found: Sweep, style: Signs) -> Iterator[str]:
    """Which expectations do not hold at which point, and what was observed."""
    pools = found.scenario.parts
    units = {each.expression: lookup(each.metric, pools).unit for each in found.scenario.expect}
    for point in found.points[:MOST_ROWS]:
        for each in found.outcomes.get(key(point), ()):
            if not each.holds:
                observed = observation(each.observed, units[each.expression], style)
                better = ", which is better" if each.is_surpassed else ""
                yield f"{named(point)}: {each.expression} does not hold, observed {observed}{better}"
