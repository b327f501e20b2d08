"""`search`: output, files, exit status and errors."""

import json
import re

import pytest

import scenarios
from sim.cli import main

QUIET = """
name: quiet
duration: 1m
tasks: {arrivals: {interval: {every: 10s}}, work: 5s}
agents: {count: 2, restart_time: 1s}
recovery: {detection: {detector: perfect}}
"""
STRICT = QUIET + "expect: [agents.availability == 1]\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quiet.scenario.yaml").write_text(QUIET)
    (tmp_path / "strict.scenario.yaml").write_text(STRICT.replace("name: quiet", "name: strict"))
    return tmp_path


@pytest.mark.long
def test_nothing_found_says_what_was_reached_and_what_was_not(folder, capsys):
    arguments = ["search", "quiet.scenario.yaml", "--examples", "10", "--faults", "agent_crash,agent_slow"]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert "nothing breaks" in out
    assert "agent_crash" in out
    assert "not reached: " in out
    assert not list(folder.glob("found/*.yaml"))
    assert main([*arguments, "--marks"]) == 1


def test_what_a_core_of_ones_own_breaks_is_seen_with_that_core(folder, capsys):
    (folder / "my_broken.py").write_text("def build(*arguments, **options):\n    raise ValueError('\\x1b[31mred')\n")
    command = ["search", "quiet.scenario.yaml", "--examples", "2", "--faults", "agent_crash"]
    assert main([*command, "--core", "my_broken:build"]) == 1
    out = capsys.readouterr().out
    assert "from my_broken import build; sim.run(scenarios.load('found/quiet-breaks-run-error.scenario.yaml')" in out
    assert "recovery-bench run" not in out
    assert "ValueError: \\x1b[31mred" in out
    assert "\x1b" not in out
    assert not re.search("^fault +during", out, re.MULTILINE)  # no table of coverage without a row


def test_what_is_found_is_saved_as_a_scenario_and_the_status_is_1(folder, capsys):
    out = folder / "new"
    arguments = ["search", "strict.scenario.yaml", "--faults", "agent_crash", "--seed", "4", "--json", "result.json"]
    assert main([*arguments, "--out", str(out)]) == 1
    saved = out / "strict-breaks-agents-availability-1.scenario.yaml"
    printed = capsys.readouterr().out
    assert f"see it: recovery-bench run {saved}" in printed
    assert re.search(r"agents.availability == 1: observed [\d.]+ %\n", printed)
    assert re.search(r"  agent_crash: (at|after|every) [\d.]+m?s, ", printed)
    found = scenarios.load(saved)
    assert found.found_by.violates == ("agents.availability == 1",)
    assert found.found_by.search.startswith("recovery-bench search strict.scenario.yaml --examples 1000 --seed 4")
    assert main(["run", "--quiet", str(saved)]) == 1
    data = json.loads((folder / "result.json").read_text())
    assert data["found"]["breaks"] == "agents.availability == 1"
    assert data["saved"] == str(saved)


def test_a_core_of_ones_own_is_imported_only_from_its_option(folder, capsys):
    (folder / "my_core.py").write_text(
        "from tests.gallery.cores import deadlocks_with_another_recovery as build\nnothing = 3\n"
    )
    found = ["search", "quiet.scenario.yaml", "--faults", "agent_crash", "--examples", "100", "--seed", "1"]
    assert main([*found, "--core", "my_core:build", "--quiet"]) == 1
    assert "quiet: breaks recovery_terminates; saved: found/" in capsys.readouterr().err
    assert main([*found, "--core", "my_core:nothing"]) == 2
    assert "--core my_core:nothing: is not a function" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--examples", "0"], "--examples 0: not a number of examples; valid: a whole number, 1 or more"),
        (["--faults", "agent_crush"], "--faults: unknown kind 'agent_crush'"),
        (["--faults", "resource_leak"], "--faults: resource_leak is not possible in quiet"),
        (["--most-faults", "0"], "--most-faults 0: not a number of faults"),
        (
            ["--vary", "agents.count=5..2"],
            "--vary agents.count=5..2: admits no value; valid: low..high",
        ),
        (["--vary", "agents.cuont=1..2"], "--vary agents.cuont=1: unknown path"),
        (["--vary", "agents.count"], "--vary agents.count: not a change"),
        (
            ["--vary", "agents.count=1..100000000"],
            "quiet: agents.count: about 1e+10 events are expected in a run",
        ),
        (["--examples", "100000000000"], "quiet: --examples: about 3e+13 events are expected in 100,000,000,000 runs"),
        pytest.param(
            ["--examples", "2", "--vary", "duration=30s,50s", "--vary", "warmup=55s"],
            "quiet: all 460 examples within the bounds are contradictory: quiet.scenario.yaml: --set warmup=55s",
            marks=pytest.mark.long,
        ),
        (["--set", "agents.count=x"], "quiet.scenario.yaml: --set agents.count=x: 'x' is not valid"),
        (["--out", "quiet.scenario.yaml"], "--out quiet.scenario.yaml: is not a folder"),
        (["--core", "nowhere:build"], "--core nowhere:build: ModuleNotFoundError: No module named 'nowhere'"),
        (["--core", "twice:build"], "--core twice:build: SyntaxError: "),
        (["--core", "nowhere"], "--core nowhere: not a function; valid: module:function"),
        (["--max-time", "0"], "--max-time 0"),
    ],
)
def test_bad_input_is_one_line_and_the_status_is_2(folder, capsys, arguments, message):
    (folder / "twice.py").write_text("def build(:\n")
    assert main(["search", "quiet.scenario.yaml", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith(message)
    assert error.count("\n") == 1


def test_an_interrupt_has_the_status_130_and_keeps_what_was_done(folder, capsys, monkeypatch):
    import sim.experiments.search.judgement as judgement

    runs = []

    def simulate(*arguments, real=judgement.simulate):
        runs.append(1)
        if len(runs) == 4:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(judgement, "simulate", simulate)
    assert main(["search", "quiet.scenario.yaml", "--examples", "20", "--json", "-"]) == 130
    data = json.loads(capsys.readouterr().out)
    assert (data["interrupted"], data["examples"]) == (True, 4)  # the first one drawn equals the run without faults
