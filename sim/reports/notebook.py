"""Results and scenarios as HTML for notebooks: what the command line prints, in its colors."""

from __future__ import annotations

from io import StringIO
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.terminal_theme import TerminalTheme

from scenarios import Scenario
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
from sim.reports.explained.explanation import explanation
from sim.reports.fitting import fitting
from sim.reports.rare import rarity
from sim.reports.recommendation import recommendation
from sim.reports.selection import selection
from sim.reports.sweep import SHOWN, sweep_table
from sim.reports.table import summary, warmup_lines
from sim.reports.tuning import tuning
from sim.simulation import Run

WIDTH = 80
_GRAY, _RED, _GREEN, _YELLOW, _BLUE = (
    (128, 128, 128),
    (213, 94, 0),
    (0, 158, 115),
    (176, 132, 0),
    (0, 128, 200),
)
THEME = TerminalTheme(
    _GRAY,
    _GRAY,
    [_GRAY, _RED, _GREEN, _YELLOW, _BLUE, _BLUE, _BLUE, _GRAY],
    [_GRAY, _RED, _GREEN, _YELLOW, _BLUE, _BLUE, _BLUE, _GRAY],
)
"""Colors that can be read on white and on black (those of M. Okabe and K. Ito, for all kinds of color vision)."""
PRE = '<pre style="white-space: pre; line-height: normal; font-family: monospace">{code}</pre>'


def html(result: Any) -> str:
    """The table of a result, or the explanation of a scenario, as preformatted text of 80 columns."""
    console = Console(
        file=StringIO(),
        width=WIDTH,
        record=True,
        force_terminal=True,
        force_jupyter=False,  # inside a notebook, print would show the table a second time
        color_system="standard",
        no_color=False,
        highlight=False,
        emoji=False,
        markup=False,
    )
    console.print(explanation(result) if isinstance(result, Scenario) else table(result))
    return console.export_html(theme=THEME, code_format=PRE, inline_styles=True)


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
