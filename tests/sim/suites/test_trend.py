"""The history of a suite: CSV as Apache Otava reads it, and the JSON of pytest-benchmark."""

import csv
import json
from datetime import datetime
from math import isnan
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from sim.suites.trend import Commit, TrendError, append_trend, benchmark_json

FIRST = Commit("a" * 40, "2026-01-01T10:00:00+01:00")
SECOND = Commit("b" * 40, "2026-01-02T10:00:00+01:00")


def as_otava_reads(folder, test="small"):
    """The columns that Otava's importer reads: time and metrics have to be convertible."""
    configuration = YAML(typ="safe", pure=True).load((folder / "otava.yaml").read_text())["tests"][test]
    options = configuration["csv_options"]
    with Path(configuration["file"]).open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file, delimiter=options["delimiter"], quotechar=options["quote_char"])
    assert configuration["type"] == "csv"
    times = [datetime.fromisoformat(row[header.index(configuration["time_column"])]) for row in rows]
    attributes = [[row[header.index(name)] for name in configuration["attributes"]] for row in rows]
    metrics = {
        name: [float(row[header.index(of["column"])]) for row in rows] for name, of in configuration["metrics"].items()
    }
    assert all(len(row) == len(header) for row in rows)
    return times, attributes, metrics, {name: of["direction"] for name, of in configuration["metrics"].items()}


def test_otava_reads_a_row_for_each_commit(result, tmp_path):
    for commit in (SECOND, FIRST):
        append_trend(str(tmp_path / "trend"), [result], commit)
    times, attributes, metrics, directions = as_otava_reads(tmp_path / "trend")
    assert times == sorted(times)
    assert [commit for commit, _ in attributes] == [FIRST.sha, SECOND.sha]
    assert metrics["recovery.time.mean"] == [result.metrics["recovery.time.mean"].mean] * 2
    assert (directions["recovery.time.mean"], directions["tasks.completed"]) == (-1, 1)


def test_a_second_run_of_a_commit_replaces_its_row(result, tmp_path):
    for _ in range(2):
        append_trend(str(tmp_path), [result], FIRST)
    assert len(as_otava_reads(tmp_path)[0]) == 1


def test_a_new_metric_has_no_value_in_earlier_rows(small_scenario, result, run_with, tmp_path):
    append_trend(str(tmp_path), [result], FIRST)
    append_trend(str(tmp_path), [run_with({"tolerances": "{tasks.submitted: 5%}"})], SECOND)
    first, second = as_otava_reads(tmp_path)[2]["tasks.submitted"]
    assert isnan(first)
    assert second > 0


def test_a_damaged_file_is_refused(result, tmp_path):
    append_trend(str(tmp_path), [result], FIRST)
    with (tmp_path / "small.csv").open("a") as file:
        file.write("1,2\n")
    with pytest.raises(TrendError, match=r"small\.csv:3: is not a row of this file"):
        append_trend(str(tmp_path), [result], SECOND)


def test_the_format_of_pytest_benchmark_has_a_round_for_each_replication(result):
    data = json.loads(json.dumps(benchmark_json([result], FIRST)))
    found = {each["name"]: each["stats"] for each in data["benchmarks"]}
    stats = found["small[recovery.time.mean]"]
    assert stats["rounds"] == 8
    assert stats["min"] <= stats["q1"] <= stats["median"] <= stats["q3"] <= stats["max"]
    assert stats["ops"] == pytest.approx(1 / stats["mean"])
    assert "small[tasks.completed]" not in found
    assert data["commit_info"]["id"] == FIRST.sha
