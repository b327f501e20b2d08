"""What files of Celery and Temporal say of queues, heartbeats and time limits, as keys of a policy file."""

import pytest

import scenarios
from scenarios.errors import ScenarioError
from scenarios.exchange.frameworks import FRAMEWORKS
from scenarios.exchange.imported import imported
from scenarios.exchange.policy_file import loads_policy
from scenarios.exchange.portable import portable

TASK = "@app.task(autoretry_for=(Exception,), max_retries=2, default_retry_delay=9{more})\ndef work(): ...\n"
ACTIVITY = "await execute_activity(f, {limits}retry_policy=RetryPolicy(maximum_attempts=3))\n"
QUEUE, SLOTS, LIMIT = "queue.ack_timeout", "agents.slots", "tasks.timeout"
PREFETCH = "agents.prefetch"
HEARTBEAT = {
    "recovery.detection.detector": "heartbeat",
    "recovery.detection.heartbeat_interval": 30,
    "recovery.detection.missed_heartbeats": 1,
    QUEUE: None,
}


@pytest.mark.parametrize(
    ("framework", "source", "values"),
    [
        ("celery", "broker_url = 'redis://h'\ntask_acks_late = True\n", {QUEUE: 3600, PREFETCH: 3}),
        ("celery", "app = Celery(broker='rediss://h')\napp.conf.task_acks_late = True\n", {QUEUE: 3600, PREFETCH: 3}),
        ("celery", "CELERY_BROKER_URL = 'sqs://'\nCELERY_TASK_ACKS_LATE = True\n", {QUEUE: 1800, PREFETCH: 3}),
        (
            "celery",
            "broker_url = 'amqp://h'\ntask_acks_late = True\nworker_prefetch_multiplier = 1\n",
            {QUEUE: 1800, "queue.max_deliveries": 21, PREFETCH: 0},
        ),
        ("celery", "worker_prefetch_multiplier = 10\nworker_concurrency = 2\n", {SLOTS: 2, PREFETCH: 20}),
        ("celery", "worker_prefetch_multiplier = 0\n", {PREFETCH: 65535}),
        ("celery", "worker_disable_prefetch = True\n", {PREFETCH: 0}),
        (
            "celery",
            "app.conf.update(task_acks_late=True, broker_transport_options={'visibility_timeout': 6 * 3600})\n",
            {QUEUE: 21600, PREFETCH: 3},
        ),
        (
            "celery",
            "task_acks_late = True\nQueue(queue_arguments={'x-consumer-timeout': 9000, 'x-delivery-limit': 4})\n",
            {QUEUE: 9, "queue.max_deliveries": 5, PREFETCH: 3},
        ),
        ("celery", "broker_transport_options = {'visibility_timeout': 60}\n", {QUEUE: None}),
        ("celery", "worker_concurrency = 4\ntask_soft_time_limit = 50\ntask_time_limit = 60\n", {SLOTS: 4, LIMIT: 50}),
        ("celery", TASK.format(more=""), {}),
        ("celery", "broker_url = 'redis://h'\n" + TASK.format(more=", acks_late=True"), {QUEUE: 3600}),
        ("celery", "task_acks_late = True\n" + TASK.format(more=", acks_late=False"), {QUEUE: None, PREFETCH: 4}),
        ("temporal", ACTIVITY.format(limits=""), {}),
        ("temporal", ACTIVITY.format(limits="heartbeat_timeout=timedelta(seconds=30), "), HEARTBEAT),
        ("temporal", ACTIVITY.format(limits="start_to_close_timeout=timedelta(minutes=5), "), {LIMIT: 300}),
        ("temporal", "ao := ActivityOptions{\n  HeartbeatTimeout: 30 * time.Second,\n}\n", HEARTBEAT),
        ("temporal", '{"retryPolicy": {"maximumAttempts": 3}, "heartbeatTimeout": "30s"}', HEARTBEAT),
    ],
)
def test_settings_of_queues_and_activities_are_keys_of_a_policy_file(framework, source, values):
    text, _ = imported(FRAMEWORKS[framework], source, "file", "task_failure")
    file = loads_policy(text)
    assert {path: value for path, value in file.values.items() if "conditions" not in path} == values
    file.applied(scenarios.load("baseline"))


@pytest.mark.parametrize(
    ("source", "note"),
    [
        (
            "task_acks_late = True\n",
            "acks_late: the broker is not known; queue.ack_timeout is 1h by default",
        ),
        ("broker_url = 'redis://'\ntask_acks_late = True\n", "without task_reject_on_worker_lost, Celery acknowledges"),
        ("task_acks_late = False\n", "tasks are acknowledged before they are executed"),
        ("worker_prefetch_multiplier = 0\n", "worker_prefetch_multiplier 0 is no limit; agents.prefetch is 65535"),
        ("task_acks_late = True\n", "worker_prefetch_multiplier is not given; agents.prefetch is that of 4"),
        ("worker_prefetch_multiplier = 4\n", "worker_concurrency is not given; agents.prefetch is that of one slot"),
    ],
)
def test_what_is_not_simulated_is_a_note(source, note):
    _, notes = imported(FRAMEWORKS["celery"], source + TASK.format(more=""), "file", "task_failure")
    assert any(note in each for each in notes)


@pytest.mark.parametrize(
    ("framework", "source", "problem"),
    [
        ("celery", "x = 1\n", r"file:1: has no task\(…\) or shared_task"),
        (
            "celery",
            "task_acks_late = True\nf(task_acks_late=False)\n",
            "file:2: task_acks_late: is true on line 1",
        ),
        ("celery", "task_acks_late = 'yes'\n", "file:1: task_acks_late: 'yes' is not valid; valid: true, false"),
        (
            "celery",
            "task_time_limit = LIMIT * 2\n",
            "file:1: task_time_limit: .* is not read, because",
        ),
        ("temporal", ACTIVITY.format(limits="heartbeat_timeout='30s', "), "heartbeat_timeout: '30s' is not a duration"),
        ("temporal", '{"retryPolicy": {}, "heartbeat": "30s"}', "the options of an activity has no such key"),
    ],
)
def test_invalid_settings_are_refused_with_their_line(framework, source, problem):
    with pytest.raises(ScenarioError, match=problem):
        imported(FRAMEWORKS[framework], source, "file", "task_failure")


@pytest.mark.parametrize(
    ("values", "notes"),
    [
        ({"agents.prefetch": 0, "queue.ack_timeout": "5m"}, ()),
        ({"agents.prefetch": 6, "agents.slots": 2, "queue.ack_timeout": "5m"}, ()),
        ({"agents.prefetch": 8, "agents.slots": 2, "queue.ack_timeout": None}, ()),
        ({"agents.prefetch": 65535, "queue.ack_timeout": "5m"}, ()),
        (
            {"agents.prefetch": 5, "agents.slots": 2, "queue.ack_timeout": "5m"},
            ("celery cannot express agents.prefetch: 5 -> 6, a multiple of its slots",),
        ),
    ],
)
def test_the_queue_of_a_scenario_comes_back_from_the_settings_of_celery(values, notes):
    scenario = scenarios.load("baseline").with_values(values)
    celery = FRAMEWORKS["celery"]
    settings, said = celery.settings(scenario)
    text = celery.export(portable(scenario.recovery.conditions.task_failure)) + settings
    back = loads_policy(imported(celery, text, "file", "task_failure")[0]).applied(scenario)
    assert said == notes
    assert (back.queue.ack_timeout, back.agents.slots) == (scenario.queue.ack_timeout, scenario.agents.slots)
    assert back.most_prefetched == (6 if notes else scenario.most_prefetched)


def test_a_scenario_without_leases_and_prefetch_needs_no_settings_of_celery():
    scenario = scenarios.load("baseline").with_values({"queue.ack_timeout": None, "agents.slots": 3})
    assert FRAMEWORKS["celery"].settings(scenario) == ("", ())
