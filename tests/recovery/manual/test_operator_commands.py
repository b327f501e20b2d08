"""Manual commands: their effects on a small system, and both procedures from start to end."""

import inspect

import pytest

from recovery import RecoveryEngine
from recovery.manual.operator_commands import follow, manual_commands
from recovery.model import Analysis, Incident, RecoveryStrategy, TaskStatus
from recovery.runbook.catalogue import documented
from recovery.runbook.instructions import ARGUMENTS, MANUAL_ONLY
from sim.loop import run
from tests.recovery.small_system import SmallSystem, failure_of

STEPS = {name: each.steps for name, each in documented().manual_recovery.procedures.items()}


@pytest.fixture
def system():
    """task.7 got to 1 s and to 2 s of its work, then failed, and still holds two units."""
    small = SmallSystem()
    small.submit("task.7", gpu=2)
    epoch = small.start("task.7")
    small.store.save_checkpoint("task.7", epoch, 1.0)
    small.store.save_checkpoint("task.7", epoch, 2.0)
    small.fail("task.7")
    return small


@pytest.fixture
def incident():
    return Incident(-2, failure_of("task.7"), 0.0)


def give(system, incident, name, **arguments) -> bool:
    return run(manual_commands(RecoveryEngine({}, system.ports))[name](incident, task_id="task.7", **arguments))


def progress(system) -> list[float]:
    return [checkpoint.progress for checkpoint in system.store.checkpoints("task.7")]


def test_every_manual_command_accepts_the_arguments_of_the_runbook(system):
    commands = manual_commands(RecoveryEngine({}, system.ports))
    assert commands.keys() == {*MANUAL_ONLY, "restore_checkpoint"}
    for name, command in commands.items():
        _, *arguments = inspect.signature(command).parameters
        assert tuple(arguments) == ARGUMENTS[name][-1]


def test_analyze_task_failure_returns_the_evidence(system, incident):
    assert give(system, incident, "analyze_task_failure")
    analysis = incident.analysis
    assert isinstance(analysis, Analysis)
    assert (analysis.scenario, analysis.confidence) == ("task_failures.execution_failure", 1.0)


def test_analyze_task_failure_finds_nothing_for_a_finished_task(system, incident):
    system.store.escalate("task.7", "an operator's")
    assert not give(system, incident, "analyze_task_failure")
    assert incident.analysis is None


def test_create_recovery_plan_does_not_execute_steps(system, incident):
    give(system, incident, "analyze_task_failure")
    assert give(system, incident, "create_recovery_plan", analysis=incident.analysis)
    plan = incident.strategy
    assert isinstance(plan, RecoveryStrategy)
    assert [step.command for step in plan.steps] == ["release_resources", "restore_checkpoint", "retry_task"]
    assert system.calls == []


def test_execute_recovery_plan_executes_its_steps(system, incident):
    give(system, incident, "analyze_task_failure")
    give(system, incident, "create_recovery_plan", analysis=incident.analysis)
    assert give(system, incident, "execute_recovery_plan", plan=incident.strategy)
    assert system.queue == ["task.7"]
    assert system.held == {}


def test_verify_task_state_distinguishes_recovered_from_failed_tasks(system, incident):
    assert not give(system, incident, "verify_task_state")
    run(RecoveryEngine({}, system.ports).recover_task("task.7", {}))
    assert give(system, incident, "verify_task_state")


def test_backup_state_copies_the_latest_progress(system, incident):
    assert give(system, incident, "backup_state")
    assert progress(system) == [1.0, 2.0, 2.0]
    assert incident.facts.checkpoint_id == 3


def test_backup_state_copies_the_restore_point(system, incident):
    system.store.set_restore_point("task.7", system.store.checkpoints("task.7")[0])
    assert give(system, incident, "backup_state")
    assert progress(system) == [1.0, 2.0, 1.0]


def test_backup_state_without_checkpoints_is_the_initial_state(incident):
    system = SmallSystem()
    system.failed("task.7")
    assert give(system, incident, "backup_state")
    assert progress(system) == [0.0]


def test_backup_state_skips_a_damaged_checkpoint(system, incident):
    system.store.corrupt_checkpoint("task.7")
    assert give(system, incident, "backup_state")
    assert progress(system) == [1.0, 2.0, 1.0]


@pytest.mark.parametrize("end", ["fence", "escalate"])
def test_backup_state_reports_a_store_error(system, incident, end):
    system.store.fence("task.7") if end == "fence" else system.store.escalate("task.7", "an operator's")
    assert not give(system, incident, "backup_state")
    assert progress(system) == [1.0, 2.0]


@pytest.mark.parametrize("checkpoint_id", [1, "1"])
def test_restore_checkpoint_uses_the_one_the_operator_names(system, incident, checkpoint_id):
    assert give(system, incident, "restore_checkpoint", checkpoint_id=checkpoint_id)
    assert system.store.restore_point("task.7").progress == 1.0
    assert system.trail == ["checkpoint.restored"]


def test_restore_checkpoint_refuses_a_missing_checkpoint(system, incident):
    assert not give(system, incident, "restore_checkpoint", checkpoint_id=9)
    assert system.store.restore_point("task.7") is None
    assert system.trail == ["checkpoint.rejected task.7: there is no checkpoint 9"]


def test_restore_checkpoint_refuses_a_damaged_checkpoint(system, incident):
    system.store.corrupt_checkpoint("task.7")
    assert not give(system, incident, "restore_checkpoint", checkpoint_id=2)
    assert system.trail == ["checkpoint.rejected task.7: checkpoint 2 is damaged"]


def test_verify_state_distinguishes_stored_from_damaged_checkpoints(system, incident):
    assert give(system, incident, "verify_state")  # from the beginning
    give(system, incident, "restore_checkpoint", checkpoint_id=2)
    assert give(system, incident, "verify_state")
    system.store.set_restore_point("task.7", system.store.corrupt_checkpoint("task.7"))
    assert not give(system, incident, "verify_state")


def test_verify_state_refuses_a_missing_point_and_an_unknown_task(system, incident):
    elsewhere = SmallSystem()
    elsewhere.submit("task.7")
    elsewhere.store.save_checkpoint("task.7", elsewhere.start("task.7"), 9.0)
    system.store.set_restore_point("task.7", elsewhere.store.checkpoints("task.7")[0])
    assert not give(system, incident, "verify_state")
    assert not give(SmallSystem(), incident, "verify_state")


def test_task_recovery_analyzes_plans_executes_and_verifies(system, incident):
    engine = RecoveryEngine({}, system.ports)
    assert run(follow(engine, STEPS["task_recovery"], incident))
    assert system.store.status("task.7") is TaskStatus.QUEUED
    assert [word for word in system.trail if word.startswith("step.completed")] == [
        "step.completed analyze_task_failure",
        "step.completed create_recovery_plan",
        "step.completed release_resources",
        "step.completed restore_checkpoint",
        "step.completed retry_task",
        "step.completed execute_recovery_plan",
        "step.completed verify_task_state",
    ]


def test_state_recovery_restores_the_chosen_checkpoint(system, incident):
    incident.facts.checkpoint_id = 1
    assert run(follow(RecoveryEngine({}, system.ports), STEPS["state_recovery"], incident))
    assert system.store.restore_point("task.7").progress == 1.0
    assert progress(system) == [1.0, 2.0, 2.0]


def test_state_recovery_without_a_choice_restores_the_backup(system, incident):
    assert run(follow(RecoveryEngine({}, system.ports), STEPS["state_recovery"], incident))
    assert system.store.restore_point("task.7").sequence == 3


def test_a_failed_manual_step_ends_the_procedure(system, incident):
    incident.facts.checkpoint_id = 9
    assert not run(follow(RecoveryEngine({}, system.ports), STEPS["state_recovery"], incident))
    assert system.trail[-1] == "step.failed restore_checkpoint"


def test_an_automatic_command_is_refused_before_any_change(system, incident):
    steps = (*STEPS["state_recovery"], documented().task_failures["execution_failure"].recovery[0])
    with pytest.raises(KeyError, match="release_resources"):
        run(follow(RecoveryEngine({}, system.ports), steps, incident))
    assert progress(system) == [1.0, 2.0]
