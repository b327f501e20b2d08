"""Messages of the library name arguments of Python, and those of a command its options."""

import ast
import re
from pathlib import Path

import pytest

import scenarios
import sim
from recovery.errors import argument, arguments_as_options

ROOT = Path(__file__).parents[1]
COMMANDS = {
    "recovery/manual/enrollment.py": "names a command",
    "scenarios/reference.py": "the page about files and the command line",
    "sim/baselines/file.py": "names what writes the file",
    "sim/suites/trend.py": "names what writes the file",
    "sim/reports/failures/replay.py": "a command to copy",
}
"""Modules whose texts name options, and why."""
FOLDERS = ("sim/cli/", "sim/pytest_plugin/", "sim/reports/page/")
"""Folders of commands, and of pages with commands to copy."""


def test_an_argument_is_named_in_the_words_of_the_caller():
    assert argument("detection_time", "5s") == "detection_time='5s'"
    assert argument("span", python="spans") == "spans"
    with arguments_as_options():
        assert argument("detection_time", "5s") == "--detection-time 5s"
        with arguments_as_options("--scenario-"):
            assert argument("set") == "--scenario-set"
        assert argument("span", python="spans") == "--span"
    assert argument("set") == "set"


@pytest.mark.parametrize(
    "call",
    [
        lambda scenario: scenario.with_values({"agents.cuont": 3}),
        lambda scenario: sim.compare(scenario, {}, {"agents.cuont": 3}, replications=2),
        lambda scenario: sim.sweep(scenario, {"agents.cuont": [3]}),
        lambda scenario: sim.tune(scenario, {"agents.cuont": (3, 5)}, minimize=["retries.count"]),
        lambda scenario: sim.tune(scenario, {"agents.count": (3, 5)}, minimize=["retries.count"], within="x"),
        lambda scenario: sim.select(scenario, {"agents.cuont": [3, 4]}, "retries.count", 1.0),
        lambda scenario: sim.rare(scenario, "recovery.time >"),
        lambda scenario: sim.search(scenario, 0),
        lambda scenario: sim.fit("no.csv", zone="Mars"),
        lambda scenario: sim.run(scenario, seed="x"),
        lambda scenario: sim.replicate(scenario, replications=0),
    ],
)
def test_an_error_in_python_names_no_option(call):
    with pytest.raises((ValueError, OSError, KeyError)) as error:
        call(scenarios.load("agent-failure"))
    assert "--" not in str(error.value)
    assert "\n" not in str(error.value)


def test_no_other_module_names_an_option():
    found = set()
    for file in sorted((*ROOT.glob("recovery/**/*.py"), *ROOT.glob("scenarios/**/*.py"), *ROOT.glob("sim/**/*.py"))):
        name = file.relative_to(ROOT).as_posix()
        text = file.read_text(encoding="utf-8")
        if not name.startswith(FOLDERS) and re.search(r"--[a-z]{3}", text):
            found |= {name for each in texts(ast.parse(text)) if re.search(r"(?<![\w-])--[a-z]{3}", each)}
    assert found == set(COMMANDS)


def texts(tree):
    """Texts of a module but its docstrings."""
    documented = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented
    ]
