"""A run in which no time passes, or in which everything waits, ends each command with one line and status 2."""

import asyncio

import pytest

from recovery import Supervisor
from sim.cli import main
from sim.core import standstill
from sim.history import recorder

SPIN = """
name: spin
duration: 1m
tasks: {arrivals: {burst: {size: 1, at: 1s}}, work: 0s, failure_probability: 99.999%}
agents: {count: 1}
recovery: {conditions: {task_failure: {max_retries: null, retry_delay: 0s}}}
"""
FINE = """
name: fine
duration: 1m
tasks: {arrivals: {burst: {size: 1, at: 1s}}, work: 1s}
agents: {count: 1}
"""
LINE = "spin: no time passes at 1 s: task.0 was queued (retry) "


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(recorder, "CHUNK_ROWS", 1000)
    monkeypatch.setattr(standstill, "REPETITIONS", 40)
    (tmp_path / "spin.scenario.yaml").write_text(SPIN)
    (tmp_path / "fine.scenario.yaml").write_text(FINE)


@pytest.mark.parametrize(
    "command",
    [
        ["run"],
        ["run", "--rare", "tasks.failed >= 1", "--particles", "4"],
        ["run", "--precision", "5%"],
        ["compare", "--a", "agents.count=1", "--b", "agents.count=2", "--replications", "2"],
        ["compare", "--grid", "agents.count=1,2", "--metric", "tasks.sojourn.mean", "--indifference", "1s"],
        ["sweep", "--grid", "agents.count=1,2", "--out", "swept"],
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_a_command_ends_with_one_line(command, capsys):
    assert main([command[0], "spin.scenario.yaml", *command[1:]]) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("warning")]
    assert len(lines) == 1
    assert lines[0].startswith(LINE)


def test_the_scenarios_that_end_are_run(capsys):
    assert main(["run", "spin.scenario.yaml", "fine.scenario.yaml"]) == 2
    captured = capsys.readouterr()
    assert LINE in captured.err
    assert captured.out.startswith("fine ")


def test_a_core_that_waits_for_ever_ends_a_command_with_one_line(capsys, monkeypatch):
    async def waits(self):
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(Supervisor, "start", waits)
    assert main(["run", "fine.scenario.yaml"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("fine: nothing is scheduled at 0 s, but 1 task(s) wait: ")
