"""Authorization of operators; every decision is recorded."""

from dataclasses import replace

import pytest

from recovery.audit import AuditEntry, RefusalReason
from recovery.manual.authorization import MOST_REFUSALS, WINDOW, Admission, Authorization, Refused
from recovery.manual.enrollment import EnrolledOperators
from recovery.manual.operators import Operators, Role, load_operators, save_operators
from recovery.stores.sql_audit import SqlAudit

pytestmark = pytest.mark.usefixtures("quick_hashes")
WRONG_TOKEN = "unknown operator, or wrong token"
FILE_EVENTS = ("operators.enrolled", "operators.changed")


class Door:
    """The admin alice and the viewer bob, each with a token."""

    def __init__(self, database, folder):
        self.now = 1000.0
        self.audit = SqlAudit(database, lambda: self.now)
        self.path = folder / "operators.json"
        self.file = EnrolledOperators(database, self.path, lambda: self.now)
        save_operators(self.path, Operators().with_operator("alice", Role.ADMIN).with_operator("bob", Role.VIEWER))
        self.tokens = {name: self.another(name) for name in ("alice", "bob")}

    def another(self, name):
        return self.file.make_token(name, 3600)

    @property
    def authorization(self):
        return Authorization(load_operators(self.path), self.audit, lambda: self.now)

    def admit(self, name="alice", token=None, procedure="task", task="task.7"):
        return self.authorization.admit(name, self.tokens.get(name, "") if token is None else token, procedure, task)

    def record_refusal(self, detail, text=""):
        entry = AuditEntry(self.now, "operator.refused", -1, "alice", detail, None, text)
        self.audit.record_now(lambda _: entry)

    @property
    def trail(self):
        entries = self.audit.entries()
        return [(entry.event, entry.subject, entry.detail) for entry in entries if entry.event not in FILE_EVENTS]


@pytest.fixture
def door(database, tmp_path):
    return Door(database, tmp_path)


def refused(door, reason, text, **asked):
    with pytest.raises(Refused, match=text) as refusal:
        door.admit(**asked)
    name = asked.get("name", "alice")
    entry = door.audit.entries()[-1]
    assert (entry.event, entry.subject, entry.detail) == ("operator.refused", name, reason)
    assert str(refusal.value) == f"{name}: {entry.text}"


def test_a_token_of_an_admin_is_valid_for_every_step_of_one_recovery(door):
    identifier = door.tokens["alice"].partition(".")[0]
    for _ in range(4):
        admission = door.admit()
    assert door.trail == [("operator.admitted", "alice", f"{identifier} task task.7")] * 4
    door.authorization.finish(admission)
    assert door.trail[-1] == ("operator.finished", "alice", f"{identifier} task task.7")
    assert door.audit.first_wrong() is None


def test_a_used_token_is_invalid_for_another_task_or_procedure(door):
    door.admit()
    refused(door, "other_recovery", "the token is for recover task task.7 only", task="task.8")
    refused(door, "other_recovery", "the token is for recover task task.7 only", procedure="state")
    door.admit()


def test_a_token_is_invalid_once_its_recovery_is_complete(door):
    door.authorization.finish(door.admit())
    refused(
        door, "recovery_complete", "the token was used for recover task task.7, which is complete; valid: a new token"
    )
    door.admit(token=door.another("alice"))


def test_a_wrong_token_is_refused(door):
    refused(door, "wrong_credentials", WRONG_TOKEN, token=door.tokens["alice"] + "x")
    refused(door, "wrong_credentials", WRONG_TOKEN, token=door.tokens["bob"])
    refused(door, "wrong_credentials", WRONG_TOKEN, name="mallory", token=door.tokens["alice"])


def test_an_expired_token_is_refused(door):
    door.now += 3600
    door.admit()  # used exactly at its expiry: in time
    door.now += 0.001
    refused(door, "expired", "the token has expired; valid: a new token")


def test_an_operator_who_is_not_an_admin_is_refused(door):
    refused(door, "wrong_role", "has the role viewer; valid: admin", name="bob")


def test_too_many_wrong_tokens_block_one_operator_for_a_minute(door):
    for _ in range(MOST_REFUSALS):
        refused(door, "wrong_credentials", WRONG_TOKEN, token="00.guess")
    door.now += WINDOW / 4
    text = f"too many attempts; valid: in {3 * WINDOW / 4:.0f} s"
    refused(door, "too_many_attempts", text)  # with the right token as well
    refused(door, "wrong_role", "has the role", name="bob")
    door.now += 3 * WINDOW / 4
    door.admit()


@pytest.mark.parametrize(
    "reason", [reason for reason in RefusalReason if reason is not RefusalReason.WRONG_CREDENTIALS]
)
def test_only_refusals_for_a_wrong_token_count(door, reason):
    for _ in range(2 * MOST_REFUSALS):
        door.record_refusal(reason, WRONG_TOKEN)
    door.admit()


def test_the_limit_depends_on_the_recorded_reason_and_not_on_the_text(door):
    for _ in range(MOST_REFUSALS):
        door.record_refusal(RefusalReason.WRONG_CREDENTIALS.value, "another language, or no text at all")
    refused(door, "too_many_attempts", "too many attempts")


class OtherTexts(SqlAudit):
    """A trail in which the text of each entry is another one."""

    def record_now(self, decide):
        return super().record_now(lambda connection: replace(decide(connection), text="something else"))


def test_decisions_are_the_same_with_other_texts(database, tmp_path):
    door = Door(database, tmp_path)
    door.audit = OtherTexts(database, lambda: door.now)
    used = door.another("alice")
    door.authorization.finish(door.admit(token=used))
    refused(door, "recovery_complete", "something else", token=used)
    for _ in range(MOST_REFUSALS):
        refused(door, "wrong_credentials", "something else", token="00.guess")
    refused(door, "too_many_attempts", "something else")


def test_refusals_that_an_older_version_recorded_as_text_count_as_wrong_tokens(door):
    for _ in range(MOST_REFUSALS):
        door.record_refusal("is no operator with that token; valid: a token of recover operator token")
    refused(door, "too_many_attempts", "too many attempts")
    door.now += WINDOW
    door.admit()


def test_a_refused_request_of_an_authorized_operator_is_recorded(door):
    error = door.authorization.refuse(door.admit(), "task.7: its state has moved")
    assert str(error) == "task.7: its state has moved"
    assert door.trail[-1] == ("operator.refused", "alice", "not_possible")
    assert door.audit.entries()[-1].text == "task.7: its state has moved"


@pytest.mark.parametrize("task", ["task.7", "a task with spaces", " ", "", "%' or '1'='1"])
def test_an_admission_is_decoded_from_its_detail(task):
    admission = Admission("alice", "0a1b", "state", task)
    assert Admission.from_detail("alice", admission.detail) == admission


def test_a_task_name_with_special_characters_is_only_a_name(door):
    token = door.another("alice")
    door.admit(token=token, task="%' or '1'='1")
    refused(door, "other_recovery", "the token is for recover task %' or '1'='1 only", token=token, task="task.7")
