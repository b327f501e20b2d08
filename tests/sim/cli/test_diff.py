"""`diff` and `run --check-determinism`: equality of histories, and their first difference."""

import json
from pathlib import Path

import pandas as pd
import pytest

import sim
from sim.cli import main
from sim.cli.commands import diff
from sim.reports.history_diff import first_difference
from tests.sim.cli.small import SMALL
from tests.sim.world.stories import scenario


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.scenario.yaml").write_text(SMALL % "35s")
    return tmp_path


def history(**values) -> pd.DataFrame:
    return sim.run(scenario(values), seed=1).history


# ------------------------------------------------------------------------------------------- where histories part
def test_equal_histories_have_no_difference():
    assert first_difference(history(), history()) is None


def test_the_first_different_event_is_shown_with_its_predecessors():
    found = first_difference(history(), history(**{"tasks.work": "4s"}))
    assert found is not None
    assert found.lines() == [
        "  10.0  queue.entered  task.0  task=0  detail=submitted",
        "  10.0  queue.delivered  task.0  task=0  agent=0  value=1.0",
        "  10.0  attempt.started  task.0  task=0  agent=0  epoch=1  value=0.0",
        "- 13.0  attempt.succeeded  task.0  task=0  agent=0  epoch=1  value=3.0",
        "+ 14.0  attempt.succeeded  task.0  task=0  agent=0  epoch=1  value=4.0",
    ]


def test_a_longer_history_is_different():
    longer = history(**{"tasks.count": 2})
    one, other = first_difference(history(), longer), first_difference(longer, history())
    assert one is not None
    assert other is not None
    assert (one.lines()[-2], other.lines()[-1]) == ("- (over)", "+ (over)")


def test_a_one_bit_difference_is_detected():
    one, other = history(), history()
    other.loc[3, "time"] = other.loc[3, "time"] * (1 + 2**-52)
    found = first_difference(one, other)
    assert found is not None
    assert found.row == 3


@pytest.mark.parametrize(
    "changed",
    [{"value": -0.0}, {"event": "task.lost"}, {"task": 7}, {"agent": 7}, {"epoch": 7}, {"incident": 7}, {"about": "x"}],
)
def test_every_column_is_compared_and_minus_zero_differs_from_zero(changed):
    one, other = history(), history()
    row = int(one.index[one["value"] == 0.0][0])
    ((column, value),) = changed.items()
    other[column] = other[column].astype(object)
    other.loc[row, column] = value
    found = first_difference(one, other)
    assert found is not None
    assert found.row == row
    assert found.one != found.other


# ------------------------------------------------------------------------------------------------------- commands
def keep(name: str, *more: str) -> None:
    assert main(["run", "small.scenario.yaml", "--history", name, "--quiet", *more]) in {0, 1}


def test_diff_reports_equal_files(capsys):
    keep("a.parquet")
    keep("b.parquet")
    assert main(["diff", "a.parquet", "b.parquet"]) == 0
    assert capsys.readouterr().out.startswith("a.parquet and b.parquet: the same, ")


def test_diff_shows_the_first_difference(capsys):
    keep("a.parquet")
    keep("b.parquet", "--set", "agents.restart_time=25s")
    assert main(["diff", "a.parquet", "b.parquet"]) == 1
    first, *_, one, other = capsys.readouterr().out.splitlines()
    assert first.startswith("a.parquet and b.parquet: not the same from event ")
    assert (one[:2], other[:2]) == ("- ", "+ ")


def test_different_replications_are_not_compared(capsys):
    keep("a.parquet")
    keep("b.parquet", "--seed", "8")
    capsys.readouterr()
    assert main(["diff", "a.parquet", "b.parquet"]) == 1
    assert capsys.readouterr().err == "a.parquet and b.parquet: not of the same replications\n"


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("nowhere.parquet", "nowhere.parquet: no such file; valid: FILE.parquet of --history"),
        ("small.scenario.yaml", "small.scenario.yaml: not a history (ArrowInvalid); valid: FILE.parquet of --history"),
        (
            "other.parquet",
            "other.parquet: not a history: it has no column 'scenario'; valid: FILE.parquet of --history",
        ),
    ],
)
def test_a_file_that_is_not_a_history_is_rejected(capsys, file, message):
    keep("a.parquet")
    pd.DataFrame({"x": [1]}).to_parquet("other.parquet")
    capsys.readouterr()
    assert main(["diff", "a.parquet", file]) == 2
    assert capsys.readouterr().err == f"{message}\n"


def test_a_damaged_history_is_rejected_in_a_line_or_unharmed(capsys):
    """Bits are flipped all over the file, and letters in the names of its columns."""
    keep("a.parquet", "--set", "duration=3m", "--set", "warmup=0s", "--set", "faults=[]", "--set", "expect=[]")
    whole = Path("a.parquet").read_bytes()
    damaged = [(place, 1 << place % 8) for place in range(3, len(whole), len(whole) // 16)]
    damaged += [(whole.rfind(name), bit) for name in (b"task", b"value", b"about") for bit in (1, 128)]
    refused = 0
    for place, bit in damaged:
        content = bytearray(whole)
        content[place] ^= bit
        Path("b.parquet").write_bytes(content)
        capsys.readouterr()
        status = main(["diff", "a.parquet", "b.parquet"])
        said = capsys.readouterr()
        assert (status, said.err.count("\n")) == (2, 1) or (status == 0 and "the same, " in said.out), (place, bit)
        refused += status == 2
    assert refused > 10


@pytest.mark.long
def test_determinism_is_checked_in_two_processes(capsys):
    assert main(["run", "small.scenario.yaml", "--check-determinism", "--set", "duration=6m"]) == 0
    assert capsys.readouterr().out.startswith("small.scenario.yaml: two processes: the same, ")


def run_here(name: str, options: list[str], file: str, hash_seed: str) -> None:
    """In place of another process."""
    main(["run", name, *options, "--set", "history=full", "--quiet", "--history", file, "--json", file + diff.JSON])


def test_a_nondeterministic_run_is_detected(capsys, monkeypatch):
    """The counterpart: restarts take longer in one of the two."""
    restarts = iter(("20s", "21s"))

    def other(name: str, options: list[str], file: str, hash_seed: str) -> None:
        run_here(name, [*options, "--set", f"agents.restart_time={next(restarts)}"], file, hash_seed)

    monkeypatch.setattr(diff, "_run", other)
    assert main(["run", "small.scenario.yaml", "--check-determinism"]) == 1
    assert "two processes: not the same from event " in capsys.readouterr().out


HASHING = """
import sim.core.build
sim.core.build.jitter = lambda streams: lambda subject, retry: {what}
"""


@pytest.mark.parametrize(
    "what",
    [
        "hash(subject) % 1009 / 1009",
        pytest.param("int.from_bytes(__import__('os').urandom(4)) / 2**32", marks=pytest.mark.slow),
    ],
)
@pytest.mark.long
def test_a_core_that_depends_on_hashes_or_the_machine_is_detected(folder, capsys, monkeypatch, what):
    """The counterpart: each process has the same core, whose delays depend on state outside of the seed."""
    (folder / "sitecustomize.py").write_text(HASHING.format(what=what))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    retries = "recovery.conditions.task_failure={max_retries: 3, retry_delay: 5s, jitter: full}"
    command = ["run", "small.scenario.yaml", "--set", "tasks.failure_probability=10%", "--set", retries]
    assert main([*command, "--check-determinism"]) == 1
    *_, one, other = capsys.readouterr().out.splitlines()
    assert "retry.granted" in one
    assert [word for word in one.split() if word not in other.split()][1].startswith("value=")


def test_a_history_with_two_verdicts_is_detected(capsys, monkeypatch):
    """The counterpart: one of the two counts one more task in the same history."""
    more = iter((0, 1))

    def other(name: str, options: list[str], file: str, hash_seed: str) -> None:
        run_here(name, options, file, hash_seed)
        result = json.loads(Path(file + ".json").read_text())
        result["runs"][0]["metrics"]["tasks.submitted"] += next(more)
        Path(file + ".json").write_text(json.dumps(result))

    monkeypatch.setattr(diff, "_run", other)
    assert main(["run", "small.scenario.yaml", "--check-determinism"]) == 1
    message = capsys.readouterr().out.splitlines()
    assert len(message) == 2
    assert message[1].startswith("small.scenario.yaml: two processes: the same history, but 7/0 tasks.submitted: ")


def test_a_determinism_check_leaves_no_files(capsys):
    assert main(["run", "small.scenario.yaml", "--check-determinism", "--json", "a.json"]) == 2
    assert capsys.readouterr().err.startswith("--check-determinism: keeps and shows nothing; valid: without --json, ")


def test_a_scenario_that_cannot_run_is_reported_as_usual(capsys):
    assert main(["run", "small.scenario.yaml", "--check-determinism", "--set", "agents.count=0"]) == 2
    assert "agents.count" in capsys.readouterr().err
