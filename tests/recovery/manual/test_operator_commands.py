"""The commands that an operator gives: what each does to a small system, and both manual procedures end to end."""

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


def test_every_command_of_operators_is_there_and_takes_what_the_runbook_gives_it(system):
    commands = manual_commands(RecoveryEngine({}, system.ports))
    assert commands.keys() == {*MANUAL_ONLY, "restore_checkpoint"}
    for name, command in commands.items():
        _, *arguments = inspect.signature(command).parameters
        assert tuple(arguments) == ARGUMENTS[name][-1]


def test_analyze_task_failure_leaves_what_the_evidence_says(system, incident):
    assert give(system, incident, "analyze_task_failure")
    analysis = incident.context["analysis"]
    assert isinstance(analysis, Analysis)
    assert (analysis.scenario, analysis.confidence) == ("task_failures.execution_failure", 1.0)


def test_analyze_task_failure_finds_nothing_to_recover_in_a_finished_task(system, incident):
    system.store.escalate("task.7", "an operator's")
    assert not give(system, incident, "analyze_task_failure")
    assert "analysis" not in incident.context


def test_create_recovery_plan_leaves_steps_that_nobody_has_taken_yet(system, incident):
    give(system, incident, "analyze_task_failure")
    assert give(system, incident, "create_recovery_plan", analysis=incident.context["analysis"])
    plan = incident.context["plan"]
    assert isinstance(plan, RecoveryStrategy)
    assert [step.command for step in plan.steps] == ["release_resources", "restore_checkpoint", "retry_task"]
    assert system.calls == []


def test_execute_recovery_plan_takes_its_steps(system, incident):
    give(system, incident, "analyze_task_failure")
    give(system, incident, "create_recovery_plan", analysis=incident.context["analysis"])
    assert give(system, incident, "execute_recovery_plan", plan=incident.context["plan"])
    assert system.queue == ["task.7"]
    assert system.held == {}


def test_verify_task_state_knows_a_recovered_task_from_a_failed_one(system, incident):
    assert not give(system, incident, "verify_task_state")
    run(RecoveryEngine({}, system.ports).recover_task("task.7", {}))
    assert give(system, incident, "verify_task_state")


def test_backup_state_stores_the_latest_progress_again(system, incident):
    assert give(system, incident, "backup_state")
    assert progress(system) == [1.0, 2.0, 2.0]
    assert incident.context["checkpoint_id"] == 3


def test_backup_state_stores_what_the_next_attempt_would_start_from(system, incident):
    system.store.set_restore_point("task.7", system.store.checkpoints("task.7")[0])
    assert give(system, incident, "backup_state")
    assert progress(system) == [1.0, 2.0, 1.0]


def test_backup_state_of_a_task_without_checkpoints_is_its_beginning(incident):
    system = SmallSystem()
    system.failed("task.7")
    assert give(system, incident, "backup_state")
    assert progress(system) == [0.0]


def test_backup_state_passes_over_a_damaged_checkpoint(system, incident):
    system.store.corrupt_checkpoint("task.7")
    assert give(system, incident, "backup_state")
    assert progress(system) == [1.0, 2.0, 1.0]


@pytest.mark.parametrize("end", ["fence", "escalate"])
def test_backup_state_says_so_when_the_store_takes_nothing(system, incident, end):
    system.store.fence("task.7") if end == "fence" else system.store.escalate("task.7", "an operator's")
    assert not give(system, incident, "backup_state")
    assert progress(system) == [1.0, 2.0]


@pytest.mark.parametrize("checkpoint_id", [1, "1"])
def test_restore_checkpoint_takes_the_one_that_the_operator_names(system, incident, checkpoint_id):
    assert give(system, incident, "restore_checkpoint", checkpoint_id=checkpoint_id)
    assert system.store.restore_point("task.7").progress == 1.0
    assert system.trail == ["checkpoint.restored"]


def test_restore_checkpoint_refuses_one_that_does_not_exist(system, incident):
    assert not give(system, incident, "restore_checkpoint", checkpoint_id=9)
    assert system.store.restore_point("task.7") is None
    assert system.trail == ["checkpoint.rejected task.7: there is no checkpoint 9"]


def test_restore_checkpoint_refuses_a_damaged_one(system, incident):
    system.store.corrupt_checkpoint("task.7")
    assert not give(system, incident, "restore_checkpoint", checkpoint_id=2)
    assert system.trail == ["checkpoint.rejected task.7: checkpoint 2 is damaged"]


def test_verify_state_knows_what_is_stored_from_what_is_damaged(system, incident):
    assert give(system, incident, "verify_state")  # from the beginning
    give(system, incident, "restore_checkpoint", checkpoint_id=2)
    assert give(system, incident, "verify_state")
    system.store.set_restore_point("task.7", system.store.corrupt_checkpoint("task.7"))
    assert not give(system, incident, "verify_state")


def test_verify_state_refuses_a_point_that_is_not_stored_and_a_task_that_is_unknown(system, incident):
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


def test_state_recovery_restores_the_checkpoint_that_the_operator_chose(system, incident):
    incident.context["checkpoint_id"] = 1
    assert run(follow(RecoveryEngine({}, system.ports), STEPS["state_recovery"], incident))
    assert system.store.restore_point("task.7").progress == 1.0
    assert progress(system) == [1.0, 2.0, 2.0]


def test_state_recovery_without_a_choice_restores_the_backup(system, incident):
    assert run(follow(RecoveryEngine({}, system.ports), STEPS["state_recovery"], incident))
    assert system.store.restore_point("task.7").sequence == 3


def test_a_manual_step_that_does_not_work_ends_the_procedure(system, incident):
    incident.context["checkpoint_id"] = 9
    assert not run(follow(RecoveryEngine({}, system.ports), STEPS["state_recovery"], incident))
    assert system.trail[-1] == "step.failed restore_checkpoint"


def test_a_command_that_is_no_manual_one_is_refused_before_anything_is_done(system, incident):
    steps = (*STEPS["state_recovery"], documented().task_failures["execution_failure"].recovery[0])
    with pytest.raises(KeyError, match="release_resources"):
        run(follow(RecoveryEngine({}, system.ports), steps, incident))
    assert progress(system) == [1.0, 2.0]
