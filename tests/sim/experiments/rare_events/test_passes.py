"""Levels that hardly split."""

import pytest

from sim.experiments.rare_events.passes import Pass, passes
from sim.experiments.rare_events.splitting import Splitting


def splitting(*steps):
    return Splitting(steps[-1][1], 10, 0, steps)


def test_shares_of_whole_numbers_are_ratios_of_mean_probabilities():
    found = passes([splitting((0, 0.9), (1, 0.09), (2, 0.045)), splitting((0, 0.7), (2, 0.035))])
    assert found == (
        Pass(0, pytest.approx(0.8)),
        Pass(1, pytest.approx((0.09 + 0.7) / (0.9 + 0.7))),
        Pass(2, pytest.approx((0.045 + 0.035) / (0.09 + 0.7))),
    )


def test_the_last_level_is_the_one_that_no_particle_exceeds():
    found = passes([splitting((0, 0.5), (1, 0.0)), splitting((0, 0.3), (1, 0.0))])
    assert found == (Pass(0, pytest.approx(0.4)), Pass(1, 0.0))


def test_other_levels_are_listed_where_few_particles_go_on():
    small = [(level / 10 + 0.05, 0.98**level) for level in range(1, 6)]
    dropping = splitting(*small, (0.95, 0.98**5 * 0.04))
    assert passes([dropping, dropping, splitting(*small)]) == (Pass(0.95, pytest.approx(0.04)),)
    assert passes([dropping, splitting(*small), splitting(*small)]) == ()
    assert passes([splitting(*small)]) == ()


def test_all_hits_at_once_have_no_levels():
    assert passes([Splitting(1.0, 10, 10, ())]) == ()
