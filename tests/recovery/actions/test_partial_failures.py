"""A partially failed step is compensated or resumed according to the runbook."""

import asyncio
from pathlib import Path

import pytest

from recovery import RecoveryEngine
from recovery.actions.commands import documented_commands
from recovery.engine.engine import Outcome
from recovery.model import FailureKind, Incident, OnFailure, TaskStatus
from recovery.runbook import catalogue
from recovery.runbook.catalogue import RunbookError, loads
from sim.loop import run
from tests.recovery.small_system import SmallSystem, failure_of
from tests.recovery.supervised import at_once, report, short, supervise

TEXT = Path(catalogue.__file__).with_name("runbook.yaml").read_text(encoding="utf-8")
ALLOCATE = "allocate_new_resources, args: [task_id, requirements]"
MIGRATE = "command: migrate_task, args: [task_id, new_resources]"
RESTART = "command: restart_agent, args: [agent_id]"
REASSIGN = "command: reassign_agent_tasks, args: [agent_id, new_agent_id]"
UNDO = "undo: {command: release_resources, args: [task_id]}"


def edited(*edits: tuple[str, str]) -> catalogue.Runbook:
    text = TEXT
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    return loads(text)


def breaking(command: str, *ends: object):
    """The registry with one command that ends so, each time that it is given; after that it works again."""
    commands, left = documented_commands(), list(ends)
    works = commands[command]

    async def give(context, **arguments):
        if not left:
            return await works(context, **arguments)
        end = left.pop(0)
        if isinstance(end, Exception):
            raise end
        if isinstance(end, float):
            await asyncio.sleep(end)
        return False

    return commands | {command: give}


def recovered(
    system: SmallSystem, book: catalogue.Runbook, commands, *, kind=FailureKind.RESOURCE, subject="task.7", **config
):
    """The trail of a recovery that is tried again without delay."""
    conditions = at_once() | {"resource_failure": {"max_retries": 3, "retry_delay": 0}}
    config = {"conditions": conditions} | config
    engine = RecoveryEngine(config, system.ports, commands=commands, runbook=book)
    supervise(system, report((subject, kind)), engine=engine, **config)
    return [words for _, words in short(system, "step.", "recovery.")]


def blocked_task() -> SmallSystem:
    system = SmallSystem()
    system.failed("task.7", TaskStatus.BLOCKED, gpu=2)
    system.available["gpu"] = 3
    return system


COMPENSATING = edited((ALLOCATE, f"{ALLOCATE}, {UNDO}"), (MIGRATE, f"{MIGRATE}, on_failure: compensate"))
RESUMING = edited((MIGRATE, f"{MIGRATE}, on_failure: resume"))


# ---------------------------------------------------------------------------------------------------- by default
def test_by_default_the_next_try_repeats_all_steps():
    events = recovered(blocked_task(), edited(), breaking("migrate_task", False))
    assert [words for words in events if words.startswith("step.started")] == [
        "step.started allocate_new_resources",
        "step.started migrate_task",
    ] * 2


# ------------------------------------------------------------------------------------------------- compensation
@pytest.mark.parametrize("end", [False, ConnectionError("away")])
def test_completed_steps_are_compensated_before_the_try_ends(end):
    events = recovered(blocked_task(), COMPENSATING, breaking("migrate_task", end))
    why = "migrate_task" if end is False else "ConnectionError: away"
    assert events[3:9] == [
        "step.started allocate_new_resources",
        "step.completed allocate_new_resources",
        "step.started migrate_task",
        "step.failed migrate_task",
        "step.undone release_resources",
        f"recovery.failed {why}",
    ]
    assert events[-1] == "recovery.verified"


def test_after_compensation_no_resource_is_held_until_the_next_try():
    system, held = blocked_task(), []

    async def look(supervisor):
        await report(("task.7", FailureKind.RESOURCE))(supervisor)
        await asyncio.sleep(5)
        held.append(dict(system.held))

    conditions = {"resource_failure": {"max_retries": 2, "retry_delay": 10}}
    config = {"conditions": conditions | at_once()}
    for book, left in ((edited(), {"task.7": {"gpu": 2}}), (COMPENSATING, {})):
        system = blocked_task()
        commands = breaking("migrate_task", False)
        engine = RecoveryEngine(config, system.ports, commands=commands, runbook=book)

        async def story(supervisor):
            await report(("task.7", FailureKind.RESOURCE))(supervisor)
            await asyncio.sleep(15)  # the first try was at 10 s, the next is at 20 s
            held.append(dict(system.held))  # noqa: B023 - it runs in this round

        supervise(system, story, engine=engine, **config)
        assert held.pop() == left


def test_steps_are_compensated_in_reverse_order():
    book = edited(
        ("release_resources, args: [task_id]}", f"release_resources, args: [task_id], {UNDO}}}"),
        (
            "restore_checkpoint, args: [task_id, latest_checkpoint]",
            (
                "restore_checkpoint, args: [task_id, latest_checkpoint], "
                "undo: {command: restore_checkpoint, args: [task_id, latest_checkpoint]}"
            ),
        ),
        (
            "retry_task, args: [task_id, retry_count]",
            "retry_task, args: [task_id, retry_count], on_failure: compensate",
        ),
    )
    system = SmallSystem()
    system.failed("task.7")
    events = recovered(system, book, breaking("retry_task", False), kind=FailureKind.TASK)
    assert [words for words in events if "undone" in words] == [
        "step.undone restore_checkpoint",
        "step.undone release_resources",
    ]


def test_steps_that_did_not_start_are_not_compensated():
    book = edited(
        (ALLOCATE, f"{ALLOCATE}, on_failure: compensate, {UNDO}"),
        (MIGRATE, f"{MIGRATE}, undo: {{command: restore_checkpoint, args: [task_id, latest_checkpoint]}}"),
    )
    events = recovered(blocked_task(), book, breaking("allocate_new_resources", False))
    assert [words for words in events if "undone" in words] == ["step.undone release_resources"]


def test_an_interrupted_step_is_compensated():
    system = blocked_task()
    conditions = {"resource_failure": {"max_retries": 3, "retry_delay": 0, "try_timeout": 5}}
    events = recovered(system, COMPENSATING, breaking("migrate_task", 60.0), conditions=conditions)
    assert events[5:9] == [
        "step.started migrate_task",
        "step.failed migrate_task",
        "step.undone release_resources",
        "recovery.failed timed out after 5 s",
    ]
    assert events[-1] == "recovery.verified"


def test_a_failed_compensation_escalates_at_once():
    system = blocked_task()
    system.raises["release"] = PermissionError("not yours")
    commands = breaking("migrate_task", False) | {"allocate_new_resources": documented_commands()["migrate_task"]}

    async def works(context, **arguments):
        return True

    commands["allocate_new_resources"] = works
    events = recovered(system, COMPENSATING, commands)
    assert events[-3:] == [
        "step.undo_failed release_resources",
        "recovery.failed migrate_task",
        "recovery.escalated release_resources could not undo what was done",
    ]
    texts = [entry.text for entry in system.audit.entries if entry.event == "step.undo_failed"]
    assert texts == ["PermissionError: not yours"]


# ------------------------------------------------------------------------------------------------------- resuming
def test_the_next_try_resumes_at_the_failed_step():
    events = recovered(blocked_task(), RESUMING, breaking("migrate_task", False))
    assert events[3:] == [
        "step.started allocate_new_resources",
        "step.completed allocate_new_resources",
        "step.started migrate_task",
        "step.failed migrate_task",
        "recovery.failed migrate_task",
        "recovery.started",
        "recovery.analyzed task_failures.resource_failure",
        "recovery.resumed migrate_task",
        "step.started migrate_task",
        "step.completed migrate_task",
        "recovery.executed",
        "recovery.verified",
    ]


def test_resume_starts_over_when_the_allocation_is_no_longer_held():
    system = blocked_task()
    commands = breaking("migrate_task", False)
    works = commands["migrate_task"]

    async def give(context, **arguments):
        if not await works(context, **arguments):
            del system.held["task.7"]  # another task has taken it
            return False
        return True

    events = recovered(system, RESUMING, commands | {"migrate_task": give})
    assert "recovery.resumed migrate_task" not in events
    assert events.count("step.completed allocate_new_resources") == 2
    assert events[-1] == "recovery.verified"


def test_resume_starts_over_when_the_failure_kind_changed():
    """It was blocked, and has failed by itself meanwhile."""
    system = SmallSystem()
    system.failed("task.7", TaskStatus.BLOCKED, gpu=2)
    system.available["gpu"] = 3
    commands = breaking("migrate_task", False)
    works = commands["migrate_task"]

    async def give(context, **arguments):
        done = await works(context, **arguments)
        system.available["gpu"] = 4
        system.store._records["task.7"].status = TaskStatus.FAILED
        return done

    events = recovered(system, RESUMING, commands | {"migrate_task": give})
    assert [words for words in events if words.startswith("recovery.resumed")] == []
    assert "step.started retry_task" in events


def test_resume_does_not_restart_an_agent_twice():
    for how, restarts in (("restart", 2), ("resume", 1)):
        system = SmallSystem()
        system.submit("task.1")
        system.start("task.1", "agent.1")
        system.up["agent.1"] = False
        given = []
        commands = breaking("reassign_agent_tasks", ConnectionError("away"))
        restart = commands["restart_agent"]

        async def counting(context, *, agent_id, restart=restart, given=given):
            given.append(agent_id)
            return await restart(context, agent_id=agent_id)

        book = edited((REASSIGN, f"{REASSIGN}, on_failure: {how}"))
        events = recovered(
            system, book, commands | {"restart_agent": counting}, kind=FailureKind.AGENT, subject="agent.1"
        )
        assert len(given) == restarts
        assert events[-1] == "recovery.verified"
        assert system.queue == ["task.1"]


def test_a_step_that_fails_again_is_resumed_again():
    events = recovered(blocked_task(), RESUMING, breaking("migrate_task", False, False))
    assert events.count("step.completed allocate_new_resources") == 1
    assert events.count("recovery.resumed migrate_task") == 2


def test_the_resume_point_survives_a_failure_before_it():
    system = blocked_task()
    commands = breaking("migrate_task", False)
    tries = []

    def stop() -> None:
        tries.append(1)
        if len(tries) == 2:
            system.raises["stop_attempts"] = ConnectionError("away")
        else:
            system.raises.pop("stop_attempts", None)

    system.before["stop_attempts"] = stop
    events = recovered(system, RESUMING, commands)
    assert events.count("step.completed allocate_new_resources") == 1
    assert events.count("recovery.resumed migrate_task") == 1
    assert events[-1] == "recovery.verified"


# ----------------------------------------------------------------------------------------------------- manual
def test_a_single_try_without_a_supervisor_is_compensated():
    system = blocked_task()
    engine = RecoveryEngine({}, system.ports, commands=breaking("migrate_task", False), runbook=COMPENSATING)
    incident = Incident(0, failure_of("task.7", FailureKind.RESOURCE), 0.0)
    assert run(engine.recover(incident)) is Outcome.FAILED
    assert system.held == {}


# -------------------------------------------------------------------------------------------------- bad runbooks
@pytest.mark.parametrize(
    ("edits", "problem"),
    [
        (
            [(MIGRATE, f"{MIGRATE}, on_failure: resum")],
            (
                "<text>:28: task_failures.resource_failure.recovery.1.on_failure: unknown on_failure 'resum'; "
                "did you mean 'resume'?"
            ),
        ),
        (
            [(MIGRATE, f"{MIGRATE}, on_failure: compensate")],
            (
                "<text>:28: task_failures.resource_failure.recovery.1: nothing to compensate with; "
                "valid: an 'undo' at this step or at one before it"
            ),
        ),
        (
            [(ALLOCATE, f"{ALLOCATE}, undo: release_resources")],
            (
                "<text>:27: task_failures.resource_failure.recovery.0: 'undo' should be a command, "
                "as in {command: release_resources, args: [task_id]}"
            ),
        ),
        (
            [(ALLOCATE, f"{ALLOCATE}, undo: {{command: release_resource, args: [task_id]}}")],
            (
                "<text>:27: task_failures.resource_failure.recovery.0.undo: unknown command 'release_resource'; "
                "did you mean 'release_resources'?"
            ),
        ),
        (
            [(ALLOCATE, f"{ALLOCATE}, undo: {{command: backup_state, args: [task_id]}}")],
            "<text>:27: task_failures.resource_failure.recovery.0: 'backup_state' is for manual procedures only",
        ),
        (
            [
                (
                    "release_resources, args: [task_id]}",
                    (
                        "release_resources, args: [task_id], "
                        "undo: {command: migrate_task, args: [task_id, new_resources]}}"
                    ),
                )
            ],
            (
                "<text>:14: task_failures.execution_failure.recovery.0: migrate_task needs new_resources, "
                "which no step before it provides"
            ),
        ),
        (
            [
                (
                    "check_resource_state, args: [task_id, resource_ids]",
                    "check_resource_state, args: [task_id, resource_ids], on_failure: resume",
                )
            ],
            (
                "<text>:12: task_failures.execution_failure.diagnosis.1: 'on_failure' and 'undo' are for the "
                "steps of a recovery; valid: command, args"
            ),
        ),
        (
            [("backup_state, args: [task_id]", "backup_state, args: [task_id], on_failure: resume")],
            (
                "<text>:79: manual_recovery.procedures.state_recovery.steps.0: 'on_failure' and 'undo' are for the "
                "steps of a recovery; valid: command, args"
            ),
        ),
    ],
)
def test_an_invalid_compensation_is_rejected_with_its_line(edits, problem):
    with pytest.raises(RunbookError) as error:
        edited(*edits)
    assert str(error.value).startswith(problem)


def test_a_runbook_keeps_its_failure_and_undo_settings():
    *_, migrate = dict(RESUMING.entries())["task_failures.resource_failure"].recovery
    assert migrate.on_failure is OnFailure.RESUME
    allocate, _ = dict(COMPENSATING.entries())["task_failures.resource_failure"].recovery
    assert allocate.undo is not None
    assert (allocate.undo.command, allocate.undo.args) == ("release_resources", ("task_id",))
