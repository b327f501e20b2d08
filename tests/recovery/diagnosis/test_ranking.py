"""The ranking of entries by evidence: the confidence formula, and the selection of diagnoses."""

from collections.abc import Mapping
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recovery.diagnosis.ranking import CERTAIN_LEAD, discriminating, rank, remaining
from recovery.model import Candidate, Symptom
from recovery.runbook.catalogue import Entry, Instruction, documented

ENTRIES = dict(documented().entries())
EXECUTION, RESOURCE, AGENT, LINK = ENTRIES


def seen(*words: str) -> tuple[Symptom, ...]:
    """`task_status: failed` and the like, of whomever."""
    return tuple(Symptom(*word.split(": "), subject="somebody") for word in words)


def confidences(entries: Mapping[str, Entry], *words: str, **verdicts: Mapping[str, bool]) -> dict[str, float]:
    return {each.scenario: each.confidence for each in rank(entries, seen(*words), verdicts)}


def entry(*symptoms: str, diagnosis: tuple[Instruction, ...] = ()) -> Entry:
    return Entry(symptoms=[dict([word.split(": ")]) for word in symptoms], diagnosis=diagnosis, recovery=())


def looks(command: str, *args: str) -> Instruction:
    return Instruction(name=f"by_{command}", command=command, args=args)


HEALTH, LOGS = looks("verify_agent_health", "agent_id"), looks("analyze_agent_logs", "agent_id", "timeframe")
NETWORK = looks("verify_network_status", "endpoints")


# ------------------------------------------------------------------------------------------------ the formula
@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize("count", [1, 2, 3])
def test_distinguishing_symptoms_count_by_their_share(name, count):
    for symptoms in combinations([": ".join(pair) for pair in ENTRIES[name].pairs()], count):
        assert confidences(ENTRIES, *symptoms) == {name: pytest.approx(count / 3)}


def test_without_symptoms_there_are_no_candidates():
    assert rank(ENTRIES, ()) == ()
    assert rank(ENTRIES, seen("moon: full")) == ()


def test_a_repeated_symptom_counts_once():
    assert confidences(ENTRIES, "error_code: present", "error_code: present") == {EXECUTION: pytest.approx(1 / 3)}


def test_a_contradicting_symptom_lowers_the_confidence():
    """Blocked is a symptom of a resource failure, and not of an execution failure: (1 - 1 of 3), and 1 of 3."""
    assert rank(ENTRIES, seen("task_status: blocked", "error_code: present")) == (
        Candidate(RESOURCE, pytest.approx(1 / 3), seen=("task_status: blocked",)),
        Candidate(EXECUTION, 0.0, seen=("error_code: present",), against=("task_status: failed",)),
    )


def test_confidence_is_never_negative():
    entries = {"a": entry("x: 1", "y: 1", "z: 1")}
    assert confidences(entries, "x: 1", "y: 2", "z: 2") == {"a": 0}


def test_a_symptom_of_many_entries_weighs_less():
    """`x` is on both lists and weighs 1/2, `y` is on one and weighs 1: 0.5 / 1.5 without it, 1.5 / 1.5 with it."""
    entries = {"a": entry("x: 1", "y: 1"), "b": entry("x: 1", "z: 1")}
    assert confidences(entries, "x: 1") == {"a": pytest.approx(1 / 3), "b": pytest.approx(1 / 3)}
    assert confidences(entries, "x: 1", "y: 1") == {"a": 1, "b": pytest.approx(1 / 3)}


def test_an_entry_with_two_values_is_refuted_by_neither():
    assert confidences({"a": entry("x: 1", "x: 2")}, "x: 1") == {"a": 0.5}


def test_a_diagnosis_counts_as_one_more_symptom():
    """One of two symptoms seen: 1/2; confirmed once: 2/3; refuted once: 0/3; one of each: 1/4."""
    entries = {"a": entry("x: 1", "y: 1", diagnosis=(HEALTH, LOGS))}
    for verdicts, expected in (
        ({}, 1 / 2),
        ({HEALTH.name: True}, 2 / 3),
        ({HEALTH.name: False}, 0),
        ({HEALTH.name: True, LOGS.name: False}, 1 / 4),
    ):
        assert confidences(entries, "x: 1", a=verdicts) == {"a": pytest.approx(expected)}
    (candidate,) = rank(entries, seen("x: 1"), {"a": {HEALTH.name: True, LOGS.name: False}})
    assert (candidate.confirmed, candidate.refuted) == ((HEALTH.name,), (LOGS.name,))


def test_candidates_are_sorted_by_confidence_then_runbook_order():
    entries = {name: entry(f"{name}: 1", f"{name}{name}: 1") for name in "abc"}
    found = rank(entries, seen("c: 1", "a: 1", "b: 1", "bb: 1"))
    assert [each.scenario for each in found] == ["b", "a", "c"]


@given(st.lists(st.sampled_from([f"{name}: {value}" for name in "wxyz" for value in "12"]), max_size=6))
def test_confidence_is_between_0_and_1_and_independent_of_symptom_order(words):
    entries = {"a": entry("w: 1", "x: 1", "y: 1"), "b": entry("w: 1", "z: 2"), "c": entry("x: 2", "y: 2", "z: 2")}
    found = rank(entries, seen(*words))
    assert all(0 <= each.confidence <= 1 for each in found)
    assert found == rank(entries, seen(*reversed(words)))


# ------------------------------------------------------------------------------------------------ who is left
def likely(*confidences: float) -> tuple[Candidate, ...]:
    return tuple(Candidate(name, confidence) for name, confidence in zip("abc", confidences, strict=False))


def test_a_clear_leader_is_the_only_candidate():
    assert [each.scenario for each in remaining(likely(0.9, 0.9 - CERTAIN_LEAD, 0.1))] == ["a"]


def test_candidates_close_to_the_leader_remain():
    assert [each.scenario for each in remaining(likely(0.9, 0.8, 0.1))] == ["a", "b"]


def test_an_entry_with_equal_evidence_for_and_against_is_dropped():
    assert remaining(likely(0.0)) == ()
    assert [each.scenario for each in remaining(likely(0.1, 0.0))] == ["a"]


# ------------------------------------------------------------------------------------------------ which diagnoses
def test_a_diagnosis_shared_by_all_candidates_is_not_informative():
    entries = {"a": entry("x: 1", diagnosis=(HEALTH, LOGS)), "b": entry("y: 1", diagnosis=(NETWORK, LOGS))}
    assert discriminating(entries, likely(0.5, 0.5)) == [("a", HEALTH), ("b", NETWORK)]


def test_a_command_with_other_arguments_is_another_diagnosis():
    tasks, agents = (
        Instruction(name="logs", command="check_logs", args=("path", "pattern"), values={"path": path, "pattern": "E"})
        for path in ("/tasks/", "/agents/")
    )
    entries = {"a": entry("x: 1", diagnosis=(tasks,)), "b": entry("y: 1", diagnosis=(agents,))}
    assert discriminating(entries, likely(0.5, 0.5)) == [("a", tasks), ("b", agents)]
