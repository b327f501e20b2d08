"""An edited plan is refused, also one with a new digest."""

import asyncio
import json

import pytest

from recovery.manual.manual_recovery import ManualRecovery, NotPossible
from recovery.manual.plan_file import PlanFile, PlanFileError, read_plan
from recovery.stores.sql_tasks import SqlTaskStore
from tests.recovery.local.stories import failed, given_up

EDITS = {
    "another task": lambda plan: plan.update(task="task.8"),
    "another task in a step": lambda plan: plan["steps"][0]["arguments"].update(task_id="task.8"),
    "one more step": lambda plan: plan["steps"].append(plan["steps"][-1]),
    "one step less": lambda plan: plan["steps"].pop(),
    "another command": lambda plan: plan["steps"][0].update(command="give_up"),
    "another undo": lambda plan: plan["steps"][0].update(undo="give_up()"),
    "another handling of a failure": lambda plan: plan["steps"][0].update(on_failure="compensate"),
    "no arguments": lambda plan: plan["steps"][0].update(arguments={}),
    "one more argument": lambda plan: plan["steps"][0]["arguments"].update(force=True),
    "another checkpoint": lambda plan: plan.update(checkpoint=1),
    "an older state": lambda plan: plan["state"].update(epoch=0),
    "a number of another type": lambda plan: plan["state"].update(epoch=True),
    "another store": lambda plan: plan.update(store="other.db"),
    "another identity": lambda plan: plan.update(store_identity="ab" * 16),
    "another author": lambda plan: plan.update(made_by="bob"),
    "another time": lambda plan: plan.update(made_at="2026-01-01T00:00:00+00:00"),
}


@pytest.fixture
def planned(opened, tmp_path):
    """A store, a plan for its task.7, and the file of the plan."""
    database = opened(f"sqlite:///{tmp_path}/store.db")
    given_up(database)
    failed(database, "task.8")
    plan, path = plan_of(database), tmp_path / "plan.json"
    path.write_text(plan.model_dump_json())
    return database, plan, path


def plan_of(database):
    async def made():
        return await ManualRecovery(database).plan("task.7", "alice")

    return asyncio.run(made())


def execute(database, plan):
    async def done():
        return await ManualRecovery(database).execute(plan)

    return asyncio.run(done())


def content(database):
    tasks = SqlTaskStore(database)
    return [(tasks.status(name), tasks.epoch(name), tasks.restore_point(name)) for name in ("task.7", "task.8")]


def test_an_edited_file_is_refused(planned):
    _, plan, path = planned
    assert read_plan(path) == plan
    edits = {
        **EDITS,
        "another digest": lambda plan: plan.update(sha256="ab" * 32),
        "none": lambda plan: plan.pop("sha256"),
    }
    for edit in edits.values():
        text = plan.model_dump(mode="json")
        edit(text)
        path.write_text(json.dumps(text))
        with pytest.raises(PlanFileError, match=r"plan\.json: was changed after it was written; valid: a file from"):
            read_plan(path)


def test_an_edited_plan_with_a_new_digest_is_refused(planned):
    """A digest detects mistakes, and whoever edits a plan can compute it again."""
    database, plan, _ = planned
    before = content(database)
    for edit in EDITS.values():
        text = plan.model_dump(mode="json")
        edit(text)
        with pytest.raises(NotPossible, match=r"out of date|has changed since|the plan is for|is not one that recover"):
            execute(database, PlanFile.model_validate(text).sealed())
        assert content(database) == before
    assert execute(database, plan)


def test_a_file_with_a_flipped_bit_is_refused_or_the_same(planned):
    _, plan, path = planned
    written, accepted = path.read_bytes(), 0
    for place in range(0, len(written), 11):
        flipped = bytearray(written)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            assert read_plan(path) == plan  # white space
            accepted += 1
        except PlanFileError as error:
            assert "\n" not in str(error)  # noqa: PT017 - in a loop over places
    assert accepted == 0


def test_a_plan_that_another_store_has_made_is_refused(planned, opened, tmp_path):
    database, plan, _ = planned
    (tmp_path / "other").mkdir()
    other = opened(f"sqlite:///{tmp_path}/other/store.db")
    given_up(other)
    with pytest.raises(NotPossible, match=r"the plan is for another store, which is called store\.db as well"):
        execute(other, plan)
    assert execute(other, plan_of(other))
    assert execute(database, plan)
