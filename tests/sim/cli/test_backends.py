"""`--backend` and `--scheduler` of `run`, `compare` and `sweep`: equal results, and errors."""

import json
import os
import re
import signal
import subprocess
import sys
from threading import Event

import pytest

from sim.cli import main
from sim.experiments.runs import backends
from tests.sim.cli.small import ROOT
from tests.sim.experiments.clusters import cluster

RUN = ["run", "small.scenario.yaml"]
COMPARE = ["compare", "small.scenario.yaml", "--b", "agents.count=8"]
SWEEP = ["sweep", "small.scenario.yaml", "--grid", "agents.count=8,9", "--out", "sweep"]
COMMANDS = pytest.mark.parametrize("command", [RUN, COMPARE, SWEEP], ids=lambda command: command[0])


@COMMANDS
@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--backend", "slurm"], "--backend slurm: not a backend; valid: loky, dask, ray\n"),
        (["--scheduler", "tcp://host:8786"], "--scheduler: loky has no scheduler; valid: with --backend dask or ray\n"),
    ],
)
def test_an_unknown_backend_is_rejected(small, capsys, command, more, message):
    assert main([*command, *more]) == 2
    assert capsys.readouterr() == ("", message)


@COMMANDS
def test_a_missing_backend_is_reported_with_the_package_to_install(small, capsys, monkeypatch, command):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main([*command, "--backend", "dask", "--scheduler", "tcp://127.0.0.1:9"]) == 2
    message = "--backend dask: is not installed; valid: after pip install 'recovery-bench[dask]'\n"
    assert capsys.readouterr() == ("", message)


@pytest.mark.long
@COMMANDS
def test_an_unreachable_scheduler_is_reported_with_its_address(small, capsys, monkeypatch, command):
    pytest.importorskip("distributed")
    monkeypatch.setattr(backends, "ANSWER_SECONDS", 1)
    assert main([*command, "--backend", "dask", "--scheduler", "tcp://127.0.0.1:9"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("--scheduler tcp://127.0.0.1:9: no Dask scheduler answers there within 1 s (")
    assert err.count("\n") == 1


@pytest.mark.parametrize("option", [["--history", "h.parquet"], ["--reports", "reports"], ["--check-determinism"]])
def test_options_that_need_local_runs_are_rejected_with_a_cluster(small, capsys, option):
    assert main([*RUN, "--backend", "dask", *option]) == 2
    message = "needs runs that are executed here; valid: --backend loky, or without"
    assert capsys.readouterr() == ("", f"--backend dask, {option[0]}: {message} {option[0]}\n")


def reported(file):
    """A result without what the machine took."""
    found = json.loads(file.read_text())
    for run in found.get("runs", []):
        del run["wall_seconds"]
    return found


@pytest.mark.long
def test_run_and_compare_give_equal_output_on_a_dask_cluster(small):
    commands = {
        "run": [*RUN, "--replications", "3"],
        "precise": [*RUN, "--precision", "20%", "--find-warmup"],
        "compare": [*COMPARE, "--replications", "3"],
    }
    with cluster(small, 1) as (address, _):
        for name, command in commands.items():
            there = ["--backend", "dask", "--scheduler", address, "--json", f"{name}-there.json"]
            assert main([*command, "--quiet", *there]) == 0
    for name, command in commands.items():
        assert main([*command, "--quiet", "--json", f"{name}-here.json"]) == 0
        assert reported(small / f"{name}-there.json") == reported(small / f"{name}-here.json")


def crashing(times):
    """A backend that runs everything here, after processes have died so often."""

    def each(self, work, arguments, on_lost=None):
        assert (self.name, self.jobs) == ("loky", 2)
        on_lost(len(arguments))
        if times == 2:
            raise backends.WorkersDied("processes that execute runs have died twice; valid: fewer --jobs")
        for place, given in enumerate(arguments):
            yield place, work(*given)

    return each


SURVIVED = "a worker process has died; the {} unfinished runs are repeated\n"


@pytest.mark.parametrize(("command", "runs"), [(RUN, 2), (COMPARE, 4), (SWEEP, 4)], ids=["run", "compare", "sweep"])
def test_a_dead_worker_process_is_reported_and_its_runs_repeated(small, capsys, monkeypatch, command, runs):
    monkeypatch.setattr(backends.Backend, "each", crashing(1))
    assert main([*command, "--replications", "2", "--jobs", "2", "--quiet"]) == 0
    assert capsys.readouterr() == ("", SURVIVED.format(runs))


@pytest.mark.parametrize(
    ("command", "kept"),
    [(RUN, ""), (COMPARE, ""), (SWEEP, "; what was finished is kept in sweep")],
    ids=["run", "compare", "sweep"],
)
def test_repeated_worker_deaths_are_reported_in_one_line(small, capsys, monkeypatch, command, kept):
    monkeypatch.setattr(backends.Backend, "each", crashing(2))
    assert main([*command, "--replications", "2", "--jobs", "2"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[1:] == [f"processes that execute runs have died twice; valid: fewer --jobs{kept}"]


def test_finished_scenarios_are_kept(small, capsys, monkeypatch):
    turns = iter([crashing(1), crashing(2)])

    def each(*arguments):
        return next(turns)(*arguments)

    monkeypatch.setattr(backends.Backend, "each", each)
    command = ["run", "small.scenario.yaml", "strict.scenario.yaml", "--replications", "2", "--jobs", "2"]
    assert main([*command, "--quiet", "--json", "found.json"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("processes that execute runs have died twice")
    assert [len(found["runs"]) for found in json.loads((small / "found.json").read_text())] == [2]


@pytest.mark.long
def test_ctrl_c_reaches_local_dask_processes_only_through_the_command(tmp_path):
    """A terminal signals all its processes; those of Dask would print tracebacks."""
    pytest.importorskip("distributed")
    command = [
        sys.executable,
        "-m",
        "sim.cli",
        "sweep",
        "baseline",
        "--grid",
        "agents.count=10",
        "--replications",
        "999",
    ]
    command += ["--backend", "dask", "--jobs", "2", "--out", str(tmp_path / "sweep")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as program:
        while not list((tmp_path / "sweep" / "parts").glob("*.parquet")):
            assert program.poll() is None, program.communicate()
            Event().wait(0.1)  # the processors are the program's
        os.killpg(program.pid, signal.SIGINT)
        out, err = program.communicate()
    assert program.returncode == 130
    assert re.fullmatch(r"interrupted; \d+ runs were finished and are kept in .*/sweep\n", err)
    assert "baseline  seed" in out
