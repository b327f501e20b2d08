"""Positions in the plots of a result."""

import subprocess
import sys
from dataclasses import replace
from math import inf
from pathlib import Path

import matplotlib as mpl
import pytest
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

import scenarios
import sim
from scenarios.fields.metrics import UnknownMetric
from sim.presentation.axes import NoPicture, axes_for
from sim.presentation.figure_style import GREEN, PHASE_COLORS, VERMILION

ROOT = Path(__file__).parents[4]
TIME = "recovery.time.mean"
SHORT = {"duration": "10m", "warmup": "0s", "agents.mtbf": "3m", "faults": [], "expect": ["tasks.lost == 0"]}


@pytest.fixture(scope="module")
def result():
    scenario = scenarios.load("agent-failure").with_values(SHORT)
    return sim.replicate(scenario, seed=7, replications=4)


@pytest.fixture
def ax():
    return Figure().add_subplot()


def with_value(run, metric, value):
    """A run that observed only this value of the metric's distribution."""
    samples = {name: sample for name, sample in run.samples.items() if not metric.startswith(f"{name}.")}
    return replace(run, metrics={**run.metrics, metric: value}, samples=samples)


def with_values(result, metric, *values):
    runs = zip(result.runs, values, strict=True)
    return replace(result, runs=tuple(with_value(run, metric, value) for run, value in runs))


def texts(ax):
    return [text.get_text() for text in ax.texts]


def dots(ax):
    return [line for line in ax.lines if line.get_linestyle() == "None"]


def test_phases_are_stacked_up_to_the_mean_recovery_time(result, ax):
    assert result.plot.recovery_time(ax) is ax
    means = [result.metrics[f"recovery.{phase}.mean"].mean for phase in PHASE_COLORS]
    assert [bar.get_width() for bar in ax.patches] == pytest.approx(means)
    assert [bar.get_x() for bar in ax.patches] == pytest.approx([sum(means[:place]) for place in range(5)])
    assert [to_hex(bar.get_facecolor()).upper() for bar in ax.patches] == [*PHASE_COLORS.values()]
    whole = result.metrics[TIME]
    replications, mean = dots(ax)
    assert list(replications.get_xdata()) == [run.metrics[TIME] for run in result.runs]
    assert list(mean.get_xdata()) == [whole.mean]
    assert sum(means) == pytest.approx(whole.mean)
    assert tuple(ax.lines[1].get_xdata()) == whole.ci95
    assert ax.get_xlabel() == "from the fault to the verified recovery (s)"
    assert ax.get_legend().get_texts()[0].get_text().startswith("detect ")
    assert ax.get_title("left").startswith("agent-failure: recovery time ")


def test_all_marks_are_within_the_axes(result, ax):
    result.plot.recovery_time(ax)
    assert ax.get_xlim()[1] > max(run.metrics[TIME] for run in result.runs)
    sojourn = result.plot.sojourn(Figure().add_subplot())
    assert sojourn.get_xlim()[1] > max(run.metrics["tasks.sojourn.max"] for run in result.runs)


def test_each_statistic_of_the_sojourn_time_has_a_row(result, ax):
    result.plot.sojourn(ax)
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["mean", "p50", "p95", "p99", "max"]
    means = [line.get_xdata()[0] for line in dots(ax) if len(line.get_xdata()) == 1]
    assert means == [result.metrics[f"tasks.sojourn.{name}"].mean for name in names]


def test_a_metric_shows_replications_mean_and_interval(result, ax):
    result.plot.metric(TIME, ax)
    found = result.metrics[TIME]
    (band,) = ax.patches
    assert (band.get_y(), band.get_y() + band.get_height()) == pytest.approx(found.ci95)
    mean, values = ax.lines
    assert list(mean.get_ydata()) == [found.mean, found.mean]
    assert list(values.get_ydata()) == [run.metrics[TIME] for run in result.runs]
    assert ax.get_ylabel() == "recovery.time.mean (s)"
    assert texts(ax) == ["4 replications, seed 7; mean and 95 % interval"]


def test_infinite_values_are_drawn_at_the_top_and_counted(result, ax):
    odd = with_values(result, TIME, 10.0, inf, 20.0, None)
    odd.plot.metric(TIME, ax)
    (values,) = ax.lines
    assert list(values.get_ydata())[:3] == [10.0, 22.0, 20.0]
    assert values.get_ydata()[3] != values.get_ydata()[3]
    ticks = dict(zip(ax.get_yticks(), [label.get_text() for label in ax.get_yticklabels()], strict=True))
    assert ticks[22.0] == "∞"
    assert max(ticks) == 22.0
    assert texts(ax) == ["4 replications, seed 7; infinite in 1; observed in 3"]
    assert ax.get_title("left") == "agent-failure: recovery.time.mean ∞ s"


def test_an_infinite_recovery_time_is_drawn_beyond_the_phases(result, ax):
    with_values(result, TIME, 10.0, inf, 20.0, 30.0).plot.recovery_time(ax)
    replications, mean = dots(ax)
    assert list(replications.get_xdata()) == [10.0, 34.0, 20.0, 30.0]
    assert list(mean.get_xdata()) == [34.0]
    assert [label.get_text() for label in ax.get_xticklabels()][-1] == "∞"


def test_expectations_are_drawn_in_percent_of_the_expected_value(result, ax):
    expect = ["tasks.lost == 0", f"{TIME} <= 40s", f"{TIME} >= 20s", "recovery.count == 0", "tasks.sojourn.max < 1s"]
    asked = replace(result, scenario=result.scenario.with_values({"expect": expect}))
    odd = with_values(asked, TIME, 30.0, 30.0, 30.0, 30.0)
    odd.plot.expectations(ax)
    marks = [line for line in ax.lines if line.get_marker() in {"o", ">"}]
    assert [line.get_xdata()[0] for line in marks] == [100.0, 75.0, 150.0, 250.0, 250.0]
    assert [line.get_marker() for line in marks] == ["o", "o", "o", ">", ">"]
    assert [line.get_color() for line in marks] == [GREEN, GREEN, GREEN, VERMILION, VERMILION]
    assert [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in ax.patches] == [(0, 100), (100, 250), (0, 100)]
    assert [label.get_text() for label in ax.get_yticklabels()] == expect
    assert ax.get_title("left") == "agent-failure: 3 of 5 expectations hold"
    (right,) = ax.child_axes
    assert [label.get_text() for label in right.get_yticklabels()][:3] == ["✓ 0", "✓ 30.0 s", "✓ 30.0 s"]


def test_an_unobserved_expectation_is_named_and_not_drawn(result, ax):
    asked = replace(result, scenario=result.scenario.with_values({"expect": ["tasks.lost == 0", f"{TIME} <= 40s"]}))
    with_values(asked, TIME, *[None] * 4).plot.expectations(ax)
    assert len([line for line in ax.lines if line.get_marker() in {"o", ">"}]) == 1
    assert [label.get_text() for label in ax.child_axes[0].get_yticklabels()] == ["✓ 0", "✗ not observed"]


def test_an_impossible_plot_is_reported_before_a_figure_exists(result):
    before = plt.get_fignums()
    with pytest.raises(UnknownMetric, match=r"nearest: 'recovery\.time\.mean'"):
        result.plot.metric("recovery.time.meen")
    with pytest.raises(
        NoPicture, match=r"client.timeouts: agent-failure observes it in none of 4 replications; valid:"
    ):
        with_values(result, "client.timeouts", *[None] * 4).plot.metric("client.timeouts")
    with pytest.raises(NoPicture, match="observes it in none"):
        with_values(result, TIME, *[None] * 4).plot.recovery_time()
    with pytest.raises(NoPicture, match="agent-failure: expects nothing; valid: a scenario with `expect`"):
        replace(result, scenario=result.scenario.with_values({"expect": []})).plot.expectations()
    assert plt.get_fignums() == before


def test_without_axes_one_figure_is_created_and_user_settings_restored(result):
    before, settings = plt.get_fignums(), dict(mpl.rcParams)
    ax = result.plot.recovery_time()
    assert [number for number in plt.get_fignums() if number not in before] == [ax.figure.number]
    plt.close(ax.figure)
    assert dict(mpl.rcParams) == settings


def test_a_failed_figure_is_closed():
    before = plt.get_fignums()
    with pytest.raises(KeyboardInterrupt), axes_for(None, 4.0, 3.0):
        raise KeyboardInterrupt
    assert plt.get_fignums() == before


def test_with_axes_no_figure_is_created(result, ax):
    before = plt.get_fignums()
    result.plot.metric(TIME, ax)
    assert plt.get_fignums() == before


@pytest.mark.long
def test_without_plots_matplotlib_is_not_imported():
    script = "import sys, sim; sim.replicate, sim.compare, sim.sweep; print('matplotlib' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert shown.stdout == "False\n"
