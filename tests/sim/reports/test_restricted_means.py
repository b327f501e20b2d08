"""Tables of several settings say which of their means the end of the runs restricts."""

import pytest
from rich.console import Console

import scenarios
import sim
from sim.reports.comparison import comparison
from sim.reports.selection import selection
from sim.reports.sweep import sweep_table

METRIC = "recovery.time.mean"
PATH = "agents.restart_time.exponential.mean"
CUT_OFF = """
name: cut-off
duration: 110s
tasks: {arrivals: {interval: {every: 1000s}}, work: 1s}
agents: {count: 10, restart_time: {exponential: {mean: 100s}}}
recovery: {detection: {detector: perfect}}
faults: [{agent_crash: {targets: all, at: 60s}}]
"""


@pytest.fixture
def scenario():
    return scenarios.loads(CUT_OFF)


def printed(table):
    console = Console(width=400)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_of_a_comparison(scenario):
    found = sim.compare(scenario, {}, {PATH: "1s"}, seed=1, replications=3, metrics=METRIC)
    told = printed(comparison(found))
    assert f"a: {METRIC} is restricted to 50s: " in told
    assert f"b: {METRIC} is restricted" not in told


def test_of_a_sweep(scenario):
    told = printed(sweep_table(sim.sweep(scenario, [{PATH: "1s"}, {PATH: "100s"}], replications=2), [METRIC]))
    assert f"{PATH}=100: {METRIC} is restricted to 50s: " in told
    assert f"{PATH}=1: {METRIC} is restricted" not in told


@pytest.mark.long
def test_of_a_selection(scenario):
    told = printed(selection(sim.select(scenario, [{PATH: "1s"}, {PATH: "100s"}], METRIC, 1.0, most=20)))
    assert f"{PATH}=100: {METRIC} is restricted to 50s: " in told
    assert f"{PATH}=1: {METRIC} is restricted" not in told
