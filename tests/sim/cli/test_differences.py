"""`diff` and `run --check-determinism`: whether histories are the same, and where they part."""

import pandas as pd
import pytest

import sim
from sim.cli import differences, main
from sim.reports.difference import first_difference
from tests.sim.cli.test_commands import SMALL
from tests.sim.world.stories import scenario


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.scenario.yaml").write_text(SMALL % "35s")
    return tmp_path


def history(**values) -> pd.DataFrame:
    return sim.run(scenario(values), seed=1).history


# ------------------------------------------------------------------------------------------- where histories part
def test_the_same_history_has_no_difference():
    assert first_difference(history(), history()) is None


def test_the_first_event_that_is_not_the_same_is_told_with_those_before_it():
    found = first_difference(history(), history(**{"tasks.work": "4s"}))
    assert found is not None
    assert found.lines() == [
        "  10.0  queue.entered  task.0  task=0  detail=submitted",
        "  10.0  queue.delivered  task.0  task=0  agent=0  value=1.0",
        "  10.0  attempt.started  task.0  task=0  agent=0  epoch=1  value=0.0",
        "- 13.0  attempt.succeeded  task.0  task=0  agent=0  epoch=1  value=3.0",
        "+ 14.0  attempt.succeeded  task.0  task=0  agent=0  epoch=1  value=4.0",
    ]


def test_one_that_goes_on_longer_is_another_one():
    longer = history(**{"tasks.count": 2})
    one, other = first_difference(history(), longer), first_difference(longer, history())
    assert one is not None
    assert other is not None
    assert (one.lines()[-2], other.lines()[-1]) == ("- (over)", "+ (over)")


def test_what_differs_by_one_bit_differs():
    one, other = history(), history()
    other.loc[3, "time"] = other.loc[3, "time"] * (1 + 2**-52)
    found = first_difference(one, other)
    assert found is not None
    assert found.row == 3


# ------------------------------------------------------------------------------------------------------- commands
def keep(name: str, *more: str) -> None:
    assert main(["run", "small.scenario.yaml", "--history", name, "--quiet", *more]) in {0, 1}


def test_diff_says_that_two_files_are_the_same(capsys):
    keep("a.parquet")
    keep("b.parquet")
    assert main(["diff", "a.parquet", "b.parquet"]) == 0
    assert capsys.readouterr().out.startswith("a.parquet and b.parquet: the same, ")


def test_diff_shows_where_they_part(capsys):
    keep("a.parquet")
    keep("b.parquet", "--set", "agents.restart_time=25s")
    assert main(["diff", "a.parquet", "b.parquet"]) == 1
    first, *_, one, other = capsys.readouterr().out.splitlines()
    assert first.startswith("a.parquet and b.parquet: not the same from event ")
    assert (one[:2], other[:2]) == ("- ", "+ ")


def test_other_replications_are_not_compared(capsys):
    keep("a.parquet")
    keep("b.parquet", "--seed", "8")
    capsys.readouterr()
    assert main(["diff", "a.parquet", "b.parquet"]) == 1
    assert capsys.readouterr().err == "a.parquet and b.parquet: not of the same replications\n"


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("nowhere.parquet", "nowhere.parquet: no such file; valid: a history that --history has kept"),
        ("small.scenario.yaml", "small.scenario.yaml: is no history (ArrowInvalid); valid: FILE.parquet of --history"),
        (
            "other.parquet",
            "other.parquet: is no history, for it has no column 'time'; valid: FILE.parquet of --history",
        ),
    ],
)
def test_what_is_no_history_is_refused(capsys, file, said):
    keep("a.parquet")
    pd.DataFrame({"x": [1]}).to_parquet("other.parquet")
    capsys.readouterr()
    assert main(["diff", "a.parquet", file]) == 2
    assert capsys.readouterr().err == f"{said}\n"


def test_determinism_is_checked_in_two_processes(capsys):
    assert main(["run", "small.scenario.yaml", "--check-determinism", "--set", "duration=6m"]) == 0
    assert capsys.readouterr().out.startswith("small.scenario.yaml: two processes: the same, ")


def test_a_run_that_is_not_deterministic_is_caught(capsys, monkeypatch):
    """The twin: one of the two processes has another idea of how long a restart takes."""
    run, restarts = differences._run, iter(("20s", "21s"))

    def other(name: str, options: list[str], file: str, hash_seed: str) -> None:
        run(name, [*options, "--set", f"agents.restart_time={next(restarts)}"], file, hash_seed)

    monkeypatch.setattr(differences, "_run", other)
    assert main(["run", "small.scenario.yaml", "--check-determinism"]) == 1
    assert "two processes: not the same from event " in capsys.readouterr().out


def test_nothing_is_kept_of_a_check(capsys):
    assert main(["run", "small.scenario.yaml", "--check-determinism", "--json", "a.json"]) == 2
    assert capsys.readouterr().err.startswith("--check-determinism: keeps nothing; valid: without --json, ")


def test_a_scenario_that_cannot_be_run_is_told_as_ever(capsys):
    assert main(["run", "small.scenario.yaml", "--check-determinism", "--set", "agents.count=0"]) == 2
    assert "agents.count" in capsys.readouterr().err
