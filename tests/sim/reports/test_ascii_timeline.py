"""A scenario's timeline in text."""

import pytest

import scenarios
from sim.presentation.formatting import ASCII
from sim.reports.explained.ascii_timeline import CELLS, sketch

PLAIN = """\
name: plain
duration: 48m
tasks: {arrivals: {poisson: {rate: 2/s}}, work: 3s, checkpoint: {every: 1s}}
agents: {count: 10}
resources: {gpu: {units: 4}}
"""


def drawn(**values):
    return sketch(scenarios.loads(PLAIN).with_values(values))


def row(label, **values):
    """The row of a label, a cell a minute, from the first cell on."""
    lines = drawn(**values)
    begin = lines[1].index("┬")
    (found,) = [line for line in lines if line[:begin].rstrip() == label]
    return found[begin:]


def test_the_whole_run_is_drawn_above_one_axis():
    faults = [
        {"agent_crash": {"at": "10m"}},
        {"partition": {"between": ["agents", "queue"], "at": "24m", "for": "6m"}},
    ]
    assert drawn(warmup="6m", faults=faults) == [
        "             0s          12m         24m         36m       48m",
        "             ┬───────────┬───────────┬───────────┬───────────┬",
        "load, 2/s    ████████████████████████████████████████████████",
        "agent crash            ▼",
        "partition                            ██████",
        "measured           ██████████████████████████████████████████",
    ]


@pytest.mark.parametrize(
    ("fault", "cells"),
    [
        ({"agent_crash": {"at": 0}}, "▼"),
        ({"agent_crash": {"at": 179}}, "  ▼"),
        ({"agent_crash": {"at": 2879}}, " " * 47 + "▼"),
        ({"agent_crash": {"at": "48m"}}, ""),  # never happens
        ({"agent_crash": {"at": "3h"}}, ""),
        ({"agent_crash": {"every": "12m"}}, " " * 12 + "▼" + " " * 11 + "▼" + " " * 11 + "▼"),
        ({"agent_crash": {"every": {"exponential": {"mean": "12m"}}}}, "·" * CELLS),
        ({"agent_crash": {"when": "queue.depth > 5"}}, "·" * CELLS),
        ({"agent_crash": {"every": "1s"}}, "·" * CELLS),  # too frequent to be drawn separately
        ({"agent_hang": {"at": "2m", "for": "3m"}}, "  ███"),
        ({"agent_hang": {"at": "2m", "for": "1s"}}, "  █"),
        ({"agent_hang": {"at": "2m", "for": {"uniform": {"low": "1m", "high": "3m"}}}}, "  ██"),
        ({"agent_hang": {"at": "2m"}}, "  " + "█" * 46),
        ({"agent_hang": {"at": "2m", "for": {"pareto": {"minimum": "1m", "alpha": 1}}}}, "  " + "█" * 46),
        ({"agent_hang": {"every": "20m", "for": "2m"}}, " " * 20 + "██" + " " * 18 + "██"),
    ],
)
def test_each_fault_is_drawn_at_its_time(fault, cells):
    assert row(next(iter(fault)).replace("_", " "), faults=[fault]) == cells


def test_faults_of_a_kind_share_a_row():
    faults = [{"agent_crash": {"at": "2m"}}, {"agent_crash": {"at": "4m", "targets": 3}}]
    assert row("agent crash", faults=faults) == "  ▼ ▼"


@pytest.mark.parametrize(
    ("values", "label", "cells"),
    [
        ({"tasks.arrivals": {"interval": {"every": "3s"}}}, "load, every 3s", "█" * 48),
        ({"tasks.arrivals": {"burst": {"size": 100, "at": "5m"}}}, "load, 100 tasks", "     ▼"),
        ({"tasks.arrivals": {"closed": {"clients": 1}}}, "load, 1 client", "█" * 48),
        ({"tasks.count": 1200}, "load, 2/s", "█" * 10),
        ({"tasks.arrivals": {"interval": {"every": "2m"}}, "tasks.count": 4}, "load, every 2m", "█" * 8),
    ],
)
def test_the_load_is_drawn_for_its_duration(values, label, cells):
    assert row(label, **values) == cells


@pytest.mark.parametrize(
    ("key", "value", "label"),
    [
        ("tasks.failure_probability", 0.1, "attempts fail"),
        ("agents.mtbf", "1h", "agents crash"),
        ("queue.loss", 0.1, "messages are lost"),
        ("queue.ack_loss", 0.1, "messages are lost"),
        ("network.loss", 0.1, "messages are lost"),
        ("queue.duplication", 0.1, "deliveries arrive twice"),
        ("storage.failure", 0.1, "checkpoints fail"),
    ],
)
def test_random_failures_are_drawn_over_the_whole_run(key, value, label):
    assert row(label, **{key: value}) == "·" * CELLS


def test_an_ascii_terminal_gets_ascii_symbols():
    scenario = scenarios.loads(PLAIN).with_values({"faults": [{"agent_crash": {"at": "2m"}}], "agents.mtbf": "1h"})
    text = "\n".join(sketch(scenario, ASCII))
    assert text.isascii()
    assert "agent crash     v\n" in text


@pytest.mark.parametrize("name", scenarios.names())
def test_shipped_scenarios_fit_a_terminal(name):
    assert max(map(len, sketch(scenarios.load(name)))) <= 77


def test_a_long_label_is_cut():
    lines = drawn(**{"tasks.arrivals": {"interval": {"every": 3.123456789123456}}})
    assert max(map(len, lines)) <= 77


def test_a_run_of_unusual_length_has_an_axis():
    assert drawn(duration=100)[0].split() == ["0s", "25s", "50s", "75s", "100s"]
    assert drawn(duration="1000s")[0].split() == ["0s", "250s", "500s", "750s", "1000s"]
    assert drawn(duration=1.0)[0].split() == ["0s", "200ms", "500ms", "800ms", "1s"]
