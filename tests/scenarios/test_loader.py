"""Scenarios from names, files and strings."""

import errno
import os
from pathlib import Path

import pytest

import scenarios
from scenarios import ScenarioError

STORY = """\
name: story
duration: 1h
tasks:
  arrivals: {poisson: {rate: 2/s}}
  work: 3s
agents: {count: 10}
"""


@pytest.fixture
def story(tmp_path):
    file = tmp_path / "story.scenario.yaml"
    file.write_text(STORY, encoding="utf-8")
    return file


def refused(act, *arguments):
    with pytest.raises(ScenarioError) as caught:
        act(*arguments)
    return str(caught.value)


def test_a_shipped_scenario_is_loaded_by_name():
    scenario = scenarios.load("agent-failure")
    assert scenario.name == "agent-failure"
    assert Path(scenario.source) == scenarios.path("agent-failure")


def test_a_file_is_loaded_by_path(story):
    by_text, by_path = scenarios.load(str(story)), scenarios.load(story)
    assert by_text == by_path
    assert by_text.name == "story"
    assert by_text.source == str(story)


def test_a_scenario_from_text_has_no_file():
    assert scenarios.loads(STORY).source is None


def test_shipped_names_are_sorted():
    names = scenarios.names()
    assert names == sorted(names)
    assert {"agent-failure", "baseline", "communication-failure", "execution-failure", "resource-failure"} <= set(names)


def test_a_missing_file_suggests_the_nearest_scenario():
    message = refused(scenarios.load, "agent-failur")
    assert message.startswith("agent-failur: no such file or scenario; valid: a file, or one of ")
    assert message.endswith(" (nearest: 'agent-failure')")


def test_a_missing_path_suggests_by_its_last_component():
    message = refused(scenarios.load, "there/agent_failure.scenario.yaml")
    assert message.startswith("there/agent_failure.scenario.yaml: no such file or scenario; ")
    assert message.endswith(" (nearest: 'agent-failure')")


def test_a_path_is_never_taken_for_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "no such file" in refused(scenarios.load, Path("agent-failure"))


def test_an_unknown_name_has_no_path():
    message = refused(scenarios.path, "basline")
    assert message.startswith("basline: no shipped scenario has this name; valid: ")
    assert message.endswith("(nearest: 'baseline')")


def test_a_folder_is_rejected(tmp_path):
    assert refused(scenarios.load, tmp_path) == f"{tmp_path}: is a folder; valid: a scenario file, NAME.scenario.yaml"


def test_a_path_below_a_file_is_rejected(story):
    file = story / "other.scenario.yaml"
    problem = f"cannot be read: {os.strerror(errno.ENOTDIR)}"
    assert refused(scenarios.load, file) == f"{file}: {problem}; valid: a scenario file, NAME.scenario.yaml"


def test_an_invalid_file_name_is_rejected():
    assert refused(scenarios.load, "a\0b") == (
        "a\\x00b: cannot be read: embedded null byte; valid: a scenario file, NAME.scenario.yaml"
    )


def test_invalid_utf_8_is_rejected_with_the_byte(story):
    story.write_bytes(STORY.encode() + b"description: caf\xe9\n")
    place = len(STORY) + len("description: caf")
    problem = f"is not UTF-8 text (byte {place})"
    assert refused(scenarios.load, story) == f"{story}: {problem}; valid: a scenario file, NAME.scenario.yaml"


def test_a_byte_order_mark_is_ignored(story):
    story.write_text(STORY, encoding="utf-8-sig")
    assert scenarios.load(story).name == "story"


@pytest.mark.parametrize("text", ["", "# nothing\n", "null", "3", "story", "- a\n- b\n"])
def test_a_document_that_is_not_a_mapping_is_rejected(text):
    message = refused(scenarios.loads, text, "story.yaml")
    assert message == "story.yaml:1: is not a scenario; valid: a mapping with name, duration, tasks, agents"


@pytest.mark.parametrize(
    ("added", "line"),
    [
        ("faults: [", 8),  # the end of the text, where the bracket is still missing
        ("faults: ]", 7),
        ("a:\n\t- b", 8),
        ('a: "never closed', 8),
        ("a: b: c", 7),
        ("---\nname: other", 7),
        ("a: *nobody", 7),
        ("a: @b", 7),
    ],
)
def test_invalid_yaml_is_reported_with_its_line(added, line):
    message = refused(scenarios.loads, f"{STORY}{added}\n", "story.yaml")
    assert message.startswith(f"story.yaml:{line}: invalid YAML: ")


def test_a_character_not_allowed_in_yaml_is_reported():
    assert refused(scenarios.loads, STORY + "a: \0", "story.yaml").startswith(
        "story.yaml:1: invalid YAML: unacceptable"
    )


def test_an_escape_beyond_unicode_is_reported():
    message = refused(scenarios.loads, STORY + 'description: "\\UFFFFFFFF"\n', "story.yaml")
    assert message == "story.yaml:1: invalid YAML: an escape sequence that is not a character"


def test_a_lone_surrogate_is_rejected():
    message = refused(scenarios.loads, STORY + 'description: "\\ud800"\n', "story.yaml")
    assert message.startswith("story.yaml:7: description: ")
    assert message.endswith("is not text: half a surrogate pair")


@pytest.mark.parametrize("number", ["1" + "0" * 400, "0x" + "f" * 5000])
def test_an_overflowing_number_is_rejected(number):
    message = refused(scenarios.loads, STORY + f"seed: {number}\n", "story.yaml")
    assert message.startswith("story.yaml:7: seed: ")
    assert message.endswith("… is too large a number")


def test_a_duplicate_key_is_reported_with_both_lines():
    message = refused(scenarios.loads, STORY.replace("  work: 3s", "  work: 3s\n  work: 4s"), "story.yaml")
    assert message == "story.yaml:6: tasks.work: duplicate key; first defined on line 5"


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        ("!!python/object/apply:os.system ['touch executed']", "tag:yaml.org,2002:python/object/apply:os.system"),
        ("!!python/name:os.system ''", "tag:yaml.org,2002:python/name:os.system"),
        ("!!binary aGk=", "tag:yaml.org,2002:binary"),
        ("!mine 3", "!mine"),
        ("!!set {a, b}", "tag:yaml.org,2002:set"),
        ("!!omap [a: 1]", "tag:yaml.org,2002:omap"),
    ],
)
def test_tags_are_rejected_and_nothing_is_executed(value, tag, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = refused(scenarios.loads, f"{STORY}description: {value}\n", "story.yaml")
    assert message.startswith("story.yaml:7: description: ")
    assert message.endswith("is not supported; valid: plain YAML values")
    assert tag[:50] in message
    assert not list(tmp_path.iterdir())


def test_a_tag_that_contradicts_its_value_is_rejected():
    message = refused(scenarios.loads, STORY + 'seed: !!int "x"\n', "story.yaml")
    assert message == "story.yaml:7: seed: 'x' is not a valid int"


def test_an_alias_is_replaced_by_its_anchor():
    text = STORY.replace("work: 3s", "work: &time 3s\n  timeout: *time")
    assert scenarios.loads(text).tasks.timeout == 3.0


def test_a_merge_key_is_not_supported():
    text = STORY.replace("agents: {count: 10}", "agents: {<<: {count: 10}}")
    assert (
        refused(scenarios.loads, text, "story.yaml")
        == "story.yaml:6: agents: <<: merge keys are not part of YAML 1.2; valid: the keys, or `extends`"
    )


@pytest.mark.parametrize("key", ["3", "true", "null", "[a, b]", "{a: b}"])
def test_keys_must_be_strings(key):
    message = refused(scenarios.loads, f"{STORY}? {key}\n: 1\n", "story.yaml")
    assert message.startswith("story.yaml:7: ")
    assert message.endswith(" is not a key; valid: a string")


@pytest.mark.parametrize("text", ["a: &a [*a, *a]", "&a {x: *a, y: *a}"])
def test_a_recursive_alias_is_rejected(text):
    message = refused(scenarios.loads, text, "story.yaml")
    assert message in {f"story.yaml:1: {key}: too large or too deeply nested for a scenario" for key in "ax"}


def test_aliases_that_expand_without_bound_are_rejected():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    message = refused(scenarios.loads, "\n".join(lines), "story.yaml")
    assert message.endswith("too large or too deeply nested for a scenario")


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_excessive_nesting_is_rejected(opening):
    message = refused(scenarios.loads, opening * 400 + "x", "story.yaml")
    assert message.startswith("story.yaml:1: ")


@pytest.mark.parametrize(
    ("written", "read"),
    [("0x10", 16), ("0o17", 15), ("017", 17), ("1e3", 1000), ("+5", 5)],
)
def test_numbers_follow_yaml_1_2(written, read):
    assert scenarios.loads(STORY + f"seed: {written}\n").seed == read


@pytest.mark.parametrize("text", ["yes", "no", "on", "2001-01-01", "1:30", "~x"])
def test_strings_are_not_converted_to_other_types(text):
    assert scenarios.loads(STORY + f"description: {text}\n").description == text


@pytest.mark.parametrize("number", ["1_000", "1_0.5"])
def test_a_number_with_an_underscore_is_refused(number):
    text = STORY.replace("agents: {count: 10}", f"agents: {{count: {number}}}")
    problem = f"'{number}' is not a number in YAML 1.2; valid: without _"
    assert refused(scenarios.loads, text, "story.yaml") == f"story.yaml:6: agents.count: {problem}"


def test_a_file_in_the_current_folder_is_suggested_before_a_shipped_scenario(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert refused(scenarios.load, "baselin").endswith("(nearest: 'baseline')")
    (tmp_path / "base-line.scenario.yaml").write_text(STORY)
    assert refused(scenarios.load, "baselin").endswith("(nearest: 'base-line.scenario.yaml')")
