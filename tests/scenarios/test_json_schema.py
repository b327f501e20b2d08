"""The JSON Schema for editors agrees with the loader."""

import copy
import re
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scenarios
from scenarios import Scenario
from scenarios.documents.yaml_document import read
from scenarios.faults import FORMS
from scenarios.json_schema import json_schema
from scenarios.reference import reference
from tests.examples import examples
from tests.scenarios.complete_scenario import COMPLETE

STORY = {
    "name": "story",
    "duration": "1h",
    "tasks": {"arrivals": {"poisson": {"rate": "2/s"}}, "work": "3s"},
    "agents": {"count": 10},
}


@pytest.fixture(scope="module")
def validator():
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("name", scenarios.names())
def test_a_shipped_scenario_is_valid(validator, name):
    validator.validate(read(scenarios.path(name).read_text(encoding="utf-8"), name).data)


@pytest.mark.parametrize("name", scenarios.names())
def test_resolved_values_are_valid(validator, name):
    validator.validate(scenarios.load(name).resolved())


@pytest.mark.parametrize(
    "changed",
    [
        {"duration": 3600},
        {"duration": "1.5h"},
        {"duration": "1e3 s"},
        {"agents": {"count": 3, "mtbf": "5m"}},
        {"agents": {"count": 3, "mtbf": {"weibull": {"scale": "5m", "shape": 0.7}}}},
        {"queue": {"loss": "2%", "ack_loss": 0.5}},
        {"tasks": {"arrivals": {"closed": {"clients": 5}}, "work": {"exponential": {"mean": 3}}}},
        {"recovery": {"costs": {"restart_agent": "3s"}, "conditions": {"agent_failure": {"max_retries": 1}}}},
        {"recovery": {"conditions": {"agent_failure": {"preset": "temporal"}}}},
        {"recovery": {"conditions": {"task_failure": {"max_retries": None, "budget": {}, "by_error": {}}}}},
        {"recovery": {"conditions": {"task_failure": {"by_error": {"timeout": {"preset": "aws"}}}}}},
        {"faults": [{"agent_crash": {"at": "1m", "targets": "20%"}}, {"agent_hang": {"every": "5m", "for": "3s"}}]},
        {"faults": [{"partition": {"between": ["agents", "queue"], "at": 0}}]},
        {"faults": [{"agent_crash": {"when": " queue.depth>500 "}}, {"agent_hang": {"when": "task.progress > .5"}}]},
        {"expect": ["tasks.lost == 0", "recovery.time.p95<=90s"]},
        {"cost": {"retry": 0.5, "late_task": {"after": "1m", "cost": 1e12}}},
        {"tasks": STORY["tasks"] | {"calls": ["api"]}, "downstream": {"api": {"rate_limit": "90/m"}}},
        {"tasks": STORY["tasks"] | {"calls": ["api"]}, "downstream": {"api": {"rate_limit": 0.5}}},
    ],
)
def test_a_loaded_scenario_is_valid(validator, changed):
    data = STORY | changed
    Scenario.model_validate(data)
    validator.validate(data)


@pytest.mark.parametrize(
    "changed",
    [
        {"agent": {"count": 3}},
        {"recovery": {"conditions": {"agent_failure": {"retry_delay": "5s"}}}},
        {"agents": {"counts": 3}},
        {"agents": {"count": 0}},
        {"agents": {"count": 2.5}},
        {"agents": {}},
        {"duration": "1 hour"},
        {"duration": 0},
        {"duration": -1},
        {"name": "a story"},
        {"queue": {"loss": 1.5}},
        {"tasks": {"arrivals": {"poisson": {"rate": "2s"}}, "work": "3s"}},
        {"tasks": {"arrivals": {"poisson": {"rate": 0}}, "work": "3s"}},
        {"tasks": {"arrivals": {"poisson": {"rate": "-2/s"}}, "work": "3s"}},
        {"tasks": {"arrivals": {"poison": {"rate": "2/s"}}, "work": "3s"}},
        {"tasks": {"arrivals": {"poisson": {"rate": "2/s"}}, "work": {"exponential": {"men": 3}}}},
        {"tasks": {"arrivals": {"poisson": {"rate": "2/s"}}}},
        {"faults": [{"agent_crsh": {"at": "1m"}}]},
        {"faults": [{"agent_slow": {"at": "1m"}}]},
        {"faults": [{"agent_crash": {"when": "queue.depth"}}]},
        {"faults": [{"agent_crash": {"when": "queue.depth > 50%"}}]},
        {"faults": [{"agent_crash": {"when": "queue.length > 5"}}]},
        {"faults": [{"agent_crash": {"when": "task.progress < 0.5"}}]},
        {"faults": [{"agent_crash": {"when": "recovery.step == restart"}}]},
        {"faults": [{"agent_crash": {"when": "agents.up < 3", "at": "1m"}}]},
        {"faults": [{"agent_crash": {"at": "1m"}, "agent_hang": {"at": "1m"}}]},
        {"recovery": {"conditions": {"task_failure": {"jitter": "ful"}}}},
        {"expect": ["tasks.lost"]},
        {"cost": {"retry": -0.5}},
        {"cost": {"late_task": {"after": "1m", "cost": 1e13}}},
        {"tasks": STORY["tasks"] | {"calls": ["api"]}, "downstream": {"api": {"rate_limit": 0}}},
        {"steady_state": {"window": "30s"}},
    ],
)
def test_most_rejected_scenarios_are_invalid_in_the_json_schema(validator, changed):
    data = STORY | changed
    with pytest.raises(ValueError, match="validation error"):
        Scenario.model_validate(data)
    assert not validator.is_valid(data)


def test_a_missing_key_is_invalid(validator):
    for key in STORY:
        assert not validator.is_valid({name: value for name, value in STORY.items() if name != key})


# --------------------------------------------------------------------- every key, with anything that may stand there
ONLY_THE_LOADER_KNOWS = (
    "leaves nothing to measure",
    "unknown resource",
    "unknown queue",
    "unknown kind",
    "unknown dependency",
    "no task calls it",
    "no kind of tasks waits in it",
    "the shares sum to",
    "nothing is left over",
    "of one kind at most",
    "requires arrivals of this kind",
    "arrivals of this kind, or a share",
    "here or as tasks.work",
    "has a share and arrivals of its own",
    "none shares tasks.arrivals",
    "no pool takes tasks",
    "is not the sum of the pools",
    "can never be allocated",
    "exceeds the size of the pool",
    "exceeds the number of agents",
    "no task writes checkpoints",
    "no other fault is",
    "does not end by itself here",
    "is not a step of a recovery",
    "is not longer than the heartbeat interval",
    "is too long: the holder releases the lease",
    "agents do not exchange messages",
    "requires two endpoints",
    "agents use no clock here",
    "the queue uses no clock here",
    "none of these faults has a duration",
    "is a correct clock",
    "agents measure only durations",
    "is never observed here",
    "while no time passes",
    "no such file",
    "is a folder",
)
"""Contradictions between keys, and files."""


def test_every_contradiction_is_a_message_of_the_loader():
    """Few random examples give a certain message, so that a list that is out of date would fail seldom."""
    package = Path(scenarios.__file__).parent
    files = (*package.rglob("*.py"), package.parent / "recovery" / "input_file.py")
    sources = [path.read_text(encoding="utf-8") for path in files]
    assert [each for each in ONLY_THE_LOADER_KNOWS if not any(each in source for source in sources)] == []


VALUES = [
    *(None, True, False, -1, 0, 1, 0.5, 2.5, [], {}, ["x"], {"nonsense": 1}, ["agents", "agents"], ["agent.x"]),
    *("", "x", "5s", "-5s", "0s", " 5 s ", "1e3s", ".5s", "5.s", "+5s", "5S", "5 minutes", "2/s", "0/s", "null"),
    *("50%", "150%", "0%", "0.2", "100%", "100.5%", "1.0", "1.5", "5e1%", "agent.01", "agent.1", "task.3", "all"),
]


def places(data, place=()):
    yield from [place] if place else []
    for step, below in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        yield from places(below, (*place, step))


def at(data, place):
    for step in place:
        data = data[step]
    return data


@st.composite
def changed_somewhere(draw):
    data = copy.deepcopy(COMPLETE)
    place = draw(st.sampled_from(list(places(COMPLETE))))
    around = at(data, place[:-1])
    kind = draw(st.sampled_from(["value", "value", "value", "unknown key", "missing"]))
    if kind == "value":
        around[place[-1]] = draw(st.sampled_from(VALUES))
    elif kind == "missing":
        del around[place[-1]]
    elif isinstance(around[place[-1]], dict):
        around[place[-1]]["nonsense"] = 1
    return data


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:Generating overly large repr")  # of a value that is nested deeply
@settings(max_examples=examples(200))
@given(changed_somewhere())
def test_json_schema_and_loader_agree_except_for_contradictions(validator, data):
    problem = ""
    try:
        Scenario.model_validate(data)
    except ValueError as error:
        problem = str(error)
    depends_on_a_unit = problem.partition("\n")[2].startswith("tolerances")  # of the metric that a key names
    if not depends_on_a_unit and not any(known in problem for known in ONLY_THE_LOADER_KNOWS):
        assert validator.is_valid(data) == (problem == ""), problem


def test_the_test_scenario_has_every_key_and_every_fault():
    keys = reference().partition("## Keys")[2].partition("## Distributions")[0]
    for key in re.findall(r"^\| `([\w.]+)`", keys, re.MULTILINE):
        found = [COMPLETE]
        for step in key.split("."):
            found = [value for data in found for name, value in data.items() if step in {name, "NAME"}]
            assert found, key
    assert {kind for entry in COMPLETE["faults"] for kind in entry} == {form.kind for form in FORMS}


@pytest.mark.parametrize(
    "part",
    [
        {},
        {"tasks": {"checkpoint": {"cost": "1s"}}},
        {"tasks": {"work": {"lognormal": {"cv": 2}}}},
        {"recovery": {"conditions": {"agent_failure": {"retry_delay": "5s"}}, "load": {"burst": 3}}},
        {"resources": {"gpu": {}}},
    ],
)
def test_a_file_that_extends_may_have_partial_mappings(validator, part):
    assert validator.is_valid(STORY | {"extends": "base"})
    assert validator.is_valid({"name": "child", "extends": "base"} | part)
    assert not part or not validator.is_valid(STORY | part | {"extends": None})


@pytest.mark.parametrize(
    "part",
    [
        {"faults": [{"agent_crash": {}}]},
        {"expect": ["tasks.lost"]},
        {"tasks": {"checkpoint": {"prize": "1s"}}},
        {"tasks": {"work": {"lognormal": {"cv": -2}}}},
        {"agents": None},
    ],
)
def test_a_list_is_replaced_as_a_whole_and_invalid_values_stay_invalid(validator, part):
    assert not validator.is_valid({"name": "child", "extends": "base"} | part)


def test_every_key_has_a_description():
    definitions = json_schema()["$defs"]
    keys = [
        (definition, key)
        for definition, schema in definitions.items()
        for key, value in schema.get("properties", {}).items()
        if "description" not in value
    ]
    assert keys == []
