"""A selection as a table and as a plot."""

import math
from dataclasses import replace

import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from rich.console import Console

import scenarios
from scenarios.fields.metrics import lookup
from sim.experiments.selection.plot import MOST_ROWS
from sim.experiments.selection.ranked import Ranked
from sim.experiments.selection.result import Selection
from sim.presentation.figure_style import BLUE, PALE, VERMILION
from sim.presentation.formatting import ASCII
from sim.reports.selection import selection
from sim.stats.estimates import Estimate


def around(mean, half_width=1.0, unit="s"):
    return Estimate(mean, (mean - half_width, mean + half_width), 10, unit)


FIRST = Ranked({"agents.count": "20"}, around(10.0), 31, eliminated=False, fresh=around(11.0))
SECOND = Ranked(
    {"agents.count": "10"},
    around(12.0),
    31,
    eliminated=True,
    ahead=around(-2.0, 0.3),
    is_own=True,
    fresh=around(12.5),
    difference=around(-1.5, 0.2),
)
THIRD = Ranked({"agents.count": "5"}, Estimate(math.inf, None, 10, "s"), 10, eliminated=True)


@pytest.fixture
def found():
    return Selection(
        scenario=scenarios.load("agent-failure"),
        seed="7",
        metric=lookup("recovery.time.mean"),
        indifference=0.5,
        first=10,
        most=1000,
        ranked=(FIRST, SECOND, THIRD),
        decided=True,
        replications=31,
        unobserved=0,
        fresh=("7/31", "7/32"),
        interrupted=False,
        runs=76,
        wall_seconds=2.0,
    )


def printed(found, style=ASCII):
    console = Console(width=80, color_system=None, highlight=False)
    with console.capture() as capture:
        console.print(selection(found, style))
    return [" ".join(line.split()) for line in capture.get().splitlines()]


def test_settings_are_listed_by_rank_with_their_outcome(found):
    lines = printed(found)
    assert lines[0] == "agent-failure seed 7: 3 settings, 76 runs, 1h each in 2.0 s"
    assert lines[1] == "wanted: the smallest recovery.time.mean; less than 0.500 s does not matter"
    assert lines[4:7] == [
        "1 20 10.0 +/- 1.0 s selected after 31",
        "2 10 12.0 +/- 1.0 s -2.00 +/- 0.30 s out after 31 (as it is)",
        "3 5 inf s out after 10",
    ]


def test_freshly_evaluated_settings_are_listed_below(found):
    lines = printed(found)
    place = lines.index("on 2 fresh replications, which selected nothing:")
    assert lines[place + 2 :] == [
        "count mean +/- 95 % 1 - it",
        "1 20 11.0 +/- 1.0 s",
        "2 10 12.5 +/- 1.0 s -1.50 +/- 0.20 s",
    ]


def test_an_undecided_selection_gives_the_reason(found):
    open_still = replace(found, decided=False, ranked=(FIRST, replace(SECOND, eliminated=False), THIRD))
    assert [open_still.status(each) for each in open_still.ranked] == ["in contention", "in contention", "out"]
    assert open_still.outcome().startswith("not decided after 31 replications: 2 settings still in contention; more")
    stopped = replace(open_still, interrupted=True, fresh=(), replications=4)
    assert stopped.outcome() == "not decided: interrupted after 4 replications, with 2 settings still in contention"
    assert found.outcome().startswith("95 % sure to be the best")


def test_an_exactly_equal_setting_is_not_eliminated(found):
    tied = replace(found, ranked=(FIRST, replace(SECOND, eliminated=False), THIRD))
    assert [tied.status(each) for each in tied.ranked] == ["selected", "exactly as good", "out"]


def test_dropped_replications_are_reported(found):
    assert not [line for line in printed(found) if "left out" in line]
    assert "2 replications were left out: no setting observes recovery.time.mean there" in printed(
        replace(found, unobserved=2)
    )


def test_a_difference_of_fractions_is_in_percentage_points(found):
    assert replace(found, metric=lookup("agents.availability"), indifference=0.01).margin() == "1.00 pp"


def test_eliminated_settings_are_pale_and_fresh_means_below(found):
    axes = found.plot.ranks(Figure().add_subplot())
    markers = {
        (round(float(line.get_xdata()[0]), 3), round(float(line.get_ydata()[0]), 3)): to_hex(line.get_color()).upper()
        for line in axes.lines
        if line.get_marker() != "None"
    }
    assert markers == {(10.0, 0.0): BLUE, (11.0, 0.22): VERMILION, (12.0, 1.0): PALE, (12.5, 1.22): VERMILION}
    assert [label.get_text() for label in axes.get_yticklabels()] == ["20", "10 (as it is)", "5"]


@pytest.mark.parametrize(("metric", "ends"), [("recovery.time.mean", (10.0, 10.5)), ("tasks.throughput", (9.5, 10.0))])
def test_the_band_has_the_width_of_the_indifference(found, metric, ends):
    (band,) = replace(found, metric=lookup(metric)).plot.ranks(Figure().add_subplot()).patches
    assert (band.get_x(), band.get_x() + band.get_width()) == pytest.approx(ends)


def test_of_many_settings_the_first_are_drawn_and_the_rest_counted(found):
    many = replace(found, ranked=(FIRST, *[SECOND] * (MOST_ROWS + 4)))
    axes = many.plot.ranks(Figure().add_subplot())
    assert len(axes.get_yticks()) == MOST_ROWS
    assert "and 5 more" in [text.get_text() for text in axes.texts]
    assert "and 5 more settings" in printed(many)
