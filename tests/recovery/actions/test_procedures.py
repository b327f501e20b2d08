"""The steps of the automatic procedures: their effects on a small system, and their execution."""

import pytest

from recovery.actions.context import STANDALONE, RecoveryContext
from recovery.actions.procedures import STEPS, execute_steps
from recovery.model import Incident, TaskStatus
from recovery.runbook.catalogue import documented
from recovery.runbook.procedures import expanded
from sim.loop import run
from tests.recovery.small_system import SmallSystem, failure_of

PROCEDURES = {name: each.steps for name, each in documented().automatic_recovery.procedures.items()}


@pytest.fixture
def system():
    """task.7 got to 2 s of its work, then failed, and still holds two units."""
    small = SmallSystem()
    small.submit("task.7", gpu=2)
    epoch = small.start("task.7")
    small.store.save_checkpoint("task.7", epoch, 2.0)
    small.fail("task.7")
    return small


@pytest.fixture
def incident():
    return Incident(4, failure_of("task.7"), 0.0)


def take(system, incident, *steps: str) -> bool:
    return run(execute_steps(steps, RecoveryContext(system.ports, incident, STANDALONE)))


def test_exactly_the_documented_steps_exist():
    assert list(STEPS) == [step for steps in PROCEDURES.values() for step in steps]


def test_cleanup_previous_fences_stops_and_releases(system, incident):
    assert take(system, incident, "cleanup_previous")
    assert not system.store.is_current("task.7", 1)
    assert system.calls == [("stop_attempts", "task.7"), ("release", "task.7")]
    assert system.held == {}


def test_release_old_resources_releases_them(system, incident):
    assert take(system, incident, "release_old_resources")
    assert system.held == {}


def test_restore_checkpoint_selects_the_latest(system, incident):
    assert take(system, incident, "restore_checkpoint")
    assert system.store.restore_point("task.7").progress == 2.0


@pytest.mark.parametrize("step", ["reallocate_resources", "allocate_new_resources"])
def test_allocate_resources_allocates_new_units(system, incident, step):
    system.held.clear()
    assert take(system, incident, step)
    assert system.held == {"task.7": {"gpu": 2}}
    assert incident.facts.new_resources == {"gpu": 2}


def test_update_task_state_fences_the_attempt_and_sets_the_restore_point(system, incident):
    assert take(system, incident, "update_task_state")
    assert not system.store.is_current("task.7", 1)
    assert system.calls == [("stop_attempts", "task.7")]
    assert system.store.restore_point("task.7").progress == 2.0


def test_resume_execution_continues_with_the_new_resources(system, incident):
    assert take(system, incident, "allocate_new_resources", "resume_execution")
    assert system.calls[-1] == ("resume", "task.7", {"gpu": 2})
    assert system.store.status("task.7") is TaskStatus.QUEUED


def test_restart_execution_queues_a_task_without_resources(system, incident):
    assert take(system, incident, "restart_execution")
    assert system.calls == [("enqueue", "task.7", "retry")]


def test_restart_execution_continues_with_allocated_resources(system, incident):
    assert take(system, incident, "reallocate_resources", "restart_execution")
    assert system.calls[-1] == ("resume", "task.7", {"gpu": 2})


@pytest.mark.parametrize("name", PROCEDURES)
def test_a_procedure_recovers_a_failed_task(system, incident, name):
    assert take(system, incident, *PROCEDURES[name])
    assert system.queue == ["task.7"]
    assert system.held == {"task.7": {"gpu": 2}}
    assert system.store.restore_point("task.7").progress == 2.0
    assert not system.store.is_current("task.7", 1)
    assert [word for word in system.trail if word.startswith("step.")] == [
        f"step.{what} {step}" for step in PROCEDURES[name] for what in ("started", "completed")
    ]


def test_a_failed_step_ends_the_procedure(system, incident):
    system.available["gpu"] = 1
    assert not take(system, incident, *PROCEDURES["resource_reallocation"])
    assert system.trail == [
        "step.started release_old_resources",
        "step.completed release_old_resources",
        "step.started allocate_new_resources",
        "step.failed allocate_new_resources",
    ]


def test_a_procedure_reference_is_expanded():
    procedures = {"all": ("cleanup_previous", "rest", "restart_execution"), "rest": ("restore_checkpoint",)}
    assert expanded(procedures, "all") == ("cleanup_previous", "restore_checkpoint", "restart_execution")
