"""The analysis of a failure: evidence, candidates, diagnoses, and the explanation."""

from typing import Any

import pytest

from recovery import Outcome, RecoveryEngine, Supervisor
from recovery.actions.context import STANDALONE, RecoveryContext
from recovery.model import Analysis, Failure, FailureKind, Incident, Symptom, TaskStatus
from recovery.runbook.catalogue import Runbook, documented
from sim.loop import run
from tests.recovery.small_system import SmallSystem, failure_of
from tests.recovery.supervised import short, supervise

EXECUTION, RESOURCE, AGENT, LINK = (name for name, _ in documented().entries())
DISK = "task_failures.disk_failure"
CHECK_POOLS = (
    {"check_pools": {"command": "verify_resource_health", "args": ["resource_ids"]}},
    {"check_metrics": {"command": "analyze_resource_metrics", "args": ["resource_ids", "timeframe"]}},
)


def incident_of(subject: str, kind: FailureKind = FailureKind.TASK, **info: Any) -> Incident:
    return Incident(0, failure_of(subject, kind, **info), 0.0)


def unreported(subject: str, kind: FailureKind = FailureKind.TASK, **info: Any) -> Incident:
    """A recovery is requested without symptoms."""
    return Incident(0, Failure(kind, subject, 0.0, info), 0.0)


def analyze(system: SmallSystem, incident: Incident, runbook: Runbook | None = None) -> Analysis:
    context = RecoveryContext(system.ports, incident, STANDALONE)
    found = run(RecoveryEngine({}, system.ports, runbook=runbook)._analyze_failure(context))
    assert isinstance(found, Analysis)
    return found


def recover(system: SmallSystem, *incidents: Incident) -> list[Outcome]:
    engine = RecoveryEngine({}, system.ports)

    async def story() -> list[Outcome]:
        return [await engine.recover(incident) for incident in incidents]

    return run(story())


def running(agent_id: str = "agent.0") -> SmallSystem:
    """task.7 runs, and needs a GPU."""
    system = SmallSystem()
    system.submit("task.7", gpu=1)
    system.start("task.7", agent_id)
    return system


def failed(status: TaskStatus = TaskStatus.FAILED) -> SmallSystem:
    system = running()
    system.fail("task.7", status)
    system.held.clear()
    return system


def words(analysis: Analysis) -> list[str]:
    return [f"{each.subject} {each.name} {each.value}" for each in analysis.evidence]


# ------------------------------------------------------------------------------------------------ what is observed
def test_a_running_task_on_a_silent_agent_is_stalled():
    system = running()
    system.up["agent.0"] = False
    found = analyze(system, unreported("task.7"))
    assert words(found) == [
        "task.7 task_status running",
        "task.7 task_progress stalled",
        "agent.0 system_state inconsistent",
    ]
    assert found.scenario == AGENT


def test_a_running_task_on_an_unreachable_agent_is_disconnected():
    system = running()
    system.unreachable = ["agent.0"]
    found = analyze(system, unreported("task.7"))
    assert words(found)[1:] == ["agent.0 message_delivery failed", "agent.0 network_metrics degraded"]
    assert found.scenario == LINK


def test_a_pool_short_of_units_is_degraded_or_unavailable_by_demand():
    """One of four units is out of service and two are taken: one is left, which is enough for one."""
    system = failed(TaskStatus.BLOCKED)
    system.available["gpu"] = 3
    system.held["others"] = {"gpu": 2}
    assert words(analyze(system, unreported("task.7")))[2:] == ["gpu system_metrics degraded"]
    system.held["others"] = {"gpu": 3}
    assert words(analyze(system, unreported("task.7")))[2:] == [
        "gpu resource_status unavailable",
        "gpu system_metrics degraded",
    ]


def test_a_fully_busy_pool_with_all_units_in_service_is_healthy():
    system = failed()
    system.held["others"] = {"gpu": 4}
    assert words(analyze(system, unreported("task.7"))) == ["task.7 task_status failed", "task.7 error_code present"]


def test_an_observation_replaces_the_reported_value_of_the_same_symptom():
    system = failed(TaskStatus.BLOCKED)
    assert "task.7 task_status failed" not in words(analyze(system, incident_of("task.7")))


def test_a_reported_symptom_that_has_passed_still_counts():
    """The pool is well again by the time that the task's retry is due."""
    found = analyze(failed(TaskStatus.BLOCKED), incident_of("task.7", FailureKind.RESOURCE))
    assert (found.scenario, found.confidence) == (RESOURCE, pytest.approx(2 / 3))


# ------------------------------------------------------------------------------------------------ two at once
def test_a_task_failure_during_a_pool_failure_is_an_execution_failure():
    system = failed()
    system.available["gpu"] = 0
    found = analyze(system, incident_of("task.7"))
    assert (found.scenario, [each.scenario for each in found.candidates]) == (EXECUTION, [EXECUTION, RESOURCE])


def test_a_blocked_task_with_an_error_ranks_as_a_resource_failure():
    system = failed(TaskStatus.BLOCKED)
    system.available["gpu"], system.held["task.7"] = 1, {"gpu": 1}
    found = analyze(system, incident_of("task.7", FailureKind.RESOURCE))
    assert (found.scenario, [each.scenario for each in found.candidates]) == (RESOURCE, [RESOURCE, EXECUTION])


def test_a_dead_agent_behind_a_partition_is_distinguished_from_a_disconnected_one():
    """The cut is certain and comes first; whether the agent lives shows once it can be reached again."""

    def story(dies: bool) -> tuple[list[str], list[Outcome]]:
        system = running()
        system.unreachable = ["agent.0"]
        system.up["agent.0"] = not dies
        system.before["reset"] = system.unreachable.clear
        incident = incident_of("agent.0", FailureKind.AGENT)
        outcomes = recover(system, *[incident] * (2 if dies else 1))
        return [each.detail for each in system.audit.entries if each.event == "recovery.analyzed"], outcomes

    assert story(dies=False) == ([LINK], [Outcome.VERIFIED])
    assert story(dies=True) == ([LINK, AGENT], [Outcome.FAILED, Outcome.VERIFIED])


# ------------------------------------------------------------------------------------------------ diagnoses
def with_disk_failure(*diagnosis: dict[str, Any], execution: bool = True) -> Runbook:
    """A runbook with one more entry, which a failed task with an error code fits as well as the documented one."""
    data = documented().as_dict()
    symptoms = [{"task_status": "failed"}, {"error_code": "present"}, {"disk": "full"}]
    data["task_failures"]["disk_failure"] = {"symptoms": symptoms, "diagnosis": list(diagnosis), "recovery": []}
    if not execution:
        data["task_failures"]["execution_failure"]["diagnosis"] = []
    return Runbook.model_validate(data)


def test_diagnoses_break_ties_between_equally_supported_entries():
    """1 of 2 is seen of each. A log line and no units held: (1 + 1 - 1) / 4. No pool is ill, twice: (1 - 2/2) / 3."""
    system = failed()
    system.log = [("/var/log/tasks/7", "ERROR E1 task.7")]
    found = analyze(system, incident_of("task.7"), with_disk_failure(*CHECK_POOLS))
    assert found.diagnosis == {
        "check_logs": True,
        "verify_resources": False,
        "check_pools": False,
        "check_metrics": False,
    }
    assert [(each.scenario, each.confidence) for each in found.candidates] == [(EXECUTION, 0.25), (DISK, 0.0)]
    assert found.scenario == EXECUTION


def test_a_log_line_of_another_task_is_no_evidence():
    system = failed()
    system.log = [("/var/log/tasks/70", "ERROR E1 task.70"), ("/var/log/agents/0", "ERROR task.7")]
    found = analyze(system, incident_of("task.7"), with_disk_failure(*CHECK_POOLS))
    assert found.diagnosis["check_logs"] is False


def test_no_diagnosis_runs_when_the_entry_is_certain():
    for system, incident in (
        (failed(), incident_of("task.7")),
        (failed(TaskStatus.BLOCKED), incident_of("task.7", FailureKind.RESOURCE)),
    ):
        assert analyze(system, incident).diagnosis == {}


def test_a_diagnosis_with_unknown_arguments_is_skipped():
    system = SmallSystem()
    system.failed("task.7")  # needs no pool: there is none to look at
    found = analyze(system, incident_of("task.7"), with_disk_failure(*CHECK_POOLS, execution=False))
    assert found.diagnosis == {}


def test_entries_that_no_diagnosis_separates_are_ambiguous():
    found = analyze(failed(), incident_of("task.7"), with_disk_failure(execution=False))
    assert (found.scenario, found.ambiguous) == (None, (EXECUTION, DISK))
    assert found.verdict == f"ambiguous: {EXECUTION} or {DISK}"


def test_the_ranking_of_one_runbook_is_not_used_for_another():
    runbook = with_disk_failure(execution=False)
    in_another_order = runbook.model_copy(update={"task_failures": dict(reversed(runbook.task_failures.items()))})
    for of, scenario, ambiguous in (
        (runbook, None, (EXECUTION, DISK)),
        (in_another_order, None, (DISK, EXECUTION)),
        (None, EXECUTION, ()),
        (runbook, None, (EXECUTION, DISK)),
    ):
        found = analyze(failed(), incident_of("task.7"), of)
        assert (found.scenario, found.ambiguous) == (scenario, ambiguous)


def test_an_ambiguous_failure_is_escalated_with_its_analysis():
    system = failed()
    engine = RecoveryEngine({}, system.ports, runbook=with_disk_failure(execution=False))

    async def story(supervisor: Supervisor) -> None:
        supervisor.report(failure_of("task.7"))

    condition = {"task_failure": {"max_retries": 3, "retry_delay": 0}}
    (escalated,) = supervise(system, story, engine=engine, conditions=condition).escalations
    assert short(system, "recovery.", "step.", "task.fenced")[2:] == [
        (0.0, f"recovery.analyzed ambiguous: {EXECUTION} or {DISK}"),
        (0.0, f"recovery.escalated ambiguous: {EXECUTION} or {DISK}"),
    ]
    assert escalated.analysis is not None
    assert escalated.analysis.ambiguous == (EXECUTION, DISK)


# ------------------------------------------------------------------------------------------------ on record
def test_the_audit_trail_explains_each_analysis():
    system = failed()
    recover(system, incident_of("task.7"))
    (analyzed,) = (each for each in system.audit.entries if each.event == "recovery.analyzed")
    assert analyzed.text == (
        "task.7 was reported at 0 s as task_failure. "
        "Observed: task_status failed and error_code present of task.7. "
        "Considered: task_failures.execution_failure at 67% (for it task_status: failed and error_code: present). "
        "It is task_failures.execution_failure. No other entry is as likely, and no diagnosis was needed. "
        "It affects 1 task (task.7)."
    )


# ------------------------------------------------------------------------------------------------ who is well
@pytest.mark.parametrize("moved_to", ["agent.1", None])
def test_a_task_that_resumed_after_its_report_is_not_touched(moved_to):
    system = failed()
    system.queue.append("task.7")  # the queue has delivered it again before the report was heard
    if moved_to is None:
        system.store.requeue("task.7")
    else:
        system.start("task.7", moved_to)
    assert recover(system, incident_of("task.7")) == [Outcome.DISMISSED]
    assert system.trail[-1] == f"recovery.dismissed {'task_runs' if moved_to else 'task_waits'}"
    assert system.calls == []


def test_a_stalled_task_on_a_dead_agent_is_recovered():
    system = running()
    system.up["agent.0"] = False
    assert recover(system, unreported("task.7")) == [Outcome.VERIFIED]
    assert (system.queue, system.held, system.up["agent.0"]) == (["task.7"], {}, True)
    assert not system.store.is_current("task.7", 1)


def test_a_reported_stalled_task_is_recovered_by_its_own_incident():
    """It has its own incident, which is this one."""
    system = running()
    system.up["agent.0"] = False

    async def story(supervisor: Supervisor) -> None:
        supervisor.report(Failure(FailureKind.TASK, "task.7", 0.0))

    supervise(system, story)
    assert short(system, "recovery.verified") == [(30.0, "recovery.verified")]
    assert system.queue == ["task.7"]


def test_a_task_on_a_disconnected_agent_keeps_its_attempt():
    system = running()
    system.unreachable = ["agent.0"]
    system.before["reset"] = system.unreachable.clear
    assert recover(system, unreported("task.7")) == [Outcome.VERIFIED]
    assert system.store.is_current("task.7", 1)
    assert system.running == {"task.7": "agent.0"}
    assert system.calls[0] == ("reset", ("core", "agent.0"))


def test_an_agent_that_responds_before_its_restart_keeps_its_tasks():
    system = running()
    system.up["agent.0"] = False

    def wake() -> None:
        if "step.started restart_agent" in system.trail:
            system.up["agent.0"] = True

    system.before["health"] = wake
    assert recover(system, incident_of("agent.0", FailureKind.AGENT)) == [Outcome.VERIFIED]
    assert system.store.is_current("task.7", 1)
    assert system.calls == []


def dying_again(system: SmallSystem) -> None:
    """agent.0 is down when it is analyzed, well when it should be restarted, and down again when that is verified."""

    def change() -> None:
        last = system.trail[-1]
        system.up["agent.0"] = last == "step.started restart_agent" or system.calls != []

    system.up["agent.0"] = False
    system.before["health"] = change


def test_an_agent_that_responded_and_then_died_loses_its_tasks():
    system = running()
    dying_again(system)
    engine, incident = RecoveryEngine({}, system.ports), incident_of("agent.0", FailureKind.AGENT)

    async def story() -> list[Outcome]:
        first = await engine.recover(incident)
        system.before.clear()
        return [first, await engine.recover(incident)]

    assert run(story()) == [Outcome.FAILED, Outcome.VERIFIED]
    assert system.calls[0] == ("restart", "agent.0")
    assert system.queue == ["task.7"]


def test_an_agent_that_responded_and_is_escalated_loses_its_tasks():
    system = running()
    dying_again(system)
    engine, incident = RecoveryEngine({}, system.ports), incident_of("agent.0", FailureKind.AGENT)

    async def story() -> Outcome:
        outcome = await engine.recover(incident)
        await engine.reassign(incident)
        return outcome

    assert run(story()) is Outcome.FAILED
    assert system.queue == ["task.7"]


def test_tasks_of_a_restarted_agent_are_taken_over_after_a_partial_try():
    system = running()
    system.up["agent.0"] = False
    system.raises["enqueue"] = ConnectionError("queue is away")
    engine, incident = RecoveryEngine({}, system.ports), incident_of("agent.0", FailureKind.AGENT)

    async def story() -> list[Outcome]:
        first = await engine.recover(incident)
        system.raises.clear()
        return [first, await engine.recover(incident)]

    assert run(story()) == [Outcome.FAILED, Outcome.VERIFIED]
    assert system.queue == ["task.7"]


def test_a_healthy_task_is_not_touched_despite_a_report():
    system = running()
    symptoms = tuple(
        Symptom(name, value, "task.7") for entry in documented().task_failures.values() for name, value in entry.pairs()
    )
    assert recover(system, Incident(0, Failure(FailureKind.TASK, "task.7", 0.0, {}, symptoms), 0.0)) == [
        Outcome.DISMISSED
    ]
