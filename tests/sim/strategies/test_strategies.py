"""Strategies of scenarios: every schedule is valid, within its bounds, and reaches more than uniform times."""

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import scenarios
from scenarios.errors import ScenarioError
from sim.strategies import Bounds, BoundsError, Drawn, Range, drawn, fault_schedules, parse_values, searched
from sim.strategies.bounds import KINDS
from sim.strategies.faults import FORMS, refusal
from sim.strategies.instants import durations
from sim.strategies.schedules import LEVELS
from tests.examples import examples

WORLD = scenarios.loads("""
name: everything
seed: 5
duration: 10m
tasks:
  arrivals: {poisson: {rate: 0.2/s}}
  work: 8s
  needs: {gpu: 1}
  timeout: 50s
  checkpoint: {every: 2s, cost: 100ms, restore: 100ms}
agents: {count: 5, restart_time: 10s}
resources: {gpu: {units: 4}}
queue: {ack_timeout: 30s}
recovery: {cores: {count: 2}, costs: {retry_task: 3s}, detection: {heartbeat_interval: 4s, missed_heartbeats: 3}}
""")
SMALL = scenarios.loads("""
name: small
duration: 10s
tasks: {arrivals: {burst: {size: 3}}, work: 1s}
agents: {count: 1}
""")


@settings(max_examples=examples(80), suppress_health_check=list(HealthCheck))
@given(drawn(WORLD))
def test_every_schedule_is_a_valid_scenario_within_the_bounds(example):
    made = example.scenario(WORLD)
    assert 1 <= len(made.faults) <= 4
    assert 5 <= made.seed < 5 + 16
    assert made == WORLD.with_values({"faults": list(example.faults), "seed": example.seed})


def test_other_faults_are_validated_with_their_path():
    with pytest.raises(ScenarioError, match=r"^small: faults\[1\].agent_crash.at: '-1s' is a negative duration"):
        SMALL.with_faults([{"agent_crash": {"at": 1}}, {"agent_crash": {"at": "-1s"}}], seed=1)
    with pytest.raises(ScenarioError, match=r"^small: faults\[0\].resource_leak.resource: "):
        SMALL.with_faults([{"resource_leak": {"resource": "gpu", "units": 1, "at": 1}}], seed=1)


@pytest.mark.parametrize(
    ("values", "faults"),
    [
        ({}, [{"dependency_down": {"dependency": "database", "at": 1, "for": 1}}]),
        ({}, [{"agent_crash": {"when": "fault.agent_hang == injected"}}]),
        ({"recovery.detection.detector": "perfect", "agents.restart_time": 0}, [{"poison_task": {"at": 1}}]),
        ({"tasks.arrivals": "{interval: {every: 20s}}", "faults": [{"agent_crash": {"at": 1}}]}, []),
    ],
    ids=["a name", "another fault", "a task", "no fault"],
)
def test_what_other_faults_contradict_is_found_as_for_a_whole_scenario(values, faults):
    valid = SMALL.with_values(values)
    with pytest.raises(ScenarioError) as whole:
        valid.with_values({"faults": faults, "seed": 1})
    with pytest.raises(ScenarioError) as replaced:
        valid.with_faults(faults, seed=1)
    assert replaced.value.problem == whole.value.problem


@settings(max_examples=examples(40), suppress_health_check=list(HealthCheck))
@given(searched(SMALL, ["agent_crash", "queue_blocked"], 2, {"agents.count": "1..3", "tasks.work": "1s,2s"}))
def test_worlds_loads_and_kinds_of_fault_have_bounds(made):
    assert {fault.kind for fault in made.faults} <= {"agent_crash", "queue_blocked"}
    assert len(made.faults) <= 2
    assert 1 <= made.agents.count <= 3
    assert made.tasks.work.mean in {1, 2}


def test_each_kind_of_fault_has_a_form():
    assert tuple(FORMS) == KINDS
    calling = WORLD.with_values({"downstream": {"api": {"latency": "1s"}}, "tasks.calls": ["api"]})
    assert all(refusal(calling, kind) is None for kind in KINDS)


REACHED = {
    "at a step": lambda first, second: "recovery.step == " in first.get("when", ""),
    "in the middle of a step": lambda first, second: first.get("after") == 1.5,
    "near a deadline": lambda first, second: round(first.get("at", 0) % 4, 3) in {0.001, 3.999},
    "tied": lambda first, second: first.get("at") is not None and first["at"] == second.get("at"),
    "when another ends": lambda first, second: "cleared" in second.get("when", ""),
    "when another begins": lambda first, second: "injected" in second.get("when", ""),
    "at a level": lambda first, second: not {first.get("when"), second.get("when")}.isdisjoint(LEVELS),
    "repeated": lambda first, second: "every" in first,
}


def test_schedules_reach_places_that_uniform_times_hardly_reach():
    reached = dict.fromkeys(REACHED, 0)

    @seed(1)
    @settings(max_examples=300, phases=[Phase.generate], database=None, suppress_health_check=list(HealthCheck))
    @given(fault_schedules(WORLD, Bounds.of(["partition"], 2)))
    def draw(faults):
        placed = [next(iter(fault.values())) for fault in faults]
        if len(placed) == 2:
            for name, is_reached in REACHED.items():
                reached[name] += is_reached(*placed)

    draw()
    assert all(reached.values()), reached


def test_durations_are_those_of_the_scenario():
    found = durations(WORLD)
    assert {4.0, 12.0, 8.0, 10.0, 30.0, 2.0, 3.0, 50.0} <= set(found)
    assert list(found) == sorted(found)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"faults": ["agent_crsh"]}, "faults: unknown kind 'agent_crsh'"),
        ({"faults": []}, "faults: no kind of fault"),
        ({"most_faults": 0}, "most_faults: 0 admits no schedule; valid: 1 or more"),
        ({"seeds": 0}, "seeds: 0 admits no run"),
        ({"values": {"agents.count": "5..2"}}, "agents.count=5..2: admits no value"),
        ({"values": {"agents.count": "1,,2"}}, "agents.count=1,,2: has an empty value"),
        ({"values": {"agents.count": "a..b"}}, "agents.count=a..b: 'a' is not a number or duration"),
    ],
)
def test_bounds_that_admit_nothing_are_refused(arguments, message):
    with pytest.raises(BoundsError, match=message.replace(".", r"\.")):
        Bounds.of(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"faults": ["resource_leak"]},
            "faults: resource_leak is not possible in small: the scenario has no",
        ),
        ({"values": {"agents.cuont": "1..2"}}, "agents.cuont=1: unknown path"),
        ({"values": {"agents.count": "0..2"}}, "agents.count=0: 0 is not"),
        ({"values": {"faults": "1,2"}}, "faults: does not vary"),
    ],
)
def test_bounds_that_the_scenario_does_not_admit_are_refused(arguments, message):
    with pytest.raises(BoundsError, match=message):
        drawn(SMALL, Bounds.of(**arguments))


def test_values_are_ranges_or_lists():
    assert parse_values("p", "1..4") == Range(1, 4)
    assert parse_values("p", "5s..1m") == Range(5.0, 60.0)
    assert parse_values("p", "5%..10%") == Range(0.05, 0.1)
    assert parse_values("p", "fixed,exponential") == ("fixed", "exponential")
    assert [Range(1, 3).at(step) for step in range(3)] == [1, 2, 3]
    assert Range(0.0, 60.0).at(50) == 30


def test_an_example_keeps_the_faults_of_its_scenario():
    base = SMALL.with_values({"faults": [{"agent_crash": {"at": 1}}]})
    made = Drawn({}, ({"queue_blocked": {"at": 2, "for": 1}},), 4).scenario(base)
    assert [fault.kind for fault in made.faults] == ["agent_crash", "queue_blocked"]
    assert made.seed == 4


def test_drawing_is_a_strategy():
    assert isinstance(drawn(SMALL), st.SearchStrategy)
