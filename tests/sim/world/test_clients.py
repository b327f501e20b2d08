"""Clients with timeouts and retries."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scenarios
import sim
from sim.simulation import Run
from tests.examples import examples
from tests.sim.world.stories import recorded, scenario, values

EVENTS = ("task.submitted", "task.completed", "task.failed", "task.rejected", "client.")


def story(duration: str = "200s", agents: int = 1, count: int = 1, **keys: Any) -> Run:
    """One request every ten seconds, the first at 10 s; a key of the client is `timeout`, others have a dot."""
    client = {f"tasks.client.{name}": value for name, value in keys.items() if "." not in name}
    others = {name: value for name, value in keys.items() if "." in name}
    run = sim.run(scenario(client | others, duration=duration, agents=agents, count=count), seed=1)
    assert run.violations == ()
    return run


def log(run: Run) -> list[tuple[float, str, int]]:
    return [(time, event, task) for time, event, task, _, _ in recorded(run, *EVENTS)]


def of(run: Run, *names: str) -> list[float | None]:
    return [run.metrics[f"client.{name}"] for name in names]


def test_a_timely_response_ends_the_request() -> None:
    run = story(timeout="5s", max_retries=3)
    assert log(run) == [
        (10.0, "task.submitted", 0),
        (13.0, "task.completed", 0),
        (13.0, "client.answered", 0),
    ]
    assert values(run, "client.answered") == [(13.0, 3.0)]
    assert of(run, "timeouts", "retries", "abandoned", "goodput", "amplification") == [0, 0, 0, 1 / 200, 1]


def test_a_client_timeout_submits_another_task() -> None:
    """Each takes 12 s, and the second waits for the first: the answers are there at 22 and at 34 s."""
    run = story(timeout="5s", max_retries=1, retry_delay="2s", **{"tasks.work": "12s"})
    assert log(run) == [
        (10.0, "task.submitted", 0),
        (15.0, "client.timed_out", 0),
        (17.0, "client.retried", 1),
        (17.0, "task.submitted", 1),
        (22.0, "task.completed", 0),
        (22.0, "client.timed_out", 1),
        (22.0, "client.abandoned", 1),
        (34.0, "task.completed", 1),
    ]
    assert of(run, "timeouts", "retries", "abandoned", "goodput", "amplification") == [2, 1, 1, 0, 2]
    assert run.metrics["client.response.mean"] is None


def test_an_accepted_late_response_ends_the_request() -> None:
    run = story(timeout="5s", max_retries=3, retry_delay="2s", late_answer="accept", **{"tasks.work": "8s"})
    assert log(run) == [
        (10.0, "task.submitted", 0),
        (15.0, "client.timed_out", 0),
        (17.0, "client.retried", 1),
        (17.0, "task.submitted", 1),
        (18.0, "task.completed", 0),
        (18.0, "client.answered", 0),
        (26.0, "task.completed", 1),
    ]
    assert [detail for *_, detail in recorded(run, "client.answered")] == ["late"]
    assert of(run, "timeouts", "goodput", "response.max") == [1, 1 / 200, 8]


def test_a_client_without_retries_left_accepts_late_responses() -> None:
    run = story(timeout="5s", late_answer="accept", **{"tasks.work": "8s"})
    assert [entry[1] for entry in log(run)][-2:] == ["task.completed", "client.answered"]
    assert of(run, "timeouts", "abandoned", "goodput") == [1, 0, 1 / 200]


def test_a_cancelled_task_is_stopped_and_fails() -> None:
    run = story(timeout="5s", max_retries=1, cancel=True, **{"tasks.work": "12s"})
    assert log(run) == [
        (10.0, "task.submitted", 0),
        (15.0, "client.timed_out", 0),
        (15.0, "task.failed", 0),
        (15.0, "client.retried", 1),
        (15.0, "task.submitted", 1),
        (20.0, "client.timed_out", 1),
        (20.0, "task.failed", 1),
        (20.0, "client.abandoned", 1),
    ]
    assert [detail for *_, detail in recorded(run, "task.failed")] == ["canceled"] * 2
    assert run.metrics["work.wasted"] == 10
    assert run.metrics["tasks.failed"] == 2


def test_a_cancelled_queued_task_leaves_the_queue() -> None:
    run = story(timeout="5s", cancel=True, count=2, **{"tasks.work": "90s", "queue.ack_timeout": None})
    assert [time for time, *_ in recorded(run, "queue.withdrawn")] == []
    line = story(timeout="50s", cancel=True, count=2, **{"tasks.work": "90s", "queue.ack_timeout": None})
    assert [(time, task) for time, _, task, *_ in recorded(line, "task.failed")] == [(60.0, 0), (70.0, 1)]


def test_a_rejected_request_is_retried() -> None:
    """The queue has no capacity: the second request arrives while the first is in service."""
    run = story(max_retries=5, retry_delay="4s", count=2, **{"tasks.work": "15s", "queue.capacity": 0})
    assert log(run)[1:] == [
        (20.0, "task.submitted", 1),
        (20.0, "task.rejected", 1),
        (24.0, "client.retried", 2),
        (24.0, "task.submitted", 2),
        (24.0, "task.rejected", 2),
        (25.0, "task.completed", 0),
        (25.0, "client.answered", 0),
        (28.0, "client.retried", 3),
        (28.0, "task.submitted", 3),
        (43.0, "task.completed", 3),
        (43.0, "client.answered", 3),
    ]
    assert values(run, "client.retried") == [(24.0, 1.0), (28.0, 1.0)]
    assert of(run, "timeouts", "retries", "response.max") == [0, 2, 23]


def test_a_request_whose_task_failed_is_retried() -> None:
    failing = {"tasks.failure_probability": 1, "recovery.conditions.task_failure.max_retries": 0}
    run = story(max_retries=1, retry_delay="4s", **failing)
    assert log(run) == [
        (10.0, "task.submitted", 0),
        (13.0, "task.failed", 0),
        (17.0, "client.retried", 1),
        (17.0, "task.submitted", 1),
        (20.0, "task.failed", 1),
        (20.0, "client.abandoned", 1),
    ]


@pytest.mark.parametrize(
    ("keys", "gaps"),
    [
        ({}, [2, 2, 2]),
        ({"backoff": "linear"}, [2, 4, 6]),
        ({"backoff": "exponential", "multiplier": 3}, [2, 6, 18]),
        ({"backoff": "exponential", "max_delay": "5s"}, [2, 4, 5]),
    ],
)
def test_client_delays_use_the_backoff_of_recovery(keys: dict[str, Any], gaps: list[float]) -> None:
    run = story(timeout="5s", max_retries=3, retry_delay="2s", cancel=True, **keys, **{"tasks.work": "500s"})
    timed_out = [time for time, *_ in recorded(run, "client.timed_out")]
    retried = [time for time, *_ in recorded(run, "client.retried")]
    assert [again - before for before, again in zip(timed_out, retried, strict=False)] == gaps


def test_each_request_has_its_own_jitter() -> None:
    keys = {"timeout": "5s", "max_retries": 1, "retry_delay": "4s", "jitter": "full", "tasks.work": "50s"}
    one, two = (story(agents=9, count=count, **keys) for count in (1, 2))
    retried = [[time for time, *_ in recorded(run, "client.retried")] for run in (one, two)]
    assert retried[0][0] in retried[1]
    assert 15 <= retried[0][0] < 19


def test_the_budget_is_shared_by_all_clients() -> None:
    """Two initial retries, and each response refunds half of one: none is left."""
    run = story(
        timeout="5s",
        max_retries=9,
        count=5,
        agents=20,
        budget={"tokens": 2, "refill": 0.5},
        **{"tasks.work": "100s"},
    )
    assert of(run, "retries", "abandoned", "timeouts") == [2, 5, 7]


def test_responses_refund_the_budget() -> None:
    """Each comes a second after its request was made again: the one retry that there is has been paid back by then."""
    keys: dict[str, Any] = {"timeout": "5s", "max_retries": 1, "late_answer": "accept", "tasks.work": "6s"}
    assert of(story(count=3, agents=20, budget={"tokens": 1, "refill": 1}, **keys), "retries") == [3]
    assert of(story(count=3, agents=20, budget={"tokens": 1, "refill": 0}, **keys), "retries") == [1]


def test_a_client_waiting_for_a_late_response_is_notified_of_failure() -> None:
    failing = {"tasks.failure_probability": 1, "recovery.conditions.task_failure.max_retries": 0}
    run = story(timeout="2s", late_answer="accept", **failing)
    assert log(run)[1:] == [(12.0, "client.timed_out", 0), (13.0, "task.failed", 0), (13.0, "client.abandoned", 0)]


def test_every_retry_of_a_request_has_the_same_work() -> None:
    work = {"tasks.work": {"exponential": {"mean": "30s"}}}
    patient, hasty = story(count=5, agents=50, **work), story(count=5, agents=50, timeout="1s", max_retries=3, **work)
    original, again = _work(patient), _work(hasty)
    requests = dict(zip(_tasks(hasty), [int(value) for _, value in values(hasty, "client.retried")], strict=True))
    first = sorted(set(again) - set(requests))
    requests |= {task: request for request, task in enumerate(first)}
    assert len(again) > len(original) == len(first) == 5
    assert all(seconds == original[requests[task]] for task, seconds in again.items())


def _work(run: Run) -> dict[int, float]:
    starts = {task: time for time, _, task, *_ in recorded(run, "attempt.started")}
    return {task: round(time - starts[task], 6) for time, _, task, *_ in recorded(run, "task.completed")}


def _tasks(run: Run) -> list[int]:
    return [task for _, _, task, *_ in recorded(run, "client.retried")]


def test_a_closed_client_continues_after_its_request() -> None:
    """It thinks for 10 s, waits for 5, retries, waits for 5, and gives up: every 20 s."""
    closed = {"tasks.arrivals": {"closed": {"clients": 1, "think": "10s"}}, "tasks.work": "500s"}
    run = story(timeout="5s", max_retries=1, cancel=True, count=3, **closed)
    assert [time for time, *_ in recorded(run, "client.abandoned")] == [20.0, 40.0, 60.0]


def test_without_timeouts_no_client_metrics_are_measured() -> None:
    assert of(story(), "timeouts", "retries", "goodput", "amplification", "response.mean") == [None] * 5


@given(
    st.fixed_dictionaries(
        {
            "tasks.client.timeout": st.sampled_from(["1s", "4s", "20s"]),
            "tasks.client.max_retries": st.integers(0, 3),
            "tasks.client.retry_delay": st.sampled_from(["0s", "3s"]),
            "tasks.client.cancel": st.booleans(),
            "tasks.client.late_answer": st.sampled_from(["drop", "accept"]),
            "tasks.failure_probability": st.sampled_from([0, 0.3]),
            "queue.capacity": st.sampled_from([None, 0, 3]),
            "queue.ack_loss": st.sampled_from([0, 0.2]),
        }
    ),
    st.integers(0, 99),
)
@settings(max_examples=examples(40), deadline=None)
def test_random_clients_keep_flow_balance_and_invariants(changes: dict[str, Any], seed: int) -> None:
    text = """
name: busy
duration: 5m
tasks: {arrivals: {poisson: {rate: 1/s}}, work: {exponential: {mean: 3s}}, needs: {gpu: 1}}
agents: {count: 4, mtbf: 60s, restart_time: 5s}
resources: {gpu: {units: 4}}
queue: {ack_timeout: 10s}
recovery: {conditions: {task_failure: {max_retries: 2, retry_delay: 2s}}}
"""
    run = sim.run(scenarios.loads(text).with_values(changes), seed=seed)
    assert run.violations == ()
    of_tasks = [run.metrics[f"tasks.{name}"] or 0 for name in ("completed", "failed", "rejected", "unfinished")]
    assert run.metrics["tasks.submitted"] == sum(of_tasks)
    assert run.metrics["tasks.lost"] == 0
    retries = run.metrics["client.retries"]
    assert retries is not None
    requests = (run.metrics["tasks.submitted"] or 0) - retries
    answered = (run.metrics["client.goodput"] or 0) * 300
    assert round(answered) + (run.metrics["client.abandoned"] or 0) <= requests


def test_attempts_at_a_repeated_request_fail_independently_of_the_first_ones() -> None:
    """Its work is the request's, the same each time; whether an attempt fails is drawn for each task."""
    changes = {
        "tasks.failure_probability": 0.5,
        "tasks.client.max_retries": 1,
        "recovery.conditions.task_failure": {"max_retries": 0, "retry_delay": "1s"},
    }
    tasks = sim.run(scenario(changes, duration="10m", agents=2, count=40), seed=1).tasks
    repeated = tasks[tasks["request"].duplicated()]
    assert set(repeated["outcome"]) == {"completed", "failed"}


OF_KINDS = """\
name: kinds
duration: 5m
tasks:
  client: {timeout: 20s, max_retries: 1}
  kinds:
  - {name: chat, arrivals: {interval: {every: 10s}}, work: 4s, client: CHAT}
  - {name: report, arrivals: {interval: {every: 20s}}, work: 25s}
  - {name: batch, arrivals: {interval: {every: 30s}}, work: 30s, client: {}}
agents: {count: 50}
"""
CHAT = "{timeout: 3s, max_retries: 2, retry_delay: 1s}"


def of_kinds(chat: str) -> dict[str, float]:
    return sim.run(scenarios.loads(OF_KINDS.replace("CHAT", chat)), seed=1).metrics


def test_a_kind_of_tasks_may_have_clients_of_its_own() -> None:
    """Chats are asked for three times, reports twice, and who waits for a batch waits for ever."""
    metrics = of_kinds(CHAT)
    retries = {kind: metrics[f"client.{kind}.amplification"] for kind in ("chat", "report", "batch")}
    assert retries == {"chat": 3, "report": pytest.approx(27 / 14), "batch": 1}
    assert (metrics["client.chat.timeouts"], metrics["client.batch.timeouts"]) == (86, 0)
    assert metrics["client.timeouts"] == metrics["client.chat.timeouts"] + metrics["client.report.timeouts"]
    assert metrics["work.useful"] == 8 * 30 + 3 * 24  # answered batches, and what runs at the end
    assert metrics["tasks.chat.completed"] == 86


def test_clients_of_a_kind_have_a_budget_and_late_answers_of_their_own() -> None:
    """The budget of chats does not limit reports; late answers of chats count as useful work."""
    metrics = of_kinds(CHAT.replace("}", ", budget: {tokens: 5, refill: 0}}"))
    assert (metrics["client.chat.retries"], metrics["client.report.retries"]) == (5, 13)
    late = of_kinds(CHAT.replace("}", ", late_answer: accept}"))
    assert late["client.chat.response.max"] == 4
    assert late["work.useful"] == metrics["work.useful"] + 29 * 4
