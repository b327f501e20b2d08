"""Expectations: parsing and comparison."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from scenarios.fields.expectations import OPERATORS, parse

finite = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("text", "metric", "operator", "value"),
    [
        ("tasks.lost == 0", "tasks.lost", "==", 0),
        ("tasks.lost==0", "tasks.lost", "==", 0),
        ("  tasks.lost   !=  1e3 ", "tasks.lost", "!=", 1000),
        ("recovery.time.p95 <= 90s", "recovery.time.p95", "<=", 90),
        ("recovery.time.p95 <= 90", "recovery.time.p95", "<=", 90),
        ("recovery.time.p95 < 1.5m", "recovery.time.p95", "<", 90),
        ("work.wasted <= 2h", "work.wasted", "<=", 7200),
        ("tasks.throughput >= 108/m", "tasks.throughput", ">=", 1.8),
        ("agents.availability >= 99%", "agents.availability", ">=", 0.99),
        ("agents.availability > 0.99", "agents.availability", ">", 0.99),
        ("attempts.amplification <= 1.2", "attempts.amplification", "<=", 1.2),
        ("resources.gpu.utilization <= 50%", "resources.gpu.utilization", "<=", 0.5),
        ("resources.my-gpu.available >= 20%", "resources.my-gpu.available", ">=", 0.2),
        ("consistency.fencing == 0", "consistency.fencing", "==", 0),
    ],
)
def test_a_value_is_parsed_in_the_unit_of_its_metric(text, metric, operator, value):
    read = parse(text)
    assert (read.metric, read.operator, read.value) == (metric, operator, pytest.approx(value, rel=1e-15))


def test_an_expression_is_normalized_to_single_spaces():
    assert parse(" recovery.time.p95<=90s ").expression == "recovery.time.p95 <= 90s"
    assert parse(parse("tasks.lost == 0")) == parse("tasks.lost == 0")


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "tasks.lost",
        "== 0",
        "tasks.lost ==",
        "0 == tasks.lost",
        "tasks.lost == 0 == 0",
        "tasks.lost =< 0",
        "tasks.lost => 0",
        "tasks.lost = 0",
        "tasks.lost == many",
        "tasks.lost == 3s",
        "tasks.lost == 3%",
        "tasks.lost <= 1e999",
        "tasks.lost <= .inf",
        "recovery.time <= 90s",
        "recovery.time.p101 <= 90s",
        "tasks.within(soon) >= 0.9",
        "tasks.within(60s >= 0.9",
        "mean(tasks.failed) <= 1 in all runs",
        "tasks.failed <= 1 in most runs",
        "tasks.failed <= 1 in 0% of runs",
        "tasks.failed <= 1 in 101% of runs",
        "tasks.failed <= 1 in 95% runs",
        "max(tasks.failed) <= 1",
        "recovery.time.p95 <= 90/s",
        "recovery.time.p95 <= -3s",
        "recovery.time.p95 <= 1e999s",
        "tasks.throughput >= 2s",
        "tasks.throughput >= -2/s",
        "agents.availability >= 101%",
        "agents.availability >= -1%",
        3,
        None,
        ["tasks.lost == 0"],
    ],
)
def test_an_invalid_expectation_is_rejected(wrong):
    with pytest.raises(PydanticCustomError):
        parse(wrong)


@pytest.mark.parametrize(
    ("operator", "below", "equal", "above"),
    [
        ("==", False, True, False),
        ("!=", True, False, True),
        ("<=", True, True, False),
        (">=", False, True, True),
        ("<", True, False, False),
        (">", False, False, True),
    ],
)
def test_operators_compare_as_documented(operator, below, equal, above):
    expectation = parse(f"recovery.time.p95 {operator} 30s")
    assert [expectation.holds(value) for value in (29.9, 30, 30.1)] == [below, equal, above]


@pytest.mark.parametrize("operator", OPERATORS)
def test_without_an_observation_no_expectation_holds(operator):
    expectation = parse(f"recovery.time.p95 {operator} 30s")
    assert not expectation.holds(None)
    assert not expectation.holds(math.nan)


def test_infinity_exceeds_every_duration():
    assert parse("recovery.time.max > 30s").holds(math.inf)
    assert not parse("recovery.time.max <= 30s").holds(math.inf)


@pytest.mark.parametrize("noise", [30 * (1 + 1e-12), 30 * (1 - 1e-12), 0.1 + 0.2 + 29.7])
def test_rounding_errors_do_not_change_a_comparison(noise):
    assert parse("recovery.time.max == 30s").holds(noise)
    assert parse("recovery.time.max <= 30s").holds(noise)
    assert parse("recovery.time.max >= 30s").holds(noise)
    assert not parse("recovery.time.max < 30s").holds(noise)
    assert not parse("recovery.time.max != 30s").holds(noise)


def test_a_difference_of_a_millionth_counts():
    assert not parse("recovery.time.max <= 30s").holds(30.000001 * (1 + 1e-8))
    assert not parse("work.wasted == 0").holds(1e-6)


@given(finite)
def test_opposite_operators_never_agree(observed):
    for one, other in (("==", "!="), ("<=", ">"), (">=", "<")):
        assert parse(f"tasks.lost {one} 3").holds(observed) != parse(f"tasks.lost {other} 3").holds(observed)
