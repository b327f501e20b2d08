"""Recoveries, phases and detection in histories with known ground truth."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from sim.history import Event, History
from sim.measures import measure

PHASES = ("detect", "wait", "analyze", "execute", "verify")
AGENT = "system_failures.agent_failure"
TASK = "task_failures.execution_failure"
RESOURCE = "task_failures.resource_failure"
LINK = "system_failures.communication_failure"


def at(time: float, event: Event, **columns: Any) -> dict[str, Any]:
    """One event of a story."""
    return {"time": time, "event": event, **columns}


def recovery(incident: int, kind: str, diagnosis: str, times: list[float], **subject: Any) -> list[dict[str, Any]]:
    """A recovery that works at the first try: opened, started, analyzed, executed, verified, as far as times go."""
    stages = [
        (Event.RECOVERY_OPENED, kind),
        (Event.RECOVERY_STARTED, ""),
        (Event.RECOVERY_ANALYZED, diagnosis),
        (Event.RECOVERY_EXECUTED, ""),
        (Event.RECOVERY_VERIFIED, ""),
    ]
    return [
        at(time, event, detail=detail, incident=incident, **subject)
        for time, (event, detail) in zip(times, stages, strict=False)
    ]


def story(*parts: list[dict[str, Any]] | dict[str, Any], **meta: Any) -> dict[str, float | None]:
    """The metrics of events, put in order of time."""
    events = [event for part in parts for event in (part if isinstance(part, list) else [part])]
    return measure(History.of(sorted(events, key=lambda event: event["time"]), meta))


def phases(metrics: dict[str, float | None]) -> dict[str, float | None]:
    """The mean length of each phase."""
    return {phase: metrics[f"recovery.{phase}.mean"] for phase in PHASES}


def test_the_recovery_of_a_crash_has_five_phases() -> None:
    """Crashed at 10; noticed at 22, started at 25, analyzed at 26, restarted at 46, verified at 47."""
    metrics = story(
        at(10.0, Event.AGENT_CRASHED, agent=3),
        at(22.0, Event.AGENT_SUSPECTED, agent=3),
        recovery(0, "agent_failure", AGENT, [22.0, 25.0, 26.0, 46.0, 47.0], agent=3),
        at(46.0, Event.AGENT_RESTARTED, agent=3),
        agents=4,
        end=100.0,
    )
    assert phases(metrics) == {"detect": 12.0, "wait": 3.0, "analyze": 1.0, "execute": 20.0, "verify": 1.0}
    assert metrics["recovery.time.mean"] == metrics["recovery.time.max"] == 37.0
    assert metrics["recovery.time.sd"] is None
    assert metrics["recovery.count"] == metrics["recovery.succeeded"] == 1
    assert metrics["recovery.failed"] == metrics["recovery.escalated"] == metrics["recovery.censored"] == 0
    assert metrics["detection.latency.mean"] == 12.0
    assert metrics["detection.false_positives"] == metrics["detection.missed"] == 0
    assert metrics["diagnosis.accuracy"] == 1.0


def test_a_failed_try_adds_its_time_to_its_phases() -> None:
    """Failed while executing from 2 to 5, waited until 15, verified at 19: wait 1 + 10, execute 3 + 2, verify 1."""
    metrics = story(
        at(0.0, Event.ATTEMPT_FAILED, task=0, agent=0, epoch=1, detail="execution_error"),
        recovery(0, "task_failure", TASK, [0.0, 1.0, 2.0], task=0),
        at(5.0, Event.RECOVERY_FAILED, task=0, incident=0, detail="retry_task"),
        at(15.0, Event.RECOVERY_STARTED, task=0, incident=0),
        at(16.0, Event.RECOVERY_ANALYZED, task=0, incident=0, detail=TASK),
        at(18.0, Event.RECOVERY_EXECUTED, task=0, incident=0),
        at(19.0, Event.RECOVERY_VERIFIED, task=0, incident=0),
        end=100.0,
    )
    assert phases(metrics) == {"detect": 0.0, "wait": 11.0, "analyze": 2.0, "execute": 5.0, "verify": 1.0}
    assert metrics["recovery.time.mean"] == 19.0
    assert metrics["recovery.failed"] == 1


def test_a_recovery_open_at_the_end_is_censored() -> None:
    """Verified after 10 and 30; one open for 20 at the end. S falls to 2/3 at 10 and to 0 at 30: mean 10/3 + 60/3."""
    times = (0.0, 10.0, 80.0)
    failed = [at(time, Event.ATTEMPT_FAILED, task=task, agent=0, epoch=1) for task, time in enumerate(times)]
    metrics = story(
        failed,
        recovery(0, "task_failure", TASK, [0.0, 10.0, 10.0, 10.0, 10.0], task=0),
        recovery(1, "task_failure", TASK, [10.0, 40.0, 40.0, 40.0, 40.0], task=1),
        recovery(2, "task_failure", TASK, [80.0], task=2),
        end=100.0,
    )
    assert metrics["recovery.count"] == 3
    assert metrics["recovery.succeeded"] == 2
    assert metrics["recovery.censored"] == 1
    assert metrics["recovery.time.mean"] == pytest.approx(70 / 3)
    assert metrics["recovery.time.p50"] == metrics["recovery.time.max"] == 30.0
    assert metrics["recovery.wait.mean"] == pytest.approx(70 / 3)  # of the same three


def test_escalated_and_dismissed_recoveries_have_no_recovery_time() -> None:
    """They are counted. The open one alone lasts longer than the run."""
    metrics = story(
        [at(0.0, Event.ATTEMPT_FAILED, task=task, agent=0, epoch=1) for task in range(3)],
        recovery(0, "task_failure", TASK, [0.0], task=0),
        at(5.0, Event.RECOVERY_ESCALATED, task=0, incident=0, detail="retries exhausted"),
        recovery(1, "task_failure", TASK, [0.0, 2.0], task=1),
        at(2.0, Event.RECOVERY_DISMISSED, task=1, incident=1, detail="task_finished"),
        recovery(2, "task_failure", TASK, [0.0, 50.0], task=2),
        end=100.0,
    )
    assert metrics["recovery.count"] == 3
    assert metrics["recovery.escalated"] == metrics["recovery.censored"] == 1
    assert metrics["recovery.succeeded"] == 0
    assert metrics["recovery.time.mean"] == metrics["recovery.time.max"] == inf


def test_recoveries_opened_in_the_warm_up_are_excluded() -> None:
    """Opened before it: neither counted nor measured, though its tries failed later."""
    metrics = story(
        at(1.0, Event.ATTEMPT_FAILED, task=0, agent=0, epoch=1),
        recovery(0, "task_failure", TASK, [1.0, 20.0, 20.0], task=0),
        at(21.0, Event.RECOVERY_FAILED, task=0, incident=0),
        end=100.0,
        warmup=10.0,
    )
    assert metrics["recovery.count"] == metrics["recovery.failed"] == metrics["recovery.censored"] == 0
    assert metrics["detection.latency.mean"] is None


@pytest.mark.parametrize(
    ("fault", "subject", "right"),
    [
        (at(1.0, Event.ATTEMPT_FAILED, task=0, agent=0, epoch=1), {"task": 0}, TASK),
        (at(1.0, Event.ATTEMPT_TIMED_OUT, task=0, agent=0, epoch=1), {"task": 0}, TASK),
        (
            at(1.0, Event.ATTEMPT_INTERRUPTED, task=0, agent=0, epoch=1, detail="resource_unavailable"),
            {"task": 0},
            RESOURCE,
        ),
        (at(1.0, Event.AGENT_CRASHED, agent=0), {"agent": 0}, AGENT),
        (at(1.0, Event.AGENT_HUNG, agent=0), {"agent": 0}, AGENT),
        (at(1.0, Event.LINK_CUT, about="agents|queue"), {"about": "agents|queue"}, LINK),
        (at(1.0, Event.LINK_CUT, about="agents|core"), {"agent": 0}, LINK),
    ],
)
def test_a_diagnosis_is_correct_when_it_names_the_fault(
    fault: dict[str, Any], subject: dict[str, Any], right: str
) -> None:
    """The four documented entries, each against its faults; any other diagnosis is wrong."""
    for diagnosis in (TASK, RESOURCE, AGENT, LINK, "unknown"):
        metrics = story(fault, recovery(0, "any", diagnosis, [3.0, 3.0, 4.0, 5.0, 6.0], **subject), agents=1, end=10.0)
        assert metrics["diagnosis.accuracy"] == (diagnosis == right)
        assert metrics["detection.latency.mean"] == 2.0


def test_a_recovery_is_attributed_to_the_latest_fault_of_its_subject() -> None:
    """Not an earlier one, not that of another task, and not one that was recovered already."""
    metrics = story(
        at(1.0, Event.ATTEMPT_FAILED, task=0, agent=0, epoch=1),
        recovery(0, "task_failure", TASK, [2.0, 2.0, 2.0, 2.0, 2.0], task=0),
        at(10.0, Event.ATTEMPT_FAILED, task=0, agent=0, epoch=2),
        at(11.0, Event.ATTEMPT_FAILED, task=1, agent=0, epoch=1),
        recovery(1, "task_failure", TASK, [15.0, 15.0, 15.0, 15.0, 15.0], task=0),
        recovery(2, "task_failure", TASK, [30.0, 30.0, 30.0, 30.0, 30.0], task=0),
        end=100.0,
    )
    assert metrics["detection.latency.max"] == 5.0
    assert metrics["detection.latency.mean"] == 3.0
    assert metrics["recovery.succeeded"] == 3


def test_a_suspected_healthy_agent_is_one_false_alarm() -> None:
    """Suspected, and an incident for it: one alarm. An incident without a suspicion is another."""
    metrics = story(
        at(1.0, Event.AGENT_SUSPECTED, agent=0),
        recovery(0, "agent_failure", AGENT, [1.0, 1.0], agent=0),
        at(1.0, Event.RECOVERY_DISMISSED, agent=0, incident=0, detail="agent_responds"),
        at(2.0, Event.AGENT_CLEARED, agent=0),
        recovery(1, "agent_failure", AGENT, [5.0, 5.0, 5.0, 5.0, 5.0], agent=1),
        agents=2,
        end=10.0,
    )
    assert metrics["detection.false_positives"] == 2
    assert metrics["recovery.time.mean"] is None
    assert metrics["diagnosis.accuracy"] is None


@pytest.mark.parametrize(
    ("before", "false_alarms"),
    [
        ([at(1.0, Event.AGENT_CRASHED, agent=0)], 0),
        ([at(1.0, Event.AGENT_STOPPED, agent=0)], 0),
        ([at(1.0, Event.AGENT_HUNG, agent=0), at(2.0, Event.AGENT_WOKE, agent=0)], 1),
        ([at(1.0, Event.AGENT_CRASHED, agent=0), at(2.0, Event.AGENT_RESTARTED, agent=0)], 1),
        ([at(1.0, Event.AGENT_CRASHED, agent=1)], 1),
        ([at(1.0, Event.LINK_CUT, about="agents|core")], 0),
        ([at(1.0, Event.LINK_CUT, about="agent.0|core")], 0),
        ([at(1.0, Event.LINK_CUT, about="agent.1|core")], 1),
        ([at(1.0, Event.LINK_CUT, about="agents|queue")], 1),
        ([at(1.0, Event.LINK_CUT, about="agents|core"), at(2.0, Event.LINK_HEALED, about="agents|core")], 1),
    ],
)
def test_a_healthy_agent_is_up_and_connected_to_the_core(before: list[dict[str, Any]], false_alarms: int) -> None:
    """A suspicion at 3 s of agent 0."""
    metrics = story(before, at(3.0, Event.AGENT_SUSPECTED, agent=0), agents=2, end=10.0)
    assert metrics["detection.false_positives"] == false_alarms


@pytest.mark.parametrize(
    ("events", "missed"),
    [
        pytest.param([at(1.0, Event.AGENT_HUNG, agent=0), at(3.0, Event.AGENT_WOKE, agent=0)], 1, id="woke unnoticed"),
        pytest.param([at(1.0, Event.AGENT_CRASHED, agent=0)], 1, id="never noticed"),
        pytest.param([at(85.0, Event.AGENT_CRASHED, agent=0)], 0, id="too young to be noticed"),
        pytest.param(
            [at(1.0, Event.AGENT_CRASHED, agent=0), at(9.0, Event.AGENT_SUSPECTED, agent=0)], 0, id="suspected"
        ),
        pytest.param(
            [
                at(1.0, Event.AGENT_HUNG, agent=0),
                at(3.0, Event.AGENT_WOKE, agent=0),
                at(9.0, Event.AGENT_SUSPECTED, agent=0),
            ],
            1,
            id="suspected when it was over",
        ),
        pytest.param(
            [*recovery(0, "agent_failure", AGENT, [1.0], agent=0), at(2.0, Event.AGENT_CRASHED, agent=0)],
            0,
            id="while a recovery is open",
        ),
        pytest.param([at(1.0, Event.LINK_CUT, about="agents|queue")], 1, id="cut and never noticed"),
        pytest.param(
            [at(1.0, Event.LINK_CUT, about="agents|queue"), *recovery(0, "x", LINK, [9.0], about="agents|queue")],
            0,
            id="cut and noticed",
        ),
        pytest.param(
            [at(1.0, Event.LINK_CUT, about="agents|core"), at(9.0, Event.AGENT_SUSPECTED, agent=1)],
            0,
            id="cut off agents are suspected",
        ),
        pytest.param([at(1.0, Event.ATTEMPT_FAILED, task=0, agent=0, epoch=1)], 1, id="failure never reported"),
        pytest.param(
            [
                at(1.0, Event.ATTEMPT_FAILED, task=0, agent=0, epoch=1),
                at(1.0, Event.ATTEMPT_REFUSED, task=0, agent=0, epoch=1, detail="failure"),
            ],
            0,
            id="failure of a void attempt",
        ),
        pytest.param(
            [
                at(1.0, Event.TASK_FENCED, task=0, value=1.0),
                at(1.0, Event.ATTEMPT_INTERRUPTED, task=0, agent=0, epoch=1, detail="resource_unavailable"),
            ],
            0,
            id="void by its epoch",
        ),
        pytest.param(
            [
                *recovery(0, "agent_failure", AGENT, [1.0], agent=0),
                at(2.0, Event.ATTEMPT_FAILED, task=0, agent=0, epoch=1),
            ],
            0,
            id="failure on an agent that is being recovered",
        ),
    ],
)
def test_a_fault_undetected_while_active_is_missed(events: list[dict[str, Any]], missed: int) -> None:
    """With a detector that may take 4 × 5 s, in a run of 100 s."""
    metrics = story(events, agents=2, end=100.0, heartbeat_interval=5.0, missed_heartbeats=3)
    assert metrics["detection.missed"] == missed


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(
            [at(1.0, Event.AGENT_CRASHED, agent=0), at(2.0, Event.AGENT_RESTARTED, agent=0)], id="it is up again"
        ),
        pytest.param(
            [at(1.0, Event.AGENT_STOPPED, agent=0), at(2.0, Event.LINK_CUT, about="agents|core")],
            id="stopped by the core",
        ),
    ],
)
def test_a_recovery_without_a_fault_has_no_recovery_time(before: list[dict[str, Any]]) -> None:
    """It counts as verified, without a recovery time, also beside other recoveries, censored or not."""
    metrics = story(
        before,
        recovery(0, "agent_failure", AGENT, [3.0, 3.0, 3.0, 3.0, 4.0], agent=0),
        at(10.0, Event.ATTEMPT_FAILED, task=0, agent=1, epoch=1),
        recovery(1, "task_failure", TASK, [11.0, 11.0, 11.0, 11.0, 15.0], task=0),
        at(10.0, Event.ATTEMPT_FAILED, task=1, agent=1, epoch=1),
        recovery(2, "task_failure", TASK, [11.0], task=1),
        agents=2,
        end=12.0,
    )
    assert metrics["recovery.succeeded"] == 2
    assert metrics["detection.latency.max"] == metrics["recovery.detect.max"] == 1.0
    assert metrics["recovery.time.mean"] == metrics["recovery.time.max"] == 5.0


def test_a_rejected_failure_report_of_a_copy_is_ignored() -> None:
    """Two copies fail, at 2 and at 3; the second report is refused. The recovery that opens at 4 is for the first."""
    metrics = story(
        at(2.0, Event.ATTEMPT_FAILED, task=0, agent=0, epoch=2, detail="execution_error"),
        at(3.0, Event.ATTEMPT_FAILED, task=0, agent=1, epoch=1, detail="execution_error"),
        at(3.0, Event.ATTEMPT_REFUSED, task=0, agent=1, epoch=1, detail="failure"),
        recovery(0, "task_failure", TASK, [4.0, 4.0, 4.0, 5.0, 5.0], task=0),
        end=100.0,
    )
    assert metrics["recovery.detect.mean"] == 2.0
    assert metrics["detection.missed"] == 0
