"""Points of a sweep: grids and sampled points in scenario notation."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import scenarios
from scenarios.errors import ScenarioError
from sim.experiments.sweeps.designs import DesignError, Range, axis, canonical, grid, number, shown, space, spread

BEATS, COUNT = "recovery.detection.heartbeat_interval", "agents.count"


@pytest.fixture(scope="module")
def scenario():
    return scenarios.load("agent-failure")


def test_a_grid_has_every_combination_in_order(scenario):
    points = grid(scenario, {COUNT: ["5", "10"], BEATS: ["1s", "2s"]})
    assert [(point[COUNT], point[BEATS]) for point in points] == [
        ("5", "1.0"),
        ("5", "2.0"),
        ("10", "1.0"),
        ("10", "2.0"),
    ]


@pytest.mark.parametrize(
    ("path", "one", "other"),
    [(BEATS, "5s", "5000ms"), ("agents.restart_time", "20s", "{constant: {value: 20s}}"), (COUNT, "7", 7)],
)
def test_values_are_equal_when_the_scenario_resolves_them_equally(scenario, path, one, other):
    assert canonical(scenario, path, one) == canonical(scenario, path, other)


def test_values_are_shown_in_scenario_notation(scenario):
    assert [shown(canonical(scenario, path, value)) for path, value in ((COUNT, 7), ("agents.restart_time", "1m"))] == [
        "7",
        "60",
    ]
    assert shown(canonical(scenario, "tasks.requeue", "head")) == "head"
    assert shown(canonical(scenario, "queue.capacity", None)) == "null"
    assert number(canonical(scenario, "tasks.work", "{exponential: {mean: 3s}}")) is None


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({COUNT: []}, "agents.count: has no value"),
        ({BEATS: ["5s", "5"]}, r"heartbeat_interval: has 5\.0 twice; valid: each value once"),
        ({COUNT: list(range(1, 301)), BEATS: list(range(1, 401))}, "120,000 points are too many; valid: up to 100,000"),
    ],
)
def test_an_invalid_grid_is_rejected(scenario, axes, message):
    with pytest.raises(DesignError, match=message):
        grid(scenario, axes)


def test_an_unknown_path_or_value_is_rejected_with_a_suggestion(scenario):
    with pytest.raises(ScenarioError, match=r"nearest: 'agents\.count'"):
        grid(scenario, {"agents.cuont": ["1"]})
    with pytest.raises(ScenarioError, match=r"agents\.count=many"):
        grid(scenario, {COUNT: ["5", "many"]})


@pytest.mark.parametrize("method", ["lhs", "sobol", "random"])
def test_points_lie_in_their_space_and_depend_on_the_seed(scenario, method):
    ranges = [Range(BEATS, "1s", "10s", log=True), Range(COUNT, "5", "8")]
    points = spread(scenario, ranges, 20, method, 3)
    assert points == spread(scenario, ranges, 20, method, 3) != spread(scenario, ranges, 20, method, 4)
    assert len(points) == 20
    assert all(1 <= number(point[BEATS]) <= 10 for point in points)
    assert {json.loads(point[COUNT]) for point in points} == {5, 6, 7, 8}


@pytest.mark.parametrize("method", ["sobol", "random"])
def test_a_larger_sample_starts_with_the_same_points(scenario, method):
    ranges = [Range(BEATS, "1s", "10s")]
    few, many = (spread(scenario, ranges, count, method, 3) for count in (5, 13))
    assert many[:5] == few


def test_a_latin_hypercube_has_one_point_per_slice(scenario):
    points = spread(scenario, [Range(BEATS, "1s", "11s")], 10, "lhs", 3)
    assert sorted(int(number(point[BEATS]) - 1) for point in points) == list(range(10))


def test_a_logarithmic_range_is_sampled_evenly_per_decade(scenario):
    points = spread(scenario, [Range(BEATS, "1s", "100s", log=True)], 64, "sobol", 3)
    assert sum(number(point[BEATS]) < 10 for point in points) == 32
    even = spread(scenario, [Range(BEATS, "1s", "100s")], 64, "sobol", 3)
    assert np.mean([number(point[BEATS]) for point in even]) == pytest.approx(50.5, rel=0.05)


@pytest.mark.parametrize(
    ("range_", "count", "message"),
    [
        (Range(COUNT, "8", "5"), 3, "8 is not below 5"),
        (Range("tasks.requeue", "head", "tail"), 3, "are no numbers"),
        (Range("queue.latency", "0s", "1s", log=True), 3, "0s has no logarithm"),
        (Range(COUNT, "5", "8"), 0, "0 points; valid: 1 to 100,000"),
    ],
)
def test_an_invalid_space_is_rejected(scenario, range_, count, message):
    with pytest.raises(DesignError, match=message):
        spread(scenario, [range_], count, "sobol", 1)


@pytest.mark.parametrize(
    ("text", "path", "values"),
    [
        ("agents.count=5,10", "agents.count", ["5", "10"]),
        (" a.b = 1s , 2s", "a.b", ["1s", "2s"]),
        ("tasks.work={exponential: {mean: 3s}},[a, b],5", "tasks.work", ["{exponential: {mean: 3s}}", "[a, b]", "5"]),
    ],
)
def test_axes_are_parsed_from_text(text, path, values):
    assert axis(text) == (path, values)


@pytest.mark.parametrize("text", ["agents.count", "=5", "agents.count=", "agents.count=5,,6", "agents.count=5,"])
def test_an_invalid_axis_is_rejected(text):
    with pytest.raises(DesignError, match="valid: path=v1,v2"):
        axis(text)


def test_ranges_are_parsed_from_text():
    assert space("a.b=1s..10s") == Range("a.b", "1s", "10s")
    assert space(" a.b = 0.1 .. 10 :log") == Range("a.b", "0.1", "10", log=True)
    for text in ("a.b=1", "a.b", "a.b=..5", "=1..2"):
        with pytest.raises(DesignError, match=r"valid: path=low\.\.high"):
            space(text)


@given(st.lists(st.from_regex(r"[a-z0-9.]{1,5}", fullmatch=True), min_size=1, max_size=5))
def test_different_values_always_have_different_labels(values):
    assert axis("x.y=" + ",".join(values)) == ("x.y", values)


def test_integer_points_are_not_duplicated(scenario):
    points = spread(scenario, [space("agents.count=1..2")], 8, "sobol", 7)
    assert sorted(point["agents.count"] for point in points) == ["1", "2"]
