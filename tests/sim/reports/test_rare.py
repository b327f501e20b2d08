"""The report of a rare event: one unit in a line, and levels that hardly split."""

from dataclasses import replace

import pytest

import scenarios
import sim
from sim.experiments.rare_events.splitting import Splitting
from sim.reports.rare import chances, hardly_split

SCENARIO = scenarios.loads("""
name: queue
duration: 30s
tasks: {arrivals: {poisson: {rate: 0.5/s}}, work: {exponential: {mean: 1s}}}
agents: {count: 1}
""")


@pytest.fixture(scope="module")
def found():
    return sim.rare(SCENARIO, "queue.depth.max >= 2", 7, replications=2, particles=5)


def with_steps(found, *steps):
    return replace(found, splittings=(Splitting(steps[-1][1], 20, 0, steps),) * 2)


@pytest.mark.parametrize(
    ("numbers", "shown"),
    [
        ((0.088, 0.05, 0.12), ["8.8 %", "5 %", "12 %"]),
        ((0.002, 0.0005, 0.0123), ["0.2 %", "0.05 %", "1.23 %"]),
        ((9.3e-6, 1.2e-6, 0.012), ["9.3e-06", "1.2e-06", "1.2e-02"]),
        ((0.002, 3e-7, 0.1), ["2.0e-03", "3.0e-07", "1.0e-01"]),
        ((0.002, 0.0, 0.1), ["0.2 %", "0 %", "10 %"]),
        ((4e-4,), ["4.0e-04"]),
    ],
)
def test_probabilities_in_a_line_have_one_unit(numbers, shown):
    assert chances(*numbers) == shown


def test_levels_that_all_particles_exceed_do_not_help(found):
    assert hardly_split(with_steps(found, (0, 0.99), (1, 0.9801), (2, 0.4))) == [
        "levels 0, 1 of queue.depth, each exceeded by 99 % of the particles that reach it: they do not help"
    ]


def test_levels_that_few_particles_exceed_make_the_estimate_vary(found):
    steps = [(level, 0.03 ** (level + 1)) for level in range(4)]
    assert hardly_split(with_steps(found, *steps)) == [
        (
            "levels 0 to 3 of queue.depth, each exceeded by 3 % of the particles that reach it: hardly any goes on, so "
            "the estimate varies; valid: more particles, or a level with smaller steps"
        )
    ]


def test_a_level_that_no_particle_exceeds_is_named(found):
    never = replace(with_steps(found, (0, 0.5), (4, 0.0)), plain_hits=0)
    assert hardly_split(never) == [
        (
            "level 4 of queue.depth, exceeded by none of the particles that reach it; valid: more particles, or "
            "another level"
        )
    ]


def test_levels_that_split_are_not_mentioned(found):
    assert hardly_split(with_steps(found, (0, 0.6), (1, 0.3), (2, 0.1))) == []
    assert hardly_split(replace(found, level=None, splittings=())) == []
