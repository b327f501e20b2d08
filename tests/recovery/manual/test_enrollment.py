"""A store accepts one operators file, and tokens that were made for this store."""

import json
import shutil

import pytest
from sqlalchemy import update

from recovery.audit import AuditEntry
from recovery.manual.authorization import Authorization, Refused
from recovery.manual.enrollment import EnrolledOperators, enrollment_of, wrong_enrollment
from recovery.manual.operators import OperatorsError, Role, change_operators, load_operators
from recovery.stores.database import Database
from recovery.stores.errors import StoreError
from recovery.stores.sql_audit import SqlAudit
from recovery.stores.tables import META

pytestmark = pytest.mark.usefixtures("quick_hashes")
NOT_THE_FILE = "the operators file is not the one of this store; valid: "


class Office:
    """A store, and an operators file with alice, who has a token for it."""

    def __init__(self, folder, opened):
        self.folder = folder
        self.now = 1000.0
        self.store = opened(f"sqlite:///{folder}/store.db")
        self.other_store = opened(f"sqlite:///{folder}/other.db")
        self.path = folder / "operators.json"
        self.add("alice")
        self.token = self.make_token()

    def add(self, name, path=None):
        change_operators(path or self.path, lambda known: known.with_operator(name, Role.ADMIN), create=True)

    def file(self, path=None, store=None):
        return EnrolledOperators(store or self.store, path or self.path, lambda: self.now)

    def make_token(self, name="alice", **where):
        return self.file(**where).make_token(name, 3600)

    def copy(self, name="copy.json"):
        return shutil.copy2(self.path, self.folder / name)

    def admit(self, path=None, token=None, name="alice", store=None):
        audit = SqlAudit(store or self.store, lambda: self.now)
        known = load_operators(path or self.path)
        return Authorization(known, audit, lambda: self.now).admit(name, token or self.token, "task", "task.7")

    def events(self):
        return [(each.event, each.subject) for each in SqlAudit(self.store, lambda: 0.0).entries()]


@pytest.fixture
def office(tmp_path, opened):
    return Office(tmp_path, opened)


def test_the_first_token_for_a_store_enrolls_the_file(office):
    assert office.admit().operator == "alice"
    office.make_token()
    assert office.events() == [
        ("operators.enrolled", "alice"),
        ("operator.admitted", "alice"),
        ("operators.changed", "alice"),
    ]
    assert office.store.read(wrong_enrollment) is None


def test_a_store_without_an_operators_file_admits_no_operator(office):
    with pytest.raises(Refused, match="no operators file is enrolled in this store; valid: after recover operator"):
        office.admit(store=office.other_store)


def test_another_file_is_refused(office):
    other = office.folder / "other.json"
    office.add("mallory", other)
    with pytest.raises(
        OperatorsError, match=r"other\.json: is not the operators file of store\.db; valid: .*operators"
    ):
        office.make_token("mallory", path=other)
    assert load_operators(other).operators["mallory"].tokens == ()
    token = office.make_token("mallory", path=other, store=office.other_store)
    with pytest.raises(Refused, match=NOT_THE_FILE):
        office.admit(other, token, "mallory")


def test_a_copy_with_another_operator_is_refused(office):
    copy = office.copy()
    office.add("mallory", copy)
    assert office.admit(copy).operator == "alice"  # an operator without a token changes nothing
    with pytest.raises(OperatorsError, match="is not the operators file of store"):
        office.make_token("mallory", path=copy)
    known = json.loads(copy.read_text())
    known["operators"]["mallory"]["tokens"] = known["operators"]["alice"]["tokens"]
    copy.write_text(json.dumps(known))
    with pytest.raises(Refused, match=NOT_THE_FILE):
        office.admit(copy, name="mallory")


@pytest.mark.parametrize("change", [("role", "viewer"), ("expires_at", 1e9), ("tokens", [])])
def test_a_copy_with_a_changed_entry_is_refused(office, change):
    name, value = change
    copy = office.copy()
    known = json.loads(copy.read_text())
    entry = known["operators"]["alice"]
    (entry["tokens"][0] if name == "expires_at" else entry)[name] = value
    copy.write_text(json.dumps(known))
    with pytest.raises(Refused, match=NOT_THE_FILE):
        office.admit(copy)


def test_an_earlier_copy_is_refused_after_an_operator_was_removed(office):
    copy = office.copy()
    assert office.file().remove_operator("alice") == 0
    assert load_operators(office.path).operators == {}
    with pytest.raises(Refused, match=NOT_THE_FILE):
        office.admit(copy)


def test_a_new_file_at_the_same_place_is_refused(office):
    office.path.unlink()
    office.add("mallory")
    with pytest.raises(OperatorsError, match="or is a new file; valid: a copy from before, or recover operator enroll"):
        office.make_token("mallory")


def test_a_token_is_valid_for_one_store(office):
    copy = office.copy()
    office.make_token(path=copy, store=office.other_store)
    with pytest.raises(Refused, match="alice: the token is not for this store; valid: a token for it"):
        office.admit(copy, store=office.other_store)
    assert office.admit(copy).operator == "alice"


def test_a_token_that_was_edited_to_be_for_another_store_is_wrong(office):
    """The hash of a token covers the store."""
    copy = office.copy()
    other = office.make_token(path=copy, store=office.other_store)
    known = json.loads(copy.read_text())
    (one, two) = known["operators"]["alice"]["tokens"]
    one["store"] = two["store"]
    assert load_operators(copy).found("alice", office.token, 0.0) is not None
    copy.write_text(json.dumps(known))
    assert load_operators(copy).found("alice", office.token, 0.0) is None
    assert load_operators(copy).found("alice", other, 0.0) is not None


def test_stores_share_a_file(office):
    other = office.make_token(store=office.other_store)
    assert office.admit().operator == "alice"
    assert office.admit(token=other, store=office.other_store).operator == "alice"
    assert office.file().remove_operator("alice") == 1
    with pytest.raises(Refused, match="wrong token"):
        office.admit()
    assert office.admit(token=other, store=office.other_store).operator == "alice"
    assert office.file(store=office.other_store).remove_operator("alice") == 0
    assert load_operators(office.path).operators == {}


def test_an_expired_token_that_another_change_removes_makes_no_difference(office):
    office.add("bob")
    office.now += 1800
    token = office.make_token("bob")
    office.now += 1801
    change_operators(office.path, lambda known: known.without_operator("alice"))
    assert office.admit(token=token, name="bob").operator == "bob"


def test_an_interrupted_change_is_continued_by_the_next_one(office, monkeypatch):
    """A program that is killed after the store has recorded a token, and before the file is replaced."""
    before = office.path.read_bytes()
    office.make_token()
    office.path.write_bytes(before)
    with pytest.raises(Refused, match=NOT_THE_FILE):
        office.admit()
    assert office.admit(token=office.make_token()).operator == "alice"


def test_a_refused_change_leaves_the_file_unchanged(office, monkeypatch):
    before = office.path.read_bytes()

    def fails(*args):
        raise StoreError("store.db: cannot be written: the disk is full")

    monkeypatch.setattr(SqlAudit, "record_now", fails)
    with pytest.raises(StoreError):
        office.make_token()
    assert office.path.read_bytes() == before


def test_a_record_that_was_changed_without_the_audit_trail_is_detected(office):
    text = office.store.read(enrollment_of).model_dump_json().replace("operators.json", "mine.json")
    changed = update(META).where(META.c.name == "operators").values(value=text)
    office.store.write(lambda connection: connection.execute(changed))
    problem = "the record of the operators file is not the one that was written last"
    assert office.store.read(wrong_enrollment) == problem
    with pytest.raises(Refused, match=f"{problem}; see recover audit --verify"):
        office.admit()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"identity": 1}'])
def test_a_damaged_record_is_reported(office, text):
    damaged = update(META).where(META.c.name == "operators").values(value=text)
    office.store.write(lambda connection: connection.execute(damaged))
    with pytest.raises(StoreError, match="the record of its operators file is damaged; valid: a copy from before"):
        office.admit()


def test_a_moved_file_is_enrolled_again(office):
    moved = office.path.rename(office.folder / "moved.json")
    assert office.admit(moved).operator == "alice"
    with pytest.raises(OperatorsError, match="is not the operators file of store"):
        office.make_token(path=moved)
    office.file(moved).enroll("alice", replaces=True)
    office.make_token(path=moved)
    assert office.store.read(enrollment_of).place == str(moved)


def test_a_store_of_an_earlier_version_has_no_operators_file(office, tmp_path):
    entry = AuditEntry(1.0, "operator.admitted", -1, "alice", "0a1b task task.7", None)
    SqlAudit(office.other_store, lambda: 1.0).record_now(lambda _: entry)
    assert office.other_store.read(enrollment_of) is None
    assert office.other_store.read(wrong_enrollment) is None
    assert Database(office.other_store.url).close() is None
