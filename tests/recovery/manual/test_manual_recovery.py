"""Manual recovery of a task in a store, step by step, and its limits."""

import asyncio
import inspect
import re
from pathlib import Path

import pytest
from sqlalchemy import update

from recovery.local import LocalConfig, resource_pools, task_queue
from recovery.local.stored_config import keep_config
from recovery.manual.manual_recovery import ManualRecovery, NotPossible
from recovery.manual.plan_file import PlanFileError, read_plan
from recovery.model import Failure, FailureKind, Incident, TaskStatus
from recovery.runbook import catalogue
from recovery.stores.sql_audit import SqlAudit
from recovery.stores.sql_journal import SqlJournal
from recovery.stores.sql_tasks import SqlTaskStore
from recovery.stores.tables import CHECKPOINTS
from recovery.supervision.escalation_queue import EscalationQueue
from tests.recovery.local.stories import begun_again, core_looks, do, failed, given_up


class Operator:
    """Alice, an operator who waits for each response."""

    def __init__(self, database, runbook=None):
        self.database = database
        self.runbook = runbook

    def __getattr__(self, name):
        def ask(*args):
            async def asked():
                manual = ManualRecovery(self.database, self.runbook)
                answer = getattr(manual, name)(*args)
                answer = await answer if inspect.isawaitable(answer) else answer
                await asyncio.to_thread(manual.system.audit.flush)
                return answer

            return asyncio.run(asked())

        return ask


@pytest.fixture
def alice(database):
    return Operator(database)


@pytest.fixture
def tasks(database):
    return SqlTaskStore(database)


def waiting(database):
    async def look():
        return list(EscalationQueue(journal=SqlJournal(database)))

    return asyncio.run(look())


def state_of(database, name="task.7"):
    tasks = SqlTaskStore(database)
    found = do(database, task_queue.find, name)
    return (
        tasks.status(name),
        tasks.epoch(name),
        found.waits,
        do(database, resource_pools.held, name),
        tasks.restore_point(name),
    )


def test_an_escalated_task_is_recovered_manually(alice, database, tasks):
    given_up(database, gpu=2)
    found = alice.analyze("task.7")
    assert found.plan.analysis.verdict == "task_failures.execution_failure"
    assert (found.state["status"], found.escalation.reason) == ("escalated", "retries exhausted")
    plan = alice.plan("task.7", "alice")
    assert [step.command for step in plan.steps] == ["release_resources", "restore_checkpoint", "retry_task"]
    assert tasks.status("task.7") is TaskStatus.ESCALATED  # so far nothing was done
    assert alice.execute(plan)
    assert tasks.status("task.7") is TaskStatus.QUEUED
    assert tasks.restore_point("task.7").state == {"rows": 3}
    assert len(waiting(database)) == 1
    assert alice.verify("task.7", "alice")
    assert waiting(database) == []
    epoch = begun_again(database)
    assert do(database, task_queue.commit, "task.7", epoch, "agent.1", "1")


def test_an_operator_executes_a_dead_letter_once_more(alice, database, tasks):
    """The limit holds again for what follows that attempt."""
    config = LocalConfig(max_deliveries=1)
    do(database, keep_config, config)
    failed(database)
    assert not do(database, task_queue.enqueue, "task.7", most=1)
    assert tasks.status("task.7") is TaskStatus.ESCALATED
    assert alice.execute(alice.plan("task.7", "alice"))
    epoch = begun_again(database)
    do(database, task_queue.fail, "task.7", epoch, "agent.1", TaskStatus.FAILED, "out_of_memory")
    core_looks(database, {"task_failure": {"max_retries": None, "retry_delay": 0}}, max_deliveries=1)
    assert tasks.status("task.7") is TaskStatus.ESCALATED


def test_a_failed_task_without_a_recovery_is_recovered_manually(alice, database, tasks):
    failed(database, gpu=2)
    assert alice.execute(alice.plan("task.7", "alice"))
    assert state_of(database)[:4] == (TaskStatus.QUEUED, 1, True, {})
    assert alice.verify("task.7", "alice")
    assert not tasks.is_current("task.7", 1)


def test_a_blocked_task_gets_resources_manually(alice, database, tasks):
    failed(database, status=TaskStatus.BLOCKED, gpu=2)
    do(database, resource_pools.release, "task.7")
    do(database, resource_pools.put_in_service, "gpu", 1)
    plan = alice.plan("task.7", "alice")
    assert plan.verdict == "task_failures.resource_failure"
    assert not alice.execute(plan)  # there still is none
    assert tasks.status("task.7") is TaskStatus.BLOCKED
    do(database, resource_pools.put_in_service, "gpu", 2)
    with pytest.raises(NotPossible, match=r"its state has changed since the plan was made: fence was 0 and is 1"):
        alice.execute(plan)


def test_a_failed_manual_recovery_returns_to_the_operator(alice, database, tasks, monkeypatch):
    given_up(database)
    plan = alice.plan("task.7", "alice")

    async def refuse(self, task_id, reason):
        return False

    monkeypatch.setattr("recovery.local.ports.LocalTasks.enqueue", refuse)
    assert not alice.execute(plan)
    assert tasks.status("task.7") is TaskStatus.ESCALATED
    assert not alice.verify("task.7", "alice")
    assert len(waiting(database)) == 1


@pytest.mark.parametrize(
    ("move", "message"),
    [
        (lambda database: SqlTaskStore(database).fence("task.7"), None),  # it was fenced when it was given up
        (lambda database: SqlTaskStore(database).count_retry("task.7", "task_failure", 1), r"retries was \{\} and is"),
        (lambda database: do(database, resource_pools.set_pool, "gpu", 1), None),
        (lambda database: do(database, task_queue.enqueue, "task.7"), "waits was false and is true"),
        (
            lambda database: do(database, resource_pools.allocate, "task.7", {"gpu": 1}),
            r'held was \{\} and is \{"gpu": 1\}',
        ),
        (
            lambda database: SqlTaskStore(database).set_restore_point(
                "task.7", SqlTaskStore(database).checkpoints("task.7")[0]
            ),
            "restore_point was null and is 1",
        ),
    ],
)
def test_a_plan_is_refused_after_a_state_change(alice, database, move, message):
    do(database, resource_pools.set_pool, "gpu", 1)
    given_up(database)
    plan = alice.plan("task.7", "alice")
    move(database)
    before = state_of(database)
    if message is None:
        assert alice.execute(plan)
        return
    with pytest.raises(NotPossible, match=f"task.7: its state has changed since the plan was made: {message}"):
        alice.execute(plan)
    assert state_of(database) == before


def test_a_plan_is_executed_once(alice, database):
    given_up(database)
    plan = alice.plan("task.7", "alice")
    assert alice.execute(plan)
    with pytest.raises(NotPossible, match='status was "escalated" and is "queued"'):
        alice.execute(plan)


def test_a_modified_plan_is_refused(alice, database):
    given_up(database)
    plan = alice.plan("task.7", "alice")
    other = plan.steps[0].model_copy(update={"arguments": {"task_id": "task.8"}})
    for changed, message in (
        ({"steps": plan.steps[:1]}, "its steps have changed"),
        ({"steps": (other, *plan.steps[1:])}, "its steps have changed"),
        ({"verdict": "task_failures.resource_failure"}, "verdict was 'task_failures.resource_failure'"),
        ({"because": "all fine"}, "because was 'all fine'"),
        ({"runbook": "0" * 64}, "runbook was '0000"),
        ({"store": "other.db"}, "the plan is for other.db"),
        ({"state": {**plan.state, "epoch": 9}}, "epoch was 9 and is 1"),
        ({"state": {}}, "status was null"),
        ({"task": "task.9"}, "task.9: there is no task with this name"),
    ):
        with pytest.raises(NotPossible, match=message):
            alice.execute(plan.model_copy(update=changed))
    assert alice.execute(plan.model_copy(update={"made_by": "bob"}))


def test_a_task_continues_from_the_chosen_checkpoint(alice, database, tasks):
    given_up(database)
    with pytest.raises(NotPossible, match="checkpoint 9 does not exist; valid: 1, 2, 3"):
        alice.plan("task.7", "alice", 9)
    assert alice.execute(alice.plan("task.7", "alice", 2))
    assert tasks.restore_point("task.7").state == {"rows": 2}


def test_another_runbook_makes_another_plan(alice, database):
    given_up(database)
    file = Path(catalogue.__file__).with_name("runbook.yaml")
    text = re.sub(r" +- cleanup_resources:.*\n(?: {8,}.*\n)*?(?= +- restore_state)", "", file.read_text(), count=1)
    other = Operator(database, catalogue.loads(text))
    plan = other.plan("task.7", "alice")
    assert [step.command for step in plan.steps] == ["restore_checkpoint", "retry_task"]
    with pytest.raises(NotPossible, match="runbook was"):
        alice.execute(plan)
    assert other.execute(plan)


def test_a_task_in_automatic_recovery_is_refused(alice, database):
    failed(database)
    journal = SqlJournal(database, blocking=True)
    journal.keep(Incident(4, Failure(FailureKind.TASK, "task.7", 0.0), 0.0))
    for ask in (lambda: alice.plan("task.7", "alice"), lambda: alice.restore("task.7", 1)):
        with pytest.raises(NotPossible, match=r"task.7: automatic recovery 4 is open; valid: after its end"):
            ask()


def test_a_task_with_nothing_to_recover_has_no_plan(alice, database):
    do(database, task_queue.submit, "task.7", None, {})
    with pytest.raises(NotPossible, match=r"task.7: there is nothing to plan: the task is queued"):
        alice.plan("task.7", "alice")
    with pytest.raises(NotPossible, match=r"task.9: there is no task with this name in "):
        alice.analyze("task.9")
    epoch = begun_again(database)
    do(database, task_queue.commit, "task.7", epoch, "agent.1", "1")
    with pytest.raises(NotPossible, match=r"task.7: there is nothing to plan: the task is finished"):
        alice.plan("task.7", "alice")
    with pytest.raises(NotPossible, match=r"task.7: is completed and has no state"):
        alice.backup("task.7")
    assert alice.verify("task.7", "alice")


def test_a_state_is_backed_up_as_another_checkpoint(alice, database, tasks):
    failed(database)
    saved, anew = alice.backup("task.7")
    assert anew
    assert (saved.sequence, saved.progress, saved.state) == (4, 3.0, {"rows": 3})
    assert tasks.checkpoints("task.7")[-1] == saved


def test_an_escalated_task_is_backed_up_from_its_stored_state(alice, database, tasks):
    given_up(database)
    saved, anew = alice.backup("task.7")
    assert (saved.sequence, anew) == (3, False)
    assert tasks.last_checkpoint("task.7") == 3


def test_the_next_attempt_starts_from_the_chosen_checkpoint(alice, database, tasks):
    failed(database)
    assert alice.restore("task.7", 2)
    assert tasks.restore_point("task.7").state == {"rows": 2}
    assert alice.verify_state("task.7")
    assert not alice.restore("task.7", 9)


def test_a_damaged_checkpoint_cannot_be_chosen(alice, database, tasks):
    failed(database)
    assert alice.restore("task.7", 2)
    database.write(
        lambda connection: connection.execute(
            update(CHECKPOINTS).where(CHECKPOINTS.c.sequence == 2).values(state='{"rows":9}')
        )
    )
    assert not alice.verify_state("task.7")
    assert not alice.restore("task.7", 2)
    assert [intact for _, intact in alice.checkpoints("task.7")] == [True, False, True]


def test_every_step_is_recorded(alice, database):
    given_up(database)
    plan = alice.plan("task.7", "alice")
    assert alice_trail(database)[-1] == f"operator.planned {plan.sha256} task.7"
    before = len(alice_trail(database))
    assert alice.execute(plan)
    assert alice.verify("task.7", "alice")
    trail = alice_trail(database)[before:]
    assert trail[0] == "step.started execute_recovery_plan"
    assert trail[-4:] == [
        "step.completed execute_recovery_plan",
        "step.started verify_task_state",
        "step.completed verify_task_state",
        "escalation.resolved alice",
    ]
    assert {"task.fenced", "recovery.executed", "step.completed retry_task"} <= set(trail)


def alice_trail(database):
    return [f"{entry.event} {entry.detail}".strip() for entry in SqlAudit(database, lambda: 0.0).entries()]


def test_the_core_continues_a_manually_recovered_task(alice, database, tasks):
    given_up(database)
    assert alice.execute(alice.plan("task.7", "alice"))
    assert alice.verify("task.7", "alice")
    epoch = begun_again(database)
    do(database, task_queue.fail, "task.7", epoch, "agent.1", TaskStatus.FAILED, "again")
    core_looks(database, {"task_failure": {"max_retries": 2, "retry_delay": 0}})
    assert tasks.status("task.7") is TaskStatus.QUEUED


def test_a_plan_file_round_trips(alice, database, tmp_path):
    given_up(database, gpu=1)
    plan = alice.plan("task.7", "alice")
    path = tmp_path / "plan.json"
    path.write_text(plan.model_dump_json())
    assert read_plan(path) == plan


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not a plan: Invalid JSON"),
        ("[]", "is not a plan: Input should be an object"),
        ('{"recovery_plan": 2}', "is not a plan: recovery_plan: Input should be 1"),
        ("x" * 2**20 + "x", "is too large: 1,048,577 bytes"),
    ],
)
def test_an_invalid_plan_file_is_refused(tmp_path, text, message):
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(PlanFileError, match=rf"plan\.json: {message}.*; valid: a file from recover task plan"):
        read_plan(path)


def test_a_missing_plan_file_is_an_error(tmp_path):
    with pytest.raises(PlanFileError, match="no such file; valid: a file from"):
        read_plan(tmp_path / "plan.json")


def test_a_state_change_between_check_and_execution_aborts(alice, database, tasks, monkeypatch):
    given_up(database)
    plan = alice.plan("task.7", "alice")
    look = ManualRecovery.check

    async def looks_and_is_overtaken(self, plan):
        found = await look(self, plan)
        await asyncio.to_thread(tasks.count_retry, "task.7", "task_failure", 1)
        return found

    monkeypatch.setattr(ManualRecovery, "check", looks_and_is_overtaken)
    with pytest.raises(NotPossible, match=r"its state has changed since the plan was made: retries was \{\} and is"):
        alice.execute(plan)
    assert tasks.status("task.7") is TaskStatus.ESCALATED
