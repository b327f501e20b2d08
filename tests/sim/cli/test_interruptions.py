"""Interrupted commands and a full disk: finished work is kept, and there is no traceback."""

import contextlib
import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from sim.cli import main
from tests.sim.cli.small import ROOT


@pytest.mark.parametrize("history", [[], ["--history", "events.parquet"]])
def test_finished_runs_are_kept_after_an_interrupt(small, capsys, interrupts, history):
    interrupts(2)
    command = ["run", "small.scenario.yaml", "--replications", "5", "--json", "part.json", *history]
    assert main(command) == 130
    out, err = capsys.readouterr()
    assert err == "interrupted; finished: 2 of 5 of small\n"
    assert "(interrupted)" in out
    data = json.loads(Path("part.json").read_text())
    assert (data["interrupted"], [run["seed"] for run in data["runs"]]) == (True, ["7/0", "7/1"])
    if history:
        assert pd.read_parquet("events.parquet")["replication"].unique().tolist() == ["7/0", "7/1"]


def test_finished_scenarios_are_kept_after_an_interrupt(small, capsys, interrupts):
    interrupts(1)
    assert main(["run", "small.scenario.yaml", "strict.scenario.yaml", "--json", "part.json", "-q"]) == 130
    assert [result["scenario"] for result in json.loads(Path("part.json").read_text())] == ["small"]


@pytest.mark.parametrize("history", [[], ["--history", "events.parquet"]])
def test_an_interrupt_before_the_first_result_leaves_no_output(small, capsys, interrupts, history):
    interrupts(0)
    assert main(["run", "small.scenario.yaml", "--json", "part.json", *history]) == 130
    assert capsys.readouterr().err == "interrupted; nothing was finished\n"
    assert sorted(path.name for path in small.iterdir()) == ["small.scenario.yaml", "strict.scenario.yaml"]


def test_an_interrupt_swallowed_by_python_is_not_lost(small, capsys, monkeypatch):
    import sim.experiments.runs.executor as workers

    def run(*arguments, real=workers.run, **options):
        with contextlib.suppress(KeyboardInterrupt):  # as in a callback of the garbage collector
            signal.raise_signal(signal.SIGINT)
        return real(*arguments, **options)

    monkeypatch.setattr(workers, "run", run)
    assert main(["run", "small.scenario.yaml", "--replications", "5", "--json", "part.json"]) == 130
    assert [run["seed"] for run in json.loads(Path("part.json").read_text())["runs"]] == ["7/0"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_handlers_are_installed_only_during_a_command(small, monkeypatch, number):
    before = signal.getsignal(number)
    monkeypatch.setattr("scenarios.load", lambda name: signal.raise_signal(number))
    assert main(["run", "small.scenario.yaml"]) == 130
    assert signal.getsignal(number) is before


@pytest.mark.parametrize(
    "command", ["run small.scenario.yaml", "suite small.scenario.yaml", "policy check small.scenario.yaml"]
)
def test_a_command_that_is_interrupted_while_its_files_load_prints_a_line(small, capsys, monkeypatch, command):
    def load(*_arguments, **_options):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("ruamel.yaml.YAML.load", load)
    monkeypatch.setattr("ruamel.yaml.YAML.compose", load)
    assert main(command.split()) == 130
    assert capsys.readouterr().err == "interrupted\n"


# ----------------------------------------------------------------------------- full disks
needs_full_disk = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")


@needs_full_disk
@pytest.mark.parametrize("option", ["--json", "--history"])
def test_a_full_disk_is_reported_in_one_line(small, capsys, option):
    assert main(["run", "small.scenario.yaml", option, "/dev/full", "--quiet"]) == 2
    err = capsys.readouterr().err
    assert "cannot be written: " in err
    assert "No space left on device" in err
    assert err.count("\n") == 1


@needs_full_disk
@pytest.mark.parametrize(("redirection", "status"), [(">/dev/full", 2), pytest.param(">&-", 0, marks=pytest.mark.long)])
def test_a_full_stdout_gives_no_traceback(small, redirection, status):
    script = f"{shlex.quote(sys.executable)} -m sim.cli run small.scenario.yaml {redirection}"
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(["/bin/sh", "-c", script], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == (status > 0)
