"""The plot of a warm-up: the cut part is pale."""

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

import scenarios
from sim.experiments.runs.warmup import Warmup
from sim.presentation.figure_style import BLUE, PALE


def test_the_cut_is_drawn_at_the_end_of_the_warm_up():
    ends = np.arange(1.0, 101.0)
    series = pd.Series(10 - 10 * np.exp(-ends / 5), index=pd.Index(ends, name="seconds"))
    scenario = scenarios.load("baseline").with_values({"duration": "100s", "warmup": "0s"})
    axes = Warmup(scenario, 20.0, series, "tasks.in_system.mean", 10).plot.series(Figure().add_subplot())
    drawn = {to_hex(line.get_color()).upper(): line for line in reversed(axes.lines) if len(line.get_xdata()) > 2}
    assert drawn[PALE.upper()].get_xdata().tolist() == ends[:20].tolist()
    assert drawn[BLUE.upper()].get_xdata().tolist() == ends[20:].tolist()
    assert "warm-up 20s" in [text.get_text() for text in axes.get_legend().get_texts()]
    assert axes.get_ylabel() == "tasks.in_system.mean (tasks)"
