"""`sweep`: output, plots, files and errors."""

import json

import pytest

from sim.cli import main

QUIET = ["--set", "tasks.arrivals.poisson.rate=0.2/s"]
SHORT = ["--set", "duration=12m", "--set", "warmup=1m", *QUIET, "--replications", "2"]
GRID = ["--grid", "recovery.detection.heartbeat_interval=1s,2s", "--grid", "agents.restart_time=5s,20s"]
BASE = ["sweep", "agent-failure", *SHORT]


@pytest.mark.long
def test_writes_a_table_a_picture_json_and_a_folder(tmp_path, capsys):
    folder, picture, file = tmp_path / "sweep", tmp_path / "s.png", tmp_path / "s.json"
    asked = [*BASE, *GRID, "--out", str(folder)]
    assert main([*asked, "--plot", str(picture), "--json", str(file)]) == 0
    out = capsys.readouterr().out
    assert "agent-failure  seed 7: 4 points × 2 replications, 8 of the runs new" in out
    assert (
        len(
            [
                line
                for line in out.splitlines()
                if line.split()[:2] in (["1", "5"], ["1", "20"], ["2", "5"], ["2", "20"])
            ]
        )
        == 4
    )
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert len(json.loads(file.read_text())["points"]) == 4
    assert (folder / "results.parquet").exists()
    assert main(asked) == 0
    assert "0 of the runs new" in capsys.readouterr().out


@pytest.mark.long
def test_points_can_be_sampled_from_a_space(tmp_path, capsys):
    space = ["--vary", "recovery.detection.heartbeat_interval=1s..10s:log", "--points", "3"]
    assert main([*BASE, *space, "--out", str(tmp_path / "sweep"), "--plot", str(tmp_path / "l.png")]) == 0
    assert "3 points × 2 replications" in capsys.readouterr().out
    more = [*space[:-1], "5"]
    assert main([*BASE, *more, "--out", str(tmp_path / "sweep")]) == 0
    assert "5 points × 2 replications, 4 of the runs new" in capsys.readouterr().out


def test_quiet_prints_nothing(tmp_path, capsys):
    assert main([*BASE, *GRID, "--out", str(tmp_path / "sweep"), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--grid, --vary: exactly one is needed"),
        ([*GRID, "--vary", "agents.count=1..2"], "--grid, --vary: exactly one is needed"),
        (["--grid", "agents.count"], "--grid agents.count: not a list of values; valid: path=v1,v2"),
        (["--grid", "agents.cuont=1,2"], "--grid agents.cuont=1: unknown path; keys of agents: count"),
        (["--grid", "agents.count=1,many"], "agents.count=many"),
        (["--grid", "agents.count=1", "--grid", "agents.count=2"], "--grid agents.count: is given twice"),
        ([*GRID, "--points", "3"], "--points: a grid determines its points"),
        (["--vary", "agents.count=1..2"], "--points: is missing"),
        (["--vary", "agents.count=5..2", "--points", "3"], "--vary agents.count: 5 is not below 2"),
        (
            ["--vary", "agents.count=1..2", "--points", "3", "--design", "grid"],
            "--design grid: not a design; valid: lhs",
        ),
        ([*GRID, "--metric", "tasks.lsot"], "--metric tasks.lsot: unknown metric 'tasks.lsot' (nearest: 'tasks.lost')"),
        (
            ["--vary", "agents.count=5..6", "--vary", "agents.count=7..9", "--points", "3"],
            "--vary agents.count: is given twice; valid: all of its values at once",
        ),
        (
            ["--grid", "agents.count=5,6", "--set", "agents.count=3"],
            "--set agents.count: the sweep sets it at each point",
        ),
        ([*GRID, "--plot", "x.pdf", "--json", "x.pdf"], "--plot x.pdf: is the file of --json as well; valid: two"),
        (
            [*GRID, "--grid", "agents.count=10", "--plot", "x.png"],
            "--plot x.png: 3 paths are too many for a picture; valid: one or two",
        ),
        ([*GRID, "--seed", "7/1"], "--seed 7/1: is one replication"),
        ([*GRID, "--replications", "0"], "--replications 0: not a number of replications"),
        ([*GRID, "--plot", "/nowhere/x.png"], "--plot /nowhere/x.png: there is no folder"),
    ],
)
def test_invalid_input_is_one_line_with_status_2(arguments, message, tmp_path, capsys):
    assert main([*BASE, *arguments, "--out", str(tmp_path / "sweep")]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err
    assert not (tmp_path / "sweep").exists()


def test_the_folder_of_another_scenario_is_rejected(tmp_path, capsys):
    assert main([*BASE, "--grid", "agents.count=10", "--out", str(tmp_path / "sweep"), "--quiet"]) == 0
    assert main(["sweep", "baseline", "--grid", "agents.count=10", "--out", str(tmp_path / "sweep")]) == 2
    assert 'is another sweep: scenario is "agent-failure" there, and "baseline" here' in capsys.readouterr().err


NEVER = "--metric client.goodput: agent-failure observes it at no point; valid: one that it observes, such as recovery"


def test_an_unobserved_metric_is_reported_and_other_output_is_kept(tmp_path, capsys):
    picture, file = tmp_path / "x.png", tmp_path / "s.json"
    asked = [*BASE, "--grid", "agents.count=10", "--out", str(tmp_path / "sweep"), "--json", str(file)]
    assert main([*asked, "--metric", "client.goodput", "--metric", "tasks.lost", "--plot", str(picture)]) == 2
    out, err = capsys.readouterr()
    assert err == f"{NEVER}.time.mean\n"
    assert "2 of the runs new" in out
    assert "picture" not in out
    assert len(json.loads(file.read_text())["points"]) == 1
    assert not picture.exists()
    assert main([*asked, "--metric", "tasks.lost", "--plot", str(picture)]) == 0
    assert "0 of the runs new" in capsys.readouterr().out
    assert picture.exists()


def test_metrics_that_are_computed_when_they_are_asked_for_are_in_the_table(tmp_path, capsys):
    asked = [*BASE, *GRID[:2], "--out", str(tmp_path / "sweep")]
    names = ["tasks.within(60s)", "tasks.sojourn.p90", "recovery.agent_failure.time.p90"]
    assert main([*asked, *(part for name in names for part in ("--metric", name))]) == 0
    out, err = capsys.readouterr()
    assert "tasks.within(60s)" in out
    assert err == ""
    assert main([*asked, "--metric", "recovery.task_failure.time.p90"]) == 2
    assert "observes it at no point" in capsys.readouterr().err


def test_an_interrupted_sweep_does_not_report_unobserved_metrics(tmp_path, capsys, interrupts):
    interrupts(1)
    asked = [*BASE, "--grid", "agents.count=10", "--out", str(tmp_path / "sweep"), "--metric", "client.goodput"]
    assert main(asked) == 130
    assert "at no point" not in capsys.readouterr().err


def test_an_impossible_plot_is_reported_and_json_is_written(tmp_path, capsys):
    well = ["--set", "faults=[]", "--set", "agents.mtbf=null"]
    asked = [*BASE, *well, *GRID, "--out", str(tmp_path / "sweep"), "--json", str(tmp_path / "s.json")]
    assert main([*asked, "--plot", str(tmp_path / "x.png")]) == 2
    assert "--plot recovery.time.mean: was observed at no point; valid: another metric\n" in capsys.readouterr().err
    assert len(json.loads((tmp_path / "s.json").read_text())["points"]) == 4
    assert not (tmp_path / "x.png").exists()
