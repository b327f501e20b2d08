"""Reads stored results: files of `.save()`, JSON of commands, and folders of sweeps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from recovery.errors import RecoveryBenchError
from recovery.input_file import InputFileError, read_text
from scenarios import Scenario
from scenarios.errors import ScenarioError, first_problem, written
from sim.experiments.runs.provenance import installed_version
from sim.experiments.runs.replications import Result
from sim.experiments.runs.summary import RunSummary
from sim.experiments.runs.warmup import Warmup
from sim.experiments.sweeps.sweep import load_sweep
from sim.history import History
from sim.presentation.visible_text import visible
from sim.reports.stored.shapes import AnyShape, ResultShape, shape_of
from sim.results.file import FORMAT, KINDS, MOST_BYTES, load
from sim.results.plain_data import restored
from sim.simulation import Run

VALID = (
    "valid: a file of .save(), the JSON of run, compare, sweep, tune, search, suite or crash-sweep, or the folder of a "
    "sweep"
)


class StoredResultError(RecoveryBenchError, ValueError):
    """A file is not a stored result, or has not what a report needs. One line: the file, and what would be valid."""


@dataclass(frozen=True)
class Stored:
    """A result that was stored: its file, and what the JSON of its command has.

    `history`: that of the only run, if the file has it. `scenario`: that of a result of runs, if it is known already.
    """

    file: str
    data: AnyShape
    history: History | None = None
    scenario: Scenario | None = None

    @property
    def is_current(self) -> bool:
        """Whether this version has made it."""
        return self.data.version == installed_version()


def read_stored(file: str) -> list[Stored]:
    """The results in a file; several of a `run` of several scenarios. Raises StoredResultError and ResultFileError."""
    path = Path(file)
    if path.is_dir():
        return [Stored(file, _shaped(load_sweep(path), file))]
    try:
        whole = json.loads(read_text(path, MOST_BYTES))
    except InputFileError as error:
        raise StoredResultError(f"{visible(file)}: {error}; {VALID}") from None
    except (ValueError, RecursionError):
        raise StoredResultError(f"{visible(file)}: is not JSON, or is damaged; {VALID}") from None
    if isinstance(whole, dict) and whole.get("format") == FORMAT:
        return [stored_of(load(path), file)]
    several = whole if isinstance(whole, list) else [whole]
    found = [_of_command(each, file) for each in several]
    if not found:
        raise StoredResultError(f"{visible(file)}: has no result; {VALID}")
    return found


def stored_of(result: Any, file: str = "") -> Stored:
    """A result that is there. Raises StoredResultError for a kind of which there is no report."""
    if isinstance(result, Run):
        as_result = Result(
            result.scenario, result.seed.rpartition("/")[0], (RunSummary.of(result),), replaced=result.replaced
        )
        history = None if result.scenario.history == "summary" else result.record
        return Stored(file, _shaped(as_result, file), history, result.scenario)
    scenario = result.scenario if isinstance(result, Result) else None
    return Stored(file, _shaped(result, file), None, scenario)


def _shaped(result: Any, file: str) -> AnyShape:
    data = result.as_json() if hasattr(result, "as_json") else {}
    if isinstance(result, Warmup):
        data |= _basis(result)
    shape = shape_of(data)
    if shape is None:
        kinds = ", ".join(kind for kind in KINDS if kind != type(result).__name__)
        raise StoredResultError(f"{visible(file)}: there is no report of a {type(result).__name__}; valid: {kinds}")
    return shape.model_validate(data)


def _basis(found: Warmup) -> dict[str, Any]:
    """What the JSON of a warm-up leaves out: its scenario, and the series that it was found in."""
    return {
        "warmup_of": found.of.name,
        "version": installed_version(),
        "duration": found.of.duration,
        "times": [float(each) for each in found.series.index],
        "values": found.series.tolist(),
    }


def _of_command(data: Any, file: str) -> Stored:
    shape = shape_of(data) if isinstance(data, dict) else None
    if shape is None:
        raise StoredResultError(f"{visible(file)}: is not a result; {VALID}")
    try:
        return Stored(file, shape.model_validate(data))
    except ValidationError as error:
        place, problem = first_problem(error)
        raise StoredResultError(f"{visible(file)}: {visible(written(place))}: {visible(problem)}; {VALID}") from None


def scenario_of(stored: Stored) -> Scenario:
    """The scenario of a result of runs. Raises StoredResultError when it is not valid, or files that it uses differ."""
    if stored.scenario is not None:
        return stored.scenario
    assert isinstance(stored.data, ResultShape)
    data = stored.data
    problem = ""
    for folder in _folders(stored):
        source = str(folder / "scenario") if data.files_sha256 else None
        values = {"values": data.scenario_resolved, "files_sha256": data.files_sha256, "source": source}
        try:
            return cast("Scenario", restored(Scenario, values))
        except ValidationError as error:
            place, wrong = first_problem(error)
            problem = f"{written(place)}: {wrong}"
        except (ScenarioError, ValueError) as error:
            problem = " ".join(str(error).split())
    raise StoredResultError(f"{visible(stored.file)}: its scenario is not valid: {visible(problem)}")


def _folders(stored: Stored) -> Iterator[Path]:
    """Where the files that a scenario uses may be."""
    yield Path.cwd()
    yield Path(stored.file).absolute().parent
