"""`run --find-warmup`: output, files and contradicting options."""

import json
import re
import shlex

import pandas as pd
import pyarrow.parquet as pq
import pytest

import scenarios
import sim
from sim.cli import main

pytestmark = pytest.mark.long

RUN = ["run", "small.scenario.yaml", "--find-warmup"]
HEADER = r"warm-up ([\d.]+)s found \(MSER-5, tasks\.in_system\.mean, 10 pilot runs\)"


@pytest.fixture
def settling(small):
    """A scenario that takes its time to settle."""
    text = (small / "small.scenario.yaml").read_text()
    for old, new in (
        ("mean: 3s", "mean: 20s"),
        ("count: 10", "count: 80"),
        ("duration: 4m", "duration: 10m"),
        ("at: 1m", "at: 5m"),
    ):
        assert old in text
        text = text.replace(old, new)
    (small / "small.scenario.yaml").write_text(text)
    (small / "strict.scenario.yaml").write_text(text.replace("<= 35s", "<= 1s"))
    return small


def test_a_found_warm_up_is_in_the_table_and_in_json(settling, capsys):
    assert main([*RUN, "--replications", "2", "--json", "found.json"]) == 0
    out = capsys.readouterr().out
    seconds = float(re.search(HEADER, out)[1])
    assert seconds > 0
    found = json.loads((settling / "found.json").read_text())
    assert found["warmup"] == {
        "seconds": seconds,
        "found": True,
        "metric": "tasks.in_system.mean",
        "replications": 10,
    }
    assert found["scenario_resolved"]["warmup"] == seconds


def test_a_given_warm_up_is_only_in_json(settling, capsys):
    assert main(["run", "small.scenario.yaml", "--set", "warmup=1m", "--json", "given.json"]) == 0
    assert "warm-up" not in capsys.readouterr().out
    assert json.loads((settling / "given.json").read_text())["warmup"] == {"seconds": 60.0, "found": False}


def test_a_single_replication_uses_the_warm_up_of_its_seed(settling, capsys):
    assert main([*RUN, "--seed", "3", "--replications", "2"]) == 0
    assert main([*RUN, "--seed", "3/1"]) == 0
    first, second = (float(found) for found in re.findall(HEADER, capsys.readouterr().out))
    loaded = scenarios.load("small.scenario.yaml")
    assert first == second == sim.find_warmup(loaded, seed=3).seconds != sim.find_warmup(loaded).seconds


def test_history_files_use_the_found_warm_up(settling, capsys):
    assert main([*RUN, "--replications", "2", "--history", "events.parquet"]) == 0
    seconds = float(re.search(HEADER, capsys.readouterr().out)[1])
    about = json.loads(pq.read_schema("events.parquet").metadata[b"recovery-bench"])
    assert [scenario["warmup"] for scenario in about["scenarios"]] == [seconds]
    assert pd.read_parquet("events.parquet")["replication"].unique().tolist() == ["7/0", "7/1"]


def test_the_repeat_command_contains_the_warm_up_and_no_pilots(settling, capsys):
    assert main(["run", "strict.scenario.yaml", "--find-warmup", "--json", "found.json"]) == 1
    (command,) = re.findall(r"replay: recovery-bench (.*)", capsys.readouterr().out)
    seconds = json.loads((settling / "found.json").read_text())["warmup"]["seconds"]
    assert f"--set warmup={seconds:g}s" in command
    assert main([*shlex.split(command), "--json", "again.json"]) == 1
    found, again = (json.loads((settling / name).read_text()) for name in ("found.json", "again.json"))
    assert again["runs"][0]["metrics"] == found["runs"][0]["metrics"]


def test_a_fault_before_the_end_of_the_warm_up_is_reported(settling, capsys):
    assert main([*RUN, "--set", "faults=[{agent_crash: {at: 1s}}]", "--set", "expect=[]"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert re.search(
        r"ends at [\d.]+s, and the first fault comes at 1s: what is recovered before it ends is not meas", out
    )


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--set", "warmup=1m"], "--find-warmup, --set warmup: each says what the warm-up is; valid: one of them\n"),
        (["--check-determinism"], "--find-warmup: nothing is measured with --check-determinism; valid: one of them\n"),
        (
            ["--set", "tasks.arrivals={poisson: {rate: 5/s}}"],
            (
                "--find-warmup: small: is overloaded: 5 tasks/s × 20 s on 80 slots of agents: a load of 125 %; the "
                "queue grows to the end of the run, and no warm-up comes before a steady state; valid: "
                "agents.count=101 or more, fewer or shorter tasks, fewer failures, a queue.capacity, or a warmup that "
                "is given\n"
            ),
        ),
        (
            ["--set", "tasks.arrivals={burst: {size: 5}}"],
            "--find-warmup: small: a burst is measured from its first task to its last; valid: warmup=0s\n",
        ),
    ],
)
def test_a_contradicting_option_is_rejected_in_one_line(settling, capsys, more, message):
    assert main([*RUN, *more]) == 2
    assert capsys.readouterr() == ("", message)


def test_scenarios_without_a_warm_up_are_reported_and_the_others_are_run(settling, capsys):
    text = (settling / "small.scenario.yaml").read_text()
    burst = re.sub(r"arrivals: .*", "arrivals: {burst: {size: 5}}", text.replace("name: small", "name: burst"))
    (settling / "burst.scenario.yaml").write_text(burst)
    assert main(["run", "burst.scenario.yaml", *RUN[1:], "--json", "found.json"]) == 2
    out, err = capsys.readouterr()
    assert re.search(HEADER, out)
    assert err == "--find-warmup: burst: a burst is measured from its first task to its last; valid: warmup=0s\n"
    (only,) = json.loads((settling / "found.json").read_text())
    assert (only["scenario"], only["warmup"]["found"]) == ("small", True)


def test_an_interrupt_during_the_pilots_leaves_no_output(settling, capsys, monkeypatch):
    def simulate(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("sim.experiments.runs.warmup.simulate", simulate)
    assert main([*RUN, "--json", "found.json"]) == 130
    assert capsys.readouterr() == ("", "interrupted; nothing was finished\n")
    assert not (settling / "found.json").exists()
