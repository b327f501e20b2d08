"""Positions in the plots of a sweep."""

from math import inf, isnan

import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

import scenarios
from scenarios.fields.metrics import UnknownMetric
from sim.experiments.runs.summary import RunSummary
from sim.experiments.sweeps.designs import grid, number, space, spread, unit_of
from sim.experiments.sweeps.folder import Row, key, table_of
from sim.experiments.sweeps.sweep import Sweep, sweep
from sim.presentation.axes import NoPicture
from sim.presentation.figure_style import VERMILION

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
    """A sweep in which each point has this value, or one for each replication."""
    several = [value if isinstance(value, list) else [value] for value in values]
    rows = [
        Row(point, number, RunSummary(f"7/{number}", "", 0, 0.0, 0.0, {TIME: value}, ()))
        for point, of_point in zip(points, several, strict=True)
        for number, value in enumerate(of_point)
    ]
    return Sweep(scenario, "7", tuple(points), len(several[0]), table_of(rows).to_pandas())


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
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("agents.restart_time (s)", "recovery.time.mean (s)")
    assert ax.get_title("left") == "agent-failure: recovery.time.mean, 3 replications"


def test_two_paths_give_a_heat_map_with_numbers(scenario, ax):
    known(scenario, {RESTART: ["5s", "20s"], COUNT: [8, 10]}, [1.0, 2.0, 3.0, inf]).plot.metric(TIME, ax)
    (image,) = ax.images
    cells = image.get_array().filled(float("nan")).tolist()
    assert cells[0] == [1.0, 3.0]
    assert cells[1][0] == 2.0
    assert isnan(cells[1][1])
    assert [text.get_text() for text in ax.texts] == ["1.00 s", "2.00 s", "3.00 s", "∞ s"]
    assert [text.get_color() for text in ax.texts] == ["white", "white", "black", "black"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("agents.restart_time (s)", COUNT)
    assert [*ax.patches] == []  # one replication shows no difference


NOISY = [[1.0, 1.3, 0.9, 1.2], [1.05, 1.15, 0.95, 1.05], [5.0, 5.3, 4.8, 5.2], [None] * 4]
"""The first two points have the lowest means, and no difference of them is shown; the third one is worse."""


def test_a_heat_map_frames_the_best_cell_hatches_those_like_it_and_has_intervals(scenario, ax):
    known_at(scenario, grid(scenario, {RESTART: ["5s", "20s"], COUNT: [8, 10]}), NOISY).plot.metric(TIME, ax)
    hatched, framed = sorted(ax.patches, key=lambda patch: patch.get_hatch() is None)
    assert (hatched.get_xy(), framed.get_xy()) == ((-0.5, -0.5), (-0.5, 0.5))
    assert framed.get_edgecolor()[:3] == to_rgb(VERMILION)
    texts = [text.get_text() for text in ax.texts]
    assert texts[:4] == ["1.10\n± 0.31 s", "1.05\n± 0.13 s", "5.08\n± 0.36 s", "not\nobserved"]
    assert texts[4] == "framed: the best point; hatched: no difference from it is shown"


def test_dots_mark_the_best_point_and_those_like_it(scenario, ax):
    points = spread(scenario, [space(f"{RESTART}=5s..20s"), space(f"{COUNT}=8..40")], 6, "lhs", 7)
    values = [[9.0 + number + each for each in (0.0, 0.3, -0.1)] for number in range(4)]
    known_at(scenario, points, [*values, [1.0, 1.3, 0.9], [1.2, 1.1, 1.0]]).plot.metric(TIME, ax)
    *_, alike, best = ax.collections
    places = [[number(point[path]) for path in (RESTART, COUNT)] for point in points]
    assert (best.get_offsets().tolist(), alike.get_offsets().tolist()) == ([places[4]], [places[5]])
    assert {text.get_text() for text in ax.get_legend().get_texts()} == {"best", "no difference from it shown"}


@pytest.mark.parametrize(
    ("path", "values", "unit"),
    [
        ("agents.restart_time", ["5s"], "s"),
        ("tasks.arrivals.poisson.rate", ["90/m"], "1/s"),
        ("tasks.work.exponential.mean", ["3s"], "s"),
        ("agents.count", [8], ""),
        ("recovery.conditions.task_failure.backoff", ["fixed"], ""),
        ("agents.mtbf", [None], ""),
    ],
)
def test_the_unit_of_a_path_is_the_one_of_the_scenario(scenario, path, values, unit):
    assert unit_of(scenario, grid(scenario, {path: values})[0], path) == unit


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
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("agents.restart_time (s)", COUNT)


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


def test_points_without_a_value_are_named_below_the_line_and_marked_among_the_dots(scenario):
    seen, one = Figure().add_subplot(), Figure().add_subplot()
    known(scenario, {RESTART: ["5s", "10s", "20s"]}, [3.0, None, 4.0]).plot.metric(TIME, one)
    assert one.get_xlabel() == "agents.restart_time (s)\nnot observed at 10"
    points = spread(scenario, [space(f"{RESTART}=5s..20s"), space(f"{COUNT}=8..40")], 8, "lhs", 7)
    known_at(scenario, points, [*map(float, range(7)), None]).plot.metric(TIME, seen)
    (marks,) = [each for each in seen.collections if each.get_label() == "not observed"]
    assert marks.get_offsets().tolist() == [[number(points[-1][path]) for path in (RESTART, COUNT)]]
