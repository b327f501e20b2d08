"""A sweep as a table: a row for each point, a column for each metric."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from sim.experiments.sweeps.designs import shown
from sim.experiments.sweeps.folder import key
from sim.experiments.sweeps.sweep import Sweep
from sim.presentation.formatting import UNICODE, Signs, count, estimated

SHOWN = ("recovery.time.mean", "tasks.sojourn.p95", "tasks.lost")
"""The default metrics of a table."""
MOST_ROWS = 40
"""Maximum number of rows; further points are only in the folder."""


def sweep_table(found: Sweep, metrics: Sequence[str], style: Signs = UNICODE) -> Group:
    """The values at each point and the means of the metrics."""
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
    estimates = {metric: found.estimates(metric) for metric in metrics}
    for point in found.points[:MOST_ROWS]:
        values = [shown(point[path]) for path in found.paths]
        table.add_row(*values, *(estimated(estimates[metric].get(key(point)), style) for metric in metrics))
    parts: list[Text | Table] = [line, Text(), table]
    if len(found.points) > MOST_ROWS:
        parts.append(Text(f"and {len(found.points) - MOST_ROWS} more points", "dim"))
    if found.violations:
        parts += [Text(), Text(f"invariants were violated in {count(found.violations, 'run')}", "red")]
    return Group(*parts)
