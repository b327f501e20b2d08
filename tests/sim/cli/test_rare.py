"""`run --rare`: output and errors."""

import json
import re
import shlex

import pytest

from sim.cli import main
from sim.experiments.rare_events import estimate

QUEUE = """
name: queue
seed: 7
duration: 30s
tasks: {arrivals: {poisson: {rate: 0.5/s}}, work: {exponential: {mean: 1s}}}
agents: {count: 1}
recovery: {detection: {detector: perfect}}
"""


@pytest.fixture
def queue(tmp_path):
    file = tmp_path / "queue.scenario.yaml"
    file.write_text(QUEUE)
    return str(file)


def test_prints_a_probability_and_a_run_with_the_event(queue, capsys, tmp_path):
    out = tmp_path / "rare.json"
    few = ["--replications", "2", "--particles", "20"]
    assert main(["run", queue, "--rare", "queue.depth.max >= 8", *few, "--json", str(out)]) == 0
    told = capsys.readouterr().out
    found = json.loads(out.read_text())
    assert "2 splittings of 20 particles on queue.depth" in told
    assert f"{found['runs']:,} runs" in told
    assert 0 < found["ci95"][0] < found["probability"] < found["ci95"][1] < 1
    shown = shlex.split(next(line for line in told.splitlines() if line.startswith("see one: ")))[2:]
    assert shown[:3] == ["recovery-bench", "run", queue]
    assert main([*shown[1:], "--json", "-"]) == 0
    metrics = json.loads(capsys.readouterr().out)["runs"][0]["metrics"]
    assert metrics["queue.depth.max"] >= 8


def test_the_command_that_shows_a_hit_contains_the_overrides(queue, capsys):
    change = "tasks.arrivals.poisson.rate=2/s"
    assert (
        main(
            ["run", queue, "--rare", "queue.depth.max >= 8", "--set", change, "--level", "none", "--replications", "20"]
        )
        == 0
    )
    told = capsys.readouterr().out
    assert "20 plain replications" in told
    shown = shlex.split(next(line for line in told.splitlines() if line.startswith("see one: ")))[2:]
    assert main([*shown[1:], "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"]["queue.depth.max"]["mean"] >= 8


def test_without_hits_a_bound_is_printed(queue, capsys):
    assert main(["run", queue, "--rare", "tasks.lost > 0", "--replications", "100"]) == 0
    told = capsys.readouterr().out
    assert "100 plain replications: it happens in 0" in told
    assert "probability  below 2.95 %" in told
    assert main(["run", queue, "--rare", "tasks.lost > 0", "--replications", "100", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["probability"] is None
    assert found["ci95"] == [0.0, pytest.approx(1 - 0.05**0.01)]


def test_a_level_that_leads_nowhere_is_reported(queue, capsys):
    few = ["--replications", "2", "--particles", "5"]
    assert main(["run", queue, "--rare", "tasks.lost > 0", "--level", "queue.depth", *few]) == 0
    told = capsys.readouterr().out
    assert "no splitting has come to it: queue.depth may not lead there" in told
    assert "see one" not in told


def test_quiet_prints_nothing(queue, capsys):
    assert main(["run", queue, "--rare", "queue.depth.max >= 3", "--level", "none", "--replications", "5", "-q"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.fixture
def time_is_over(monkeypatch):
    """Calling it ends the time of --max-time, without waiting for it."""
    timers = []

    class Timer:
        def __init__(self, seconds, function):
            self.seconds, self.function = seconds, function
            timers.append(self)

        def start(self):
            pass

        def cancel(self):
            pass

        def join(self):
            timers.remove(self)

    monkeypatch.setattr("sim.cli.interrupts.threading.Timer", Timer)
    return lambda: timers[0].function()  # noqa: PLW0108 - the timer does not exist yet


@pytest.fixture
def stopping(monkeypatch, time_is_over):
    """The time is over in the splitting of this number, after its first run."""

    def at(number):
        def split(*arguments, real=estimate.split):
            if len(made) == number:
                time_is_over()
            made.append(number)
            return real(*arguments)

        made = []
        monkeypatch.setattr(estimate, "split", split)

    return at


FEW = ["--rare", "queue.depth.max >= 3", "--replications", "5", "--particles", "5", "--max-time", "2m"]


def test_a_time_limit_gives_a_partial_answer(queue, capsys, stopping):
    stopping(2)
    assert main(["run", queue, *FEW, "--json", "-"]) == 0
    out, error = capsys.readouterr()
    assert error == "--max-time is over; finished: 2 of 5 splittings\n"
    found = json.loads(out)
    assert (len(found["splittings"]), found["interrupted"]) == (2, True)
    assert found["ci95"][0] < found["probability"] < found["ci95"][1]
    assert found["levels"][0]["level"] == 1


def test_a_stopped_estimate_says_so(queue, capsys, stopping):
    stopping(2)
    assert main(["run", queue, *FEW]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "in a run of 30s (stopped by --max-time)" in out
    assert "2 splittings of 5 particles" in out


def test_a_time_limit_before_the_first_splitting_leaves_no_estimate(queue, capsys, stopping):
    stopping(0)
    assert main(["run", queue, *FEW]) == 130
    assert capsys.readouterr() == ("", "--max-time is over; nothing was finished\n")


def test_the_state_of_an_unfinished_first_splitting_is_printed(queue, capsys, monkeypatch, time_is_over):
    def fly(*arguments, real=estimate.simulate, **more):
        runs.append(1)
        if len(runs) == 12:
            time_is_over()
        return real(*arguments, **more)

    runs = []
    monkeypatch.setattr(estimate, "simulate", fly)
    assert main(["run", queue, "--rare", "queue.depth.max >= 12", "--particles", "5", "--max-time", "2m"]) == 130
    error = capsys.readouterr().err
    assert re.fullmatch(
        r"--max-time is over; nothing was finished: the first splitting has 11 runs and exceeds queue\.depth \d with "
        r"probability \d\.\de-\d\d; valid: a longer time, or fewer --particles\n",
        error,
    )


def test_progress_shows_the_runs_and_the_level_of_a_splitting(queue, capsys, monkeypatch):
    shown = []
    monkeypatch.setattr(
        "rich.progress.Progress.update", lambda self, task, told="", **more: shown.append(told), raising=True
    )
    assert main(["run", queue, "--rare", "queue.depth.max >= 6", "--replications", "2", "--particles", "5"]) == 0
    assert shown[0] == "splitting 1: 1 runs"
    assert any(re.fullmatch(r"splitting 2: \d+ runs, queue\.depth above \d: \d\.\de-\d\d", told) for told in shown)
    assert capsys.readouterr().err == ""


EVENT = ["--rare", "queue.depth.max >= 3"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rare", "recovery.time"], "--rare recovery.time: not an event; valid: metric operator value"),
        (["--rare", "queue.dept.max > 3"], "--rare queue.dept.max > 3: unknown metric 'queue.dept.max'"),
        ([*EVENT, "--level", "queue.dept"], "--level queue.dept: not a level; valid: queue.depth, tasks.in_system, "),
        (["--level", "queue.depth"], "--level: only applies to --rare; valid: with --rare"),
        (["--particles", "5"], "--particles: only applies to --rare; valid: with --rare"),
        (
            [*EVENT, "--level", "none", "--particles", "5"],
            "--particles 5: only apply to a splitting; valid: with a --level",
        ),
        ([*EVENT, "--particles", "1"], "--particles 1: leaves none to split; valid: 2 or more"),
        ([*EVENT, "--particles", "few"], "--particles few: not a number of particles"),
        ([*EVENT, "--max-time", "soon"], "--max-time soon: not a duration above 0"),
        ([*EVENT, "--precision", "5%"], "--rare, --precision: --rare only estimates a probability"),
        ([*EVENT, "--find-warmup"], "--rare, --find-warmup: --rare only estimates"),
        ([*EVENT, "--seed", "7/2"], "--seed 7/2: is one replication; valid: --seed 7"),
        ([*EVENT, "--replications", "0"], "--replications 0: not a number of replications"),
        ([*EVENT, "--scheduler", "tcp://127.0.0.1:1"], "--scheduler: loky has no scheduler"),
        (["--seed", "7/1@5:1@3:1"], "--seed 7/1@5:1@3:1: is not a trajectory; valid: as in 7/3@1200:17"),
        (["--seed", "7/1@5"], "--seed 7/1@5: not a seed"),
    ],
)
def test_invalid_input_is_rejected_in_one_line(queue, capsys, options, message):
    assert main(["run", queue, *options]) == 2
    _, error = capsys.readouterr()
    assert error.startswith(message)
    assert error.count("\n") == 1


def test_only_one_scenario_is_accepted(queue, capsys):
    assert main(["run", queue, queue, *EVENT]) == 2
    assert "--rare: takes one scenario, not 2" in capsys.readouterr().err
