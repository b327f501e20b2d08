"""Positions in the plots of a comparison."""

from dataclasses import replace
from math import inf

import pytest
from matplotlib.figure import Figure

import scenarios
import sim
from scenarios.fields.metrics import UnknownMetric
from sim.experiments.comparison.plot import COLORS, MOST_PERCENT, MOST_ROWS
from sim.presentation.axes import NoPicture, figure_of

TIME = "recovery.time.mean"
SHORT = {"duration": "10m", "warmup": "0s", "agents.mtbf": "3m", "faults": []}
BEAT = "recovery.detection.heartbeat_interval"


@pytest.fixture(scope="module")
def comparison():
    scenario = scenarios.load("agent-failure").with_values(SHORT)
    return sim.compare(scenario, {}, {BEAT: "2s"}, seed=7, replications=4)


@pytest.fixture
def ax():
    return Figure().add_subplot()


def with_value(run, metric, value):
    """A run that observed only this value of the metric's distribution."""
    samples = {name: sample for name, sample in run.samples.items() if not metric.startswith(f"{name}.")}
    return replace(run, metrics={**run.metrics, metric: value}, samples=samples)


def with_values(comparison, metric, a, b):
    results = [
        replace(
            result,
            runs=tuple(with_value(run, metric, value) for run, value in zip(result.runs, values, strict=True)),
        )
        for result, values in ((comparison.a, a), (comparison.b, b))
    ]
    return replace(comparison, a=results[0], b=results[1])


def test_differences_are_drawn_in_percent_of_a(comparison, ax):
    chosen = replace(comparison, chosen=(TIME, "tasks.sojourn.mean"))
    assert chosen.plot.differences(ax) is ax
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == [*chosen.differences]
    marks = [line for line in ax.lines if line.get_marker() == "o"]
    for name, mark in zip(names, marks, strict=True):
        each = chosen.differences[name]
        assert mark.get_xdata()[0] == pytest.approx(100 * each.relative)
        assert mark.get_color() == COLORS[each.verdict]
    told = [label.get_text() for label in ax.child_axes[0].get_yticklabels()]
    assert told[names.index(TIME)].endswith("better)")
    assert ax.get_title("left") == "agent-failure: b against a, 4 pairs of replications"
    assert ax.texts[0].get_text() == "a  (as the scenario is)\nb  recovery.detection.heartbeat_interval=2s"


def test_values_outside_the_axes_are_drawn_at_the_edge(comparison, ax):
    grown = with_values(comparison, TIME, (0.01, 0.02, 0.01, 0.02), (30.0, 31.0, 30.5, 31.0))
    replace(grown, chosen=(TIME, "tasks.sojourn.mean")).plot.differences(ax)
    names = [label.get_text() for label in ax.get_yticklabels()]
    (edge,) = [line for line in ax.lines if line.get_marker() == ">"]
    assert (edge.get_xdata()[0], edge.get_ydata()[0]) == (MOST_PERCENT, names.index(TIME))
    assert MOST_PERCENT < ax.get_xlim()[1] < 1.4 * MOST_PERCENT
    assert "0.015 s → 30.6 s" in ax.child_axes[0].get_yticklabels()[names.index(TIME)].get_text()


def test_eight_rows_matter_most(comparison, ax):
    every = replace(comparison, chosen=("*",))
    every.plot.differences(ax)
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert len(every.differences) > len(names) == MOST_ROWS
    assert {every.differences[name].verdict for name in names} <= {"better", "worse", "different"}
    assert len({name.rpartition(".")[0] for name in names if name.endswith((".mean", ".p95"))}) == len(
        [name for name in names if name.endswith((".mean", ".p95"))]
    )
    assert any(text.get_text() == f"and {len(every.differences) - MOST_ROWS} more" for text in ax.texts)


def test_six_rows_are_shown_where_few_metrics_differ(comparison, ax):
    comparison.plot.differences(ax)
    verdicts = [comparison.differences[label.get_text()].verdict for label in ax.get_yticklabels()]
    assert len(verdicts) == 6
    assert sorted(verdicts, key="no difference shown".__eq__) == verdicts
    assert {"better", "no difference shown"} == {*verdicts}


def test_metrics_that_are_asked_for_by_name_are_all_drawn(comparison, ax):
    names = [name for name in comparison.a.metrics if name.startswith(("recovery.", "tasks."))][:20]
    replace(comparison, chosen=tuple(names)).plot.differences(ax)
    assert {label.get_text() for label in ax.get_yticklabels()} == {*names}


def test_effects_of_different_orders_of_magnitude_have_a_logarithmic_axis(comparison, ax):
    known = with_values(comparison, TIME, [30.0, 31.0, 30.5, 31.5], [20.0, 21.0, 20.6, 21.6])
    known = with_values(known, "agents.availability", [0.97, 0.98, 0.975, 0.985], [0.971, 0.9812, 0.9761, 0.9861])
    chosen = replace(known, chosen=(TIME, "agents.availability"))
    chosen.plot.differences(ax)
    assert ax.get_xscale() == "symlog"
    assert {"−10", "0", "0.1"} <= {label.get_text() for label in ax.get_xticklabels()}
    low, high = ax.get_xlim()
    assert all(low < 100 * each.relative < high for each in chosen.differences.values())
    one = Figure().add_subplot()
    replace(known, chosen=(TIME,)).plot.differences(one)
    assert one.get_xscale() == "linear"


def test_the_height_of_a_figure_follows_its_rows(comparison):
    few, many = replace(comparison, chosen=(TIME,)), replace(comparison, chosen=("recovery.*",))
    low, high = (figure_of(each.plot.differences, each.plot.inches()) for each in (few, many))
    rows = [len(figure.axes[0].get_yticks()) for figure in (low, high)]
    assert high.get_figheight() - low.get_figheight() == pytest.approx(0.27 * (rows[1] - rows[0]))


def test_each_pair_is_a_line_with_its_direction(comparison, ax):
    known = with_values(comparison, TIME, [30.0, 30.0, 30.0, None], [20.0, 40.0, 30.0, 10.0])
    known.plot.metric(TIME, ax)
    *pairs, mean = ax.lines
    assert [list(line.get_ydata()) for line in pairs] == [[30.0, 20.0], [30.0, 40.0], [30.0, 30.0], [10.0]]
    assert [line.get_color() for line in pairs] == [
        COLORS[of] for of in ("better", "worse", "no difference shown", "no difference shown")
    ]
    assert list(pairs[3].get_xdata()) == [1]
    assert list(mean.get_ydata()) == [30.0, 30.0]
    assert ax.get_ylabel() == "recovery.time.mean (s)"
    assert "no difference shown" in ax.texts[0].get_text()


def test_an_increase_of_a_higher_is_better_metric_is_better(comparison, ax):
    with_values(comparison, "tasks.throughput", [1.0, 1, 1, 1], [2.0, 2, 2, 0.5]).plot.metric("tasks.throughput", ax)
    assert [line.get_color() for line in ax.lines[:4]] == [COLORS["better"]] * 3 + [COLORS["worse"]]


def test_infinite_values_and_means_are_drawn_at_the_top(comparison, ax):
    with_values(comparison, TIME, [30.0, 30.0, 30.0, 30.0], [20.0, 40.0, 30.0, inf]).plot.metric(TIME, ax)
    assert [list(line.get_ydata()) for line in ax.lines][3:] == [[30.0, 44.0], [30.0, 44.0]]
    assert [label.get_text() for label in ax.get_yticklabels()][-1] == "∞"


def test_an_impossible_plot_is_reported(comparison, ax):
    with pytest.raises(UnknownMetric, match=r"nearest: 'recovery\.time\.mean'"):
        comparison.plot.metric("recovery.time.meen", ax)
    with pytest.raises(
        NoPicture, match=r"client\.timeouts: agent-failure observes it in no pair of replications; valid:"
    ):
        with_values(comparison, "client.timeouts", [1.0] * 4, [None] * 4).plot.metric("client.timeouts", ax)
