"""A restart of the core, or a change of leader, changes no limit and no delay of a policy."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scenarios
import sim
from sim.simulation import Run
from tests.examples import examples

STORY = """
name: restarts
duration: 2m
tasks: {arrivals: {burst: {size: 2, at: 1s}}, work: 1s, failure_probability: 100%}
agents: {count: 2}
recovery:
  detection: {heartbeat_interval: 1000s}
  conditions: {task_failure: {max_retries: null, retry_delay: 10s}}
"""
"""Two tasks, all of whose attempts fail after 1 s; the first of them at 2 s."""
LEADERS = {"count": 2, "lease": {"duration": "5s", "renew_every": "1s"}}
TWO_CORES = {"recovery.cores": LEADERS}
ENDINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "crash": ({"core_crash": {"for": "1s"}}, {}),
    "hang": ({"core_hang": {"for": "200s"}}, TWO_CORES),
    "cut off": ({"partition": {"between": ["core.0", "store"], "for": "200s"}}, TWO_CORES),
}
"""By name: a fault that ends a core, and settings that it needs."""


def story(policy: dict[str, Any], *faults: dict[str, Any], **values: Any) -> Run:
    changed = {f"recovery.conditions.task_failure.{name}": value for name, value in policy.items()}
    run = sim.run(scenarios.loads(STORY).with_values(changed | values | {"faults": list(faults)}), seed=1)
    assert run.violations == ()
    return run


def ended_at(name: str, *times: float) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Faults that end the core at these times, and the settings that they need."""
    fault, values = ENDINGS[name]
    ((kind, keys),) = fault.items()
    return [{kind: keys | {"at": at}} for at in times], values


def times(run: Run, event: str, task: int | None = None) -> list[float]:
    rows = run.history[run.history.event == event]
    return [round(time, 6) for time, of in zip(rows.time, rows.task, strict=True) if task in (None, of)]


def delays(run: Run, task: int) -> list[float]:
    rows = run.history[(run.history.event == "retry.granted") & (run.history.task == task)]
    return [round(value, 6) for value in rows.value]


def reasons(run: Run) -> list[str]:
    return run.history[run.history.event == "recovery.escalated"].detail.tolist()


# ----------------------------------------------------------------------------------------------- deadlines
DEADLINE = {"deadline": "40s"}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("at", [1.5, 11.5, 25.0])
def test_no_attempt_starts_after_the_deadline(ending: str, at: float) -> None:
    """The first failure is at 2 s, even if its report waits for a core."""
    faults, values = ended_at(ending, at)
    run = story(DEADLINE, *faults, **values)
    assert 3 <= len(times(run, "attempt.started", task=0)) <= 4
    assert max(times(run, "attempt.started")) <= 42
    assert reasons(run) == ["retry deadline passed"] * 2


def test_a_crash_during_a_delay_does_not_restart_the_deadline() -> None:
    run = story(DEADLINE, {"core_crash": {"at": 25, "for": 1}})
    assert times(run, "attempt.started", task=0) == [1, 12, 23, 34]


def test_a_retry_that_was_due_while_no_core_ran_does_not_start_after_the_deadline() -> None:
    """It was granted for 34 s, and the next core starts at 53 s."""
    run = story(DEADLINE, {"core_crash": {"at": 33, "for": 20}})
    assert times(run, "attempt.started", task=0) == [1, 12, 23]
    assert times(run, "recovery.escalated", task=0) == [53]


@pytest.mark.parametrize("fault", ["core_hang", "partition"])
def test_a_leader_without_its_store_starts_no_retry_after_the_deadline(fault: str) -> None:
    """It holds its lease, and waits for the store from 33 s to 53 s."""
    between = {"between": ["core.0", "store"]} if fault == "partition" else {}
    lease = {"recovery.cores": {"count": 1, "lease": {"duration": "60s", "renew_every": "1s"}}}
    run = story(DEADLINE, {fault: {"at": 33, "for": 20} | between}, **lease)
    assert times(run, "attempt.started", task=0) == [1, 12, 23]
    assert times(run, "recovery.escalated", task=0) == [53]


@pytest.mark.parametrize(
    "late", [{"core_slow": {"at": 1.5, "for": 1, "delay": "9s"}}, {"core_crash": {"at": 1.5, "for": 9.5}}]
)
def test_a_late_report_counts_from_its_failure(late: dict[str, Any]) -> None:
    """The report of 2 s arrives at 11 s. Retries start at 21 and 32 s; the next one would start at 43 s."""
    assert times(story(DEADLINE, late), "attempt.started", task=0) == [1, 21, 32]


# ------------------------------------------------------------------------------------- delays and numbers
GROWING = {
    "decorrelated": {"retry_delay": "3s", "jitter": "decorrelated", "max_delay": "60s"},
    "compounding": {"retry_delay": "3s", "jitter": "compounding", "multiplier": 1.5, "max_delay": "60s"},
    "exponential": {"retry_delay": "1s", "backoff": "exponential", "jitter": "full", "max_delay": "60s"},
}


@cache
def undisturbed(growing: str) -> tuple[list[float], ...]:
    run = story({"max_retries": 7} | GROWING[growing], duration="10m")
    return delays(run, 0), delays(run, 1)


@settings(max_examples=examples(12))
@given(
    growing=st.sampled_from(sorted(GROWING)),
    ending=st.sampled_from(sorted(ENDINGS)),
    at=st.lists(st.floats(1.25, 90, width=16), min_size=1, max_size=3, unique=True),
)
def test_delays_are_those_of_a_core_that_does_not_end(growing: str, ending: str, at: list[float]) -> None:
    """Each delay follows from the one before it, and the seventh retry is the last one, whenever cores end."""
    faults, values = ended_at(ending, *at)
    run = story({"max_retries": 7} | GROWING[growing], *faults, **values, duration="10m")
    assert (delays(run, 0), delays(run, 1)) == undisturbed(growing)
    assert reasons(run) == ["retries exhausted"] * 2


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_failure_without_a_core_is_retried_once(ending: str) -> None:
    """The next core finds the failure of 2 s itself, and then gets its report."""
    faults, values = ended_at(ending, 1.5)
    run = story({"max_retries": 2, "retry_delay": "0s"}, *faults, **values)
    assert len(times(run, "attempt.started", task=0)) == 3
    assert len(times(run, "recovery.opened", task=0)) == 3
    assert reasons(run) == ["retries exhausted"] * 2


# ------------------------------------------------------------------------------------------------- budgets
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_budget_is_spent_once(ending: str) -> None:
    """Five retries for both tasks together, however often the core ends."""
    faults, values = ended_at(ending, *((15, 27) if ending == "crash" else (15,)))
    run = story({"budget": {"tokens": 5, "refill": 0.2}}, *faults, **values)
    assert len(times(run, "retry.granted")) == 5
    assert reasons(run) == ["retry budget empty"] * 2


def test_successes_while_no_core_runs_refill_the_budget() -> None:
    """One token for all: task 0 fails at 2 s and takes it. Task 1 is completed at 14 s and returns it."""
    text = STORY.replace("burst: {size: 2, at: 1s}", "interval: {every: 1s}").replace("work: 1s", "work: 12s")
    text = text.replace("failure_probability: 100%", "count: 2")
    policy = {"budget": {"tokens": 1, "refill": 1}, "retry_delay": "1s"}
    values = {f"recovery.conditions.task_failure.{name}": value for name, value in policy.items()}
    fails = [{"execution_failure": {"targets": ["task.0"], "at": at}} for at in (2, 14.8)]
    faults = [*fails, {"core_crash": {"at": 13.5, "for": 1}}]
    run = sim.run(scenarios.loads(text).with_values(values | {"faults": faults}), seed=1)
    assert times(run, "attempt.failed") == [2, 14.8]
    assert len(times(run, "retry.granted")) == 2


# ------------------------------------------------------------------------------------------------ breakers
BREAKER = {"retry_delay": "5s", "max_retries": 3, "breaker": {"failures": 4, "open_for": "30s", "counts": "attempts"}}


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("at", [4.0, 20.0, 38.5])
def test_a_breaker_counts_and_remains_open_across_cores(ending: str, at: float) -> None:
    """It opens at the fourth failed attempt, for 30 s, and admits one probe then. No other attempt starts meanwhile."""
    faults, values = ended_at(ending, at)
    run = story(BREAKER, *faults, **values)
    changes = run.history[run.history.event.astype(str).str.startswith("breaker.")]
    assert changes.event.str.removeprefix("breaker.").tolist()[:5] == ["opened", "half_opened"] * 2 + ["opened"]
    opened, half, again, second, _ = changes.time.tolist()[:5]
    waits = 5.0 if ending != "crash" else 1.0  # for the next core
    assert sum(time <= opened for time in times(run, "attempt.failed")) == 4
    assert opened + 30 <= half <= opened + 30 + waits
    assert again + 30 <= second <= again + 30 + waits
    assert [time for time in times(run, "attempt.started") if opened < time < second] == [half]


# ---------------------------------------------------------------------------------------------- load limit
@pytest.mark.parametrize("ending", ENDINGS)
def test_the_load_limit_holds_across_cores(ending: str) -> None:
    """Ten tasks fail at once, and one is queued again every 4 s."""
    faults, values = ended_at(ending, 20)
    changed = {
        "tasks.arrivals": {"burst": {"size": 10, "at": "1s"}},
        "agents.count": 10,
        "recovery.load": {"rate": 0.25},
    }
    run = story({"max_retries": 1, "retry_delay": "1s"}, *faults, **changed, **values)
    queued = sorted(times(run, "recovery.executed"))
    assert len(queued) == 10
    assert min(b - a for a, b in pairwise(queued)) >= 4 - 1e-6
    assert queued[-1] - queued[0] <= 9 * 4 + (4 if ending == "crash" else 12)


# ---------------------------------------------------------------------------------------------- time limit
@pytest.mark.parametrize(("lasts", "ends"), [(1, 42), (30, 48)])
def test_the_time_limit_of_a_try_continues(lasts: float, ends: float) -> None:
    """A try begins at 12 s and takes 50 s. Its limit of 30 s ends at 42 s, or at the start of the next core."""
    run = story(
        {"max_retries": 1, "try_timeout": "30s"},
        {"core_crash": {"at": 18, "for": lasts}},
        **{"recovery.costs": {"release_resources": "50s"}},
    )
    assert times(run, "recovery.failed", task=0) == [ends]
    assert set(run.history[run.history.event == "recovery.failed"].detail) == {"timed out after 30 s"}
