"""Files of baselines: a JSON array with one record a line, sorted, so that a diff shows what has changed.

The first record names the format. Each scenario has a record with its seed, replications, digest and versions, one for
each of its keys that differs from the default, and one for each metric. A scenario's `sha256` is that of its other
records: a file that was edited by hand, or damaged, is refused. Scenarios are independent of each other in a file, so
that two changes of different scenarios can be merged.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from recovery.atomic_file import whole_file
from recovery.errors import RecoveryBenchError
from recovery.input_file import InputFileError, read_text
from scenarios.errors import first_problem, written
from sim.baselines.records import FORMAT, VERSION, KeyRecord, MetricRecord, Record, ScenarioRecord, kind_of
from sim.baselines.scenario_baseline import ScenarioBaseline

MOST_BYTES = 64 * 1024**2
"""Limit on the size of a file. A scenario with 20 replications has about 15 KB."""
AGAIN = "valid: a file that --update-baseline has written"

Baselines = dict[str, ScenarioBaseline]
"""Baselines by the name of their scenario."""


class BaselineError(RecoveryBenchError, ValueError):
    """A file is not a baseline, or cannot be read or written. One line: file, line, and what is wrong."""


class _Twice(RecoveryBenchError, ValueError):
    """A key occurs twice in a record."""


def write_baselines(baselines: Mapping[str, ScenarioBaseline], file: str) -> None:
    """Write baselines atomically. Raises BaselineError."""
    target = Path(file)
    lines = [json.dumps({"format": FORMAT, "version": VERSION})]
    lines += [line for name in sorted(baselines) for line in _lines(baselines[name])]
    try:
        with whole_file(target) as temporary:
            temporary.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    except OSError as error:
        raise BaselineError(f"{file}: cannot be written: {error.strerror or error}") from None


def _lines(baseline: ScenarioBaseline) -> list[str]:
    """The records of a scenario: itself, its keys, its metrics."""
    name = baseline.scenario
    keys = [KeyRecord(scenario=name, key=key, value=value) for key, value in sorted(baseline.keys.items())]
    metrics = [MetricRecord.of(name, baseline.metrics[metric]) for metric in sorted(baseline.metrics)]
    rest = [*keys, *metrics]
    first = ScenarioRecord.of(baseline, "")
    return [_text(first.model_copy(update={"sha256": _sha256([first, *rest])})), *map(_text, rest)]


def _text(record: Record) -> str:
    return json.dumps(record.plain(), ensure_ascii=False, allow_nan=False)


def _sha256(records: Iterable[Record]) -> str:
    """The SHA-256 of the records of a scenario, without that field."""
    texts = (json.dumps({**record.plain(), "sha256": ""}, sort_keys=True) for record in records)
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def read_baselines(file: str) -> Baselines:
    """The baselines of a file, by scenario. Raises BaselineError."""
    try:
        text = read_text(Path(file), MOST_BYTES)
    except InputFileError as error:
        valid = "valid: --update-baseline writes it" if error.is_missing else AGAIN
        raise BaselineError(f"{file}: {error}; {valid}") from None
    return _Reader(file, text).read()


class _Reader:
    """Reads one file, and names the line of what is wrong."""

    def __init__(self, file: str, text: str) -> None:
        self._file, self._text = file, text
        self._objects = 0
        """Records that were parsed: the place of the current one."""

    def read(self) -> Baselines:
        """The baselines by scenario. Raises BaselineError."""
        data = self._data()
        if not isinstance(data, list) or not data or not isinstance(data[0], dict) or data[0].get("format") != FORMAT:
            raise BaselineError(f"{self._file}: is not a baseline; {AGAIN}")
        if data[0].get("version") != VERSION:
            version = str(data[0].get("version"))[:20]
            self._fail(0, f"has version {version} of the format; valid: version {VERSION}")
        found: dict[str, list[tuple[int, Record]]] = {}
        places: dict[tuple[str, ...], int] = {}
        for place, each in enumerate(data[1:], 1):
            record = self._record(place, each)
            first = places.setdefault(record.name, place)
            if first != place:
                self._fail(place, f"{' '.join(record.name)}: is there twice, first in {self._place(first)}")
            found.setdefault(record.scenario, []).append((place, record))
        return {name: self._baseline(name, records) for name, records in sorted(found.items())}

    def _data(self) -> Any:
        try:
            return json.loads(self._text, object_pairs_hook=self._object, parse_constant=_no_constant)
        except _Twice as error:
            self._fail(self._objects, f"{error}: is there twice")
        except json.JSONDecodeError as error:
            raise BaselineError(f"{self._file}:{error.lineno}: is not JSON: {error.msg.lower()}; {AGAIN}") from None
        except (ValueError, RecursionError):
            raise BaselineError(f"{self._file}: is not JSON, or is damaged; {AGAIN}") from None

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            raise _Twice(next(name for name in names if names.count(name) > 1))
        self._objects += "scenario" in found or "format" in found
        return found

    def _record(self, place: int, given: Any) -> Record:
        if not isinstance(given, dict):
            self._fail(place, f"is not a record of a scenario, a key or a metric; {AGAIN}")
        try:
            return kind_of(given).model_validate(given)
        except ValidationError as error:
            path, problem = first_problem(error)
            self._fail(place, f"{written(path)}: {problem}" if path else problem)

    def _baseline(self, name: str, records: list[tuple[int, Record]]) -> ScenarioBaseline:
        of = [(place, record) for place, record in records if isinstance(record, ScenarioRecord)]
        if not of:
            self._fail(records[0][0], f"{name}: has no record with its seed and replications; {AGAIN}")
        place, scenario = of[0]
        metrics = [(at, record) for at, record in records if isinstance(record, MetricRecord)]
        for at, metric in metrics:
            if len(metric.values) != scenario.replications:
                self._fail(
                    at, f"{metric.metric}: has {len(metric.values)} values, for {scenario.replications} replications"
                )
        keys = [record for _, record in records if isinstance(record, KeyRecord)]
        ordered = sorted(keys, key=lambda record: record.key), sorted(metrics, key=lambda each: each[1].metric)
        if scenario.sha256 != _sha256([scenario, *ordered[0], *(record for _, record in ordered[1])]):
            self._fail(place, f"{name}: does not match its SHA-256: it was edited, or is damaged; {AGAIN}")
        return scenario.baseline(
            {record.key: record.value for record in keys}, [each.measured() for _, each in metrics]
        )

    def _place(self, place: int) -> str:
        """The line of a record, if each has one of its own."""
        lines = self._text.strip().splitlines()
        is_of_lines = lines[0] == "[" and lines[-1] == "]"
        return f"line {place + 2}" if is_of_lines else f"record {place + 1}"

    def _fail(self, place: int, problem: str) -> NoReturn:
        where = self._place(place)
        kind, _, number = where.partition(" ")
        raise BaselineError(
            f"{self._file}:{number}: {problem}" if kind == "line" else f"{self._file}: {where}: {problem}"
        )


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")
