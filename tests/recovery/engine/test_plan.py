"""A plan can be inspected before its execution."""

import pytest

from recovery import RecoveryEngine
from recovery.audit import DismissalReason, EscalationReason
from recovery.diagnosis.explanation import DISMISSALS
from recovery.model import FailureKind, OnFailure, RecoveryStrategy, Step, TaskStatus
from sim.loop import run
from tests.recovery.actions.test_partial_failures import ALLOCATE, MIGRATE, UNDO, edited
from tests.recovery.small_system import SmallSystem

BLOCKED = {"kind": "resource_failure"}


def blocked_task() -> SmallSystem:
    system = SmallSystem()
    system.failed("task.7", TaskStatus.BLOCKED, gpu=2)
    system.available["gpu"] = 3
    return system


def test_a_plan_contains_the_analysis_and_the_ordered_steps():
    plan = run(RecoveryEngine({}, blocked_task().ports).plan("task.7", BLOCKED))
    assert plan.analysis is not None
    assert plan.strategy is not None
    assert str(plan).splitlines()[1:] == [
        "task_failures.resource_failure:",
        "  1. reallocate_resources: allocate_new_resources(task_id=task.7, requirements={gpu: 2})",
        "  2. migrate_task: migrate_task(task_id=task.7, new_resources=(of an earlier step))",
    ]
    assert "task_failures.resource_failure" in str(plan).splitlines()[0]


def test_to_plan_changes_nothing_and_records_nothing():
    system = blocked_task()
    epoch, held = system.store.epoch("task.7"), dict(system.held)
    run(RecoveryEngine({}, system.ports).plan("task.7", BLOCKED))
    assert system.calls == []
    assert system.trail == []
    assert (system.store.status("task.7"), system.store.epoch("task.7"), system.held) == ("blocked", epoch, held)


def test_execution_follows_the_plan():
    system = blocked_task()
    engine = RecoveryEngine({}, system.ports)
    plan = run(engine.plan("task.7", BLOCKED))
    assert plan.strategy is not None
    assert run(engine.recover_task("task.7", BLOCKED))
    taken = [words.split()[1] for words in system.trail if words.startswith("step.started")]
    assert taken == [step.command for step in plan.strategy.steps]


def test_a_plan_lists_later_values_and_failure_handling():
    book = edited((ALLOCATE, f"{ALLOCATE}, {UNDO}"), (MIGRATE, f"{MIGRATE}, on_failure: compensate"))
    plan = run(RecoveryEngine({}, blocked_task().ports, runbook=book).plan("task.7", BLOCKED))
    first, second = str(plan).splitlines()[2:]
    assert first.endswith("; undone by release_resources(task_id=task.7)")
    assert second.endswith("; on failure: compensate")
    step = Step("restore_state", "restore_checkpoint", {"task_id": "task.7", "latest_checkpoint": None})
    assert str(step) == "restore_checkpoint(task_id=task.7, latest_checkpoint=(found out))"
    step = Step("reset", "reset_connections", {"endpoints": ("core", "agent.1")}, on_failure=OnFailure.RESUME)
    assert str(step) == "reset_connections(endpoints=[core, agent.1]); on failure: resume"
    assert str(RecoveryStrategy("a.b", (step,))) == f"a.b:\n  1. reset: {step}"


@pytest.mark.parametrize(
    ("subject", "info", "cause", "text"),
    [
        ("task.9", {}, DismissalReason.TASK_UNKNOWN, "nothing to do for task.9: the task is unknown"),
        (
            "agent.0",
            {"kind": FailureKind.AGENT},
            DismissalReason.AGENT_RESPONDS,
            "nothing to do for agent.0: the agent responds",
        ),
    ],
)
def test_a_plan_without_steps_gives_a_reason(subject, info, cause, text):
    plan = run(RecoveryEngine({}, SmallSystem().ports).plan(subject, info))
    assert (plan.strategy, plan.cause) == (None, cause)
    assert str(plan) == text


def test_each_reason_of_a_dismissal_has_a_text():
    assert list(DISMISSALS) == list(DismissalReason)


def test_a_failure_without_a_documented_entry_has_no_plan():
    system = SmallSystem()
    system.submit("task.7")
    system.start("task.7", "agent.1")
    system.up["agent.1"] = False
    book = edited(
        ("- agent_heartbeat: missing", "- agent_heartbeat: odd"),
        ("- task_progress: stalled", "- task_progress: odd"),
        ("- system_state: inconsistent", "- system_state: odd"),
    )
    plan = run(RecoveryEngine({}, system.ports, runbook=book).plan("agent.1", {"kind": "agent_failure"}))
    assert plan.strategy is None
    assert plan.analysis is not None
    assert str(plan).endswith("nothing to do for agent.1: nothing documented looks like this")
    assert plan.cause is EscalationReason.UNDOCUMENTED


def test_an_unknown_kind_is_rejected():
    with pytest.raises(ValueError, match="disk_failure"):
        run(RecoveryEngine({}, SmallSystem().ports).plan("task.7", {"kind": "disk_failure"}))
