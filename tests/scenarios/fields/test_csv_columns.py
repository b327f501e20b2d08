"""Numbers from CSV files: parsing, errors, and file paths."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

import scenarios
import sim
from scenarios.errors import ScenarioError

NOTHING = "and nothing would be submitted; valid: less than duration, 3600s"
NO_DURATION = "is not a time of arrival; valid: as in 2.5 (seconds), 250ms or 2026-03-01T12:00:00Z"
QUOTE_WITHIN = "a quote ends within a field; valid: a comma after it, or two quotes for one"
LONG_FIELD = "a field has more than 128 KiB; valid: shorter fields, and a quote after each that begins with one"
SAME_WIDTH = "valid: as many columns, and decimals with a point"
WITH_NAMES = "valid: one column, with a point in decimals, or the names of the columns in the first row"
STORY = "name: story\nduration: 1h\ntasks: {{arrivals: {arrivals}, work: {work}}}\nagents: {{count: 1}}\n"


def load(folder: Path, arrivals: str = "{poisson: {rate: 1/s}}", work: str = "1s") -> scenarios.Scenario:
    file = folder / "story.scenario.yaml"
    file.write_text(STORY.format(arrivals=arrivals, work=work), encoding="utf-8")
    return scenarios.load(str(file))


def traced(folder: Path, content: str, column: str | None = None) -> list[float]:
    (folder / "arrivals.csv").write_text(content, encoding="utf-8")
    chosen = "" if column is None else f", column: {column}"
    arrivals = load(folder, f"{{trace: {{file: arrivals.csv{chosen}}}}}").tasks.arrivals
    return list(arrivals.values)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("content", "column", "read"),
    [
        ("1\n2.5\n1e1\n", None, [1, 2.5, 10]),
        ("250ms\n2s\n1m\n", None, [0.25, 2, 60]),
        ("time\n1\n2\n", None, [1, 2]),
        ("time,size\n1,9\n2,8\n", "time", [1, 2]),
        ("id, at \na,1\nb,2\n", "at", [1, 2]),
        ("1\n\n2\n", None, [1, 2]),
        ("1700000000\n1700000000.25\n1700000060\n", None, [0, 0.25, 60]),
        ("2026-03-01T12:00:00Z\n2026-03-01T12:00:30.5Z\n2026-03-01T14:00:00+01:00\n", None, [0, 30.5, 3600]),
        ("at,x\n2026-03-01 12:00:00,1\n2026-03-01 12:01:00,2\n", "at", [0, 60]),
        ("\ufefftime\n1\n", "time", [1]),
        ('"time"\n"1"\n', "time", [1]),
        ("1\r\n2\r\n", None, [1, 2]),
        ("1\r2\r", None, [1, 2]),
        ('t,note\n1,"two\nlines"\n2,one\u2028line\n3\n', None, [1, 2, 3]),
    ],
)
def test_a_column_is_read(tmp_path: Path, content: str, column: str | None, read: list[float]) -> None:
    assert traced(tmp_path, content, column) == read


@pytest.mark.parametrize(
    ("content", "column", "message"),
    [
        ("1\n2\nx\n", None, f"file: arrivals.csv, row 3: 'x' {NO_DURATION}"),
        ("t\n1\n-2\n", None, f"file: arrivals.csv, row 3: '-2' {NO_DURATION}"),
        ("1\nnan\n", None, f"file: arrivals.csv, row 2: 'nan' {NO_DURATION}"),
        (
            "a,b\n1,2\n1\n",
            "b",
            f"file: arrivals.csv, row 3: nothing {NO_DURATION}",
        ),
        ("1\n3\n2\n", None, "file: arrivals.csv, row 3: 2 s comes after 3 s; valid: in order of time"),
        (
            "1700000000000\n",
            None,
            "file: arrivals.csv, row 1: '1700000000000' would be milliseconds; valid: seconds since 1970",
        ),
        (
            "7200\n7300\n",
            None,
            f"file: the first task would arrive at 7200s, {NOTHING}",
        ),
        ("", None, "file: arrivals.csv: has no rows; valid: one number or more"),
        ("time\n", None, "file: arrivals.csv: has no rows; valid: one number or more"),
        ('1\n"2\n3\n', None, "file: arrivals.csv, row 2: a quote does not end; valid: a second quote, or none"),
        ('1\n"2\n3"\n', None, f"file: arrivals.csv, row 2: '2\\n3' {NO_DURATION}"),
        ('t,a\n1,"x\n2,y\n3,"z\n', None, f"file: arrivals.csv, row 2: {QUOTE_WITHIN}"),
        (f't\n1\n"{"2" * 2**17}2"\n', None, f"file: arrivals.csv, row 3: {LONG_FIELD}"),
        ("t\n0,5\n", None, f"file: arrivals.csv, row 2: has 2 columns, where the first row has 1; {SAME_WIDTH}"),
        (
            "a,t\n1,2\n1,0,5\n",
            "t",
            f"file: arrivals.csv, row 3: has 3 columns, where the first row has 2; {SAME_WIDTH}",
        ),
        ("t;a\n0,5;7\n", None, f"file: arrivals.csv, row 2: has 2 columns, where the first row has 1; {SAME_WIDTH}"),
        ("0,5\n1,5\n", None, f"file: arrivals.csv, row 1: has 2 columns without names; {WITH_NAMES}"),
        ("t,t\n1,2\n", "t", "column: arrivals.csv: has 2 columns 't'; valid: a name once"),
        ("time,size\n1,2\n", "tyme", "column: arrivals.csv: has no column 'tyme'; valid: time, size (nearest: 'time')"),
    ],
)
def test_an_invalid_row_is_reported(tmp_path: Path, content: str, column: str | None, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        traced(tmp_path, content, column)
    assert str(caught.value) == f"{tmp_path / 'story.scenario.yaml'}:3: tasks.arrivals.trace.{message}"


def test_a_missing_or_invalid_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name, message in (
        ("nowhere.csv", "nowhere.csv: no such file; valid: a CSV file"),
        ("folder", "folder: is a folder; valid: a CSV file"),
        ("binary", "binary: is not UTF-8 text; valid: a CSV file"),
    ):
        with pytest.raises(ScenarioError, match=f"tasks.work.empirical.file: {message}"):
            load(tmp_path, work=f"{{empirical: {{file: {name}}}}}")


def test_an_empirical_distribution_matches_the_recorded_frequencies(tmp_path: Path) -> None:
    (tmp_path / "durations.csv").write_text("1\n1\n4\n", encoding="utf-8")
    work = load(tmp_path, work="{empirical: {file: durations.csv}}").tasks.work
    assert work.mean == 2
    assert work.constant is None
    drawn = work.sample(np.random.default_rng(1), 30_000)
    assert set(drawn) == {1.0, 4.0}
    assert abs((drawn == 4).mean() - 1 / 3) < 4 * (2 / 9 / 30_000) ** 0.5


def test_unsorted_durations_and_a_single_value_are_accepted(tmp_path: Path) -> None:
    (tmp_path / "durations.csv").write_text("3\n3\n", encoding="utf-8")
    assert load(tmp_path, work="{empirical: {file: durations.csv}}").tasks.work.constant == 3
    (tmp_path / "others.csv").write_text("3\n1\n", encoding="utf-8")
    assert load(tmp_path, work="{empirical: {file: others.csv}}").tasks.work.mean == 2


def test_a_file_name_is_relative_to_the_file_that_contains_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when another scenario elsewhere extends it, and when other values change."""
    base, child = tmp_path / "base", tmp_path / "child"
    base.mkdir()
    child.mkdir()
    (base / "d.csv").write_text("7\n", encoding="utf-8")
    load(base, work="{empirical: {file: d.csv}}")
    extending = child / "child.scenario.yaml"
    extending.write_text("name: child\nextends: ../base/story.scenario.yaml\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    scenario = scenarios.load(str(extending))
    assert scenario.tasks.work.mean == 7
    assert scenario.with_values({"agents.count": 3}).tasks.work.mean == 7


def test_an_overridden_file_name_is_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (tmp_path / "d.csv").write_text("7\n", encoding="utf-8")
    (here / "d.csv").write_text("9\n", encoding="utf-8")
    scenario = load(tmp_path, work="{empirical: {file: d.csv}}")
    monkeypatch.chdir(here)
    assert scenario.with_values({"tasks.work": "{empirical: {file: ./d.csv}}"}).tasks.work.mean == 9


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    assert traced(tmp_path, "1\n") == [1]
    assert traced(tmp_path, "1\n2\n") == [1, 2]


def test_a_run_records_the_files_it_used(tmp_path: Path) -> None:
    content = b"7\n"
    (tmp_path / "d.csv").write_bytes(content)
    scenario = load(tmp_path, work="{empirical: {file: d.csv}}")
    known = {"d.csv": hashlib.sha256(content).hexdigest()}
    assert sim.run(scenario, seed=1).record.meta["files_sha256"] == known
    assert sim.replicate(scenario, seed=1, replications=1).as_json()["files_sha256"] == known
