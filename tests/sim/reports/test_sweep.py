"""A sweep as a table."""

import io

import pytest
from rich.console import Console

import scenarios
import sim
from sim.presentation.formatting import ASCII
from sim.reports.sweep import sweep_table

QUICK = {"duration": "10m", "warmup": "1m", "tasks.arrivals.poisson.rate": "0.2/s"}


@pytest.fixture(scope="module")
def found():
    expect = ["recovery.time.max <= 35s", "recovery.time.mean >= 20s", "tasks.lost == 0"]
    scenario = scenarios.load("agent-failure").with_values(
        QUICK | {"expect": expect, "faults": [{"agent_crash": {"at": "5m", "targets": 1}}]}
    )
    return sim.sweep(scenario, {"agents.restart_time": ["1s", "20s", "60s"]}, seed=7, replications=2)


def lines(found):
    console = Console(file=io.StringIO(), width=100, color_system=None, highlight=False)
    console.print(sweep_table(found, ["tasks.lost"], ASCII))
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def test_each_point_says_how_many_expectations_do_not_hold(found):
    rows = [line for line in lines(found) if line[:2] in {"1 ", "20", "60"}]
    assert [row.partition("] ")[2] for row in rows] == ["ok", "ok", "NO 1 of 3"]


def test_the_failed_expectations_follow_with_what_was_observed(found):
    notes = [line for line in lines(found) if "does not hold" in line]
    assert len(notes) == 2
    assert notes[0].startswith("agents.restart_time=1: recovery.time.mean >= 20s does not hold, observed 1")
    assert notes[0].endswith("s, which is better")
    assert notes[1].startswith("agents.restart_time=60: recovery.time.max <= 35s does not hold, observed 7")


def test_a_scenario_without_expectations_has_no_such_column():
    scenario = scenarios.load("agent-failure").with_values(QUICK | {"expect": []})
    plain = sim.sweep(scenario, {"agents.restart_time": ["1s"]}, seed=7, replications=1)
    assert not [line for line in lines(plain) if "expected" in line]
