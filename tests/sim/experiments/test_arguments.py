"""Wrong arguments of the functions of `sim` are answered with what would be valid."""

import numpy as np
import pytest

import scenarios
import sim

PAIR = [{"agents.count": 5}, {"agents.count": 6}]
METRIC = "tasks.sojourn.mean"
TOO_LONG = "the seed is too long a number; valid: up to 4300 digits"
CYCLE: dict[str, object] = {}
CYCLE["work"] = CYCLE


@pytest.fixture(scope="module")
def short():
    return scenarios.load("baseline").with_values({"duration": "10s", "warmup": "0s"})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda short: sim.run(short, seed=10**5000), TOO_LONG),
        (lambda short: sim.run(short, seed="1" * 50_000), TOO_LONG),
        (lambda short: sim.replicate(short, seed=10**5000), TOO_LONG),
        (lambda short: sim.compare(short, *PAIR, seed=10**5000), TOO_LONG),
        (lambda short: sim.sweep(short, PAIR, seed=10**5000), TOO_LONG),
        (lambda short: sim.select(short, PAIR, METRIC, 1, seed=10**5000), TOO_LONG),
        (lambda short: sim.run(short, seed=-1), "-1 is not a seed; valid: a whole number of at least 0"),
        (lambda short: sim.run(short, replication=-1), "-1 is not a replication; valid: a whole number of at least 0"),
        (lambda short: sim.run(short, replication="x"), "'x' is not a replication"),
        (lambda short: sim.run(short, replication=10**5000), "a huge number is not a replication"),
        (lambda short: sim.replicate(short, replications="3"), "'3' replications on 1 jobs; valid: 1 or more of each"),
        (lambda short: sim.replicate(short, replications=2.5), r"2\.5 replications on 1 jobs"),
        (lambda short: sim.replicate(short, jobs="2"), "1 replications on '2' jobs"),
        (lambda short: sim.replicate(short, precision="0%"), "precision 0: must be between 0 and 1"),
        (lambda short: sim.replicate(short, precision="narrow"), "precision 'narrow': must be between 0 and 1"),
        (lambda short: sim.rare(short, "tasks.lost > 0", particles=2.5), r"2\.5 particles: too few"),
        (
            lambda short: sim.select(short, PAIR, METRIC, "1 parsec"),
            "indifference tasks.sojourn.mean: '1 parsec' is not a duration; valid: a number of seconds, or one with a",
        ),
        (lambda short: sim.select(short, PAIR, METRIC, None), "indifference tasks.sojourn.mean: 'None' is not a dura"),
        (lambda short: short.with_values({"tasks": CYCLE}), "a value is nested too deeply"),
        (lambda short: short.with_values({3: 4}), "3 is not a path; valid: keys with dots"),
    ],
)
def test_a_wrong_value_is_answered_with_valid_ones(short, call, message):
    with pytest.raises((ValueError, sim.RecoveryBenchError), match=message):
        call(short)


def test_a_name_is_not_a_scenario():
    with pytest.raises(TypeError, match=r"'baseline' is not a scenario; valid: such as scenarios\.load\('baseline'\)"):
        sim.run("baseline")


def test_numbers_of_numpy_and_texts_of_the_command_line_are_accepted(short):
    assert len(sim.replicate(short, seed=np.int64(3), replications=np.int64(2)).runs) == 2
    assert sim.replicate(short, precision="50%").asked.epsilon == 0.5
    assert sim.select(short, PAIR, METRIC, "90s", judged=2).indifference == 90
