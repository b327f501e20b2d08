"""Journals return what was written."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import replace
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, delete, insert, select, update

from recovery.journal import incident_from_json, incident_to_json
from recovery.model import (
    Analysis,
    Candidate,
    Checkpoint,
    Escalation,
    Failure,
    FailureKind,
    Impact,
    Incident,
    IncidentFacts,
    OnFailure,
    Phase,
    RecoveryStrategy,
    Severity,
    Step,
    Symptom,
    TaskStatus,
)
from recovery.policies.policy_states import (
    AwaitedVerdict,
    BreakerRecord,
    BudgetState,
    DeliveryState,
    DrawState,
    HeartbeatState,
    LoadState,
    PoolState,
    RetryState,
)
from recovery.stores.errors import StoreError
from recovery.stores.sql_journal import SqlJournal
from recovery.stores.tables import JOURNAL, META, POLICIES, prepare
from sim.loop import run
from tests.recovery.small_system import failure_of

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
ANYTHING = st.dictionaries(st.text(), PLAIN, max_size=3)
FAILURES = st.builds(
    Failure,
    st.sampled_from(FailureKind),
    st.text(),
    st.floats(0, 1e9),
    ANYTHING,
    st.lists(st.builds(Symptom, st.text(), st.text(), st.text()), max_size=2).map(tuple),
)
UNDO = st.builds(Step, st.text(), st.text(), ANYTHING)
STEPS = st.builds(Step, st.text(), st.text(), ANYTHING, st.just(("a",)), st.sampled_from(OnFailure), st.none() | UNDO)
STRATEGIES = st.builds(RecoveryStrategy, st.text(), st.lists(STEPS, max_size=3).map(tuple))
IMPACTS = st.builds(
    Impact, tasks=st.just(("task.1",)), downstream=st.none() | st.builds(Impact, agents=st.just(("agent.0",)))
)
ANALYSES = st.builds(
    Analysis,
    FAILURES,
    st.none() | st.text(),
    st.floats(0, 1),
    st.just((Symptom("a", "b", "c"),)),
    IMPACTS,
    st.dictionaries(st.text(), st.booleans()),
    ANYTHING,
    st.just((Candidate("x", 0.5, ("a: b",)),)),
    st.just(("x", "y")),
)
UNITS = st.dictionaries(st.text(), st.integers(0, 9), max_size=3)
NAMES = st.lists(st.text(), max_size=3)
FACTS = st.builds(
    IncidentFacts,
    fenced=st.none() | st.integers(0, 9),
    new_resources=st.none() | UNITS,
    released=UNITS,
    checkpoint_id=st.none() | st.integers(1, 9),
    restarted=st.booleans(),
    agent_responded=st.booleans(),
    tasks=NAMES.map(tuple),
    reassigned=NAMES,
    given_up=NAMES,
    counted=UNITS,
)
INCIDENTS = st.builds(
    Incident,
    number=st.integers(0, 10**6),
    failure=FAILURES,
    opened_at=st.floats(0, 1e9),
    tries=st.integers(0, 9),
    outcome=st.none() | st.text(),
    facts=FACTS,
    analysis=st.none() | ANALYSES,
    strategy=st.none() | STRATEGIES,
    reached=st.integers(-1, 9),
    under_way=st.booleans(),
    resume_at=st.none() | st.integers(0, 9),
    stuck=st.none() | st.text(),
    phase=st.sampled_from(Phase),
    due=st.none() | st.floats(0, 1e9),
    retry=st.none() | st.integers(1, 9),
)


@given(INCIDENTS)
def test_values_round_trip_exactly(incident: Incident) -> None:
    assert incident_from_json(incident_to_json(incident)) == incident


def analysis_with_arguments(**arguments: object) -> Analysis:
    return Analysis(failure_of("task.1"), None, 0.0, (), Impact(), arguments=arguments)


def test_read_only_mappings_are_written() -> None:
    analysis = analysis_with_arguments(requirements=MappingProxyType({"gpu": 1}))
    found = incident_from_json(incident_to_json(Incident(1, failure_of("task.1"), 0.0, analysis=analysis)))
    assert found.analysis is not None
    assert found.analysis.arguments == {"requirements": {"gpu": 1}}


def test_what_a_failure_and_an_analysis_do_not_have_is_read_only_and_written() -> None:
    failure = Failure(FailureKind.TASK, "task.1", 0.0)
    analysis = Analysis(failure, None, 0.0, (), Impact())
    for nothing in (failure.info, analysis.diagnosis, analysis.arguments):
        assert nothing == {}
        with pytest.raises(TypeError):
            nothing["key"] = True  # type: ignore[index]
    incident = Incident(1, failure, 0.0, analysis=analysis)
    assert incident_from_json(incident_to_json(incident)) == incident


@pytest.mark.parametrize("value", [object(), float("nan"), (1.0, float("nan")), {1, 2}])
@pytest.mark.parametrize("place", ["failure", "analysis"])
def test_a_value_that_cannot_be_written_is_rejected_by_name(journal, value: object, place: str) -> None:
    incident = Incident(7, failure_of("task.1"), 0.0)
    if place == "failure":
        incident.failure = failure_of("task.1", left=value)
    else:
        incident.analysis = analysis_with_arguments(left=value)
    with pytest.raises(ValueError, match="incident 7: left cannot be kept in the journal"):
        journal.keep(incident)
    assert journal.unfinished() == []


def test_a_fact_of_another_type_is_rejected(journal) -> None:
    incident = Incident(7, failure_of("task.1"), 0.0)
    incident.facts.released["gpu"] = "two"  # type: ignore[assignment]
    with pytest.raises(ValueError, match=r"incident 7 cannot be kept in the journal: .*Expected `int`"):
        journal.keep(incident)
    assert journal.unfinished() == []


VERSION_2 = {
    "number": 3,
    "failure": {"kind": "agent_failure", "subject": "agent.0", "at": 1.0, "info": {}, "symptoms": []},
    "opened_at": 2.0,
    "tries": 1,
    "outcome": None,
    "context": {
        "timeframe": 300.0,
        "resource_ids": [],
        "endpoints": ["core", "agent.0"],
        "agent_id": "agent.0",
        "restarted": True,
        "left_in_peace": True,
        "tasks": ["task.1", "task.2"],
        "counted": {"task.1": 1, "task.2": 2},
        "given_up": {"task.2": None},
        "reassigned": {"task.1": None},
        "fenced": 4,
        "new_resources": {"gpu": 1},
        "released": {"gpu": 2},
        "checkpoint_id": 5,
        "replayed": 6,
    },
    "analysis": None,
    "strategy": None,
    "reached": 1,
    "under_way": True,
    "resume_at": None,
    "stuck": None,
    "phase": "executing",
    "due": None,
    "retry": None,
}
"""A recovery as version 2 of the tables has it."""
VERSION_2_FACTS = IncidentFacts(
    fenced=4,
    new_resources={"gpu": 1},
    released={"gpu": 2},
    checkpoint_id=5,
    restarted=True,
    agent_responded=True,
    tasks=("task.1", "task.2"),
    reassigned=["task.1"],
    given_up=["task.2"],
    counted={"task.1": 1, "task.2": 2},
)


def test_a_store_of_version_2_is_migrated(database) -> None:
    def downgrade(connection: Connection) -> None:
        rows = {3: json.dumps(VERSION_2).encode(), 4: json.dumps(VERSION_2 | {"number": 4, "context": {}}).encode()}
        for number, text in rows.items():
            connection.execute(insert(JOURNAL).values(number=number, incident=text))
        connection.execute(insert(JOURNAL).values(number=5, incident=b'{"number": 5, "fail'))
        connection.execute(update(META).where(META.c.name == "version").values(value="2"))

    database.write(downgrade)
    database.write(prepare)
    database.write(lambda connection: connection.execute(delete(JOURNAL).where(JOURNAL.c.number == 5)))
    first, second = SqlJournal(database, blocking=True).unfinished()
    assert (first.number, first.phase, first.reached, first.under_way) == (3, Phase.EXECUTING, 1, True)
    assert first.facts == VERSION_2_FACTS
    assert (second.number, second.facts) == (4, IncidentFacts())


def test_a_store_of_version_4_is_migrated(database) -> None:
    """It has no states of policies: a core on it begins with new ones, and its open recoveries continue."""
    journal = SqlJournal(database, blocking=True)
    journal.keep(Incident(3, failure_of("task.1"), 0.0, phase=Phase.GRANTED, due=30.0))
    run(journal.durable())
    earlier = {name: value for name, value in json.loads(only_row(database)).items() if name not in LATER_FIELDS}

    def downgrade(connection: Connection) -> None:
        POLICIES.drop(connection)
        connection.execute(update(JOURNAL).values(incident=json.dumps(earlier).encode()))
        connection.execute(update(META).where(META.c.name == "version").values(value="4"))

    database.write(downgrade)
    database.write(prepare)
    assert journal.policies() == {}
    (found,) = journal.unfinished()
    assert (found.due, found.delay, found.try_began, found.ticket) == (30.0, None, None, None)
    journal.keep_policies({STATES[0].name: STATES[0]})
    assert journal.policies() == {STATES[0].name: STATES[0]}


LATER_FIELDS = ("delay", "try_began", "ticket")


def only_row(database) -> bytes:
    return database.read(lambda connection: connection.execute(select(JOURNAL.c.incident)).scalar_one())


STATES = (
    RetryState(FailureKind.TASK, "task.1", 100.0, 2.5),
    DrawState("agent.0", 3),
    BudgetState("task_failure.by_error.E1", 0.2),
    BreakerRecord("task_failure", "half_open", 100.0, 3, 2, "0110", 1, {"task.2": AwaitedVerdict(3, 120.0)}),
    LoadState(130.0),
    HeartbeatState("agent.0", 17, 1.5, 0.25),
    DeliveryState("agents|queue", 2),
    PoolState(("gpu", "disk")),
)
"""One state of every kind."""


def test_states_of_policies_are_found_as_stored(journal) -> None:
    journal.keep_policies({state.name: state for state in STATES})
    assert journal.policies() == {state.name: state for state in STATES}
    spent = BudgetState("task_failure.by_error.E1", 0.0)
    journal.keep(Incident(0, failure_of("task.1"), 0.0), {spent.name: spent, STATES[0].name: None})
    run(journal.durable())
    assert journal.policies() == {state.name: state for state in (*STATES[1:2], spent, *STATES[3:])}


def test_instants_of_policies_are_translated_to_a_restarted_clock(database) -> None:
    """The loop of the first core shows 100 when the wall's clock shows 1,000; that of the second begins at 5."""
    SqlJournal(database, lambda: 900.0, blocking=True).keep_policies({state.name: state for state in STATES})
    found = SqlJournal(database, lambda: 1010.0 - 5.0, blocking=True).policies()
    assert found == {state.name: state.later(-105.0) for state in STATES}
    breaker = found["breaker task_failure"]
    assert (breaker.opened_at, breaker.awaited["task.2"].until) == (-5.0, 15.0)
    assert found["retries task_failure task.1"].since == -5.0
    assert found["load"].next_token == 25.0


def test_a_damaged_state_of_a_policy_is_reported_with_its_name(database) -> None:
    journal = SqlJournal(database, blocking=True)
    journal.keep_policies({"load": LoadState(1.0)})
    cut = update(POLICIES).values(state=b'{"of": "load", "next')
    run(journal.durable())
    database.write(lambda connection: connection.execute(cut))
    with pytest.raises(StoreError, match="the policy state 'load' in the journal is damaged"):
        journal.policies()


def test_durable_writes_are_not_collected(database) -> None:
    """States change without a recovery, and thus without a call of `durable`."""
    journal = SqlJournal(database, blocking=True)
    for number in range(50):
        journal.keep_policies({"load": LoadState(float(number))})
        journal.policies()  # after the write
    assert len(journal._pending) <= 2


def test_numbers_are_never_reused(journal) -> None:
    journal.keep(Incident(4, failure_of("task.1"), 0.0))
    journal.forget(4)
    assert journal.numbers() == 5
    assert journal.unfinished() == []


def test_a_stored_record_does_not_change_with_the_incident(journal) -> None:
    incident = Incident(0, failure_of("task.1"), 0.0)
    journal.keep(incident)
    incident.facts.reassigned.append("task.9")
    assert journal.unfinished()[0].facts == IncidentFacts()


def test_recoveries_are_read_in_opening_order_in_their_latest_state(journal) -> None:
    kept = [Incident(number, failure_of(f"task.{number}"), 1.5) for number in (2, 0, 11)]
    for incident in kept:
        journal.keep(incident)
    kept[0].phase = Phase.EXECUTING
    kept[0].strategy = RecoveryStrategy("x", (Step("a", "b", {"c": (1, 2)}),))
    journal.keep(kept[0])
    journal.forget(0)
    run(journal.durable())
    assert journal.unfinished() == [kept[0], kept[2]]
    assert journal.numbers() == 12


def test_an_escalation_replaces_the_record_of_its_incident(journal) -> None:
    analysis = Analysis(failure_of("task.1"), "x", 0.5, (), Impact(tasks=("task.1",)), {"seen": True}, {"a": (1,)})
    one = Escalation(
        4, failure_of("task.1"), "retries exhausted", 1.0, 2.5, 3, Severity.WARNING, analysis, TaskStatus.FAILED
    )
    one = replace(one, checkpoint=Checkpoint("task.1", 2, 1, 0.1, 7), released=MappingProxyType({"gpu": 1}))
    other = Escalation(2, failure_of("agent.1", FailureKind.AGENT), "unknown", 1.0, 2.0, 1, Severity.CRITICAL)
    for escalation in (one, other, replace(one, acknowledged_by="ann", unknown=("status: OSError",))):
        journal.keep_escalation(escalation)
    assert journal.escalations() == (replace(one, acknowledged_by="ann", unknown=("status: OSError",)), other)


def test_stored_times_are_translated_to_a_restarted_clock(database) -> None:
    """The loop of the first core shows 100 when the wall's clock shows 1,000; that of the second begins at 5."""
    incident = Incident(0, failure_of("task.1"), 100.0, phase=Phase.GRANTED, due=130.0)
    SqlJournal(database, lambda: 900.0, blocking=True).keep(incident)
    (found,) = SqlJournal(database, lambda: 1010.0 - 5.0, blocking=True).unfinished()
    assert (found.opened_at, found.due) == (-5.0, 25.0)
    assert found.failure.at == incident.failure.at - 105.0


def test_a_damaged_recovery_is_reported_with_its_number(database) -> None:
    journal = SqlJournal(database, blocking=True)
    journal.keep(Incident(3, failure_of("task.1"), 0.0))
    run(journal.durable())
    cut = update(JOURNAL).values(incident=b'{"number": 3, "fail')
    database.write(lambda connection: connection.execute(cut))
    with pytest.raises(StoreError, match="recovery 3 in the journal is damaged"):
        journal.unfinished()


def test_a_failed_write_is_reported_when_durability_is_required(database) -> None:
    journal = SqlJournal(database)
    database.write(JOURNAL.drop)
    journal.keep(Incident(3, failure_of("task.1"), 0.0))
    with pytest.raises(StoreError):
        asyncio.run(journal.durable())


def test_all_waiters_return_when_the_write_is_durable(database):
    """For any number and order of waiters; a cancelled waiter does not affect the others."""
    journal = SqlJournal(database)
    begun, go_on = threading.Event(), threading.Event()
    database.submit(lambda connection: begun.set() or go_on.wait(60))
    assert begun.wait(60)
    journal.keep(Incident(3, failure_of("task.1"), 0.0))

    async def story():
        waiting = [asyncio.ensure_future(journal.durable()) for _ in range(3)]
        await asyncio.wait(waiting, timeout=0.05)
        waiting[0].cancel()
        await asyncio.wait(waiting[:1])
        late = asyncio.ensure_future(journal.durable())
        await asyncio.wait([late], timeout=0.05)
        early = [task.done() for task in (*waiting[1:], late)]
        go_on.set()
        await asyncio.gather(*waiting[1:], late)
        return early

    assert asyncio.run(story()) == [False, False, False]
    assert [incident.number for incident in journal.unfinished()] == [3]


@pytest.mark.long
def test_ten_thousand_recoveries_are_written_at_once(database):
    journal = SqlJournal(database, blocking=True)
    for number in range(10_000):
        journal.keep(Incident(number, failure_of(f"task.{number}"), 0.0))
    run(journal.durable())
    assert [incident.number for incident in journal.unfinished()] == list(range(10_000))
    assert journal.numbers() == 10_000
