"""The JSON Schema for editors agrees with what is loaded."""

import jsonschema
import pytest

import scenarios
from scenarios import Scenario
from scenarios.document import read

STORY = {
    "name": "story",
    "duration": "1h",
    "tasks": {"arrivals": {"poisson": {"rate": "2/s"}}, "work": "3s"},
    "agents": {"count": 10},
}


@pytest.fixture(scope="module")
def validator():
    schema = Scenario.model_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("name", scenarios.names())
def test_a_scenario_that_ships_is_valid(validator, name):
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
        {"expect": ["tasks.lost == 0", "recovery.time.p95<=90s"]},
    ],
)
def test_what_is_loaded_is_valid(validator, changed):
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
        {"faults": [{"agent_crash": {"at": "1m"}, "agent_hang": {"at": "1m"}}]},
        {"recovery": {"conditions": {"task_failure": {"jitter": "ful"}}}},
        {"expect": ["tasks.lost"]},
        {"steady_state": {"window": "30s"}},
    ],
)
def test_what_is_refused_is_mostly_invalid_in_an_editor_already(validator, changed):
    data = STORY | changed
    with pytest.raises(ValueError, match="validation error"):
        Scenario.model_validate(data)
    assert not validator.is_valid(data)


def test_a_missing_key_is_invalid(validator):
    for key in STORY:
        assert not validator.is_valid({name: value for name, value in STORY.items() if name != key})
