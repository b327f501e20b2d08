"""Every key of a scenario file: required keys, defaults, and rejected values."""

import copy

import pytest
from pydantic import ValidationError
from ruamel.yaml import YAML

import scenarios
from scenarios import Scenario
from scenarios.fields.distributions import Constant

STORY = """\
name: story
duration: 1h
tasks:
  arrivals: {poisson: {rate: 2/s}}
  work: 3s
agents: {count: 10}
"""
EVERY_KEY = """\
name: agent-failure
description: One of ten agents stops sending heartbeats while it holds work.
documents: system_failures.agent_failure
seed: 7
duration: 1h
warmup: 5m
tasks:
  arrivals: {poisson: {rate: 2/s}}
  count: null
  work: {exponential: {mean: 3s}}
  needs: {gpu: 1}
  failure_probability: 0.02
  failure_at: end
  timeout: null
  interrupted: restart
  requeue: tail
  retry_holds_agent: false
  retry_holds_resources: false
  retried: repeat
  checkpoint: {every: 1s, cost: 20ms, restore: 50ms, final: false}
  client: {timeout: null, max_retries: 0, retry_delay: 0s, cancel: false, late_answer: drop}
agents:
  count: 10
  slots: 1
  mtbf: null
  failure_clock: always
  restart_time: {constant: {value: 20s}}
  restart_slots: null
queue: {capacity: null, latency: 0s, loss: 0.0, ack_loss: 0.0, duplication: 0.0, ack_timeout: 2m, max_deliveries: null}
resources:
  gpu: {units: 12}
network: {latency: 0s, loss: 0.0}
storage: {write: 0s, read: 0s, failure: 0.0}
recovery:
  runbook: null
  detection: {detector: heartbeat, heartbeat_interval: 5s, missed_heartbeats: 3, phase: uniform, poll: null}
  conditions:
    task_failure: {max_retries: 3, retry_delay: 30s, backoff: fixed, multiplier: 2, max_delay: null, jitter: none, budget: null}
    resource_failure: {max_retries: 2, retry_delay: 15s}
  costs: {release_resources: 0s, restore_checkpoint: 0s}
  parallel: 8
faults:
  - agent_crash: {targets: 1, at: 10m}
  - partition: {between: [agents, queue], at: 20m, for: 30s}
  - resource_unavailable: {resource: gpu, units: 4, every: {exponential: {mean: 10m}}, for: {uniform: {low: 10s, high: 60s}}}
steady_state: {window: 30s, holds: [queue.depth.mean <= 20, tasks.throughput >= 1.8/s]}
expect:
  - tasks.lost == 0
  - consistency.violations == 0
  - recovery.time.p95 <= 90s
"""  # noqa: E501 - every key of a section on one line


def example():
    return YAML(typ="safe", pure=True).load(EVERY_KEY)


def paths(data, place=()):
    if isinstance(data, dict):
        for key, below in data.items():
            yield (*place, key)
            yield from paths(below, (*place, key))
    elif isinstance(data, list):
        for number, below in enumerate(data):
            yield from paths(below, (*place, number))


def without(data, path):
    data = copy.deepcopy(data)
    node = data
    for step in path[:-1]:
        node = node[step]
    del node[path[-1]]
    return data


def at(data, path):
    for step in path:
        data = data[step]
    return data


def test_the_example_with_every_key_is_valid():
    scenario = Scenario.model_validate(example())
    assert scenario.faults[2].units == 4
    assert scenario.queue.ack_timeout == 120
    assert scenario.recovery.parallel == 8


@pytest.mark.parametrize("path", list(paths(example())), ids=lambda path: ".".join(map(str, path)))
def test_every_key_of_the_example_is_loaded(path):
    resolved = Scenario.model_validate(example()).resolved()
    assert path in set(paths(resolved))


@pytest.mark.parametrize(
    "path",
    [
        ("tasks", "count"),
        ("tasks", "needs"),
        ("tasks", "checkpoint", "cost"),
        ("tasks", "client", "late_answer"),
        ("agents", "mtbf"),
        ("agents", "restart_time"),
        ("queue", "ack_timeout"),
        ("recovery", "parallel"),
        ("recovery", "conditions", "resource_failure"),
        ("faults", 1, "partition", "for"),
        ("expect",),
    ],
)
def test_an_optional_key_can_be_omitted(path):
    Scenario.model_validate(without(example(), path))


def test_required_keys_are_name_duration_arrivals_work_and_agents():
    required = [("name",), ("duration",), ("tasks", "arrivals"), ("tasks", "work"), ("agents", "count")]
    complete = example()
    top = [path for path in paths(complete) if len(path) <= 2 and path[0] in {*complete}]
    refused = []
    for path in top:
        try:
            Scenario.model_validate(without(complete, path))
        except ValidationError as error:
            if error.errors()[0]["type"] == "missing" or "is missing" in error.errors()[0]["msg"]:
                refused.append(path)
    assert refused == [
        ("name",),
        ("duration",),
        ("tasks",),
        *required[2:4],
        ("agents",),
        required[4],
        ("steady_state", "holds"),
    ]


def test_omitted_features_are_disabled_and_free():
    scenario = scenarios.loads(STORY)
    nothing = Constant(value=0)
    assert scenario.faults == scenario.expect == ()
    assert scenario.warmup == scenario.seed == 0
    assert scenario.resources == scenario.tasks.needs == scenario.recovery.costs == {}
    assert scenario.tasks.failure_probability == 0
    assert scenario.tasks.checkpoint is scenario.tasks.timeout is scenario.tasks.count is None
    assert scenario.agents.slots == 1
    assert scenario.agents.mtbf is scenario.agents.restart_slots is None
    assert scenario.agents.restart_time == scenario.queue.latency == scenario.network.latency == nothing
    assert scenario.queue.loss == scenario.queue.ack_loss == scenario.queue.duplication == scenario.network.loss == 0
    assert scenario.queue.capacity is scenario.queue.ack_timeout is scenario.queue.max_deliveries is None
    assert scenario.storage.write == scenario.storage.read == scenario.storage.failure == 0
    assert scenario.recovery.parallel is None


@pytest.mark.parametrize(
    "arrivals",
    [
        "{poisson: {rate: 2/s}}",
        "{interval: {every: 1s}}",
        "{burst: {size: 100, at: 0s}}",
        "{closed: {clients: 50, think: {exponential: {mean: 1s}}}}",
        "{diurnal: {rate: 2/s}}",
    ],
)
def test_every_form_of_arrivals_is_supported(arrivals):
    kind = scenarios.loads(STORY.replace("{poisson: {rate: 2/s}}", arrivals)).tasks.arrivals.kind
    assert arrivals.startswith(f"{{{kind}:")


@pytest.mark.parametrize(
    "fault",
    [
        "execution_failure: {at: 1m}",
        "agent_crash: {at: 1m, targets: 20%}",
        "agent_hang: {at: 1m, for: 30s, targets: all}",
        "resource_unavailable: {resource: gpu, units: 4, every: 5m, for: {uniform: {low: 1s, high: 2s}}}",
        "partition: {between: [agent.3, core], at: 1m, for: 30s}",
        "checkpoint_corrupt: {every: {exponential: {mean: 5m}}, targets: [task.17]}",
    ],
)
def test_a_supported_fault_is_loaded(fault):
    scenario = scenarios.loads(f"{STORY}faults: []\n")
    text = EVERY_KEY.partition("steady_state:")[0] + f"  - {fault}\n"
    assert scenarios.loads(text).faults[-1].kind == fault.partition(":")[0]
    assert scenario.faults == ()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("3", 3),
        ("20%", 0.2),
        ("0.2", 0.2),
        ("1.0", 1.0),
        ("all", "all"),
        ("agent.3", ("agent.3",)),
        ("[agent.3, agent.0]", ("agent.3", "agent.0")),
    ],
)
def test_targets_are_a_count_a_fraction_all_or_names(written, read):
    targets = scenarios.loads(f"{STORY}faults: [{{agent_crash: {{at: 1m, targets: {written}}}}}]\n").faults[0].targets
    assert targets == read
    assert type(targets) is type(read)


def test_resolved_values_give_an_equal_scenario():
    scenario = Scenario.model_validate(example())
    assert Scenario.model_validate(scenario.resolved()) == scenario


def test_resolved_values_are_in_seconds_and_per_second():
    resolved = Scenario.model_validate(example()).resolved()
    assert at(resolved, ("duration",)) == 3600
    assert at(resolved, ("tasks", "arrivals", "poisson", "rate")) == 2
    assert at(resolved, ("agents", "restart_time")) == {"constant": {"value": 20}}
    assert at(resolved, ("faults", 1)) == {
        "partition": {
            "at": 1200,
            "every": None,
            "when": None,
            "after": None,
            "between": ["agents", "queue"],
            "for": {"constant": {"value": 30}},
        }
    }
    assert at(resolved, ("expect", 2)) == "recovery.time.p95 <= 90s"


def test_a_scenario_is_immutable():
    scenario = scenarios.loads(STORY)
    with pytest.raises(ValidationError):
        scenario.seed = 3
    with pytest.raises(ValidationError):
        scenario.tasks.count = 3


def test_scenarios_with_equal_values_are_equal():
    assert scenarios.loads(STORY) == scenarios.loads(STORY.replace("1h", "60m"), "other.yaml")
    assert scenarios.loads(STORY) != scenarios.loads(STORY.replace("1h", "61m"))
    assert scenarios.loads(STORY) != STORY
