"""The history of a suite in files that other tools read: CSV for Apache Otava, and the JSON of pytest-benchmark.

Apache Otava (https://github.com/apache/otava) finds the commits at which a metric has changed. It reads a CSV file for
each scenario, with a row for each commit, and a configuration that names the columns.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

from recovery.atomic_file import whole_file
from recovery.errors import RecoveryBenchError
from recovery.input_file import InputFileError, read_text
from scenarios.fields.metrics import lookup
from sim.baselines.scenario_baseline import metrics_of
from sim.experiments.runs.provenance import installed_version
from sim.experiments.runs.replications import Result

MOST_BYTES = 64 * 1024**2
CONFIGURATION = "otava.yaml"
ATTRIBUTES = ("time", "commit", "version")
"""The columns before the metrics."""
DIRECTIONS = {"lower": -1, "higher": 1, None: 0}
"""Of Otava: -1, less is better; 1, more is better; 0, neither."""


class TrendError(RecoveryBenchError, ValueError):
    """A file of the history cannot be read or written. One line: which file, and what is wrong."""


@dataclass(frozen=True, slots=True)
class Commit:
    """What was measured: the commit, and its time in ISO 8601."""

    sha: str
    time: str


def append_trend(folder: str, results: Sequence[Result], commit: Commit) -> None:
    """Add a row to the CSV file of each scenario, and write the configuration of Otava.

    A second row of a commit replaces the first one. A metric that is new has no value (`nan`) in the rows before.
    Raises TrendError.
    """
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
        for result in results:
            target = place / f"{result.scenario.name}.csv"
            _write(target, _with_row(target, result, commit))
        _write(place / CONFIGURATION, _configuration(place))
    except OSError as error:
        raise TrendError(f"{folder}: cannot be written: {error.strerror or error}") from None


def _write(target: Path, text: str) -> None:
    with whole_file(target) as path:
        path.write_text(text, encoding="utf-8")


def _with_row(target: Path, result: Result, commit: Commit) -> str:
    """The CSV file with another row."""
    rows = _rows(target)
    values = {
        name: result.metrics[name].mean
        for name in metrics_of(result.scenario, result.metrics)
        if name in result.metrics
    }
    row = {"time": commit.time, "commit": commit.sha, "version": installed_version()}
    row |= {name: repr(value) for name, value in values.items()}
    kept = [each for each in rows if not commit.sha or each["commit"] != commit.sha]
    names = sorted({name for each in (*kept, row) for name in each} - {*ATTRIBUTES})
    out = io.StringIO()
    writer = csv.DictWriter(out, [*ATTRIBUTES, *names], restval=repr(nan), lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted((*kept, row), key=lambda each: each["time"]))
    return out.getvalue()


def _rows(target: Path) -> list[dict[str, str]]:
    """The rows of a CSV file; none if there is no such file."""
    try:
        text = read_text(target, MOST_BYTES)
    except InputFileError as error:
        if error.is_missing:
            return []
        raise TrendError(f"{target}: {error}") from None
    rows = list(csv.DictReader(io.StringIO(text), strict=True))
    for number, row in enumerate(rows, 2):
        if None in row or None in row.values() or not {*ATTRIBUTES} <= {*row}:
            raise TrendError(f"{target}:{number}: is not a row of this file; valid: a file that --trend has written")
    return rows


def _configuration(folder: Path) -> str:
    """The configuration of Otava: a test for each CSV file of the folder."""
    tests: dict[str, Any] = {}
    for file in sorted(folder.glob("*.csv")):
        header = file.read_text(encoding="utf-8").partition("\n")[0].split(",")
        tests[file.stem] = {
            "type": "csv",
            "file": str(file),
            "time_column": "time",
            "attributes": ["commit", "version"],
            "metrics": {
                name: {"column": name, "direction": DIRECTIONS[lookup(name).direction]}
                for name in header
                if name not in ATTRIBUTES
            },
            "csv_options": {"delimiter": ",", "quote_char": '"'},
        }
    yaml, out = YAML(typ="safe", pure=True), io.StringIO()
    yaml.default_flow_style = False
    yaml.dump({"tests": tests}, out)
    return out.getvalue()


def benchmark_json(results: Sequence[Result], commit: Commit) -> dict[str, Any]:
    """The durations of a suite in the format of pytest-benchmark, a round for each replication.

    `pytest-benchmark compare` and github-action-benchmark (`tool: pytest`) read it. Metrics in other units than
    seconds, and values that are not finite or 0, are left out.
    """
    benchmarks = [
        _benchmark(result.scenario.name, name, values)
        for result in results
        for name in metrics_of(result.scenario, result.metrics)
        if lookup(name, result.scenario.parts).unit == "s"
        if (values := _values(result, name)) is not None
    ]
    return {
        "machine_info": {},
        "commit_info": {"id": commit.sha, "time": commit.time},
        "benchmarks": benchmarks,
        "datetime": commit.time,
        "version": f"recovery-bench {installed_version()}",
    }


def _values(result: Result, name: str) -> list[float] | None:
    seen = [value for run in result.runs if (value := run.metrics.get(name)) is not None]
    return seen if seen and all(map(isfinite, seen)) and sum(seen) > 0 else None


def _benchmark(scenario: str, metric: str, values: Sequence[float]) -> dict[str, Any]:
    q1, median, q3 = (float(each) for each in np.percentile(values, [25, 50, 75]))
    mean = float(np.mean(values))
    stats = {
        "min": min(values),
        "max": max(values),
        "mean": mean,
        "stddev": float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
        "rounds": len(values),
        "median": median,
        "iqr": q3 - q1,
        "q1": q1,
        "q3": q3,
        "iqr_outliers": 0,
        "stddev_outliers": 0,
        "outliers": "0;0",
        "ld15iqr": min(values),
        "hd15iqr": max(values),
        "ops": 1 / mean,
        "total": float(sum(values)),
        "iterations": 1,
    }
    name = f"{scenario}[{metric}]"
    return {
        "group": scenario,
        "name": name,
        "fullname": name,
        "params": {"metric": metric},
        "param": metric,
        "extra_info": {"unit": "s"},
        "options": {},
        "stats": stats,
    }
