"""Files of results: JSON with the name and the version of the format, the kind of the result, and its fields.

A file holds all of a result, with the events of a run's history, so that loading it runs nothing. It also contains
the SHA-256 of its content: a file that was edited or truncated is rejected.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from recovery.atomic_file import whole_file
from recovery.errors import RecoveryBenchError
from recovery.input_file import InputFileError, read_text
from scenarios.errors import first_problem, written
from sim.results.plain_data import plain, restored

FORMAT = "recovery-bench result"
VERSION = 1
MOST_BYTES = 2 * 1024**3
"""Limit on the size of a file."""
KINDS = {
    "Run": "sim.simulation",
    "Result": "sim.experiments.runs.replications",
    "Comparison": "sim.experiments.comparison.compare",
    "Selection": "sim.experiments.selection.result",
    "Sweep": "sim.experiments.sweeps.sweep",
    "Tuning": "sim.experiments.tuning.result",
    "Fit": "sim.experiments.fitting.result",
    "Rare": "sim.experiments.rare_events.estimate",
    "Warmup": "sim.experiments.runs.warmup",
    "CrashSweepReport": "sim.programs.crash_sweep.report",
    "Exploration": "sim.programs.exploration.report",
}
"""The kinds of results, and the module that defines each."""


class ResultFileError(RecoveryBenchError, ValueError):
    """A file is not a saved result, or cannot be read or written. One line: which file, and what is wrong."""


def save(result: Any, path: str | os.PathLike[str]) -> None:
    """Write a result to a file atomically. Raises ResultFileError."""
    data = plain(result)
    whole = {
        "format": FORMAT,
        "version": VERSION,
        "kind": type(result).__name__,
        "sha256": _sha256(data),
        "data": data,
    }
    target = Path(path)
    try:
        with whole_file(target) as temporary:
            temporary.write_text(json.dumps(whole, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise ResultFileError(f"{target}: cannot be written: {error.strerror or error}") from None


def load(path: str | os.PathLike[str]) -> Any:
    """The result that `save` has written, of one of `KINDS`.

    A scenario that uses other files (a CSV file, a runbook) needs them where they were, unchanged. Raises
    ResultFileError.
    """
    file = Path(path)
    try:
        whole = json.loads(read_text(file, MOST_BYTES))
    except InputFileError as error:
        raise ResultFileError(f"{file}: {error}; valid: a file that .save() has written") from None
    except (ValueError, RecursionError):
        raise ResultFileError(f"{file}: is not JSON, or is damaged; valid: a file that .save() has written") from None
    if not isinstance(whole, dict) or whole.get("format") != FORMAT or str(whole.get("kind")) not in KINDS:
        raise ResultFileError(f"{file}: is not a saved result; valid: a file that .save() has written")
    if whole.get("version") != VERSION:
        raise ResultFileError(
            f"{file}: has version {str(whole.get('version'))[:20]} of the format; valid: version {VERSION}"
        )
    data = whole.get("data")
    if whole.get("sha256") != _sha256(data):
        raise ResultFileError(f"{file}: is damaged: its content does not match its SHA-256")
    kind = getattr(import_module(KINDS[whole["kind"]]), whole["kind"])
    try:
        return restored(kind, data)
    except ValidationError as error:
        place, problem = first_problem(error)
        raise ResultFileError(f"{file}: its scenario is not valid: {written(place)}: {problem}") from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, zlib.error) as error:
        raise ResultFileError(f"{file}: cannot be restored: {' '.join(str(error).split())}") from None


def _sha256(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
