"""The audit trail in a database: append-only, ordered, and tamper-evident."""

import json

import pytest
from sqlalchemy import delete, insert, update

from recovery.audit import AuditEntry
from recovery.stores import sql_audit
from recovery.stores.errors import StoreError
from recovery.stores.sql_audit import SqlAudit
from recovery.stores.tables import AUDIT, META

LINES = [
    ("recovery.opened", 0, "task.1", "task_failure", None, ""),
    ("retry.granted", 0, "task.1", "task_failure", 0.1, ""),
    ("recovery.analyzed", 0, "task.1", "unknown", 0.0, "says “nothing” of ünïcode\n; drop table audit"),
    ("agent.suspected", -1, "agent.3", "", None, ""),
    ("recovery.verified", 0, "task.1", "", 1e308, ""),
]


@pytest.fixture
def trail(database):
    clock = iter(range(1, 100))
    trail = SqlAudit(database, lambda: next(clock) / 10)
    for line in LINES:
        trail.record(*line)
    trail.flush()
    return trail


def test_records_are_read_in_write_order(trail):
    assert trail.entries() == [AuditEntry((n + 1) / 10, *line) for n, line in enumerate(LINES)]
    assert trail.first_wrong() is None


def test_an_empty_trail_is_intact(database):
    assert SqlAudit(database, lambda: 0.0).first_wrong() is None


def test_the_trail_continues_after_another_program(trail, database, opened):
    other = SqlAudit(opened(database.url), lambda: 9.0)
    other.record("recovery.opened", 1, "task.2")
    other.flush()
    trail.record("recovery.opened", 2, "task.3")
    trail.flush()
    assert [entry.incident for entry in trail.entries()][-2:] == [1, 2]
    assert trail.first_wrong() is None


def move(connection):
    """The third line and the fourth one change places."""
    for old, new in ((3, 99), (4, 3), (99, 4)):
        connection.execute(update(AUDIT).where(AUDIT.c.number == old).values(number=new))


def forge(connection):
    """Append a record without a valid seal."""
    row = {"at": 1.0, "event": "recovery.verified", "incident": 0, "subject": "task.1", "detail": "", "text": ""}
    connection.execute(insert(AUDIT).values(number=6, sha256="0" * 64, **row))


@pytest.mark.parametrize(
    ("tamper", "message"),
    [
        (update(AUDIT).where(AUDIT.c.number == 2).values(value=0.2), "line 2 is not what was written"),
        (update(AUDIT).where(AUDIT.c.number == 1).values(at=0.0), "line 1 is not what was written"),
        (update(AUDIT).where(AUDIT.c.number == 4).values(subject="agent.4"), "line 4 is not what was written"),
        (update(AUDIT).where(AUDIT.c.number == 5).values(text="x"), "line 5 is not what was written"),
        (update(AUDIT).where(AUDIT.c.number == 5).values(sha256="0" * 64), "line 5 is not what was written"),
        (delete(AUDIT).where(AUDIT.c.number == 3), "line 3 is missing"),
        (delete(AUDIT).where(AUDIT.c.number == 1), "line 1 is missing"),
        (delete(AUDIT).where(AUDIT.c.number >= 4), "lines are missing after line 3"),
        (delete(AUDIT), "lines are missing after line 0"),
        (delete(META).where(META.c.name == "audit"), "lines are missing after line 5"),
        (move, "line 3 is not what was written"),
        (forge, "line 6 is not what was written"),
    ],
)
def test_changed_removed_or_moved_records_are_detected(trail, database, tamper, message):
    database.write(tamper if callable(tamper) else lambda connection: connection.execute(tamper))
    assert trail.first_wrong() == message


@pytest.mark.parametrize(
    ("name", "value"),
    [("at", "x"), ("at", 1e300), ("event", b"x"), ("subject", b"x"), ("value", "x"), ("incident", "x")],
)
def test_a_record_with_a_value_of_another_type_is_reported(trail, database, name, value):
    if database.url.startswith("postgresql"):
        pytest.skip("columns have types")
    database.write(
        lambda connection: connection.exec_driver_sql(f"update audit set {name} = ? where number = 2", (value,))
    )
    assert trail.first_wrong() == "line 2 is not what was written"
    if name != "event":  # an unknown event is its text
        with pytest.raises(
            StoreError, match=rf"line 2 of the audit trail is damaged: its {name} is not valid; valid: "
        ):
            trail.entries()


@pytest.mark.parametrize("head", ["", "x", "3", "[1]", '["x", 1]'])
def test_a_damaged_head_is_reported(trail, database, head):
    changed = update(META).where(META.c.name == "audit").values(value=head)
    database.write(lambda connection: connection.execute(changed))
    with pytest.raises(StoreError, match="the head of the audit trail is damaged; valid: a copy from before"):
        trail.first_wrong()


# --------------------------------------------------------------------------------------- an end that was kept elsewhere
def resealed(connection):
    """What somebody with write access can do: seal all lines again, and store the last seal."""
    seal, lines = "0" * 64, sql_audit._lines(connection)
    for number, (_, entry, _) in enumerate(lines, 1):
        seal = sql_audit._sealed(seal, number, entry)
        connection.execute(update(AUDIT).where(AUDIT.c.number == number).values(sha256=seal))
    head = json.dumps([len(lines), seal])
    connection.execute(update(META).where(META.c.name == "audit").values(value=head))


@pytest.mark.parametrize(
    ("tamper", "message"),
    [
        (update(AUDIT).where(AUDIT.c.number == 2).values(subject="task.2"), "lines 1 to 5 are not those of the head"),
        (update(AUDIT).where(AUDIT.c.number == 5).values(text="x"), "lines 1 to 5 are not those of the head"),
        (delete(AUDIT).where(AUDIT.c.number >= 4), "lines 4 to 5 of the head are missing"),
        (delete(AUDIT), "lines 1 to 5 of the head are missing"),
        (update(META).where(META.c.name == "store").values(value="ab" * 16), "the store is not the one of the head"),
    ],
)
def test_a_kept_head_detects_lines_that_were_sealed_again(trail, database, tamper, message):
    kept = trail.head()
    assert kept.lines == 5
    trail.record("recovery.opened", 1, "task.2")
    trail.flush()
    assert trail.first_wrong(kept) is None  # lines after it are allowed
    database.write(lambda connection: connection.execute(delete(AUDIT).where(AUDIT.c.number == 6)))
    database.write(lambda connection: connection.execute(tamper))
    database.write(resealed)
    assert trail.first_wrong() is None
    assert trail.first_wrong(kept) == message


def test_lines_after_a_kept_head_are_checked_by_the_chain_only(trail, database):
    kept = trail.head()
    for subject in ("task.2", "task.3"):
        trail.record("recovery.opened", 1, subject)
    trail.flush()
    last = AUDIT.c.number == 7
    database.write(lambda connection: connection.execute(update(AUDIT).where(last).values(subject="task.9")))
    assert trail.first_wrong(kept) == "line 7 is not what was written"
    database.write(resealed)
    assert trail.first_wrong(kept) is None


def test_the_head_of_an_empty_trail_is_that_of_its_store(database):
    trail = SqlAudit(database, lambda: 0.0)
    kept = trail.head()
    trail.record("recovery.opened", 1, "task.2")
    trail.flush()
    assert (kept.lines, trail.first_wrong(kept)) == (0, None)
