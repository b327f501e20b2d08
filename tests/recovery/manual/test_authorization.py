"""Who is let in, for what and how often; and that every decision is on record."""

import re

import pytest

from recovery.manual.authorization import MOST_REFUSALS, WINDOW, Authorization, Refused
from recovery.manual.operators import Operators, Role
from recovery.stores.sql_audit import SqlAudit


class Door:
    """With alice, who is an admin, and bob, who is none, each with a token."""

    def __init__(self, database):
        self.now = 1000.0
        self.audit = SqlAudit(database, lambda: self.now)
        self.operators = Operators().with_operator("alice", Role.ADMIN).with_operator("bob", Role.VIEWER)
        self.tokens = {}
        for name in ("alice", "bob"):
            self.tokens[name] = self.another(name)

    def another(self, name):
        self.operators, token = self.operators.with_token(name, 3600, self.now)
        self.authorization = Authorization(self.operators, self.audit, lambda: self.now)
        return token

    def admit(self, name="alice", token=None, procedure="task", task="task.7"):
        return self.authorization.admit(name, self.tokens.get(name, "") if token is None else token, procedure, task)

    @property
    def trail(self):
        return [(entry.event, entry.subject, entry.detail) for entry in self.audit.entries()]


@pytest.fixture
def door(database):
    return Door(database)


def refused(door, said, **asked):
    with pytest.raises(Refused, match=said):
        door.admit(**asked)
    event, subject, detail = door.trail[-1]
    assert (event, subject) == ("operator.refused", asked.get("name", "alice"))
    assert re.search(said, detail)


def test_an_admin_token_authorizes_every_step_of_one_recovery(door):
    identifier = door.tokens["alice"].partition(".")[0]
    for _ in range(4):
        admission = door.admit()
    assert door.trail == [("operator.admitted", "alice", f"{identifier} task task.7")] * 4
    door.authorization.finish(admission)
    assert door.trail[-1] == ("operator.finished", "alice", f"{identifier} task task.7")
    assert door.audit.first_wrong() is None


def test_a_used_token_authorizes_no_other_recovery(door):
    door.admit()
    refused(door, "the token is for recover task task.7 alone", task="task.8")
    refused(door, "the token is for recover task task.7 alone", procedure="state")
    door.admit()


def test_a_token_does_not_authorize_another_recovery_of_the_same_task(door):
    door.authorization.finish(door.admit())
    refused(door, r"the token was used for recover task task.7, and that is over; valid: a new one")
    door.admit(token=door.another("alice"))


def test_a_forged_token_is_refused(door):
    refused(door, "is no operator with that token", token=door.tokens["alice"] + "x")
    refused(door, "is no operator with that token", token=door.tokens["bob"])
    refused(door, "is no operator with that token", name="mallory", token=door.tokens["alice"])


def test_an_expired_token_is_refused(door):
    door.now += 3600
    refused(door, "the token has expired")


def test_a_non_admin_is_refused(door):
    refused(door, "has the role viewer; valid: admin", name="bob")


def test_repeated_guesses_lock_an_operator_out_for_a_time(door):
    for _ in range(MOST_REFUSALS):
        refused(door, "is no operator with that token", token="00.guess")
    door.now += WINDOW / 4
    refused(door, f"too many attempts; valid: in {3 * WINDOW / 4:.0f} s")  # not even with the right one
    with pytest.raises(Refused, match="has the role"):
        door.admit("bob")
    door.now += 3 * WINDOW / 4
    door.admit()


def test_other_refusals_do_not_count_as_guesses(door):
    for _ in range(2 * MOST_REFUSALS):
        with pytest.raises(Refused):
            door.admit("bob")
    with pytest.raises(Refused, match="has the role"):
        door.admit("bob")


def test_a_denied_request_is_recorded(door):
    error = door.authorization.refuse(door.admit(), "task.7: its state has moved")
    assert str(error) == "task.7: its state has moved"
    assert door.trail[-1] == ("operator.refused", "alice", "task.7: its state has moved")


def test_sql_like_task_names_are_taken_literally(door):
    token = door.another("alice")
    door.admit(token=token, task="%' or '1'='1")
    refused(door, "the token is for recover task %' or '1'='1 alone", token=token, task="task.7")
