"""One try at a recovery: the stages per kind of failure, and error handling."""

from dataclasses import replace

import pytest

from recovery import Outcome, RecoveryEngine
from recovery.actions.context import STANDALONE, RecoveryContext
from recovery.journal import MemoryJournal
from recovery.model import NOTHING, Analysis, FailureKind, Impact, Incident, Phase, RecoveryStrategy, Step, TaskStatus
from recovery.policies.retry import RetryPolicy
from sim.loop import run
from tests.recovery.small_system import SmallSystem, failure_of

LINK = {"endpoints": ("agent.0", "queue"), "queue_ids": ("queue",)}


def recover(system: SmallSystem, subject: str, kind: FailureKind, **info) -> Outcome:
    engine = RecoveryEngine({}, system.ports)

    async def story():
        return await engine.recover(Incident(0, failure_of(subject, kind, **info), 0.0))

    return run(story())


def failed_task() -> SmallSystem:
    system = SmallSystem()
    system.failed("task.7", gpu=2)
    return system


def blocked_task() -> SmallSystem:
    system = SmallSystem()
    system.failed("task.7", TaskStatus.BLOCKED, gpu=2)
    system.available["gpu"] = 3
    return system


def dead_agent() -> SmallSystem:
    system = SmallSystem()
    for task_id in ("task.1", "task.2"):
        system.submit(task_id, gpu=1)
        system.start(task_id)
    system.up["agent.0"] = False
    return system


def broken_link() -> SmallSystem:
    system = SmallSystem()
    system.broken_links = [LINK["endpoints"]]
    system.outbox = [(-5.0, "older"), (0.0, "undelivered")]
    return system


# ------------------------------------------------------------------------------------------------ the four failures
def test_a_failed_task_is_cleaned_up_restored_and_requeued():
    system = failed_task()
    assert recover(system, "task.7", FailureKind.TASK) is Outcome.VERIFIED
    assert system.trail == [
        "recovery.started",
        "recovery.analyzed task_failures.execution_failure",
        "task.fenced",
        "step.started release_resources",
        "step.completed release_resources",
        "step.started restore_checkpoint",
        "step.completed restore_checkpoint",
        "step.started retry_task",
        "step.completed retry_task",
        "recovery.executed",
        "recovery.verified",
    ]
    assert system.queue == ["task.7"]
    assert system.held == {}
    assert system.store.status("task.7") is TaskStatus.QUEUED


def test_a_blocked_task_gets_new_resources_and_continues():
    system = blocked_task()
    system.held["task.7"] = {"gpu": 1}  # what is left of its two
    assert recover(system, "task.7", FailureKind.RESOURCE, resource_ids=("gpu",)) is Outcome.VERIFIED
    assert system.trail == [
        "recovery.started",
        "recovery.analyzed task_failures.resource_failure",
        "task.fenced",
        "step.started allocate_new_resources",
        "step.completed allocate_new_resources",
        "step.started migrate_task",
        "step.completed migrate_task",
        "recovery.executed",
        "recovery.verified",
    ]
    assert system.held == {"task.7": {"gpu": 2}}
    assert system.calls[-1] == ("resume", "task.7", {"gpu": 2})


def test_a_dead_agent_is_restarted_and_its_tasks_continue():
    system = dead_agent()
    assert recover(system, "agent.0", FailureKind.AGENT) is Outcome.VERIFIED
    assert [(entry.subject, entry.event, entry.detail) for entry in system.audit.entries] == [
        ("agent.0", "recovery.started", ""),
        ("agent.0", "recovery.analyzed", "system_failures.agent_failure"),
        ("agent.0", "step.started", "restart_agent"),
        ("agent.0", "step.completed", "restart_agent"),
        ("agent.0", "step.started", "reassign_agent_tasks"),
        ("task.1", "task.fenced", ""),
        ("task.2", "task.fenced", ""),
        ("agent.0", "step.completed", "reassign_agent_tasks"),
        ("agent.0", "recovery.executed", ""),
        ("agent.0", "recovery.verified", ""),
    ]
    assert system.up["agent.0"]
    assert system.queue == ["task.1", "task.2"]
    assert system.held == {}


def test_a_broken_connection_is_reset_and_its_messages_are_replayed():
    system = broken_link()
    assert recover(system, "agent.0-queue", FailureKind.COMMUNICATION, **LINK) is Outcome.VERIFIED
    assert system.trail == [
        "recovery.started",
        "recovery.analyzed system_failures.communication_failure",
        "step.started reset_connections",
        "step.completed reset_connections",
        "step.started replay_messages",
        "step.completed replay_messages",
        "recovery.executed",
        "recovery.verified",
    ]
    assert system.broken_links == []
    assert system.delivered == ["undelivered"]  # since the failure; what is older is another one's


# ------------------------------------------------------------------------------------------------ analysis, strategy
def analyze(system: SmallSystem, subject: str, kind: FailureKind, **info) -> Analysis:
    engine = RecoveryEngine({}, system.ports)
    context = RecoveryContext(system.ports, Incident(0, failure_of(subject, kind, **info), 0.0), STANDALONE)
    return run(engine._analyze_failure(context))


def test_the_analysis_contains_evidence_and_impact():
    system = failed_task()
    system.log = [("/var/log/tasks/7", "ERROR E1 task.7")]
    found = analyze(system, "task.7", FailureKind.TASK, agent_id="agent.0", resource_ids=("gpu",))
    assert found.scenario == "task_failures.execution_failure"
    assert found.confidence == 1
    assert [(each.name, each.value) for each in found.evidence] == [
        ("task_status", "failed"),
        ("error_code", "present"),
        ("resource_state", "inconsistent"),
    ]
    assert found.impact == Impact(tasks=("task.7",), agents=("agent.0",), resources=("gpu",))
    assert found.diagnosis == {}  # nothing else looks like it


def test_an_unreachable_agent_is_a_communication_failure():
    system = dead_agent()
    system.unreachable = ["agent.0"]
    found = analyze(system, "agent.0", FailureKind.AGENT)
    assert (found.scenario, found.confidence) == ("system_failures.communication_failure", pytest.approx(2 / 3))


def test_the_confidence_is_in_the_audit_trail():
    system = failed_task()
    system.held.clear()  # one of three symptoms is not there
    recover(system, "task.7", FailureKind.TASK)
    assert [entry.value for entry in system.audit.entries if entry.event == "recovery.analyzed"] == [
        pytest.approx(2 / 3)
    ]


def select(system: SmallSystem, subject: str, kind: FailureKind, **info) -> RecoveryStrategy:
    return run(RecoveryEngine({}, system.ports)._select_recovery_strategy(analyze(system, subject, kind, **info)))


def test_a_strategy_can_be_inspected_before_it_runs():
    system = blocked_task()
    assert select(system, "task.7", FailureKind.RESOURCE) == RecoveryStrategy(
        "task_failures.resource_failure",
        (
            Step("reallocate_resources", "allocate_new_resources", {"task_id": "task.7", "requirements": {"gpu": 2}}),
            Step("migrate_task", "migrate_task", {"task_id": "task.7"}, awaits=("new_resources",)),
        ),
    )
    assert system.calls == []


def test_a_strategy_lists_values_that_commands_determine():
    assert [step.arguments for step in select(failed_task(), "task.7", FailureKind.TASK).steps] == [
        {"task_id": "task.7"},
        {"task_id": "task.7", "latest_checkpoint": None},
        {"task_id": "task.7", "retry_count": 0},
    ]


# ------------------------------------------------------------------------------------------------ what goes wrong
def test_a_failed_step_ends_the_try():
    system = blocked_task()
    system.available["gpu"] = 1
    assert recover(system, "task.7", FailureKind.RESOURCE) is Outcome.FAILED
    assert system.trail[2:] == [
        "task.fenced",
        "step.started allocate_new_resources",
        "step.failed allocate_new_resources",
        "recovery.failed allocate_new_resources",
    ]
    assert system.store.status("task.7") is TaskStatus.BLOCKED


def test_a_command_error_ends_the_try():
    system = failed_task()
    system.raises["enqueue"] = ConnectionError("queue is away")
    assert recover(system, "task.7", FailureKind.TASK) is Outcome.FAILED
    failed = ["step.failed retry_task", "recovery.failed ConnectionError: queue is away"]
    assert system.trail[-3:] == ["step.started retry_task", *failed]


def test_a_step_that_the_journal_refuses_has_failed():
    class Full(MemoryJournal):
        def keep(self, incident, policies=NOTHING):
            if incident.phase is Phase.EXECUTING:
                raise OSError("no space left")
            super().keep(incident, policies)

    system = failed_task()
    system.ports = replace(system.ports, journal=Full())
    incident = Incident(0, failure_of("task.7"), 0.0)
    assert run(RecoveryEngine({}, system.ports).recover(incident)) is Outcome.FAILED
    failed = ["step.failed release_resources", "recovery.failed OSError: no space left"]
    assert system.trail[-3:] == ["step.started release_resources", *failed]
    assert system.held == {"task.7": {"gpu": 2}}
    assert not incident.under_way


def test_a_probe_error_ends_the_try():
    system = failed_task()
    system.raises["inspect"] = TimeoutError("no answer")
    assert recover(system, "task.7", FailureKind.TASK) is Outcome.FAILED
    assert system.trail == ["recovery.started", "recovery.failed TimeoutError: no answer"]


def test_verification_checks_the_state_and_not_the_command_results():
    system = failed_task()

    def lose_it():
        if "recovery.executed" in system.trail:
            system.queue.clear()

    system.before["inspect"] = lose_it
    assert recover(system, "task.7", FailureKind.TASK) is Outcome.FAILED
    assert system.trail[-2:] == ["recovery.executed", "recovery.failed verification"]


def test_a_verification_error_fails_the_try():
    system = dead_agent()

    def hide():
        if "recovery.executed" in system.trail:
            system.raises["health"] = TimeoutError("no answer")

    system.before["health"] = hide
    assert recover(system, "agent.0", FailureKind.AGENT) is Outcome.FAILED
    assert system.trail[-2:] == ["recovery.executed", "recovery.failed TimeoutError: no answer"]


def test_a_failure_without_a_documented_entry_is_not_acted_on():
    system = SmallSystem()
    assert recover(system, "somewhere", FailureKind.COMMUNICATION) is Outcome.VERIFIED  # it was reported as one
    silent = SmallSystem()
    silent.submit("task.7")
    silent.queue.clear()  # its location is unknown
    engine = RecoveryEngine({}, silent.ports)
    assert run(engine.recover_task("task.7", {})) is False
    assert silent.trail == [
        "recovery.started",
        "recovery.analyzed unknown",
        "recovery.failed nothing documented looks like this",
    ]
    assert silent.calls == []


@pytest.mark.parametrize("status", [TaskStatus.COMPLETED, TaskStatus.ESCALATED])
def test_a_finished_task_needs_no_recovery(status):
    system = SmallSystem()
    system.submit("task.7")
    epoch = system.start("task.7")
    if status is TaskStatus.COMPLETED:
        system.store.commit("task.7", epoch)
    else:
        system.store.escalate("task.7", "enough")
    assert recover(system, "task.7", FailureKind.TASK) is Outcome.DISMISSED
    assert system.trail == ["recovery.started", "recovery.dismissed task_finished"]


def test_a_responding_agent_needs_no_recovery():
    system = SmallSystem()
    assert recover(system, "agent.0", FailureKind.AGENT) is Outcome.DISMISSED
    assert system.trail == ["recovery.started", "recovery.dismissed agent_responds"]


def test_a_second_try_does_not_reuse_resources_of_the_first():
    system = blocked_task()
    system.raises["resume"] = ConnectionError("queue is away")
    engine = RecoveryEngine({}, system.ports)
    incident = Incident(0, failure_of("task.7", FailureKind.RESOURCE), 0.0)

    async def story():
        first = await engine.recover(incident)
        system.raises.clear()
        return first, await engine.recover(incident)

    assert run(story()) == (Outcome.FAILED, Outcome.VERIFIED)
    assert [name for name, *_ in system.calls if name in {"release", "allocate"}] == ["release", "allocate"] * 2


# ------------------------------------------------------------------------------------------------ recover_task
@pytest.mark.parametrize("failure_info", [{}, {"kind": "task_failure", "at": 3, "error_code": "E1"}])
def test_recover_task_recovers_a_task(failure_info):
    system = failed_task()
    assert run(RecoveryEngine({}, system.ports).recover_task("task.7", failure_info)) is True
    assert system.trail[-1] == "recovery.verified"


def test_recover_task_accepts_every_failure_kind():
    system = blocked_task()
    info = {"kind": "resource_failure", "symptoms": failure_of("task.7", FailureKind.RESOURCE).symptoms}
    assert run(RecoveryEngine({}, system.ports).recover_task("task.7", info)) is True
    assert "recovery.analyzed task_failures.resource_failure" in system.trail


def test_recover_task_rejects_an_unknown_kind():
    with pytest.raises(ValueError, match="'bad_luck' is not a valid FailureKind"):
        run(RecoveryEngine({}, SmallSystem().ports).recover_task("task.7", {"kind": "bad_luck"}))


def test_an_unknown_task_is_not_recovered_and_is_recorded():
    system = SmallSystem()
    assert run(RecoveryEngine({}, system.ports).recover_task("task.7", {})) is False
    assert system.trail == ["recovery.started", "recovery.dismissed task_unknown"]


def test_manual_recoveries_have_their_own_numbers():
    system = SmallSystem()
    engine = RecoveryEngine({}, system.ports)
    run(engine.recover_task("task.1", {}))
    run(engine.recover_task("task.2", {}))
    assert [entry.incident for entry in system.audit.entries] == [-2, -2, -3, -3]  # -1 stands for no incident


def test_a_second_agent_failure_reassigns_only_currently_held_tasks():
    """The second try reassigns the current tasks of the restarted agent; tasks queued before stay queued."""
    system = dead_agent()
    engine = RecoveryEngine({}, system.ports)
    incident = Incident(0, failure_of("agent.0", FailureKind.AGENT), 0.0)

    def crash_again():
        if system.trail[-1] == "recovery.executed":
            system.start("task.1")
            system.up["agent.0"] = False

    system.before["health"] = crash_again

    async def story():
        return await engine.recover(incident), await engine.recover(incident)

    assert run(story())[0] is Outcome.FAILED
    fenced = [entry.subject for entry in system.audit.entries if entry.event == "task.fenced"]
    assert fenced[:3] == ["task.1", "task.2", "task.1"]
    assert "task.2" not in fenced[2:]


def test_a_reassigned_task_that_fails_again_counts_another_retry():
    """The agent restarts, takes its task again and crashes with it before the recovery is verified."""
    system = SmallSystem()
    system.submit("task.1")
    system.start("task.1", "agent.1")
    system.up["agent.1"] = False
    incident = Incident(0, failure_of("agent.1", FailureKind.AGENT), 0.0)
    services = replace(STANDALONE, policy_of=lambda failure: RetryPolicy(max_retries=5, retry_delay=0))

    class DiesAgain(RecoveryEngine):
        async def _verify_recovery(self, incident):
            if incident.tries == 0:
                incident.tries = 1
                system.start("task.1", "agent.1")
                system.up["agent.1"] = False
            return await super()._verify_recovery(incident)

    engine = DiesAgain({}, system.ports)
    assert [run(engine.recover(incident, services)) for _ in range(2)] == [Outcome.FAILED, Outcome.VERIFIED]
    assert system.store.retries("task.1", FailureKind.AGENT) == 2
