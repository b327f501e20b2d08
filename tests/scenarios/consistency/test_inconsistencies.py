"""Settings that contradict each other: each warning where it appears, and where it does not."""

from __future__ import annotations

from math import exp, log, sqrt
from typing import Any

import pytest
from scipy import stats

import scenarios
import sim
from scenarios.consistency import InconsistencyKind, inconsistencies
from scenarios.consistency.attempt_times import quantile
from scenarios.consistency.inconsistency import MEANINGS, at_least
from scenarios.fields import distributions

BASE = """
name: consistent
duration: 1h
warmup: 5m
tasks: {arrivals: {poisson: {rate: 1/s}}, work: 4s, needs: {gpu: 1}}
agents: {count: 8, restart_time: 20s}
resources: {gpu: {units: 8}}
"""
OUTAGE = "[{resource_unavailable: {resource: gpu, units: 8, at: 10m, for: 20m}}]"
RESOURCE = "recovery.conditions.resource_failure"
TASK = "recovery.conditions.task_failure"
AGENT = "recovery.conditions.agent_failure"
LINK = "recovery.conditions.communication_failure"
CLIENT = {"timeout": "20s", "max_retries": 3, "retry_delay": "10s"}
BLAST = "[{execution_failure: {targets: all, at: 10m}}]"
CROWD = "{closed: {clients: 50, think: 1s}}"
LASTING = {TASK: {"budget": {"tokens": 100, "refill": 0.4}}}
CUT = "[{partition: {between: [core, agents], at: 10m, for: 20m}}]"


def warnings(values: dict[str, Any]) -> list[scenarios.Inconsistency]:
    return list(inconsistencies(scenarios.loads(BASE).with_values(values)))


CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("load", {"agents.count": 4}, {"agents.count": 5}),
    ("load", {"tasks.failure_probability": 0.6}, {"tasks.failure_probability": 0.4}),  # 2.18 and 1.62 attempts
    ("load", {"tasks.arrivals": "{interval: {every: 500ms}}"}, {"tasks.arrivals": "{interval: {every: 600ms}}"}),
    ("load", {"resources.gpu.units": 4}, {"resources.gpu.units": 5}),
    ("load", {"agents.count": 4, "queue.capacity": 10}, {"agents.count": 4, "tasks.count": 10}),
    ("ack_timeout", {"queue.ack_timeout": "3.9s"}, {"queue.ack_timeout": "4s"}),
    (
        "ack_timeout",
        {"queue.ack_timeout": "11.9s", "tasks.work": "{exponential: {mean: 4s}}"},
        {"queue.ack_timeout": "12s", "tasks.work": "{exponential: {mean: 4s}}"},
    ),
    (
        "ack_timeout",
        {"queue.ack_timeout": "5s", "tasks.checkpoint": {"every": "1s", "cost": "400ms"}},
        {"queue.ack_timeout": "5s", "tasks.checkpoint": {"every": "1s", "cost": "300ms"}},
    ),
    (
        "prefetch",
        {"queue.ack_timeout": "15.9s", "agents.prefetch": 3},
        {"queue.ack_timeout": "16s", "agents.prefetch": 3},
    ),
    (
        "prefetch",
        {"queue.ack_timeout": "11s", "agents.prefetch": 4, "agents.slots": 2},
        {"queue.ack_timeout": "11s", "agents.pools": {"a": {"count": 8, "prefetch": 3}}, "agents.slots": 2},
    ),
    ("attempt_timeout", {"tasks.timeout": "3s"}, {"tasks.timeout": "5s"}),
    ("client_timeout", {"tasks.client": {"timeout": "3s"}}, {"tasks.client": {"timeout": "4s"}}),
    (
        "client_timeout",
        {"tasks.client": {"timeout": "3s"}},
        {"tasks.client": {"timeout": "3s", "late_answer": "accept"}},
    ),
    (
        "try_timeout",
        {AGENT: {"max_retries": 2, "try_timeout": "15s"}},
        {AGENT: {"max_retries": 2, "try_timeout": "20s"}},
    ),
    (
        "try_timeout",
        {TASK: {"try_timeout": "1s"}, "recovery.costs": {"release_resources": "700ms", "retry_task": "400ms"}},
        {TASK: {"try_timeout": "1s"}, "recovery.costs": {"release_resources": "700ms", "restart_agent": "400ms"}},
    ),
    ("mtbf", {"agents.mtbf": "5s", "agents.count": 80}, {"agents.mtbf": "6s", "agents.count": 80}),  # medians 3.5, 4.2
    (
        "mtbf",
        {"agents.mtbf": "5s", "agents.count": 80},
        {"agents.mtbf": "5s", "agents.count": 80, "tasks.checkpoint": {"every": "1s"}},
    ),
    (
        "retry_schedule",
        {"faults": OUTAGE, RESOURCE: {"max_retries": 10, "retry_delay": "30s"}},
        {"faults": OUTAGE, RESOURCE: {"max_retries": 40, "retry_delay": "30s"}},
    ),
    (
        "retry_schedule",
        {"faults": OUTAGE, RESOURCE: {"max_retries": 10, "retry_delay": "30s"}},
        {"faults": OUTAGE.replace("units: 8", "units: 3"), RESOURCE: {"max_retries": 10, "retry_delay": "30s"}},
    ),
    (  # 1 task/s of 4 s needs more than 4 units
        "retry_schedule",
        {"faults": OUTAGE.replace("units: 8", "units: 4"), RESOURCE: {"max_retries": 10, "retry_delay": "30s"}},
        {"faults": OUTAGE.replace("units: 8", "units: 3"), RESOURCE: {"max_retries": 10, "retry_delay": "30s"}},
    ),
    (
        "retry_schedule",
        {"faults": OUTAGE, RESOURCE: {"max_retries": 50, "retry_delay": "30s", "deadline": "10m"}},
        {"faults": OUTAGE, RESOURCE: {"max_retries": None, "retry_delay": "30s"}},
    ),
    (
        "retry_schedule",
        {"faults": OUTAGE, RESOURCE: None},
        {"faults": OUTAGE, RESOURCE: {"max_retries": 7, "retry_delay": "10s", "backoff": "exponential"}},  # 1,270 s
    ),
    (
        "retry_schedule",
        {"faults": "[{group: {at: 10m, for: 20m, faults: [{resource_unavailable: {resource: gpu, units: 8}}]}}]"},
        {"faults": "[{group: {at: 10m, for: 20s, faults: [{resource_unavailable: {resource: gpu, units: 8}}]}}]"},
    ),
    (
        "retry_schedule",
        {"tasks.timeout": "6s", "faults": "[{agent_slow: {targets: all, factor: 2, at: 10m, for: 20m}}]"},
        {"tasks.timeout": "6s", "faults": "[{agent_slow: {targets: 7, factor: 2, at: 10m, for: 20m}}]"},
    ),
    (
        "retry_schedule",
        {"faults": CUT, LINK: {"max_retries": 10, "retry_delay": "30s", "try_timeout": "10s"}},
        {"faults": CUT, LINK: {"max_retries": 10, "retry_delay": "30s"}},  # a try waits for the end of the partition
    ),
    (
        "client_retries",
        {"faults": "[{queue_blocked: {at: 10m, for: 2m}}]", "tasks.client": CLIENT},
        {"faults": "[{queue_blocked: {at: 10m, for: 1m}}]", "tasks.client": CLIENT},  # 3 · 10 + 4 · 20 − 4 s
    ),
    (
        "client_retries",
        {"faults": "[{partition: {between: [queue, agents], at: 10m, for: 2m}}]", "tasks.client": CLIENT},
        {"faults": "[{partition: {between: [queue, core], at: 10m, for: 2m}}]", "tasks.client": CLIENT},
    ),
    (  # 4 of 8 slots are busy, by the law of Little; five at least
        "synchronised_retries",
        {"faults": BLAST, "tasks.arrivals": "{poisson: {rate: 90/m}}"},
        {"faults": BLAST, "tasks.arrivals": "{poisson: {rate: 60/m}}"},
    ),
    (
        "synchronised_retries",
        {"faults": BLAST, "tasks.arrivals": "{poisson: {rate: 90/m}}"},
        {"faults": BLAST, "tasks.arrivals": "{poisson: {rate: 90/m}}", TASK: {"jitter": "full"}},
    ),
    (
        "synchronised_retries",
        {"faults": BLAST, "tasks.arrivals": "{poisson: {rate: 90/m}}"},
        {"faults": BLAST, "tasks.arrivals": "{poisson: {rate: 90/m}}", "recovery.load": {"rate": "1/s"}},
    ),
    (
        "synchronised_retries",
        {"faults": "[{agent_crash: {targets: all, at: 10m}}]", AGENT: {"max_retries": 2, "retry_delay": "5s"}},
        {"faults": "[{agent_crash: {targets: all, at: 10m}}]", AGENT: {"max_retries": 2, "retry_delay": "0s"}},
    ),
    (
        "synchronised_retries",
        {"faults": OUTAGE, "tasks.arrivals": "{poisson: {rate: 90/m}}", RESOURCE: {"max_retries": 99}},
        {"faults": "[{agent_crash: {targets: all, at: 10m}}]", RESOURCE: {"max_retries": 99}},
    ),
    (  # 8 slots serve 8 · 20 / 4 requests within the timeout
        "synchronised_retries",
        {"tasks.arrivals": "{burst: {size: 50}}", "tasks.client": CLIENT},
        {"tasks.arrivals": "{burst: {size: 40}}", "tasks.client": CLIENT},
    ),
    (
        "synchronised_retries",
        {"tasks.arrivals": CROWD, "tasks.client": CLIENT, "faults": "[{queue_blocked: {at: 10m, for: 1m}}]"},
        {"tasks.arrivals": CROWD, "tasks.client": CLIENT, "faults": "[{queue_blocked: {at: 10m, for: 10s}}]"},
    ),
    (
        "layered_retries",
        {"tasks.client": CLIENT, "tasks.failure_probability": 0.01},
        {"tasks.client": CLIENT},
    ),
    (
        "layered_retries",
        {"tasks.client": CLIENT, "tasks.failure_probability": 0.01, TASK: {"max_retries": None}},
        {"tasks.client": {**CLIENT, "budget": {"tokens": 9}}, "tasks.failure_probability": 0.01},
    ),
    (  # 0.2 + 0.04 + 0.008 retries for 0.9984 successes; they last for 40 min, and 90 min with 0.23
        "budget_emptied",
        {"tasks.failure_probability": 0.2, TASK: {"budget": {"tokens": 100, "refill": 0.2}}},
        {"tasks.failure_probability": 0.2, TASK: {"budget": {"tokens": 100, "refill": 0.23}}},
    ),
    (
        "budget_emptied",
        {
            "tasks.failure_probability": 0.2,
            TASK: {
                "by_error": {
                    "execution_error": {"max_retries": 3, "retry_delay": "9s", "budget": {"tokens": 9, "refill": 0}}
                }
            },
        },
        {"tasks.failure_probability": 0.2, TASK: {"by_error": {"oom": {"max_retries": 3, "budget": {"tokens": 9}}}}},
    ),
    (
        "lease",
        {"recovery.cores": {"count": 2, "lease": {"duration": "15s", "renew_every": "7s"}}},
        {"recovery.cores": {"count": 2, "lease": {"duration": "15s", "renew_every": "6s"}}},
    ),
    (  # of 18 s between the 5th and the 95th percentile, and 10 s of patience beyond the interval
        "heartbeat_timeout",
        {"network.latency": "{uniform: {low: 0s, high: 20s}}"},
        {"network.latency": "{uniform: {low: 0s, high: 11s}}"},
    ),
    (
        "heartbeat_timeout",
        {"faults": "[{message_delay: {delay: {uniform: {low: 0s, high: 20s}}, between: [agents, core], at: 9m}}]"},
        {"faults": "[{message_delay: {delay: 20s, between: [agents, core], at: 9m}}]"},
    ),
    ("deadline", {TASK: {"deadline": "80s"}}, {TASK: {"deadline": "90s"}}),  # 3 · 30 s
    ("deadline", {TASK: {"by_error": {"oom": {"max_retries": 2, "retry_delay": "9s", "deadline": "9s"}}}}, {}),
    ("max_delay", {TASK: {"max_delay": "20s"}}, {TASK: {"max_delay": "30s"}}),
    ("budget", {TASK: {"budget": {"tokens": 2}}}, {TASK: {"budget": {"tokens": 3}}}),
    ("max_deliveries", {"queue.max_deliveries": 3}, {"queue.max_deliveries": 4}),
    ("max_deliveries", {"queue.ack_timeout": "1m", "queue.max_deliveries": 3}, {TASK: {"max_retries": 2}}),
    ("never_redelivered", {"queue.loss": 0.1}, {"queue.loss": 0.1, "queue.ack_timeout": "1m"}),
    ("never_redelivered", {"network.loss": 0.1}, {}),
    ("never_redelivered", {"queue.ack_loss": 0.1}, {}),
    ("checkpoint_interval", {"tasks.checkpoint": {"every": "4s"}}, {"tasks.checkpoint": {"every": "3s"}}),
    (
        "checkpoint_interval",
        {"tasks.checkpoint": {"every": "4s"}},
        {"tasks.checkpoint": {"every": "4s", "final": True}},
    ),
    ("duration", {"duration": "3s", "warmup": "0s"}, {"duration": "4s", "warmup": "0s"}),
    ("fault_after_end", {"faults": "[{agent_crash: {at: 1h}}]"}, {"faults": "[{agent_crash: {at: 59m}}]"}),
    ("fault_after_end", {"faults": "[{agent_crash: {every: 2h}}]"}, {"faults": "[{agent_crash: {every: 30m}}]"}),
    (
        "fault_outlasts_run",
        {"faults": "[{queue_blocked: {at: 50m, for: 10m}}]"},
        {"faults": "[{queue_blocked: {at: 50m, for: 9m}}]"},
    ),
    ("fault_in_warmup", {"faults": "[{agent_crash: {at: 4m}}]"}, {"faults": "[{agent_crash: {at: 5m}}]"}),
    (
        "fault_in_warmup",
        {"faults": "[{queue_blocked: {at: 3m, for: 1m}}]"},
        {"faults": "[{queue_blocked: {at: 3m, for: 3m}}]"},
    ),
    (
        "undetected",
        {"faults": "[{agent_hang: {at: 10m, for: 10s}}]"},
        {"faults": "[{agent_hang: {at: 10m, for: 11s}}]"},  # 11 s, and up to 5 s since the last heartbeat
    ),
    (
        "undetected",
        {"faults": "[{agent_hang: {at: 10m, for: 9s, targets: all}}, {agent_hang: {at: 11m, for: 9s, targets: all}}]"},
        {"faults": "[{agent_hang: {at: 10m, for: 9s, targets: all}}, {agent_hang: {at: 608s, for: 9s, targets: all}}]"},
    ),
    (
        "undetected",
        {"faults": "[{agent_flap: {at: 10m, down: 9s, up: 30s}}]"},
        {"faults": "[{agent_flap: {at: 10m, down: {exponential: {mean: 9s}}, up: 30s}}]"},
    ),
    (
        "undetected",
        {
            "faults": "[{agent_hang: {at: 10m, for: 20s, beating: true}}]",
            "recovery.detection.stalled_after": "30s",
        },
        {
            "faults": "[{agent_hang: {at: 10m, for: 40s, beating: true}}]",
            "recovery.detection.stalled_after": "30s",
        },
    ),
]


@pytest.mark.parametrize(("kind", "contradicting", "consistent"), CASES)
def test_a_warning_appears_where_settings_contradict_each_other_and_only_there(
    kind: str, contradicting: dict[str, Any], consistent: dict[str, Any]
) -> None:
    assert kind in [found.kind for found in warnings(contradicting)]
    assert kind not in [found.kind for found in warnings(consistent)]


def test_a_consistent_scenario_has_no_warning() -> None:
    assert warnings({}) == []


def test_every_kind_of_warning_is_tested_and_documented() -> None:
    assert {kind for kind, *_ in CASES} == set(InconsistencyKind)
    assert list(MEANINGS) == list(InconsistencyKind)


def test_a_warning_has_paths_figures_and_what_would_be_consistent() -> None:
    (found,) = warnings({"faults": OUTAGE, RESOURCE: {"max_retries": 10, "retry_delay": "30s"}})
    assert found.paths == (RESOURCE, "faults[0].resource_unavailable.for")
    assert found.figures == {"time of the last retry": 300, "outage": 1200, "escalations": 4}
    assert found.problem == (
        "the last of 10 retries is made 300s after the failure, and resource_unavailable lasts for 1200s: "
        "about 4 tasks that fail at its beginning are escalated before it ends"
    )
    assert found.consistent == "max_retries of 40 or more, or longer delays"
    assert str(found) == f"{', '.join(found.paths)}: {found.problem}; consistent: {found.consistent}"


@pytest.mark.parametrize(("kind", "contradicting", "consistent"), CASES)
def test_the_paths_of_a_warning_are_keys_of_the_scenario(
    kind: str, contradicting: dict[str, Any], consistent: dict[str, Any]
) -> None:
    scenario = scenarios.loads(BASE).with_values(contradicting)
    for found in inconsistencies(scenario):
        for path in found.paths:
            value: Any = scenario.resolved()
            for part in path.replace("[", ".").replace("]", "").split("."):
                assert part.isdigit() or part in value, path
                value = value[int(part)] if part.isdigit() else value[part]


def test_a_warning_suggests_a_value_that_removes_it() -> None:
    work = "{lognormal: {mean: 4s, cv: 2}}"
    (found,) = warnings({"tasks.work": work, "queue.ack_timeout": "10s"})
    assert warnings({"tasks.work": work, "queue.ack_timeout": found.consistent.partition(" ")[0]}) == []
    (found,) = warnings({"agents.count": 4})
    path, _, value = found.consistent.rpartition(" ")[2].partition("=")
    assert warnings({path: value}) == []


def test_the_escalations_of_a_warning_are_those_of_a_run() -> None:
    scenario = scenarios.loads(BASE).with_values(
        {"faults": OUTAGE, RESOURCE: {"max_retries": 10, "retry_delay": "30s"}}
    )
    (found,) = inconsistencies(scenario)
    result = sim.replicate(scenario, 7, replications=4)
    low, high = result.metrics["recovery.escalated"].ci95
    assert low <= found.figures["escalations"] <= high


@pytest.mark.long
def test_a_budget_that_a_warning_calls_empty_is_empty_in_a_run() -> None:
    budget = {"tasks.failure_probability": 0.2, TASK: {"budget": {"tokens": 100, "refill": 0.2}}}
    emptied, lasting = (sim.run(scenarios.loads(BASE).with_values(each), 7) for each in (budget, {**budget, **LASTING}))
    assert emptied.metrics["retries.over_budget"] > 0
    assert lasting.metrics["retries.over_budget"] == 0


def test_layered_retries_are_said_in_numbers() -> None:
    (found,) = warnings({"tasks.client": CLIENT, "tasks.failure_probability": 0.01})
    assert "4 tasks of a request × 4 attempts of each = 16 attempts in place of one" in found.problem
    assert found.page == "scenarios/consistency/README.md#layered_retries"


WARNED = {
    "crash-loop": ["undetected"],
    "dead-letters": ["max_deliveries"],
    "late-heartbeats": ["heartbeat_timeout"],
    "mass-failure": ["synchronised_retries"],
    "resource-failure-none-left": ["retry_schedule", "synchronised_retries"],
    "resource-failure-outlasted": ["synchronised_retries"],
    "zombie-commits-late": ["ack_timeout", "retry_schedule"],
}
"""What these scenarios show is the effect of this contradiction."""


@pytest.mark.parametrize("name", scenarios.names())
def test_the_shipped_scenarios_contradict_themselves_only_where_they_show_the_effect(name: str) -> None:
    assert [found.kind for found in inconsistencies(scenarios.load(name))] == WARNED.get(name, [])


SIGMA = sqrt(log(1 + 2.0**2))


@pytest.mark.parametrize(
    ("form", "reference"),
    [
        (distributions.Constant(value=3), stats.uniform(3, 0)),
        (distributions.Uniform(low=1, high=4), stats.uniform(1, 3)),
        (distributions.Exponential(mean=3), stats.expon(scale=3)),
        (distributions.Lognormal(mean=3, cv=2), stats.lognorm(SIGMA, scale=3 * exp(-SIGMA * SIGMA / 2))),
        (distributions.Weibull(scale=3, shape=0.7), stats.weibull_min(0.7, scale=3)),
        (distributions.Pareto(minimum=1, alpha=1.5), stats.pareto(1.5)),
        (distributions.Erlang(k=3, mean=6), stats.gamma(3, scale=2)),
        (distributions.Normal(mean=9, sd=1), stats.norm(9, 1)),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
@pytest.mark.parametrize("q", [0.5, 0.95])
def test_quantiles_of_durations_match_scipy(form: Any, reference: Any, q: float) -> None:
    expected = 3.0 if form.kind == "constant" else reference.ppf(q)
    assert quantile(form, q) == pytest.approx(expected, rel=0.01)


def test_suggested_limits_are_rounded_up_to_two_digits() -> None:
    assert [at_least(value) for value in (4, 11.98, 0.123, 1200, 1201, 99.1)] == [4, 12, 0.13, 1200, 1300, 100]
