"""The catalogue contains every documented metric with its unit."""

import pytest

from scenarios.fields.metric_rows import INVARIANTS, NO_DIRECTION, ROWS, STATISTICS
from scenarios.fields.metrics import Statistic, UnknownMetric, catalogue, lookup, statistic_of

PROMISED = {
    "tasks": ".submitted .completed .failed .rejected .lost .unfinished .throughput .wait.* .sojourn.* "
    ".wait_probability .in_system.mean .in_queue.mean",
    "attempts": ".started .succeeded .failed .interrupted .timed_out .per_task.mean .amplification",
    "retries": ".count .exhausted .delay.* .per_failure.mean .over_deadline .over_budget .held_back",
    "breaker": ".openings",
    "recovery": ".count .succeeded .failed .escalated .dismissed .censored .time.* .detect.* .wait.* .analyze.* "
    ".execute.* .verify.* .paced.*",
    "escalations": ".open",
    "alerts": ".raised .warning .critical",
    "detection": ".latency.* .false_positives .missed .agent.latency.* .agent.false_positives .progress.latency.* "
    ".progress.false_positives .delivery.latency.* .delivery.false_positives .resource.latency.* "
    ".resource.false_positives",
    "diagnosis": ".accuracy",
    "work": ".useful .wasted .checkpoint .idle .down .wasted_fraction",
    "agents": ".availability .availability_observed .up.mean .all_up .utilization .restarts",
    "resources": ".gpu.utilization .gpu.available",
    "queue": ".depth.mean .depth.max .prefetched.mean .prefetched.max "
    ".deliveries .redeliveries .duplicates .dead_lettered",
    "service": ".availability",
    "restoration": ".time.*",
    "client": ".timeouts .retries .abandoned .goodput .amplification .response.*",
    "cost": ".total .agents .retries .lost_tasks .late_tasks",
    "consistency": ".violations .no_lost_task .exactly_once_effect .no_leaked_resource .no_double_allocation "
    ".legal_transitions .checkpoint_integrity .fencing .retry_bound .audit_complete .recovery_terminates",
    "faults": ".injected .skipped",
    "run": ".events .virtual_seconds",
}
UNITS = {
    "tasks.submitted": "tasks",
    "tasks.throughput": "1/s",
    "tasks.wait.p95": "s",
    "tasks.wait_probability": "fraction",
    "tasks.in_system.mean": "tasks",
    "attempts.amplification": "ratio",
    "retries.delay.max": "s",
    "recovery.time.sd": "s",
    "recovery.dismissed": "recoveries",
    "recovery.censored": "recoveries",
    "detection.latency.mean": "s",
    "diagnosis.accuracy": "fraction",
    "work.wasted": "agent-s",
    "work.wasted_fraction": "fraction",
    "agents.availability": "fraction",
    "agents.up.mean": "agents",
    "resources.gpu.utilization": "fraction",
    "resources.gpu.available": "fraction",
    "queue.depth.max": "tasks",
    "client.goodput": "1/s",
    "restoration.time.mean": "s",
    "consistency.violations": "violations",
    "run.virtual_seconds": "s",
}


def promised():
    for group, names in PROMISED.items():
        for name in names.split():
            ends = STATISTICS if name.endswith("*") else ("",)
            yield from (f"{group}{name.removesuffix('*')}{end}" for end in ends)


def test_statistics_of_a_distribution():
    assert STATISTICS == ("mean", "sd", "p50", "p95", "p99", "max")


def test_the_catalogue_has_exactly_the_documented_metrics():
    assert sorted(metric.name for metric in catalogue(["gpu"])) == sorted(promised())


def test_every_metric_has_a_unit_and_a_description():
    for metric in catalogue(["gpu"]):
        assert metric.unit, metric
        assert metric.meaning, metric


@pytest.mark.parametrize(("name", "unit"), UNITS.items())
def test_a_metric_has_its_unit(name, unit):
    assert lookup(name).unit == unit


def test_lower_is_better_for_every_violation_metric():
    for name in ("violations", *INVARIANTS):
        assert lookup(f"consistency.{name}").direction == "lower"


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("tasks.throughput", "higher"),
        ("recovery.time.mean", "lower"),
        ("agents.availability", "higher"),
        ("tasks.submitted", None),
    ],
)
def test_a_metric_has_a_direction(name, direction):
    assert lookup(name).direction == direction


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("tasks.losst", "tasks.lost"),
        ("Recovery.Time.P95", "recovery.time.p95"),
        ("recovery.time.p100", "recovery.time.p50"),
        ("resources.gpu.utilisation", "resources.gpu.utilization"),
        ("recovery.agent_failures.time.p95", "recovery.agent_failure.time.p95"),
        ("retries.task_fail.count", "retries.task_failure.count"),
        ("tasks.within(-60s)", "tasks.within(60s)"),
        ("tasks.within", "tasks.within(60s)"),
        ("tasks.withn(5s)", "tasks.within(60s)"),
        ("zzz", None),
    ],
)
def test_an_unknown_metric_is_rejected_with_a_suggestion(name, near):
    with pytest.raises(UnknownMetric) as caught:
        lookup(name, ["gpu"])
    assert caught.value.near == near
    valid = f" (nearest: '{near}')" if near else "; valid: a metric of the catalogue, such as recovery.time.mean"
    assert str(caught.value) == f"unknown metric '{name}'{valid}"


def test_an_unknown_pool_has_no_metrics():
    assert lookup("resources.tpu.available").name == "resources.tpu.available"
    with pytest.raises(UnknownMetric):
        lookup("resources.tpu.available", ["gpu"])
    with pytest.raises(UnknownMetric):
        lookup("resources.available")


def test_every_metric_without_a_direction_has_a_reason():
    without = {name for name, _, direction, _ in ROWS if direction is None}
    assert without | {"*.sd"} == set(NO_DIRECTION)
    assert {metric.direction for metric in catalogue() if metric.name.endswith(".sd")} == {None}


@pytest.mark.parametrize(
    ("name", "unit", "direction", "statistic"),
    [
        ("tasks.sojourn.p90", "s", "lower", Statistic("tasks.sojourn", "p90", 0.9)),
        ("recovery.time.p99.9", "s", "lower", Statistic("recovery.time", "p99.9", pytest.approx(0.999))),
        ("tasks.within(60s)", "fraction", "higher", Statistic("tasks.within", "within", 60.0)),
        ("tasks.within(1.5m)", "fraction", "higher", Statistic("tasks.within", "within", 90.0)),
        (
            "recovery.agent_failure.time.p95",
            "s",
            "lower",
            Statistic("recovery.agent_failure.time", "p95", pytest.approx(0.95)),
        ),
        ("recovery.task_failure.escalated", "recoveries", "lower", None),
        ("retries.resource_failure.count", "retries", None, None),
        ("diagnosis.communication_failure.accuracy", "fraction", "higher", None),
    ],
)
def test_a_metric_outside_of_the_catalogue(name, unit, direction, statistic):
    found = lookup(name)
    assert (found.name, found.unit, found.direction) == (name, unit, direction)
    assert statistic_of(name) == statistic


@pytest.mark.parametrize(
    "name",
    [
        "tasks.within",
        "tasks.within()",
        "tasks.within(soon)",
        "tasks.within(-5s)",
        "tasks.sojourn.p0",
        "tasks.sojourn.p100",
        "tasks.lost.p90",
        "recovery.disk_failure.count",
        "recovery.agent_failure.paced.mean",
        "tasks.agent_failure.completed",
    ],
)
def test_what_is_not_measured_is_unknown(name):
    with pytest.raises(UnknownMetric):
        lookup(name)
