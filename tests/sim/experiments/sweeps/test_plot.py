"""Positions in the plots of a sweep."""

from math import inf, isnan

import pytest
from matplotlib.figure import Figure

import scenarios
from scenarios.fields.metrics import UnknownMetric
from sim.experiments.runs.summary import RunSummary
from sim.experiments.sweeps.designs import grid, number, space, spread
from sim.experiments.sweeps.folder import Row, key, table_of
from sim.experiments.sweeps.sweep import Sweep, sweep
from sim.presentation.axes import NoPicture

TIME = "recovery.time.mean"
SHORT = {"duration": "10m", "warmup": "0s", "agents.mtbf": "3m", "faults": []}
RESTART, COUNT, SLOTS = "agents.restart_time", "agents.count", "agents.slots"


@pytest.fixture(scope="module")
def scenario():
    return scenarios.load("agent-failure").with_values(SHORT)


@pytest.fixture
def ax():
    return Figure().add_subplot()


def known(scenario, grids, values):
    """A sweep in which each point has this value."""
    return known_at(scenario, grid(scenario, grids), values)


def known_at(scenario, points, values):
    rows = [
        Row(point, 0, RunSummary("7/0", "", 0, 0.0, 0.0, {TIME: value}, ()))
        for point, value in zip(points, values, strict=True)
    ]
    return Sweep(scenario, "7", tuple(points), 1, table_of(rows).to_pandas())


def test_one_path_gives_a_line_of_means(scenario, ax):
    found = sweep(scenario, grid(scenario, {RESTART: ["20s", "5s"]}), seed=7, replications=3)
    assert found.plot.metric(TIME, ax) is ax
    estimates = found.estimates(TIME)
    (line,) = ax.lines
    assert list(line.get_xdata()) == [5, 20]
    assert list(line.get_ydata()) == [estimates[key(point)].mean for point in found.points[::-1]]
    (band,) = ax.collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert {*estimates[key(found.points[0])].ci95} <= {*heights}
    assert (ax.get_xlabel(), ax.get_ylabel()) == (RESTART, "recovery.time.mean (s)")
    assert ax.get_title("left") == "agent-failure: recovery.time.mean, 3 replications"


def test_two_paths_give_a_heat_map_with_numbers(scenario, ax):
    known(scenario, {RESTART: ["5s", "20s"], COUNT: [8, 10]}, [1.0, 2.0, 3.0, inf]).plot.metric(TIME, ax)
    (image,) = ax.images
    cells = image.get_array().filled(float("nan")).tolist()
    assert cells[0] == [1.0, 3.0]
    assert cells[1][0] == 2.0
    assert isnan(cells[1][1])
    assert [text.get_text() for text in ax.texts] == ["1.00 s", "3.00 s", "2.00 s", "∞ s"]
    assert [text.get_color() for text in ax.texts] == ["white", "black", "white", "black"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == (RESTART, COUNT)


def test_sampled_points_are_dots_colored_by_their_mean(scenario, ax):
    points = spread(scenario, [space(f"{RESTART}=5s..20s"), space(f"{COUNT}=8..40")], 8, "lhs", 7)
    means = [float(each) for each in range(7)] + [inf]
    known_at(scenario, points, means).plot.metric(TIME, ax)
    crosses, dots = ax.collections
    places = [[number(point[path]) for path in (RESTART, COUNT)] for point in points]
    assert dots.get_array().tolist() == means[:-1]
    assert dots.get_offsets().tolist() == places[:-1]
    assert crosses.get_offsets().tolist() == places[-1:]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["infinite"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == (RESTART, COUNT)


@pytest.mark.parametrize(
    ("values", "scale"), [(["1s", "3s", "10s", "30s", "100s"], "log"), (["1s", "50s", "100s"], "linear")]
)
def test_an_axis_with_logarithmic_values_is_logarithmic(scenario, ax, values, scale):
    known(scenario, {RESTART: values}, [1.0] * len(values)).plot.metric(TIME, ax)
    assert ax.get_xscale() == scale


def test_an_infinite_mean_is_drawn_at_the_top(scenario, ax):
    known(scenario, {RESTART: ["5s", "20s", "30s"]}, [10.0, 20.0, inf]).plot.metric(TIME, ax)
    assert list(ax.lines[0].get_ydata()) == [10.0, 20.0, 22.0]
    assert [label.get_text() for label in ax.get_yticklabels()][-1] == "∞"


def test_an_impossible_plot_is_reported(scenario, ax):
    found = known(scenario, {RESTART: ["5s", "20s"]}, [1.0, None])
    with pytest.raises(UnknownMetric, match=r"nearest: 'recovery\.time\.mean'"):
        found.plot.metric("recovery.time.meen", ax)
    with pytest.raises(NoPicture, match=r"tasks\.lost: was observed at no point; valid: another metric"):
        found.plot.metric("tasks.lost", ax)
    three = known(scenario, {RESTART: ["5s"], COUNT: [8], SLOTS: [1, 2]}, [1.0, 2.0])
    with pytest.raises(NoPicture, match="3 paths are too many for a picture; valid: one or two"):
        three.plot.metric(TIME, ax)
