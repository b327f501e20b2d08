"""Damaged files are loaded or rejected in one line with file and line, without other errors."""

import json
import re
from functools import cache

from hypothesis import example, given, settings
from hypothesis import strategies as st

import scenarios
from scenarios import Scenario, ScenarioError
from tests.examples import examples

NAMES = scenarios.names()
FILES = [scenarios.path(name).read_text(encoding="utf-8") for name in NAMES]
SPLINTERS = [
    *"{}[]:,-*&!|>'\"%@`#?\t\n\0\\ ~.",
    *(
        "null",
        "true",
        "-1",
        "0",
        "1e999",
        ".nan",
        "9" * 400,
        "10",
        "-3s",
        "2/s",
        "50%",
        "agent.3",
        "all",
        "<<",
        "!!set",
    ),
    *("&a ", "*a", "---\n", "%YAML 1.1\n", '"\\ud800"', '"\\UFFFFFFFF"', "\u2028", "\x85", "\ufeff", "é", "0x1F", "+"),
]
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(SPLINTERS),
    st.text(max_size=8),
    st.sampled_from([10**400, -(10**400), 1e308, 5e-324, "1e308d", "0.001ms", "task.0", "agent.99", "queue"]),
)
values = st.recursive(
    leaves, lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=8), below, max_size=3)
)


def outcome(text):
    """The scenario and no error, or no scenario and the error."""
    try:
        return scenarios.loads(text, "story.yaml"), None
    except ScenarioError as error:
        return None, error


def check(text):
    scenario, error = outcome(text)
    if error is None:
        assert Scenario.model_validate(json.loads(json.dumps(scenario.resolved()))) == scenario
        return
    message = str(error)
    assert re.match(r"story\.yaml:[1-9][0-9]*: ", message)
    assert message.isprintable()
    assert "pydantic" not in message
    assert "validation error" not in message
    assert 1 <= error.line <= len(text.splitlines()) + 1


@st.composite
def damaged_texts(draw):
    text = draw(st.sampled_from(FILES))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 30)))
        splinter = draw(st.sampled_from(SPLINTERS) | st.text(max_size=4) | st.just(text[start:end] * 2))
        text = text[:start] + splinter + text[end:]
    return text


def places(data, place=()):
    yield place
    children = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, below in children:
        yield from places(below, (*place, step))


@cache
def resolved(name):
    return scenarios.load(name).resolved()


@cache
def places_of(name):
    return [place for place in places(resolved(name)) if place]


@st.composite
def damaged_data(draw):
    name = draw(st.sampled_from(NAMES))
    data = json.loads(json.dumps(resolved(name)))
    place = draw(st.sampled_from(places_of(name)))
    node = data
    for step in place[:-1]:
        node = node[step]
    if draw(st.booleans()):
        node[place[-1]] = draw(values)
    elif isinstance(node, dict):
        node[draw(st.text(max_size=8) | st.sampled_from([str(step) for step in place]))] = draw(values)
    else:
        node.append(draw(values))
    return data


@given(damaged_texts())
def test_damaged_text_is_loaded_or_rejected_in_one_line(text):
    check(text)


@given(damaged_data())
@example(resolved(NAMES[0]) | {"agents": {"count": 10, "mtbf": {"weibull": {"scale": 1, "shape": 0.001}}}})
@example(resolved(NAMES[0]) | {"seed": 10**400})
def test_damaged_data_is_loaded_or_rejected_in_one_line(data):
    check(json.dumps(data))


@given(st.text(alphabet=st.sampled_from("{}[]:,-*&!|>'\"%@#? \nab01"), max_size=60))
def test_arbitrary_text_causes_no_other_error(text):
    check(text)


def paths():
    """Every path of a shipped scenario."""
    known = (place for name in NAMES for place in places_of(name))
    return st.sampled_from(list(dict.fromkeys(".".join(map(str, place)) for place in known)))


def changed(scenario, path, value):
    try:
        return scenario.with_values({path: value}), ""
    except ScenarioError as error:
        return None, str(error)


@settings(max_examples=examples(50))
@given(st.sampled_from(FILES), st.deferred(paths), values)
def test_an_override_is_applied_or_rejected_in_one_line(text, path, value):
    scenario = scenarios.loads(text)
    new, message = changed(scenario, path, value)
    if new is None:
        assert message.isprintable()
        assert message.startswith(f"{scenario.name}: ")
        assert "validation error" not in message
    else:
        assert Scenario.model_validate(new.resolved()) == new
