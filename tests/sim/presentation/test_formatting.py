"""Formatting of numbers."""

from math import inf, nan

import pytest

from sim.presentation.formatting import ASCII, UNICODE, count, duration, estimated, quantity, signs
from sim.stats.estimates import Estimate


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (32.5118, "s", "32.5 s"),
        (0.26122, "s", "0.261 s"),
        (0.00012, "s", "0.000 s"),
        (30.000000000000227, "s", "30.0 s"),
        (0.0, "s", "0 s"),
        (1234.5, "s", "1,234 s"),
        (6493.0, "tasks", "6,493"),
        (16.0, "recoveries", "16"),
        (5.0, "recoveries", "5"),
        (100.0, "tasks", "100"),
        (0.4, "recoveries", "0.4"),
        (1.9693, "1/s", "1.97/s"),
        (0.975, "fraction", "97.5 %"),
        (-2.5, "s", "-2.50 s"),
        (inf, "s", "∞ s"),
        (None, "s", "–"),
        (nan, "s", "–"),
    ],
)
def test_a_number_has_three_significant_digits_and_a_unit(value, unit, shown):
    assert quantity(value, unit) == shown


@pytest.mark.parametrize(
    ("mean", "half_width", "unit", "shown"),
    [
        (12.5118, 0.634, "s", "12.51 ± 0.63 s"),
        (12.5118, 6.34, "s", "12.5 ± 6.3 s"),
        (6558.6, 71.9, "tasks", "6,559 ± 72"),
        (6558.6, 1719.0, "tasks", "6,559 ± 1,719"),
        (0.0563, 0.0047, "fraction", "5.63 ± 0.47 %"),
        (20.0, 0.0, "s", "20.0 s"),
        (30.0, 1e-13, "s", "30.0 s"),
        (0.0, 0.0, "tasks", "0"),
    ],
)
def test_the_half_width_determines_the_digits_of_a_mean(mean, half_width, unit, shown):
    assert estimated(Estimate(mean, (mean - half_width, mean + half_width), 20, unit)) == shown


def test_one_replication_has_no_half_width():
    assert estimated(Estimate(12.5118, None, 1, "s")) == "12.5 s"
    assert estimated(None) == "–"


def test_an_infinite_mean_has_no_half_width():
    assert estimated(Estimate(inf, None, 20, "s")) == "∞ s"


def test_ascii_symbols_replace_others_where_the_encoding_requires():
    assert signs("utf-8") is UNICODE
    assert signs(None) is UNICODE
    assert signs("ascii") is ASCII
    assert signs("latin-1") is ASCII
    assert signs("no such encoding") is ASCII
    assert estimated(Estimate(1.0, (0.5, 1.5), 3, "s"), ASCII).isascii()


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.25, "250ms"), (0, "0s"), (30, "30s"), (90, "90s"), (600, "10m"), (3600, "1h"), (5400, "90m"), (172800, "2d")],
)
def test_durations_use_scenario_notation(seconds, shown):
    from scenarios.fields.quantities import seconds as read

    assert duration(seconds) == shown
    assert read(shown) == seconds


def test_nouns_agree_with_their_count():
    assert [count(1, "agent"), count(2, "agent"), count(1500, "recovery", "recoveries")] == [
        "1 agent",
        "2 agents",
        "1,500 recoveries",
    ]
