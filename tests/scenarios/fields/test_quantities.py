"""Durations, rates and fractions in file notation."""

import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

import scenarios
from scenarios.fields.quantities import fraction, number, per_second, percentage, seconds, truth, whole

finite = st.floats(min_value=0, max_value=1e12)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("250ms", 0.25),
        ("30s", 30.0),
        ("5m", 300.0),
        ("2h", 7200.0),
        ("1d", 86400.0),
        ("30", 30.0),
        (30, 30.0),
        (0.5, 0.5),
        ("1.5h", 5400.0),
        (".5s", 0.5),
        ("1e3ms", 1.0),
        ("+5s", 5.0),
        (" 5 s ", 5.0),
        ("0s", 0.0),
    ],
)
def test_durations_are_in_seconds(written, expected):
    assert seconds(written) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [("2/s", 2.0), ("90/m", 1.5), ("9/h", 0.0025), ("864/d", 0.01), ("2", 2.0), (2, 2.0), ("2 / s", 2.0)],
)
def test_rates_are_per_second(written, expected):
    assert per_second(written) == expected


@pytest.mark.parametrize(("written", "expected"), [("2%", 0.02), (0.02, 0.02), ("0.02", 0.02), ("100%", 1.0), (0, 0.0)])
def test_a_share_is_a_number_or_a_percentage(written, expected):
    assert fraction(written) == expected
    assert percentage(written) == expected


@pytest.mark.parametrize(
    "wrong",
    ["", "s", "30 seconds", "30S", "5 min", "2/s", "20%", "-3s", -3, "1h30m", "0x10", "٣s", None, True, [30], {}],
)
def test_an_invalid_duration_is_rejected(wrong):
    with pytest.raises(PydanticCustomError, match="; valid: "):
        seconds(wrong)


@pytest.mark.parametrize("wrong", ["", "/s", "2/min", "2s", "2/", "-2/s", -2, "2//s", "20%", None, False, [2]])
def test_an_invalid_rate_is_rejected(wrong):
    with pytest.raises(PydanticCustomError, match="; valid: "):
        per_second(wrong)


@pytest.mark.parametrize("wrong", [1.5, -0.1, "101%", "-1%", "20 s", "%", True, None, "1e999"])
def test_an_invalid_probability_is_rejected(wrong):
    with pytest.raises(PydanticCustomError, match="; valid: a number from 0 to 1, or a percentage"):
        fraction(wrong)


@pytest.mark.parametrize("huge", [float("inf"), float("nan"), 10**400, -(10**400), "1e999", "1e999s", "1e308d"])
def test_an_overflowing_duration_is_rejected(huge):
    with pytest.raises(PydanticCustomError):
        seconds(huge)


@pytest.mark.parametrize("huge", [float("inf"), float("nan"), 10**400])
def test_an_overflowing_rate_or_number_is_rejected(huge):
    with pytest.raises(PydanticCustomError):
        per_second(huge)
    with pytest.raises(PydanticCustomError):
        number(huge)
    with pytest.raises(PydanticCustomError):
        whole(0)(huge)


@pytest.mark.parametrize("unit", ["min", "mins", "minute", "Minutes"])
def test_a_common_unit_is_rejected_with_the_supported_one(unit):
    with pytest.raises(PydanticCustomError, match=r"nearest: '5m'\)"):
        seconds(f"5{unit}")


@given(finite, st.sampled_from([("s", 1), ("m", 60), ("h", 3600), ("d", 86400)]))
def test_a_duration_is_multiplied_by_its_unit(value, unit):
    name, factor = unit
    assert seconds(f"{value!r}{name}") == value * factor


@given(finite)
def test_a_thousand_milliseconds_are_a_second(value):
    assert seconds(f"{value!r}ms") == value / 1000


@given(finite, st.sampled_from([("s", 1), ("m", 60), ("h", 3600), ("d", 86400)]))
def test_a_rate_is_divided_by_its_unit(value, unit):
    name, length = unit
    assert per_second(f"{value!r}/{name}") == value / length


@given(finite)
def test_a_plain_number_is_unchanged(value):
    assert seconds(value) == seconds(repr(value)) == per_second(value) == number(value) == value


@given(st.one_of(st.text(), st.integers(), st.floats(), st.none(), st.booleans(), st.lists(st.integers())))
def test_any_input_is_a_nonnegative_duration_or_rejected(anything):
    try:
        value = seconds(anything)
    except PydanticCustomError:
        return
    assert 0 <= value < float("inf")


@pytest.mark.parametrize(("written", "expected"), [(3, 3), (3.0, 3), (1, 1), (1e3, 1000)])
def test_an_integer_may_be_written_as_a_float(written, expected):
    value = whole(1)(written)
    assert value == expected
    assert type(value) is int


@pytest.mark.parametrize("wrong", [0, -1, 2.5, "3", True, None])
def test_a_non_integer_or_too_small_value_is_rejected(wrong):
    with pytest.raises(PydanticCustomError, match="valid: a whole number, 1 or more"):
        whole(1)(wrong)


def test_only_true_and_false_are_booleans():
    assert truth(True) is True
    assert truth(False) is False
    for wrong in ("yes", "true", 1, 0, None):
        with pytest.raises(PydanticCustomError, match="valid: true, false"):
            truth(wrong)


def test_a_rate_is_shown_as_it_was_written_and_is_a_number_per_second():
    story = "name: x\nduration: 5m\ntasks: {arrivals: {poisson: {rate: RATE}}, work: 1s}\nagents: {count: 2}\n"
    written = scenarios.loads(story.replace("RATE", "3/m"))
    plain = scenarios.loads(story.replace("RATE", "0.05"))
    assert "rate=3/m" in repr(written.tasks.arrivals)
    assert "rate=3/m" in repr(pickle.loads(pickle.dumps(written)).tasks.arrivals)
    changed = written.with_values({"seed": 3, "recovery.load": {"rate": "90/m", "burst": 3}}).with_values({"seed": 4})
    assert "rate=3/m" in repr(changed.tasks.arrivals)
    assert "rate=90/m" in repr(changed.recovery.load)
    assert changed.resolved()["tasks"]["arrivals"] == {"poisson": {"rate": 0.05}}
    assert "rate=0.05" in repr(plain.tasks.arrivals)
    assert written == plain
    assert json.dumps(written.resolved()) == json.dumps(plain.resolved())
    assert f"{written.tasks.arrivals.rate} {written.tasks.arrivals.rate:.3f}" == "0.05 0.050"
