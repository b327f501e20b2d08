"""Results as HTML for notebooks: the tables that the command line prints."""

from __future__ import annotations

from html import escape
from io import StringIO
from typing import Any

from rich.console import Console, Group, RenderableType

from sim.experiments.comparison.compare import Comparison
from sim.experiments.fitting.result import Fit
from sim.experiments.rare_events.estimate import Rare
from sim.experiments.runs.replications import Result
from sim.experiments.runs.summary import RunSummary
from sim.experiments.runs.warmup import Warmup
from sim.experiments.selection.result import Selection
from sim.experiments.sweeps.sweep import Sweep
from sim.experiments.tuning.result import Tuning
from sim.reports.comparison import comparison
from sim.reports.fitting import fitting
from sim.reports.rare import rarity
from sim.reports.recommendation import recommendation
from sim.reports.selection import selection
from sim.reports.sweep import SHOWN, sweep_table
from sim.reports.table import summary, warmup_lines
from sim.reports.tuning import tuning
from sim.simulation import Run

WIDTH = 80


def html(result: Any) -> str:
    """The table of a result, as preformatted text of 80 columns."""
    console = Console(file=StringIO(), width=WIDTH, color_system=None, highlight=False, emoji=False, markup=False)
    with console.capture() as captured:
        console.print(table(result))
    return f"<pre>{escape(captured.get().rstrip())}</pre>"


def table(result: Any) -> RenderableType:
    """The table of a result. Raises TypeError for anything else."""
    if isinstance(result, Run):
        return summary(Result(result.scenario, result.seed.partition("/")[0], (RunSummary.of(result),)))
    if isinstance(result, Result):
        return summary(result)
    if isinstance(result, Comparison):
        return comparison(result)
    if isinstance(result, Selection):
        return selection(result)
    if isinstance(result, Sweep):
        return sweep_table(result, [metric for metric in SHOWN if metric in result.metrics])
    if isinstance(result, Tuning):
        return recommendation(result) if result.recommends else tuning(result)
    if isinstance(result, Fit):
        return fitting(result)
    if isinstance(result, Rare):
        return rarity(result)
    if isinstance(result, Warmup):
        return Group(*warmup_lines(result))
    raise TypeError(f"{type(result).__name__} is not a result")
