"""The command line with a recovery core that raises: exit status 1, and a plain line."""

import json
from functools import partial

import pytest

import sim
from sim.cli import main
from tests.sim.core.test_own_cores import raising, with_command


@pytest.fixture
def broken(small, monkeypatch):
    """A folder with a small scenario, whose core has a command with a defect."""
    real, core = sim.run, partial(with_command, "restart_agent", raising(KeyError("no such agent")))

    def run(*arguments, **options):
        return real(*arguments, **(options | {"core": core}))

    monkeypatch.setattr("sim.experiments.runs.executor.run", run)
    return small


@pytest.mark.parametrize("quiet", [[], ["--quiet"]])
def test_an_error_of_a_run_exits_with_1_and_is_printed_in_a_line(broken, capsys, quiet):
    command = ["run", "small.scenario.yaml", "--seed", "3", "--replications", "2", "--json", "out.json", *quiet]
    assert main(command) == 1
    captured = capsys.readouterr()
    said = captured.err if quiet else captured.out
    assert "2 of 2 runs not valid: the recovery core raised an exception" in said
    assert "3/0: error at " in said
    assert "in command restart_agent: KeyError: 'no such agent' (3 times)" in said
    assert "Traceback" not in captured.out + captured.err
    data = json.loads((broken / "out.json").read_text())
    assert [one["holds"] for one in data["expectations"]] == [False] * len(data["expectations"])
    assert "raise type(error)" in data["runs"][1]["errors"][0]["traceback"]


def test_a_run_without_errors_says_nothing_of_them(small, capsys):
    assert main(["run", "small.scenario.yaml", "--json", "out.json"]) == 0
    assert "not valid" not in capsys.readouterr().out
    assert json.loads((small / "out.json").read_text())["runs"][0]["errors"] == []
