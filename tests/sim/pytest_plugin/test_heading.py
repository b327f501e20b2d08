"""The heading that a collection reads equals that of the loaded scenario."""

import pytest

import scenarios
from sim.pytest_plugin.heading import Heading, _at_a_glance, heading_of, read_heading

REST = """\
duration: 10m
tasks: {arrivals: {poisson: {rate: 2/s}}, work: 3s}
agents: {count: 10}
"""
AT_A_GLANCE = {
    "name: a": Heading("a", has_expectations=False),
    "# first\n\n---\nname: a-b_2   # why\nseed: 12": Heading("a-b_2", 12, has_expectations=False),
    "name: a\ntags: [x, y-z]\nexpect:\n- tasks.lost == 0": Heading("a", 0, ("x", "y-z")),
    "name: a\ntags: []\nexpect: []": Heading("a", has_expectations=False),
    "name: a\nexpect: [tasks.lost == 0]": Heading("a"),
    "name: a\ndescription: |\n  name: b\n  seed: 3": Heading("a", has_expectations=False),
}
LOADED = {
    "name: 'a'": Heading("a", has_expectations=False),
    '"name": a': Heading("a", has_expectations=False),
    "name: a\nxfail: because": Heading("a", xfail="because", has_expectations=False),
    "name: a\nxfail: true": Heading("a", xfail="expected to fail", has_expectations=False),
    "name: a\ntags:\n- x": Heading("a", 0, ("x",), has_expectations=False),
    "name: a\nseed: 0x10": Heading("a", 16, has_expectations=False),
    "name: a\nextends: agent-failure": Heading("a", 7),
}


def written(tmp_path, text):
    file = tmp_path / "file.scenario.yaml"
    file.write_text(text + "\n" + REST)
    return file


@pytest.mark.parametrize(("text", "heading"), [*AT_A_GLANCE.items(), *LOADED.items()])
def test_a_heading_has_what_the_loaded_scenario_has(tmp_path, text, heading):
    file = written(tmp_path, text)
    loaded = scenarios.load(file)
    found = read_heading(file)
    assert found == heading
    assert found == Heading(loaded.name, loaded.seed, loaded.tags, loaded.xfail, bool(loaded.expect))
    assert (_at_a_glance(file) is not None) == (text in AT_A_GLANCE)


@pytest.mark.parametrize(
    "text", ["name: a\nname: b", "name: 5", "name: true", "{name: a}", "name: a\ntags: [3]\nseed: x", "- name: a"]
)
def test_an_invalid_heading_is_refused_when_the_file_is_collected_or_run(tmp_path, text):
    file = written(tmp_path, text)
    _, error = heading_of(file)
    with pytest.raises(scenarios.ScenarioError) as refused:
        scenarios.load(file)
    assert error is None or str(error) == str(refused.value)


def test_the_heading_of_a_file_that_cannot_be_loaded_has_the_name_of_the_file(tmp_path):
    heading, error = heading_of(written(tmp_path, "name: [a"))
    assert (heading.name, str(error).partition(": ")[2]) == ("file", "invalid YAML: expected ',' or ']', but got ':'")


@pytest.mark.parametrize("name", scenarios.names())
def test_shipped_scenarios_are_read_as_they_are_loaded(name):
    loaded = scenarios.load(name)
    found = read_heading(scenarios.path(name))
    assert found == Heading(loaded.name, loaded.seed, loaded.tags, loaded.xfail, bool(loaded.expect))
