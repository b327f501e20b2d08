"""Diagnoses and unnecessary recoveries in histories with known ground truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from recovery.runbook.catalogue import documented
from sim.history import Event, History
from sim.measures import confusion, measure, needless_recoveries
from sim.measures.metrics.diagnosis import as_frame, diagnoses, total
from tests.sim.measures.test_recovery import at, recovery

TASK, RESOURCE, AGENT, LINK = ENTRIES = [name for name, _ in documented().entries()]
AMBIGUOUS = f"ambiguous: {AGENT} or {LINK}"


def history(*parts: list[dict[str, Any]] | dict[str, Any], **meta: Any) -> History:
    """A story, put in order of time."""
    events = [event for part in parts for event in (part if isinstance(part, list) else [part])]
    return History.of(sorted(events, key=lambda event: event["time"]), {"agents": 4, "end": 100.0, **meta})


def crash(agent: int, diagnosis: str, incident: int = 0, at_second: float = 10.0) -> list[dict[str, Any]]:
    """An agent crashes and is recovered, with the given diagnosis."""
    times = [at_second + after for after in (5.0, 5.0, 6.0, 7.0, 8.0)]
    return [
        at(at_second, Event.AGENT_CRASHED, agent=agent),
        *recovery(incident, "agent_failure", diagnosis, times, agent=agent),
        at(at_second + 7.5, Event.AGENT_RESTARTED, agent=agent),
    ]


def test_the_matrix_always_has_the_documented_failures() -> None:
    matrix = confusion(history())
    assert (list(matrix.index), list(matrix.columns)) == (ENTRIES, ENTRIES)
    assert (matrix.index.name, matrix.columns.name) == ("injected", "diagnosed")
    assert matrix.to_numpy().sum() == 0


def test_each_recovery_counts_in_the_cell_of_fault_and_diagnosis() -> None:
    matrix = confusion(history(crash(0, AGENT), crash(1, LINK, 1), crash(2, AGENT, 2), crash(3, AMBIGUOUS, 3)))
    assert matrix.loc[AGENT].to_dict() == {TASK: 0, RESOURCE: 0, AGENT: 2, LINK: 1, AMBIGUOUS: 1}


def test_accuracy_is_the_fraction_on_the_diagonal() -> None:
    story = history(crash(0, AGENT), crash(1, LINK, 1), crash(2, AGENT, 2), crash(3, AMBIGUOUS, 3))
    assert measure(story)["diagnosis.accuracy"] == 0.5


def test_a_false_alarm_has_its_own_row_and_does_not_affect_accuracy() -> None:
    story = history(recovery(0, "agent_failure", AGENT, [5.0, 5.0, 6.0], agent=1), crash(0, AGENT, 1))
    assert diagnoses(story) == {"nothing": {AGENT: 1}, AGENT: {AGENT: 1}}
    assert list(confusion(story).index) == [*ENTRIES, "nothing"]
    assert measure(story)["diagnosis.accuracy"] == 1


def test_the_last_diagnosis_of_a_recovery_counts() -> None:
    again = at(16.5, Event.RECOVERY_ANALYZED, detail=AGENT, incident=0, agent=0)
    assert diagnoses(history(crash(0, LINK), again)) == {AGENT: {AGENT: 1}}


def test_a_recovery_without_analysis_is_not_counted() -> None:
    assert diagnoses(history(recovery(0, "agent_failure", AGENT, [5.0, 5.0], agent=0))) == {}


def test_a_recovery_opened_in_the_warm_up_is_not_counted() -> None:
    story = (crash(0, AGENT), crash(1, LINK, 1, at_second=50.0))
    assert diagnoses(history(*story, warmup=40.0)) == {AGENT: {LINK: 1}}


CUT = at(5.0, Event.LINK_CUT, about="agents|core")
HEALED = at(14.0, Event.LINK_HEALED, about="agents|core")


@pytest.mark.parametrize(
    ("diagnosis", "found"), [(AGENT, {AGENT: {AGENT: 1}}), (LINK, {LINK: {LINK: 1}}), (TASK, {AGENT: {TASK: 1}})]
)
def test_either_diagnosis_of_a_crashed_and_disconnected_agent_is_correct(
    diagnosis: str, found: Mapping[str, Mapping[str, int]]
) -> None:
    assert diagnoses(history(CUT, crash(0, diagnosis))) == found


def test_a_partition_healed_before_the_diagnosis_is_not_its_fault() -> None:
    assert diagnoses(history(CUT, HEALED, crash(0, LINK))) == {AGENT: {LINK: 1}}


def test_an_agent_that_crashes_while_disconnected_is_crashed_at_the_second_diagnosis() -> None:
    """Opened for the partition; the agent crashes at 12, the link heals at 14, the second try diagnoses the crash."""
    story = history(
        CUT,
        recovery(0, "agent_failure", LINK, [10.0, 10.0, 10.0], agent=0),
        at(12.0, Event.AGENT_CRASHED, agent=0),
        HEALED,
        at(15.0, Event.RECOVERY_FAILED, agent=0, incident=0),
        at(15.0, Event.RECOVERY_STARTED, agent=0, incident=0),
        at(15.0, Event.RECOVERY_ANALYZED, detail=AGENT, agent=0, incident=0),
    )
    assert diagnoses(story) == {AGENT: {AGENT: 1}}


def test_counts_of_several_runs_add_up() -> None:
    assert total([{AGENT: {AGENT: 1}}, {}, {AGENT: {LINK: 2, AGENT: 3}, "nothing": {AGENT: 1}}]) == {
        "nothing": {AGENT: 1},
        AGENT: {AGENT: 4, LINK: 2},
    }
    assert as_frame({AGENT: {LINK: 2}}).loc[AGENT, LINK] == 2


# ------------------------------------------------------------------------------------- unnecessary recoveries
STARTED = at(1.0, Event.ATTEMPT_STARTED, task=7, agent=0, epoch=1)
FENCED = at(5.0, Event.TASK_FENCED, task=7, value=1.0, incident=0)


@pytest.mark.parametrize(
    ("between", "found"),
    [
        ([], 1),
        ([at(3.0, Event.ATTEMPT_FAILED, task=7, agent=0, epoch=1)], 0),
        ([at(3.0, Event.AGENT_HUNG, agent=0)], 0),
        ([at(3.0, Event.AGENT_HUNG, agent=1)], 1),
        ([at(3.0, Event.AGENT_HUNG, agent=0), at(4.0, Event.AGENT_WOKE, agent=0)], 1),
        ([at(3.0, Event.LINK_CUT, about="agents|core")], 0),
        ([at(3.0, Event.LINK_CUT, about="agents|queue")], 1),
    ],
)
def test_a_task_fenced_while_running_on_a_healthy_agent_counts(between: list[dict[str, Any]], found: int) -> None:
    assert needless_recoveries(history(STARTED, *between, FENCED)) == found


def test_a_fenced_attempt_is_not_healthy() -> None:
    """It was fenced once, while its agent hung; it woke up, and its task was fenced again."""
    hung, woke = at(3.0, Event.AGENT_HUNG, agent=0), at(6.0, Event.AGENT_WOKE, agent=0)
    again = at(7.0, Event.TASK_FENCED, task=7, value=1.0, incident=1)
    assert needless_recoveries(history(STARTED, hung, FENCED, woke, again)) == 0


def test_a_healthy_agent_stopped_for_a_restart_counts() -> None:
    stopped = at(5.0, Event.AGENT_STOPPED, agent=0)
    assert needless_recoveries(history(stopped)) == 1
    assert needless_recoveries(history(at(3.0, Event.AGENT_HUNG, agent=0), stopped)) == 0
    assert needless_recoveries(history(stopped, warmup=10.0)) == 0
