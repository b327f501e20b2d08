"""Splitting of a random walk with known probabilities: unbiased estimates and valid intervals."""

import math
from hashlib import blake2b

import numpy as np
import pytest
from scipy import stats

from sim.experiments.rare_events.splitting import Flight, Splitting, combined, split
from sim.randomness.branching import Trajectory
from sim.stats.intervals import binomial

pytestmark = pytest.mark.long

UP, STEPS, HEIGHT = 0.35, 60, 12


def generator(name):
    return np.random.Generator(
        np.random.Philox(key=int.from_bytes(blake2b(name.encode(), digest_size=16).digest(), "little"))
    )


def walk(trajectory):
    """A walk that is reflected at 0: where it stood, step by step."""
    up = generator(trajectory.root).random(STEPS) < UP
    for place, branch in enumerate(trajectory.branches):
        name = str(Trajectory(trajectory.root, trajectory.branches[: place + 1]))
        up[branch.events :] = (generator(name).random(STEPS) < UP)[branch.events :]
    heights, height = [], 0
    for rises in up.tolist():
        height = height + 1 if rises else max(0, height - 1)
        heights.append(height)
    return heights


def fly(trajectory, is_hit=lambda heights: max(heights) >= HEIGHT, level=lambda height: height):
    heights = walk(trajectory)
    climb, best = [], 0.0
    for step, height in enumerate(heights, 1):
        if level(height) > best:
            best = float(level(height))
            climb.append((best, step))
    return Flight(trajectory, tuple(climb), is_hit(heights))


def exact():
    moves = np.zeros((HEIGHT + 1, HEIGHT + 1))
    for height in range(HEIGHT):
        moves[height, height + 1] += UP
        moves[height, max(0, height - 1)] += 1 - UP
    moves[HEIGHT, HEIGHT] = 1
    return float(np.linalg.matrix_power(moves, STEPS)[0, HEIGHT])


def roots(name, count):
    return [Trajectory(f"{name}/{number}") for number in range(count)]


def splittings(name, number, particles, **how):
    def flown(trajectory):
        return fly(trajectory, **how)

    return [
        split(flown, roots(f"{name}.{each}", particles), generator(f"{name}.{each}.choice")) for each in range(number)
    ]


@pytest.mark.parametrize(
    ("number", "width"),
    [pytest.param(150, 0.2, marks=pytest.mark.long), pytest.param(600, 0.1, marks=pytest.mark.slow)],
)
def test_the_estimate_is_unbiased(number, width):
    """Exactly, however few particles there are; 3 in 1,000 is far below one in ten particles."""
    found = [each.probability for each in splittings("mean", number, 10)]
    error = np.std(found) / math.sqrt(len(found))
    assert exact() == pytest.approx(0.00288, abs=1e-5)
    assert np.mean(found) == pytest.approx(exact(), abs=3 * error)
    assert error < width * exact()


@pytest.mark.parametrize(
    "number", [pytest.param(150, marks=pytest.mark.long), pytest.param(600, marks=pytest.mark.slow)]
)
def test_the_estimate_is_unbiased_for_any_level(number):
    """One that rises in strides of three, with many ties, and one that does not lead there at all."""
    for level in (lambda height: height // 3, lambda height: height % 5):
        found = [each.probability for each in splittings("level", number, 10, level=level)]
        error = np.std(found) / math.sqrt(len(found))
        assert np.mean(found) == pytest.approx(exact(), abs=3 * error)


def test_a_hit_at_a_low_level_counts():
    """The event "ends at 0" does not depend on the height."""
    found = [each.probability for each in splittings("low", 100, 10, is_hit=lambda heights: heights[-1] == 0)]
    often = np.mean([walk(root)[-1] == 0 for root in roots("often", 2000)])
    assert np.mean(found) == pytest.approx(often, abs=3 * np.std(found) / 10 + 0.02)


@pytest.mark.parametrize("count", [pytest.param(15, marks=pytest.mark.long), pytest.param(60, marks=pytest.mark.slow)])
def test_intervals_have_about_the_nominal_coverage(count):
    held = 0
    for number in range(count):
        low, high = combined(splittings(f"cover.{number}", 8, 12)).ci95
        held += low <= exact() <= high
    low, high = stats.binomtest(held, count).proportion_ci(0.99)
    assert low <= 0.95 <= high + 0.02


def test_an_impossible_event_has_no_probability_and_no_interval():
    found = splittings("never", 3, 10, is_hit=lambda heights: False)
    assert [each.probability for each in found] == [0, 0, 0]
    assert combined(found).ci95 is None
    assert not found[0].hits


def test_a_replacement_branches_above_the_discarded_level():
    flown = []

    def watched(trajectory):
        flown.append(fly(trajectory))
        return flown[-1]

    found = split(watched, roots("watched", 20), generator("choice"))
    children = flown[20:]
    assert len(children) == found.runs - 20 > 30
    scores = sorted({level for level, _ in found.steps})
    for child in children:
        assert child.score > scores[0]
        assert child.climb[-1][1] >= child.trajectory.branches[-1].events, "it has at least the height that it left at"


def test_steps_give_the_probability_of_each_level():
    """P(max > h), which plain counting estimates where it is not rare."""
    found = splittings("steps", 100, 10)
    above_two = np.mean([next((p for level, p in reversed(each.steps) if level <= 2), 1.0) for each in found])
    plain = np.mean([max(walk(root)) > 2 for root in roots("plain", 2000)])
    assert above_two == pytest.approx(plain, abs=0.06)
    for each in found:
        assert list(each.steps) == sorted(each.steps)
        assert [p for _, p in each.steps] == sorted((p for _, p in each.steps), reverse=True)


def test_hits_are_trajectories_with_the_event():
    found = splittings("hits", 3, 20)
    names = [name for each in found for name in each.hits]
    assert names
    for name in names:
        assert max(walk(Trajectory.parse(name))) >= HEIGHT


def test_one_splitting_has_no_interval_and_probabilities_are_at_most_one():
    assert combined([Splitting(0.2, 1, 0, ())]).ci95 is None
    low, high = combined([Splitting(p, 1, 0, ()) for p in (0.7, 1.0, 0.9)]).ci95
    assert 0 < low < 0.9
    assert high == 1.0


def test_a_single_particle_is_rejected():
    with pytest.raises(ValueError, match="valid: 2 or more"):
        split(fly, roots("one", 1), generator("choice"))


def test_without_hits_the_bound_is_three_over_n():
    assert binomial(0, 1000) == (0.0, pytest.approx(1 - 0.05**0.001))
    assert binomial(0, 1000)[1] == pytest.approx(3 / 1000, rel=0.01)
    assert binomial(1000, 1000) == (pytest.approx(0.05**0.001), 1.0)


@pytest.mark.parametrize(("hits", "count"), [(1, 2), (3, 50), (499, 500)])
def test_a_proportion_has_the_exact_interval(hits, count):
    exact_one = stats.binomtest(hits, count).proportion_ci(0.95, "exact")
    assert binomial(hits, count) == pytest.approx((exact_one.low, exact_one.high))


@pytest.mark.parametrize(("hits", "count"), [(0, 0), (3, 2), (-1, 2)])
def test_an_invalid_proportion_is_rejected(hits, count):
    with pytest.raises(ValueError, match="valid"):
        binomial(hits, count)
