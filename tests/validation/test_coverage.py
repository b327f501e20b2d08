"""The page of measured coverage: its figures are good enough, and they are those of today's estimators."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt
from pathlib import Path

import numpy as np
import pytest

from sim.stats.intervals import Range, mean_interval
from tests.validation.coverage import DRAWS, TABLES, Table
from tests.validation.coverage_cases import CASES, FAMILIES, SEED, SELECTIONS, SEQUENTIAL, Case, lognormal

PAGE = Path(__file__).parents[2] / "sim" / "experiments" / "coverage.md"
SHORT = 25
"""Draws of each figure in the short form."""
ERRORS = 4.5
"""Standard errors that two measurements of a figure may be apart: each of 200 figures is in 1 of 100,000 cases."""


def _figures() -> dict[tuple[str, str], tuple[float, ...]]:
    """The page's shares by kind and data."""
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    known = {(case.kind, case.of): len(case.sizes) for table in TABLES for case in table.cases}
    return {
        (row[0], row[1]): tuple(float(cell) / 100 for cell in row[2 : 2 + known[row[0], row[1]]])
        for row in rows
        if (row[0], row[1]) in known
    }


FIGURES = _figures()


def test_the_page_has_a_figure_of_every_case() -> None:
    cases = [(case.kind, case.of) for table in TABLES for case in table.cases]
    assert list(FIGURES) == cases
    assert f"seed\n{SEED}" in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", [*CASES, *SEQUENTIAL], ids=lambda case: f"{case.kind}, {case.of}")
def test_intervals_cover_what_they_should(case: Case) -> None:
    """93 to 97 of 100, 90 with heavy tails; more only of whole numbers, and where an upper bound is infinite. Two
    standard errors, 1 of 100, for the measurement. Of two replications 2 of 100 fewer, without an upper limit.
    """
    shares = dict(zip(case.sizes, FIGURES[case.kind, case.of], strict=True))
    for size, share in shares.items():
        assert share >= (0.90 if case.is_heavy else 0.93) - (0.03 if size == 2 else 0.01)
        assert share <= 0.98 or case.note or size == 2


@pytest.mark.parametrize("case", [*FAMILIES, *SELECTIONS], ids=lambda case: f"{case.kind}, {case.of}")
def test_comparisons_and_selections_are_wrong_in_at_most_5_percent(case: Case) -> None:
    """Two standard errors of the measurement allowed."""
    draws = DRAWS if case in FAMILIES else DRAWS // 2
    assert min(FIGURES[case.kind, case.of]) >= 0.95 - 2 * sqrt(0.95 * 0.05 / draws)


def _compare(table: Table, draws: int) -> None:
    """Measure with another seed. Each figure is within its binomial error of the page's, and so is the mean of all."""
    apart, variance = [], 0.0
    for case in table.cases:
        for size, expected in zip(case.sizes, FIGURES[case.kind, case.of], strict=True):
            found = case.measure(size, draws, seed=SEED + 1)
            both = (found * draws + expected * table.draws + 1) / (draws + table.draws + 2)
            error = both * (1 - both) * (1 / draws + 1 / table.draws)
            assert abs(found - expected) <= ERRORS * sqrt(error) + 1 / draws, f"{case.kind}, {case.of}, {size:g}"
            apart.append(found - expected)
            variance += error
    assert abs(sum(apart)) <= ERRORS * sqrt(variance)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.title)
def test_the_figures_are_those_of_the_estimators(table: Table) -> None:
    """In few draws: each figure roughly, and the mean of all figures of a table to about a percent."""
    _compare(table, SHORT)


@pytest.mark.slow
@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.title)
def test_the_figures_are_those_of_the_estimators_in_many_draws(table: Table) -> None:
    """The same with half as many draws as the page has."""
    _compare(table, table.draws // 2)


def test_an_interval_that_covers_too_little_is_found() -> None:
    """The t-interval alone, on the same data: the check can fail."""
    kind, of = "mean", "lognormal, cv 3"

    def outcomes(rng: np.random.Generator, runs: int, draws: int) -> Iterator[bool]:
        for row in lognormal(3)(rng, (draws, runs)):
            low, high = mean_interval(row, Range.REAL)
            yield low <= 1 <= high

    with pytest.raises(AssertionError, match="lognormal"):
        _compare(Table("Intervals", "", (), (Case(kind, of, outcomes),)), 200)
