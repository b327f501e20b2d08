"""Tolerances: a share of a reference, a value in the metric's unit, or the larger of both."""

import math

import pytest

import scenarios
from scenarios.fields.tolerances import Tolerance, parse_all, tolerance_of

SMALL = "name: a\nduration: 1h\ntasks: {arrivals: {poisson: {rate: 1/s}}, work: 1s}\nagents: {count: 2}\n"


@pytest.mark.parametrize(
    ("metric", "given", "expected"),
    [
        ("recovery.time.mean", "5%", Tolerance(0.05, 0.0)),
        ("recovery.time.mean", "200ms", Tolerance(0.0, 0.2)),
        ("recovery.time.mean", 2, Tolerance(0.0, 2.0)),
        ("recovery.time.mean", {"relative": "5%", "absolute": "1s"}, Tolerance(0.05, 1.0)),
        ("recovery.time.mean", {"relative": 0.05}, Tolerance(0.05, 0.0)),
        ("service.availability", "5%", Tolerance(0.05, 0.0)),
        ("service.availability", {"absolute": "1%"}, Tolerance(0.0, 0.01)),
        ("tasks.throughput", "6/m", Tolerance(0.0, 0.1)),
        ("tasks.lost", 0, Tolerance()),
        ("recovery.*", "10%", Tolerance(0.1, 0.0)),
        ("tasks.within(60s)", "1%", Tolerance(0.01, 0.0)),
    ],
)
def test_notations(metric, given, expected):
    assert parse_all({metric: given}) == {metric: expected}


@pytest.mark.parametrize(
    ("reference", "margin"), [(100.0, 5.0), (-100.0, 5.0), (10.0, 1.0), (0.0, 1.0), (math.inf, 1.0)]
)
def test_the_larger_one_is_the_margin(reference, margin):
    assert Tolerance(0.05, 1.0).margin(reference) == margin


def test_the_name_of_a_metric_comes_before_the_longest_pattern():
    given = parse_all({"*": "1%", "recovery.*": "2%", "recovery.time.*": "3%", "recovery.time.mean": "4%"})
    found = [
        tolerance_of(name, given)
        for name in ("recovery.time.mean", "recovery.time.p95", "recovery.failed", "tasks.lost")
    ]
    assert [each.relative for each in found] == [0.04, 0.03, 0.02, 0.01]
    assert tolerance_of("tasks.lost", parse_all({"recovery.*": "2%"})) is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{recovery.time.meen: 5%}", "5: tolerances.recovery.time.meen: unknown metric 'recovery.time.meen'"),
        ("{zzz.*: 5%}", "5: tolerances.zzz.*: no metric has a name like 'zzz.*'"),
        ("{recovery.time.mean: -5%}", "5: tolerances.recovery.time.mean: '-5%' is not a percentage of 0 or more"),
        ("{recovery.time.mean: x}", "5: tolerances.recovery.time.mean: recovery.time.mean: 'x' is not a duration"),
        ("{recovery.time.mean: -1}", "5: tolerances.recovery.time.mean: -1 is not a tolerance of 0 or more"),
        ("{recovery.time.mean: [1]}", "5: tolerances.recovery.time.mean: [1] is not a tolerance"),
        ("{recovery.time.mean: {}}", "5: tolerances.recovery.time.mean: '{}' is not part of a tolerance"),
        ("{recovery.time.mean: {share: 1}}", "5: tolerances.recovery.time.mean: 'share' is not part of a tolerance"),
        ("{resources.gpu.available: 5%}", "5: tolerances.resources.gpu.available: unknown metric"),
        ("3", "5: tolerances: 3 is not a mapping"),
    ],
)  # fmt: skip
def test_an_invalid_tolerance_is_named_with_its_line(given, said):
    with pytest.raises(scenarios.ScenarioError) as caught:
        scenarios.loads(f"{SMALL}tolerances: {given}\n", "a.scenario.yaml")
    assert str(caught.value).startswith(f"a.scenario.yaml:{said}")


def test_resolved_tolerances_are_valid_again():
    scenario = scenarios.loads(f"{SMALL}tolerances: {{recovery.time.mean: 5%, tasks.sojourn.p95: 200ms}}\n")
    assert scenario.with_values({"agents.count": 3}).tolerances == scenario.tolerances
    assert scenario.resolved()["tolerances"]["tasks.sojourn.p95"] == {"relative": 0.0, "absolute": 0.2}
