"""Presets of the queue and of the detection in scenario files."""

from typing import get_args

import pytest

import scenarios
from scenarios import ScenarioError
from scenarios.sections.detection import DetectionSettings
from scenarios.sections.infrastructure import QueueSettings
from scenarios.sections.presets import DETECTIONS, QUEUES
from sim.reports.explained.presets import presets
from sim.simulation import run

STORY = """\
name: story
duration: 2h
tasks: {arrivals: {burst: {size: 1, at: 0s}}, work: 10s}
agents: {count: 2}
"""


def loaded(more: str) -> scenarios.Scenario:
    return scenarios.loads(STORY + more, "story.yaml")


@pytest.mark.parametrize(("section", "known"), [(QueueSettings, QUEUES), (DetectionSettings, DETECTIONS)])
def test_each_preset_is_a_value_of_its_key_and_sets_keys_of_its_section(section, known):
    literal, _ = get_args(section.model_fields["preset"].annotation)
    assert get_args(literal) == tuple(known)
    for name, preset in known.items():
        read = section.model_validate({"preset": name})
        assert {key: getattr(read, key) for key in preset()} == dict(preset())
        assert "Source: " in preset.__doc__


@pytest.mark.parametrize(
    ("name", "ack_timeout", "max_deliveries"),
    [
        ("celery", None, None),
        ("celery-redis", 3600, None),
        ("celery-sqs", 1800, None),
        ("rabbitmq", 1800, 21),
        ("sqs", 30, None),
        ("azure-service-bus", 60, 10),
    ],
)
def test_a_queue_has_the_documented_defaults_of_its_broker(name, ack_timeout, max_deliveries):
    queue = loaded(f"queue: {{preset: {name}, capacity: 9}}").queue
    assert (queue.ack_timeout, queue.max_deliveries, queue.capacity) == (ack_timeout, max_deliveries, 9)


@pytest.mark.parametrize(
    ("name", "timeout"), [("temporal", 30), ("rabbitmq", 60), ("kafka", 45), ("kubernetes", 50), ("airflow", 300)]
)
def test_a_detector_has_the_documented_timeout_of_its_engine(name, timeout):
    detection = loaded(f"recovery: {{detection: {{preset: {name}}}}}").recovery.detection
    assert detection.heartbeat_interval * detection.missed_heartbeats == timeout


def test_keys_beside_a_preset_take_precedence_also_when_they_are_null():
    scenario = loaded(
        "queue: {preset: rabbitmq, max_deliveries: null}\n"
        "recovery: {detection: {preset: temporal, heartbeat_interval: 10s}}\n"
    )
    assert (scenario.queue.ack_timeout, scenario.queue.max_deliveries) == (1800, None)
    assert (scenario.recovery.detection.heartbeat_interval, scenario.recovery.detection.missed_heartbeats) == (10, 1)


def test_an_overridden_preset_replaces_what_it_sets_and_keeps_the_rest():
    queue = loaded("queue: {ack_timeout: 2m, max_deliveries: 3, loss: 1%}").with_values({"queue.preset": "sqs"}).queue
    assert (queue.ack_timeout, queue.max_deliveries, queue.loss) == (30, None, 0.01)
    detection = loaded("recovery: {detection: {missed_heartbeats: 9}}").with_values(
        {"recovery.detection.preset": "kafka", "recovery.detection.heartbeat_interval": "1s"}
    )
    assert detection.recovery.detection.missed_heartbeats == 15
    assert detection.recovery.detection.heartbeat_interval == 1


def test_a_preset_replaces_inherited_values(tmp_path):
    (tmp_path / "base.scenario.yaml").write_text(
        STORY + "queue: {ack_timeout: 2m, capacity: 5}\n"
        "recovery: {conditions: {task_failure: {max_retries: 9, deadline: 5m}}}\n"
    )
    (tmp_path / "own.scenario.yaml").write_text(
        "name: own\nextends: base.scenario.yaml\nqueue: {preset: celery-redis}\n"
        "recovery: {conditions: {task_failure: {preset: stepfunctions}}}\n"
    )
    own = scenarios.load(tmp_path / "own.scenario.yaml")
    assert (own.queue.ack_timeout, own.queue.capacity) == (3600, 5)
    condition = own.recovery.conditions.task_failure
    assert (condition.max_retries, condition.deadline) == (3, 300)


def test_a_task_of_a_crashed_agent_is_delivered_again_after_the_visibility_timeout():
    crash = loaded(
        "queue: {preset: celery-redis}\n"
        "recovery: {detection: {heartbeat_interval: 1h, missed_heartbeats: 2}}\n"
        "faults: [{agent_crash: {targets: [agent.0], at: 5s}}]\n"
    )
    assert run(crash, seed=1).metrics["tasks.sojourn.max"] == 3600 + 10


@pytest.mark.parametrize(
    ("written", "near"),
    [
        ("queue: {preset: celery-rdis}", "queue.preset: 'celery-rdis' .*nearest: 'celery-redis'"),
        ("queue: {preset: 3}", "queue.preset: 3 is not valid; valid: celery, "),
        ("recovery: {detection: {preset: temporall}}", "detection.preset: 'temporall' .*nearest: 'temporal'"),
    ],
)
def test_an_unknown_preset_is_refused_with_the_nearest_one(written, near):
    with pytest.raises(ScenarioError, match=near):
        loaded(written)


def test_presets_are_explained_with_what_replaces_them():
    scenario = loaded(
        "queue: {preset: celery-redis, ack_timeout: 5m}\n"
        "recovery: {detection: {preset: kafka}, conditions: {task_failure: {preset: temporal, max_retries: 4}}}\n"
    )
    assert "\n".join(presets(scenario)) == (
        "Preset celery-redis of queue: acks_late with Redis: what is not acknowledged within the visibility timeout of "
        "1 h is delivered again; ack_timeout is 5m instead of 1h.\n"
        "An agent prefetches up to 3 tasks.\n"
        "Preset kafka of recovery.detection: A heartbeat every 3 s, and a consumer is lost after 45 s.\n"
        "Preset temporal of recovery.conditions.task_failure: 1, 2, 4 … 64, 100, 100 s, without a limit: 1 s × 2, "
        "capped at 100 × the initial interval; max_retries is 4 instead of null."
    )


def test_the_prefetch_of_a_worker_is_that_of_the_preset_unless_it_is_given():
    """Celery reserves four messages a slot, with acks_late those that are executed included."""
    late = loaded("queue: {preset: celery-redis}").with_values({"agents.slots": 2})
    early = late.with_values({"queue.preset": "celery"})
    pools = late.with_values({"agents.pools": {"a": {"count": 1, "prefetch": 1}, "b": {"count": 1}}})
    assert (late.most_prefetched, early.most_prefetched) == (6, 8)
    assert late.with_values({"agents.prefetch": 0}).most_prefetched == 0
    assert late.with_values({"queue.preset": "rabbitmq"}).most_prefetched == 0
    assert [pools.prefetch_of(agent) for agent in range(2)] == [1, 6]
    assert "An agent prefetches up to 6 tasks." in presets(late)
