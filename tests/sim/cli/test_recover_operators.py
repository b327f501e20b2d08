"""`recover operator` and `recover audit`: the operators file of a store, and the end of its audit trail."""

import json

import pytest
from sqlalchemy import delete, update

from recovery.stores.database import Database
from recovery.stores.tables import AUDIT, META
from sim.cli.recover.access import TOKEN

pytestmark = pytest.mark.usefixtures("quick_hashes")


def test_an_operators_file_of_the_caller_is_refused_and_recorded(desk):
    desk.say("operator", "add", "mallory", "--operators", "mine.json")
    assert desk.refused("operator", "token", "mallory", "--operators", "mine.json").startswith(
        "mine.json: is not the operators file of store.db; valid: "
    )
    message = desk.refused("task", "analyze", "task.7", "--operators", "mine.json")
    assert message.startswith("alice: the operators file is not the one of this store; valid: ")
    assert "alice other_operators_file" in desk.refusals()[0]


def test_another_operators_file_is_enrolled_by_an_admin(desk):
    desk.say("operator", "add", "carol", "--operators", "new.json")
    desk.monkeypatch.delenv(TOKEN)
    assert "your token is missing" in desk.refused("operator", "enroll", "new.json")
    desk.another_token()
    assert desk.say("operator", "enroll", "new.json")[:2] == (0, "new.json: is the operators file of store.db\n")
    assert "the operators file is not the one of this store" in desk.refused("task", "analyze", "task.7")
    desk.operators = "new.json"
    desk.monkeypatch.setenv("RECOVERY_BENCH_OPERATORS", "new.json")
    _, token, _ = desk.say("operator", "token", "carol")
    desk.monkeypatch.setenv(TOKEN, token.strip())
    assert desk.say("task", "analyze", "task.7", "--operator", "carol")[0] == 0
    _, out, _ = desk.say("audit")
    assert [line.split("  ")[1].split()[:2] for line in out.splitlines() if " operators." in line] == [
        ["operators.enrolled", "alice"],
        ["operators.changed", "alice"],
        ["operators.enrolled", "alice"],
        ["operators.changed", "carol"],
    ]
    assert desk.say("audit", "--verify")[0] == 0


def test_the_first_operators_file_is_enrolled_without_a_token(desk, tmp_path):
    database = Database(f"sqlite:///{tmp_path}/fresh.db")
    database.close()
    desk.monkeypatch.delenv(TOKEN)
    enroll = ("operator", "enroll", "operators.json", "--store", f"sqlite:///{tmp_path}/fresh.db")
    assert desk.say(*enroll)[0] == 0
    assert "your token is missing" in desk.refused(*enroll)


def test_a_token_is_made_for_a_store(desk):
    desk.monkeypatch.delenv("RECOVERY_BENCH_STORE")
    assert desk.refused("operator", "token", "alice").startswith("--store: is missing")
    assert desk.refused("operator", "remove", "alice") == (
        "--store: is missing, and alice has tokens for a store; valid: its URL"
    )
    desk.say("operator", "add", "bob")
    assert desk.say("operator", "remove", "bob")[:2] == (0, "bob: was removed\n")


def test_a_removal_says_for_which_stores_tokens_are_left(desk, tmp_path):
    other = f"sqlite:///{tmp_path}/other.db"
    Database(other).close()
    desk.say("operator", "token", "alice", "--store", other)
    status, _, err = desk.say("operator", "remove", "alice")
    assert (status, err) == (1, "alice: has 1 tokens for other stores; valid: the same with --store of each\n")
    assert desk.say("operator", "remove", "alice", "--store", other)[:2] == (0, "alice: was removed\n")


# --------------------------------------------------------------------------------------- the end of the audit trail
def test_a_head_is_exported_and_checked(desk):
    status, out, _ = desk.say("audit", "--export-head", "head.json")
    assert (status, "all unchanged" in out) == (0, True)
    assert desk.say("task", "analyze", "task.7")[0] == 0
    assert desk.say("audit", "--check-head", "head.json")[0] == 0
    lines = json.loads((desk.folder / "head.json").read_text())["lines"]
    assert desk.say("audit", "--export-head", "head.json")[0] == 0  # replaces the earlier one
    status, out, _ = desk.say("audit", "--export-head", "-")
    assert (status, json.loads(out)["lines"]) == (0, lines + 1)
    head = (desk.folder / "head.json").read_bytes()
    with desk.database() as database:
        database.write(lambda connection: connection.execute(delete(AUDIT)))
        database.write(
            lambda connection: connection.execute(delete(META).where(META.c.name.in_(["audit", "operators"])))
        )
    assert desk.say("audit", "--verify")[0] == 0  # an empty trail is consistent
    missing = f"audit trail: lines 1 to {lines + 1} of the head are missing\n"
    assert desk.say("audit", "--check-head", "head.json")[::2] == (1, missing)
    assert desk.say("audit", "--export-head", "head.json")[::2] == (1, missing)
    assert (desk.folder / "head.json").read_bytes() == head


def test_a_replaced_store_is_detected_by_a_head(desk):
    desk.say("audit", "--export-head", "head.json")
    (desk.folder / "store.db").rename(desk.folder / "old.db")
    Database(desk.url).close()
    assert desk.say("audit", "--check-head", "head.json")[::2] == (
        1,
        "audit trail: the store is not the one of the head\n",
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "no such file"),
        ("{", "is not the head of an audit trail"),
        ("{}", "is not the head of an audit trail"),
        ('{"store": "a", "lines": "3", "sha256": ""}', "is not the head of an audit trail"),
        ("x" * 5000, "is too large"),
    ],
)
def test_a_file_that_is_no_head_is_refused(desk, text, problem):
    if text is not None:
        (desk.folder / "head.json").write_text(text)
    message = desk.refused("audit", "--check-head", "head.json")
    assert message.startswith(f"head.json: {problem}")
    assert message.endswith("valid: a file from recover audit --export-head")


def test_a_record_of_operators_that_was_changed_alone_is_detected(desk):
    changed = update(META).where(META.c.name == "operators").values(value='{"identity":"","place":"","tokens":{}}')
    with desk.database() as database:
        database.write(lambda connection: connection.execute(changed))
    status, _, err = desk.say("audit", "--verify")
    assert (status, err) == (
        1,
        "audit trail: the record of the operators file is not the one that was written last\n",
    )
