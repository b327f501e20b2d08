"""Explanations of scenarios in sentences."""

import contextlib
import copy
import io
from functools import cache

import pytest
from rich.console import Console

import scenarios
from scenarios import Scenario
from sim.presentation.formatting import ASCII, UNICODE
from sim.presentation.phrases import listed
from sim.reports.explained.explanation import (
    catalogue,
    explanation,
    first_sentence,
    hit,
    injected,
    retries,
    shortened,
    should_happen,
)
from sim.reports.explained.settings import also_set
from tests.scenarios.complete_scenario import COMPLETE

PLAIN = """\
name: plain
duration: 1h
tasks:
  arrivals: {poisson: {rate: 2/s}}
  work: 3s
  checkpoint: null
agents: {count: 10, slots: 2}
resources: {gpu: {units: 4}}
"""


def scenario(more="", plain=PLAIN, **values):
    return scenarios.loads(plain + more).with_values(values)


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("agent_crash: {at: 10m}", "At 10m one agent crashes."),
        (
            "agent_crash: {when: queue.depth > 500}",
            "The first time that queue.depth > 500, one agent crashes.",
        ),
        ("agent_crash: {at: 10m, targets: 3}", "At 10m 3 agents crash."),
        ("agent_crash: {at: 10m, targets: 20%}", "At 10m 20 % of the agents crash."),
        ("agent_crash: {at: 10m, targets: all}", "At 10m every agent crashes."),
        ("agent_crash: {at: 10m, targets: [agent.1, agent.2]}", "At 10m agent.1 and agent.2 crash."),
        (
            "agent_hang: {every: {exponential: {mean: 5m}}}",
            "Every 5m on average (exponential) one agent hangs until restarted.",
        ),
        ("agent_hang: {at: 90s, for: 10s}", "At 90s one agent hangs for 10s."),
        ("agent_hang: {at: 90s, for: 10s, beating: true}", "At 90s one agent hangs, beating on, for 10s."),
        ("agent_slow: {factor: 3, at: 1m}", "At 1m one agent takes 3 times as long for work to the end."),
        (
            "agent_slow: {factor: 1.5, targets: 2, at: 1m, for: 10s}",
            "At 1m 2 agents take 1.5 times as long for work for 10s.",
        ),
        (
            "agent_flap: {down: 5s, up: {exponential: {mean: 1m}}, at: 1m, for: 5m}",
            "At 1m one agent flaps for 5m: down for 5s, up for 1m on average (exponential).",
        ),
        ("poison_task: {at: 1m}", "At 1m one running task turns out to kill whoever takes it."),
        ("load_surge: {factor: 4, at: 1m, for: 30s}", "At 1m the load comes 4 times as fast for 30s."),
        (
            "resource_degraded: {resource: gpu, factor: 2, at: 1m}",
            "At 1m work that holds gpu takes 2 times as long to the end.",
        ),
        ("resource_leak: {resource: gpu, units: 1, at: 1m}", "At 1m 1 free unit leaks from gpu."),
        (
            "resource_leak: {resource: gpu, units: 2, at: 1m, for: 30s}",
            "At 1m 2 free units leak from gpu, found again after 30s.",
        ),
        ("message_loss: {probability: 10%, at: 1m}", "At 1m 10 % of the messages are lost to the end."),
        (
            "message_loss: {probability: 1, between: [agent.1, core], one_way: true, at: 1m, for: 5s}",
            "At 1m 100 % of the messages from agent.1 to the core are lost for 5s.",
        ),
        (
            "message_delay: {delay: 2s, between: [agents, queue], at: 1m, for: 5s}",
            "At 1m the messages between the agents and the queue are late by 2s for 5s.",
        ),
        (
            "message_reorder: {delay: 1s, probability: 20%, at: 1m}",
            "At 1m 20 % of the messages are held back by 1s to the end.",
        ),
        ("message_duplicate: {probability: 20%, at: 1m}", "At 1m 20 % of the deliveries arrive twice to the end."),
        ("queue_blocked: {at: 1m, for: 10s}", "At 1m the queue delivers nothing for 10s."),
        ("execution_failure: {at: 1m}", "At 1m one running task fails."),
        ("checkpoint_corrupt: {at: 1m}", "At 1m the latest checkpoint of one running task is damaged."),
        (
            "resource_unavailable: {resource: gpu, units: 2, every: 6m, for: {uniform: {low: 20s, high: 1m}}}",
            "Every 6m 2 units of gpu are out of service for 20s to 1m.",
        ),
        (
            "resource_unavailable: {resource: gpu, units: 1, at: 6m}",
            "At 6m 1 unit of gpu is out of service to the end.",
        ),
        (
            "partition: {between: [agents, queue], at: 10m, for: 30s}",
            "At 10m nothing passes between the agents and the queue for 30s.",
        ),
        (
            "partition: {between: [agent.1, core], at: 10m}",
            "At 10m nothing passes between agent.1 and the core to the end.",
        ),
    ],
)
def test_each_fault_is_a_sentence(fault, told):
    plain = PLAIN.replace("checkpoint: null", "checkpoint: {every: 1s}")
    assert injected(scenario(f"faults:\n  - {fault}\n", plain)) == [told]


def test_equal_faults_at_several_times_are_one_sentence():
    faults = "faults:\n  - agent_crash: {at: 1m}\n  - agent_hang: {at: 2m}\n  - agent_crash: {at: 3m}\n"
    assert injected(scenario(faults)) == [
        "At 1m and 3m one agent crashes.",
        "At 2m one agent hangs until restarted.",
    ]


@pytest.mark.parametrize(
    ("faults", "united"),
    [
        (
            "[agent_hang: {targets: [agent.1], at: 1m, for: 1m}, agent_hang: {targets: [agent.1], at: 90s}]",
            "1m to the end",
        ),
        (
            "[queue_blocked: {at: 1m, for: 1m}, queue_blocked: {at: 2m, for: 1m}]",
            "queue unite: queue blocked from 1m to 3m",
        ),
        (
            "[core_crash: {at: 1m, for: 1m}, core_hang: {at: 90s, for: 1m}]",
            "core unite: core crash and core hang from 1m",
        ),
        ("[group: {at: 1m, for: 2m, faults: [{core_crash: {}}, {core_hang: {}}]}]", "core hang from 1m to 3m"),
        (
            "[agent_hang: {targets: all, at: 1m, for: 1m}, agent_hang: {targets: all, at: 90s, for: 1m}]",
            "agent.9 unite",
        ),
        (
            "[agent_hang: {targets: [agent.1], at: 1m, for: 1m}, agent_hang: {targets: [agent.2], at: 90s, for: 1m}]",
            None,
        ),
        ("[agent_hang: {targets: 1, at: 1m, for: 1m}, agent_hang: {targets: 1, at: 90s, for: 1m}]", None),
        ("[queue_blocked: {at: 1m, for: 1m}, queue_blocked: {at: 3m, for: 1m}]", None),
    ],
)
def test_overlapping_faults_of_one_target_are_shown_as_one_interval(faults, united):
    told = [line for line in injected(scenario(faults=faults)) if line.startswith("Overlapping faults of ")]
    assert len(told) == (united is not None)
    assert all(united in line for line in told)


def test_a_fault_due_after_the_end_never_happens():
    faults = "faults:\n" + "".join(f"  - agent_crash: {{at: {at}}}\n" for at in ("10m", "20m", "30m", "20m"))
    assert injected(scenario(faults)) == ["At 10m, 20m, 30m and 20m one agent crashes."]
    assert injected(scenario(faults, duration="15m")) == [
        "At 10m one agent crashes.",
        "The run ends at 15m: what is due at 20m and 30m never happens.",
    ]


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("tasks.failure_probability", "2%", "Each attempt fails with probability 2 %, at the end of its work."),
        ("agents.mtbf", "1h", "Each agent crashes at random, 1h on average (exponential) after it came up."),
        ("tasks.timeout", "20s", "An attempt that takes longer than 20s is stopped."),
        ("queue.loss", "1%", "1 % of the deliveries are lost."),
        ("queue.duplication", "0.5%", "0.5 % of the deliveries arrive twice."),
        ("network.loss", "3%", "3 % of the messages are lost."),
        ("queue.ack_loss", "1%", "1 % of the acknowledgements are lost."),
    ],
)
def test_random_failures_are_explained(key, value, told):
    assert injected(scenario(**{key: value})) == [told]


def test_disabled_features_are_not_explained():
    assert injected(scenario()) == ["Nothing."]


@pytest.mark.parametrize(
    ("arrivals", "told"),
    [
        ("{poisson: {rate: 2/s}}", "Tasks arrive at random, 2 a second; each takes 3s of work."),
        ("{interval: {every: 500ms}}", "A task arrives every 500ms; each takes 3s of work."),
        ("{burst: {size: 100, at: 1m}}", "100 tasks arrive at 1m; each takes 3s of work."),
        (
            "{closed: {clients: 50, think: 2s}}",
            "50 clients each submit a task, wait for it, and think for 2s; each takes 3s of work.",
        ),
    ],
)
def test_the_load(arrivals, told):
    assert next(iter(hit(scenario(**{"tasks.arrivals": arrivals})))) == told


def test_the_fleet_and_its_work():
    lines = list(hit(scenario(**{"tasks.needs": "{gpu: 1}", "warmup": "5m", "tasks.checkpoint": "{every: 1s}"})))
    assert lines[1:] == [
        "10 agents with 2 slots each: on average 6 of 20 slots are busy (30 %).",
        "A running task holds 1 of 4 gpu.",
        "A checkpoint is written after every 1s of work.",
        "The run lasts 1h, the first 5m of which are not measured.",
    ]


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("{max_retries: 3, retry_delay: 30s}", "up to 3 times, after 30s each"),
        ("{max_retries: 1, retry_delay: 0s}", "once, at once"),
        ("{max_retries: 0, retry_delay: 5s}", "never"),
        ("{max_retries: 4, retry_delay: 5s, backoff: linear}", "up to 4 times, after 5s, 10s, 15s …"),
        (
            "{max_retries: 4, retry_delay: 5s, backoff: exponential, max_delay: 1m, jitter: full}",
            "up to 4 times, after 5s, 10s …, at most 1m, with full jitter",
        ),
        ("{preset: temporal}", "any number of times, after 1s, 2s …, at most 100s"),
        (
            "{max_retries: 2, retry_delay: 5s, deadline: 1m, budget: {tokens: 9}}",
            "up to 2 times, after 5s each, within 1m of the first failure, on a budget of 9 that all tasks share",
        ),
    ],
)
def test_retries(condition, told):
    found = scenario(**{"recovery.conditions.agent_failure": condition})
    assert found.recovery.conditions.agent_failure is not None
    assert retries(found.recovery.conditions.agent_failure) == told


def test_the_documented_recovery_with_its_command_costs():
    documented = scenarios.load("agent-failure").with_values({"recovery.costs.restart_agent": "2s"})
    lines = list(should_happen(documented))
    assert "It is recovered by restart_agent (2s), then reassign_agent_tasks." in lines
    assert "A restart takes 20s." in lines
    assert lines[-1] == "Agents send a heartbeat every 5s; after 3 missed ones (15s) an agent counts as dead."
    perfect = documented.with_values({"recovery.detection.detector": "perfect"})
    assert list(should_happen(perfect))[-1] == "The detector knows at once that an agent is down."


def test_sentences_and_lists_are_formatted():
    assert first_sentence("One thing\nhappens. Another does not.") == "One thing happens."
    assert first_sentence("One thing happens") == "One thing happens."
    assert [listed([]), listed(["a"]), listed(["a", "b", "c"])] == ["", "a", "a, b and c"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"detector": "perfect"}, "The detector knows at once that an agent is down."),
        (
            {"heartbeat_interval": "2s", "missed_heartbeats": 1},
            "Agents send a heartbeat every 2s; after 1 missed one (2s) an agent counts as dead.",
        ),
        (
            {"detector": "phi_accrual", "phi_threshold": 5},
            (
                "Agents send a heartbeat every 5s; one counts as dead when a silence as long is as unlikely as 10 to "
                "the power of −5, by how it has been beating."
            ),
        ),
        ({"stalled_after": "20s"}, "An agent is looked at when its beats tell of no progress for 20s."),
        ({"failed_deliveries": 3}, "A connection is looked at when 3 sends have failed."),
        ({"resource_probe": "10s"}, "Pools are probed every 10s."),
    ],
)
def test_the_detectors(changed, told):
    values = {f"recovery.detection.{key}": value for key, value in changed.items()}
    assert told in should_happen(scenario(**values))


def test_a_load_limit_is_explained():
    limited = scenario(**{"recovery.load": "{rate: 2/s, burst: 4}"})
    assert "At most 4 tasks at once, and 2 a second, go back to work." in should_happen(limited)


# ------------------------------------------------------------------------------------------------ the whole page
OTHERS = [
    *(
        True,
        False,
        "uniform",
        "aligned",
        "rabbitmq",
        "busy",
        "redraw",
        "head",
        "heartbeat",
        "linear",
        "equal",
        "refuse",
        "tries",
        "resume",
    ),
    "drop",
    "full",
    "agents.up.mean >= 3",
    *("7s", "11m", "9s", 3, 2, 0.25, 7, "31%", None, "x", "all", ["agent.2"], ["task.2"], "dapr", "report"),
    "agents.up < 3",
]
NO_OTHER = (
    *(
        "recovery.runbook",
        ".resource",
        ".between.",
        ".targets.0",
        ".dependency",
        "calls.0",
        "agents.count",
        "agents.pools",
    ),
    *("tasks.kinds.chat.arrivals", "tasks.kinds.chat.count", "tasks.kinds.chat.queue", "tasks.kinds.report.share"),
)
"""Keys of which this version knows one value, or whose values are files or names of this scenario."""


def page(data):
    console = Console(file=io.StringIO(), width=200, color_system=None)
    console.print(explanation(Scenario.model_validate(data)))
    return console.file.getvalue()


@cache
def complete_page():
    return page(COMPLETE)


@cache
def resolved_complete():
    return Scenario.model_validate(COMPLETE).resolved()


def leaves(data, path=()):
    below = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    if not below:
        yield path
    for step, value in below:
        yield from leaves(value, (*path, step))


def kind(value):
    """What a value looks like: its type, and of a text whether it starts with a digit or contains blanks."""
    return type(value), isinstance(value, str) and (value[:1].isdigit(), " " in value)


def with_another(path):
    """The scenario with every key, and with another value for one of them that is valid."""
    whole = resolved_complete()
    present = COMPLETE
    for step in path:
        present = present[step]
    for other in sorted(OTHERS, key=lambda other: kind(other) != kind(present)):  # most probably valid ones first
        data = copy.deepcopy(COMPLETE)
        around = data
        for step in path[:-1]:
            around = around[step]
        around[path[-1]] = other
        with contextlib.suppress(ValueError):
            if Scenario.model_validate(data).resolved() != whole:
                return data
    raise AssertionError(f"no other value for {path}")


KEYS = {".".join(map(str, path)): path for path in leaves(COMPLETE) if path[0] not in {"extends", "expect"}}


@pytest.mark.parametrize("key", [key for key in KEYS if not any(name in key for name in NO_OTHER)])
def test_every_key_is_explained(key):
    assert page(with_another(KEYS[key])) != complete_page()


def test_a_key_without_a_sentence_is_shown_as_in_the_file():
    changed = {
        "queue.capacity": 100,
        "queue.latency": {"uniform": {"low": "1s", "high": "2s"}},
        "storage.write": "20ms",
        "tasks.retry_holds_agent": True,
        "recovery.costs": {"restart_agent": "90s", "retry_task": 0},
        "recovery.conditions.task_failure.by_error": {"boom": {"max_retries": None}},
        "recovery.conditions.task_failure.breaker": {},
        "recovery.monitor": {},
        "recovery.detection.poll": "1m",
    }
    assert also_set(scenario(**changed)) == [
        "tasks.retry_holds_agent: true",
        "queue.capacity: 100",
        "queue.latency: 1s to 2s",
        "resources.gpu.units: 4",
        "storage.write: 20ms",
        "recovery.detection.poll: 1m",
        "recovery.conditions.task_failure.breaker: {}",
        "recovery.conditions.task_failure.by_error.boom.max_retries: null",
        "recovery.costs: {restart_agent: 90s, retry_task: 0s}",
        "recovery.monitor: {}",
    ]


def test_defaults_are_not_explained():
    assert also_set(scenario(**{"resources": {}, "queue.capacity": None})) == []
    assert "What else is set" not in page({**MINIMAL})


MINIMAL = {
    "name": "minimal",
    "duration": "1h",
    "tasks": {"arrivals": {"poisson": {"rate": 1}}, "work": 1},
    "agents": {"count": 1},
}


def test_an_extended_scenario_is_named(tmp_path):
    (tmp_path / "child.scenario.yaml").write_text("name: child\nextends: baseline\n")
    child = scenarios.load(tmp_path / "child.scenario.yaml")
    console = Console(file=io.StringIO(), width=200, color_system=None)
    console.print(explanation(child))
    assert console.file.getvalue().splitlines()[0] == "child  extends baseline"


def test_the_timeline_is_on_the_page():
    assert "When\n" in page(MINIMAL)
    assert "load, 1/s" in page(MINIMAL)


@pytest.mark.parametrize(
    ("width", "style", "shown"),
    [
        (60, UNICODE, "Two agents crash, and one of them twice."),
        (20, UNICODE, "Two agents crash."),
        (14, UNICODE, "Two agents…"),
        (14, ASCII, "Two agents..."),
    ],
)
def test_a_summary_is_cut_at_a_clause_or_word(width, style, shown):
    assert shortened("Two agents crash, and one of them twice.", width, style) == shown


def test_every_shipped_summary_fits_80_columns():
    assert "…" not in catalogue([scenarios.load(name) for name in scenarios.names()], 80).plain
