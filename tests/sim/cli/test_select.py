"""`compare --grid`: output, plots, files and errors."""

import json
import re

import pytest

from sim.cli import main
from tests.sim.cli.small import SMALL

pytestmark = pytest.mark.long

GRID = ["--grid", "recovery.detection.heartbeat_interval=1s,5s", "--grid", "agents.restart_time=5s,20s"]
WANTED = ["--metric", "recovery.time.mean", "--indifference", "500ms"]
BASE = ["compare", "quiet.scenario.yaml", "--replications", "2"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quiet.scenario.yaml").write_text(SMALL.replace("2/s", "0.2/s") % "35s")
    return tmp_path


def rows(out):
    """The lines of tables that start with a rank, as words."""
    return [line.split() for line in out.splitlines() if re.match(r"\d+ ", line) and "sure" not in line]


def test_writes_a_table_a_picture_and_json(folder, capsys):
    picture, file = folder / "s.png", folder / "s.json"
    assert main([*BASE, *GRID, *WANTED, "--out", "s.png", "--json", "s.json"]) == 0
    out = capsys.readouterr().out
    ranked = [row for row in rows(out) if "after" in row]
    assert [row[:3] for row in ranked] == [["1", "1", "5"], ["2", "5", "5"], ["3", "1", "20"], ["4", "5", "20"]]
    assert ranked[0][-3:] == ["selected", "after", "10"]
    assert [row[-4:] for row in ranked[1:3]] == [["s", "out", "after", "10"]] * 2
    assert ranked[3][-6:] == ["out", "after", "10", "(as", "it", "is)"]
    assert "on 2 fresh replications, which selected nothing:" in out
    assert [row[0] for row in rows(out) if "after" not in row] == ["1", "2", "4"]
    assert max(map(len, out.splitlines())) <= 80
    assert picture.read_bytes().startswith(b"\x89PNG")
    told = json.loads(file.read_text())
    assert (told["indifference"], told["unit"], told["fresh"]) == (0.5, "s", ["7/10", "7/11"])
    restart = {"constant": {"value": 5.0}}
    best = {"recovery.detection.heartbeat_interval": 1.0, "agents.restart_time": restart}
    assert told["settings"][0]["values"] == best


def test_json_on_stdout_is_the_only_output(folder, capsys):
    assert main([*BASE, *GRID, *WANTED, "--json", "-"]) == 0
    out, err = capsys.readouterr()
    assert (json.loads(out)["decided"], err) == (True, "")


def test_quiet_prints_only_that_no_decision_was_reached(folder, capsys):
    asked = [*BASE, "--grid", "agents.count=10,11", "--metric", "recovery.time.mean", "--quiet"]
    assert main([*asked, "--indifference", "20s"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main([*asked, "--indifference", "1ms", "--most", "11"]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("", "--most 11: not decided by then, 2 settings are still in contention\n")


def test_finished_replications_are_reported_after_an_interrupt(folder, capsys, interrupts):
    interrupts(4 * 3 + 1)
    assert main([*BASE, *GRID, *WANTED, "--json", "part.json"]) == 130
    out, err = capsys.readouterr()
    assert err == "interrupted; not decided after 3 replications: 4 settings in contention\n"
    assert "not decided: interrupted after 3 replications, with 4 settings still in contention" in " ".join(out.split())
    assert "fresh" not in out
    assert json.loads((folder / "part.json").read_text())["interrupted"] is True


def test_an_interrupt_during_the_evaluation_keeps_the_winner(folder, capsys, interrupts):
    interrupts(4 * 10 + 3 + 1)
    assert main([*BASE, *GRID, *WANTED]) == 130
    out, err = capsys.readouterr()
    assert err == "interrupted; it is decided, and judged on 1 of 2 fresh replications\n"
    assert "on 1 fresh replication, which selected nothing:" in out


def test_an_interrupt_before_the_first_result_leaves_no_output(folder, capsys, interrupts):
    interrupts(2)
    assert main([*BASE, *GRID, *WANTED, "--json", "part.json"]) == 130
    assert capsys.readouterr() == ("", "interrupted; no replication was finished under all settings\n")
    assert not (folder / "part.json").exists()


def test_dead_worker_processes_are_reported(folder, capsys, monkeypatch):
    from sim.experiments.runs.backends import WorkersDied
    from sim.experiments.selection import select

    def summaries(works, on, on_lost, core):
        on_lost(len(works))
        raise WorkersDied("processes that execute runs have died twice; valid: fewer --jobs")

    monkeypatch.setattr(select, "summaries", summaries)
    assert main([*BASE, *GRID, *WANTED, "--jobs", "2"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "a worker process has died; the 40 unfinished runs are repeated",
        "processes that execute runs have died twice; valid: fewer --jobs",
    ]


def test_a_violated_invariant_is_reported_with_status_1(folder, capsys, monkeypatch):
    import sim.simulation
    from sim.invariants import Violation

    real = sim.simulation.check_all

    def check_all(record):
        found = real(record)
        broken = [Violation("fencing", 3.0, "task.1", "is done twice", 0)] if record.meta["seed"] == "7/2" else []
        return {**found, "fencing": broken}

    monkeypatch.setattr(sim.simulation, "check_all", check_all)
    assert main([*BASE, "--grid", "agents.restart_time=5s,20s", *WANTED, "--quiet"]) == 1
    err = capsys.readouterr().err.splitlines()
    assert err == [f"agents.restart_time={value} 7/2: fencing at 3 s: task.1: is done twice" for value in (5, 20)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*GRID, *WANTED, "--a", "agents.count=3"], "--grid, --a, --b: a grid contains all settings"),
        ([*GRID, *WANTED, "--b", "agents.count=3"], "--grid, --a, --b: a grid contains all settings"),
        (["--b", "agents.count=3", "--indifference", "1s"], "--indifference 1s: only applies to --grid"),
        (["--b", "agents.count=3", "--most", "20"], "--most 20: only applies to --grid"),
        ([*GRID, *WANTED[2:]], "--metric is missing: one says which setting is the best; valid: --metric NAME"),
        ([*GRID, *WANTED, "--metric", "tasks.lost"], "--metric recovery.time.mean tasks.lost: one says which"),
        ([*GRID, *WANTED[2:], "--metric", "recovery.*"], "--metric recovery.*: one says which setting is the best"),
        (
            [*GRID, *WANTED[2:], "--metric", "tasks.lsot"],
            "--metric tasks.lsot: unknown metric 'tasks.lsot' (nearest: 'tasks.lost')",
        ),
        ([*GRID, "--metric", "tasks.submitted", "--indifference", "1"], "--metric tasks.submitted: neither more nor"),
        (
            [*GRID, "--metric", "client.goodput", "--indifference", "1"],
            "--metric client.goodput: small observes it in none of the first 10 replications",
        ),
        ([*GRID, *WANTED[:2]], "--indifference is missing: the smallest difference of recovery.time.mean that matters"),
        ([*GRID, *WANTED[:3], "much"], "--indifference recovery.time.mean: 'much' is not a duration; valid: a number"),
        ([*GRID, *WANTED[:3], "0s"], "--indifference 0s: out of range; valid: more than 0"),
        (
            [*GRID, "--metric", "tasks.failed", "--indifference", "5%"],
            "--indifference tasks.failed: '5%' is not a number of tasks",
        ),
        ([*GRID, "--metric", "agents.availability", "--indifference", "2"], "'2' is not a fraction; valid: a number"),
        (["--grid", "agents.count=5", *WANTED], "--grid agents.count=5: is one setting, and leaves nothing to select"),
        (["--grid", "agents.cuont=5,6", *WANTED], "--grid agents.cuont=5: unknown path; keys of agents: count"),
        (["--grid", "agents.count=5,5", *WANTED], "--grid agents.count: has 5 twice; valid: each value once"),
        ([*GRID, *WANTED, "--most", "9"], "--most 9: is less than the first stage needs; valid: 10 or more"),
        ([*GRID, *WANTED, "--seed", "7/3"], "--seed 7/3: is one replication; valid: --seed 7"),
        ([*GRID, *WANTED, "--replications", "1"], "--replications 1: gives no interval; valid: 2 or more"),
        ([*GRID, *WANTED, "--out", "/nowhere/s.png"], "--out /nowhere/s.png: there is no folder"),
    ],
)
def test_invalid_input_is_one_line_with_status_2(arguments, message, folder, capsys):
    assert main([*BASE, *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err


@pytest.mark.parametrize(
    ("metric", "indifference", "value"),
    [("agents.availability", "99%", 0.99), ("tasks.throughput", "30/m", 0.5), ("recovery.time.p95", "1m", 60.0)],
)
def test_the_indifference_has_the_unit_of_the_metric(metric, indifference, value, folder, capsys):
    asked = [*BASE, "--grid", "agents.count=10,11", "--metric", metric, "--indifference", indifference]
    assert main([*asked, "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["indifference"] == value


def test_where_every_setting_is_disqualified_none_is_in_contention(folder, capsys):
    asked = [*BASE, "--grid", "agents.restart_time=50s,60s", *WANTED, "--most", "10"]
    assert main([*asked, "--quiet"]) == 1
    assert "in contention" not in capsys.readouterr().err
