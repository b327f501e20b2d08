"""Ranking and selection: the published procedure and its guarantee."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sim.stats.ranking_and_selection import FIRST, KimNelson, NotRankable, eta
from tests.examples import examples


def fed(procedure, rows):
    """What becomes of a procedure that is given rows until it is finished or there are none."""
    for row in rows:
        procedure.observe(list(row))
        if procedure.finished:
            break
    return procedure


def as_in_the_paper(rows, delta, first):
    """Kim and Nelson (2001), step by step, for the largest mean: (selected, replications, eliminations)."""
    count = rows.shape[1]
    h2 = 2 * eta(count, first) * (first - 1)
    pairs = [(i, j) for i in range(count) for j in range(count) if i != j]
    s2 = {(i, j): np.var(rows[:first, i] - rows[:first, j], ddof=1) for i, j in pairs}
    n = {i: max(math.floor(h2 * s2[i, j] / delta**2) for j in range(count) if j != i) for i in range(count)}
    among, r, out = list(range(count)), first, {}
    while True:
        mean = {i: rows[:r, i].mean() for i in among}
        w = {(i, j): max(0.0, delta / (2 * r) * (h2 * s2[i, j] / delta**2 - r)) for i, j in pairs}
        kept = [i for i in among if all(mean[i] >= mean[j] - w[i, j] for j in among if j != i)]
        out |= {i: r for i in among if i not in kept}
        among = kept
        if len(among) == 1 or r >= max(n.values()) + 1:
            return max(among, key=lambda i: mean[i]), r, out
        r += 1


@settings(deadline=None, max_examples=examples(60))
@given(st.integers(2, 6), st.integers(2, 12), st.floats(0.3, 3.0), st.integers(0, 10**6))
def test_the_procedure_matches_the_paper(count, first, delta, seed):
    rows = np.random.default_rng(seed).normal(size=(5000, count)) * 0.5 + np.linspace(0, 0.5, count)
    if first < 5:
        delta *= 4  # few degrees of freedom take very many replications
    found = fed(KimNelson(count, delta, "higher", first, most=5000), rows)
    if found.decided:
        assert (found.best, found.replications, found.eliminated) == as_in_the_paper(rows, delta, first)
    else:
        assert found.replications == 5000


def test_eta_solves_its_equation():
    for count, first in ((2, 10), (5, 10), (10, 20), (100, 5)):
        assert 0.5 * (1 + 2 * eta(count, first)) ** (-(first - 1) / 2) == pytest.approx(0.05 / (count - 1))


@pytest.mark.parametrize(
    ("count", "correlation"),
    [(2, 0.0), *(pytest.param(*each, marks=pytest.mark.long) for each in ((2, 0.8), (5, 0.5), (10, 0.5)))],
)
def test_the_best_is_selected_with_the_promised_probability(count, correlation):
    """The slippage configuration: the best is ahead of all others by δ, and they are alike."""
    generator = np.random.default_rng([count, int(10 * correlation)])
    delta = math.sqrt(2 * (1 - correlation) / FIRST)  # a standard error of a difference after the first stage
    right, times = 0, 400
    for _ in range(times):
        common = generator.normal(size=(600, 1)) * math.sqrt(correlation)
        rows = common + generator.normal(size=(600, count)) * math.sqrt(1 - correlation)
        rows[:, count // 2] -= delta
        found = fed(KimNelson(count, delta, most=600), rows)
        assert found.decided
        right += found.best == count // 2
    assert stats.binomtest(right, times, 0.95, alternative="less").pvalue > 0.001
    assert found.replications > FIRST


def test_common_random_numbers_shorten_the_selection():
    generator = np.random.default_rng(3)
    own, common = generator.normal(size=(2000, 3)), generator.normal(size=(2000, 1))
    ahead = np.array([0.0, 0.2, 0.2])
    apart = fed(KimNelson(3, 0.2, most=2000), own + ahead)
    together = fed(KimNelson(3, 0.2, most=2000), math.sqrt(0.9) * common + math.sqrt(0.1) * own + ahead)
    assert (apart.best, together.best) == (0, 0)
    assert 4 * together.replications < apart.replications


def test_a_clearly_worse_setting_is_eliminated_after_the_first_stage():
    rows = np.random.default_rng(1).normal(size=(400, 3)) + np.array([0.0, 0.1, 50.0])
    procedure = KimNelson(3, 0.1)
    assert [procedure.observe(row) for row in rows[: FIRST - 1]] == [()] * (FIRST - 1)
    assert procedure.observe(rows[FIRST - 1]) == (2,)
    assert (procedure.contention, procedure.eliminated, procedure.decided) == ((0, 1), {2: FIRST}, False)
    fed(procedure, rows[FIRST:])
    assert procedure.decided
    assert procedure.ranks[-1] == 2


def test_a_higher_is_better_metric_is_maximized():
    rows = [[1.0, 3.0, 2.0], [1.1, 3.1, 2.0], [1.0, 2.9, 2.1]]
    assert fed(KimNelson(3, 0.5, "lower", first=3), rows).ranks == (0, 2, 1)
    assert fed(KimNelson(3, 0.5, "higher", first=3), rows).ranks == (1, 2, 0)


def test_ranks_follow_the_distance_from_the_best():
    """A setting with a large variance stays in contention for long, even with a bad mean."""
    rows = np.random.default_rng(4).normal(size=(1000, 4)) * np.array([0.1, 5.0, 0.1, 0.1]) + np.array(
        [0.5, 3.0, 0, 0.3]
    )
    found = fed(KimNelson(4, 0.1), rows)
    assert found.ranks == (2, 3, 0, 1)
    assert found.eliminated[1] > found.eliminated[0] == FIRST


def test_ranks_compare_common_replications():
    """Favorable draws after the elimination of the second do not rank the third above it."""
    early = [[0.0, 1.0, 2.0], [0.01, 1.0, -2.0], [0.0, 1.01, 6.0]]
    late = [[-5.0, None, -3.0]] * 200
    found = fed(KimNelson(3, 1.0, first=3), [*early, *late])
    assert found.eliminated[1] == 3 < found.eliminated[2]
    assert found.ranks == (0, 1, 2)


def test_deterministic_differences_are_decided_after_the_first_stage():
    rows = [[noise, noise + 0.25, noise + 0.5] for noise in (4.0, 7.0, 1.0)]
    found = fed(KimNelson(3, 100.0, first=3), rows)
    assert (found.best, found.decided, found.eliminated) == (0, True, {1: 3, 2: 3})


def test_of_equal_settings_the_first_is_selected_and_others_remain():
    rows = [[noise + 1, noise, noise] for noise in (4.0, 7.0, 1.0)]
    found = fed(KimNelson(3, 0.5, first=3), rows)
    assert (found.decided, found.best, found.contention) == (True, 1, (1, 2))


def test_at_the_replication_limit_the_selection_is_undecided():
    rows = np.random.default_rng(2).normal(size=(30, 3)) + np.array([0.0, 0.0, 40.0])
    found = fed(KimNelson(3, 0.01, most=30), rows)
    assert (found.finished, found.decided, found.replications) == (True, False, 30)
    assert found.contention == (0, 1)
    assert found.best == int(np.argmin(rows.mean(axis=0)))
    with pytest.raises(ValueError, match="the procedure has ended"):
        found.observe([0.0, 0.0, 0.0])


def test_a_replication_unobserved_by_all_is_ignored():
    rows = [list(row) for row in np.random.default_rng(5).normal(size=(200, 2)) + np.array([0.0, 0.7])]
    plain = fed(KimNelson(2, 0.2), rows)
    holes = fed(KimNelson(2, 0.2), [*rows[:4], [None, None], *rows[4:12], [None, None], *rows[12:]])
    assert (holes.replications, holes.unobserved) == (plain.replications + 2, 2)
    assert holes.eliminated == {1: plain.eliminated[1] + 2}


def test_a_replication_unobserved_by_one_gives_no_difference():
    procedure = fed(KimNelson(3, 0.2), [[0.0, 1.0, 2.0]])
    with pytest.raises(NotRankable, match="observed nothing") as error:
        procedure.observe([1.0, None, 3.0])
    assert (error.value.setting, procedure.replications) == (1, 2)


def test_observations_of_eliminated_settings_are_ignored():
    procedure = fed(KimNelson(3, 0.1, first=3), [[0.0, 0.1, 90.0], [0.3, 0.0, 90.1], [0.1, 0.2, 90.3]])
    assert procedure.contention == (0, 1)
    assert procedure.observe([0.1, 0.2, None]) == ()


def test_a_setting_infinite_in_the_first_stage_is_eliminated():
    rows = np.random.default_rng(6).normal(size=(500, 3)) + np.array([0.0, 0.3, 0.0])
    rows[4, 2] = math.inf
    found = fed(KimNelson(3, 0.1), rows)
    assert found.eliminated[2] == FIRST
    pair = fed(KimNelson(3, 0.1), np.column_stack([rows[:, :2], np.full(500, 1e9)]))
    assert (found.best, found.replications) == (pair.best, pair.replications) == (0, pair.replications)


def test_a_setting_that_becomes_infinite_has_no_mean():
    procedure = fed(KimNelson(2, 0.01, first=2), [[0.0, 0.1], [0.3, 0.0]])
    assert not procedure.decided
    with pytest.raises(NotRankable, match="observed inf") as error:
        procedure.observe([0.0, math.inf])
    assert error.value.setting == 1


def test_with_all_settings_infinite_there_is_no_ranking():
    procedure = fed(KimNelson(2, 0.5), [[math.inf, 0.0], [1.0, 2.0]])
    with pytest.raises(NotRankable, match="observed inf, as all others have by now") as error:
        procedure.observe([1.0, math.inf])
    assert (error.value.setting, procedure.replications) == (1, 3)


@pytest.mark.parametrize(("direction", "value"), [("higher", math.inf), ("lower", -math.inf)])
def test_an_infinite_value_in_the_better_direction_is_rejected(direction, value):
    with pytest.raises(NotRankable, match=r"observed -?inf"):
        KimNelson(3, 0.5, direction).observe([0.0, value, 1.0])


def test_nan_is_rejected():
    with pytest.raises(NotRankable, match="observed nan"):
        KimNelson(2, 0.5).observe([math.nan, 1.0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 0.5), "1 setting is not enough for a selection; valid: 2 or more"),
        ((2, 0.0), "an indifference of 0; valid: a finite number above 0"),
        ((2, math.inf), "an indifference of inf"),
        ((2, math.nan), "an indifference of nan"),
        ((2, 0.5, "lower", 1), "a first stage of 1; valid: 2 replications or more"),
        ((2, 0.5, "lower", 10, 9), "9 replications at most; valid: 10 or more"),
    ],
)
def test_invalid_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        KimNelson(*arguments)
