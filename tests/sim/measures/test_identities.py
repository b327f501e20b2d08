"""Identities that hold in every history, and vectorized sums against plain loops."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.history import Event, History
from sim.measures import measure
from sim.measures.metrics.recovery_time import PHASES, recovery_parts
from sim.measures.tables.event_table import Tracks
from sim.measures.tables.recoveries import Incidents
from sim.measures.tables.step_functions import running_totals

END = 50.0
gaps = st.integers(0, 12).map(lambda eighths: eighths / 8)
FATES = ("completed", "failed", "rejected", "running", "delivered", "waiting")


@st.composite
def lives(draw: st.DrawFn, task: int) -> list[dict[str, Any]]:
    """One task: submitted at any time, some attempts, and an end or none within the run."""
    time = draw(st.floats(0, 45).map(lambda value: round(value, 2)))
    fate = draw(st.sampled_from(FATES))
    events: list[dict[str, Any]] = []

    def add(event: Event, **columns: Any) -> None:
        events.append({"time": time, "event": event, "task": task, **columns})

    add(Event.TASK_SUBMITTED)
    if fate == "rejected":
        add(Event.TASK_REJECTED, detail="queue_full")
        return events
    attempts = draw(st.integers(0 if fate in {"waiting", "delivered", "failed"} else 1, 3))
    for epoch in range(1, attempts + 1):
        add(Event.QUEUE_ENTERED, detail="submitted" if epoch == 1 else "retry")
        time += draw(gaps)
        add(Event.QUEUE_DELIVERED, agent=task % 3, value=float(epoch))
        time += draw(gaps)
        add(Event.ATTEMPT_STARTED, agent=task % 3, epoch=epoch, value=0.0)
        if epoch == attempts and fate == "running":
            return events
        work = draw(gaps)
        time += work
        if epoch == attempts and fate == "completed":
            add(Event.ATTEMPT_SUCCEEDED, agent=task % 3, epoch=epoch, value=work)
            add(Event.TASK_COMPLETED, agent=task % 3, epoch=epoch, value=work)
            return events
        add(Event.ATTEMPT_FAILED, agent=task % 3, epoch=epoch, value=work, detail="execution_error")
        time += draw(gaps)
    if fate == "failed":
        add(Event.TASK_FAILED, detail="retries exhausted")
    else:
        add(Event.QUEUE_ENTERED, detail="retry")
        if fate == "delivered":
            time += draw(gaps)
            add(Event.QUEUE_DELIVERED, agent=task % 3, value=float(attempts + 1))
    return events


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Several tasks that share the time of one run, cut off at its end."""
    events = [event for task in range(draw(st.integers(1, 6))) for event in draw(lives(task))]
    events = sorted((event for event in events if event["time"] <= END), key=lambda event: event["time"])
    return History.of(events, {"end": END, "warmup": draw(st.sampled_from([0.0, 7.5, 20.0])), "agents": 3, "slots": 2})


def clipped(begins: float, ends: float, start: float) -> float:
    """Seconds of an interval within the window."""
    return max(0.0, min(ends, END) - max(begins, start))


def by_task(history: History) -> Iterable[list[tuple[float, int]]]:
    """Time and event of each task's rows."""
    for task in np.unique(history.table["task"]):
        rows = history.table[history.table["task"] == task]
        yield list(zip(rows["time"].tolist(), rows["event"].tolist(), strict=True))


@given(histories())
def test_submitted_tasks_equal_completed_failed_rejected_and_unfinished(history: History) -> None:
    """submitted = completed + failed + rejected + unfinished, exactly."""
    found = measure(history)
    accounts = [found[f"tasks.{name}"] for name in ("completed", "failed", "rejected", "unfinished")]
    assert found["tasks.submitted"] == sum(account for account in accounts if account is not None)


@given(histories())
def test_littles_law_holds_for_the_number_in_system(history: History) -> None:
    """L · window = Σ W, every stay clipped to the window (Little 1961, sample path form)."""
    start, area = history.meta["warmup"], 0.0
    for rows in by_task(history):
        submitted, rejected = rows[0][0], any(event == Event.TASK_REJECTED for _, event in rows)
        ends = [time for time, event in rows if event in {Event.TASK_COMPLETED, Event.TASK_FAILED}]
        if not rejected:
            area += clipped(submitted, min(ends, default=inf), start)
    assert measure(history)["tasks.in_system.mean"] == pytest.approx(area / (END - start))


@given(histories())
def test_littles_law_holds_for_queued_and_waiting_tasks(history: History) -> None:
    """In the queue's depth until the delivery; waiting until the start; both by a plain loop."""
    start, depth, waiting = history.meta["warmup"], 0.0, 0.0
    for rows in by_task(history):
        ended = next((time for time, event in rows if event in {Event.TASK_COMPLETED, Event.TASK_FAILED}), inf)
        for place, (time, event) in enumerate(rows):
            if event == Event.QUEUE_ENTERED:
                later = rows[place + 1 :]
                delivered = next((at for at, what in later if what == Event.QUEUE_DELIVERED), inf)
                started = next((at for at, what in later if what == Event.ATTEMPT_STARTED), inf)
                depth += clipped(time, delivered, start)
                waiting += clipped(time, min(started, ended), start)
    found = measure(history)
    assert found["queue.depth.mean"] == pytest.approx(depth / (END - start))
    assert found["tasks.in_queue.mean"] == pytest.approx(waiting / (END - start))


@given(histories())
def test_busy_time_and_work_add_up(history: History) -> None:
    """By a plain loop: utilization, time of attempts by whether it is discarded, and free slots."""
    start, busy, useful = history.meta["warmup"], 0.0, 0.0
    for rows in by_task(history):
        ends = {Event.ATTEMPT_SUCCEEDED, Event.ATTEMPT_FAILED}
        for place, (time, event) in enumerate(rows):
            if event == Event.ATTEMPT_STARTED:
                end, how = next(((at, what) for at, what in rows[place + 1 :] if what in ends), (inf, None))
                busy += clipped(time, end, start)
                useful += 0.0 if how == Event.ATTEMPT_FAILED else clipped(time, end, start)
    found, slots = measure(history), 6
    assert found["agents.utilization"] == pytest.approx(busy / (slots * (END - start)))
    assert found["work.useful"] == pytest.approx(useful, abs=1e-9)
    assert found["work.wasted"] == pytest.approx(busy - useful, abs=1e-9)
    assert found["work.idle"] == pytest.approx(slots * (END - start) - busy, abs=1e-9)


@st.composite
def recoveries(draw: st.DrawFn) -> History:
    """Failed tasks, each with a recovery of any number of tries that end at any stage."""
    stages = (Event.RECOVERY_STARTED, Event.RECOVERY_ANALYZED, Event.RECOVERY_EXECUTED)
    events: list[dict[str, Any]] = []
    for task in range(draw(st.integers(1, 4))):
        time = draw(gaps)
        events.append({"time": time, "event": Event.ATTEMPT_FAILED, "task": task, "agent": 0, "epoch": 1})
        time += draw(gaps)
        events.append({"time": time, "event": Event.RECOVERY_OPENED, "task": task, "incident": task})
        for reached in draw(st.lists(st.integers(1, 3), max_size=3)):
            for stage in (*stages[:reached], Event.RECOVERY_FAILED):
                time += draw(gaps)
                events.append({"time": time, "event": stage, "task": task, "incident": task})
        if draw(st.booleans()):
            for stage in (*stages, Event.RECOVERY_VERIFIED):
                time += draw(gaps)
                events.append({"time": time, "event": stage, "task": task, "incident": task})
    return History.of(sorted(events, key=lambda event: event["time"]), {"end": END})


@given(recoveries())
def test_the_phases_of_a_verified_recovery_sum_to_its_time(history: History) -> None:
    """detect + wait + analyze + execute + verify = verified − fault, also with failed tries."""
    tracks = Tracks.of(history)
    incidents = Incidents.of(tracks)
    verified = incidents.outcome(tracks) == Event.RECOVERY_VERIFIED
    parts = recovery_parts(tracks, incidents)
    total = sum(parts[phase] for phase in PHASES)
    assert np.allclose(total[verified], (incidents.ended - incidents.onset)[verified])
    means = [measure(history)[f"recovery.{phase}.mean"] for phase in PHASES]
    if verified.all():
        assert sum(mean for mean in means if mean is not None) == pytest.approx(
            float((incidents.ended - incidents.onset)[verified].mean())
        )


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(-2, 2)), max_size=30))
def test_running_totals_restart_with_each_group(entries: list[tuple[int, int]]) -> None:
    """Against a plain loop."""
    entries = sorted(entries, key=lambda entry: entry[0])
    totals: dict[int, int] = {}
    expected = []
    for group, change in entries:
        totals[group] = totals.get(group, 0) + change
        expected.append(totals[group])
    groups = np.array([group for group, _ in entries], dtype=np.int64)
    found = running_totals(groups, np.array([change for _, change in entries], dtype=float))
    assert found.tolist() == expected
