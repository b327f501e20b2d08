"""The result of a fit: the scenario's text, every figure with its interval and origin, and what the log does not
show.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

import scenarios
from recovery.atomic_file import whole_file
from scenarios import Scenario
from sim.experiments.fitting.arrivals import ArrivalsFit
from sim.experiments.fitting.durations import DurationsFit
from sim.experiments.fitting.logs.errors import FitError
from sim.results.base import ResultBase

if TYPE_CHECKING:
    from sim.experiments.fitting.plot import FitPictures

SUFFIX = ".scenario.yaml"


@dataclass(frozen=True)
class Figure:
    """A number of the scenario, by its path, with its 95 % interval (None: it has none)."""

    path: str
    value: float
    low: float | None = None
    high: float | None = None
    unit: str = ""


@dataclass(frozen=True)
class Entry:
    """A key of the scenario: its path, its value as written, where it comes from, and how near it is to the log."""

    path: str
    written: str
    basis: str
    quality: str = ""
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Fit(ResultBase):
    """A scenario that was fitted to a task log. `write(path)` writes it, with the CSV files that it uses.

    `unknown`: what the log does not show, one sentence each. `notes`: what to know about the log and the figures.
    `files`: the CSV files beside the scenario, by name. `text`: the scenario file.
    """

    name: str
    source: str
    tasks: int
    attempts: int
    entries: tuple[Entry, ...]
    errors: Mapping[str, int]
    unknown: tuple[str, ...]
    notes: tuple[str, ...]
    text: str
    files: Mapping[str, str]
    arrivals: ArrivalsFit
    work: DurationsFit
    restart: DurationsFit | None
    origin: float | None
    zone: str

    def title(self) -> str:
        """A one-line summary: the log, its tasks and attempts."""
        return f"{self.source}: {self.tasks:,} tasks, {self.attempts:,} attempts"

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Every fitted number."""
        return tuple(figure for entry in self.entries for figure in entry.figures)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """Tidy: path, value, low, high, unit."""
        rows = [(each.path, each.value, each.low, each.high, each.unit) for each in self.figures]
        return pd.DataFrame(rows, columns=["path", "value", "low", "high", "unit"])

    @property
    def plot(self) -> FitPictures:
        """Pictures, as matplotlib figures: `figure()`, `work()`, `arrivals()`."""
        from sim.experiments.fitting.plot import FitPictures  # noqa: PLC0415 - needs matplotlib

        return FitPictures(self)

    @property
    def scenario(self) -> Scenario:
        """The scenario. Raises FitError when it uses CSV files, which have to be written first."""
        if self.files:
            raise FitError(f"the scenario uses {', '.join(self.files)}; valid: write(path), which writes and loads it")
        return scenarios.loads(self.text, f"{self.name}{SUFFIX}")

    def write(self, path: str | os.PathLike[str]) -> Scenario:
        """Write the scenario file and the CSV files that it uses into its folder, and load it.

        Raises OSError, and FitError when a CSV file would replace the log.
        """
        target = Path(path)
        for name, text in self.files.items():
            beside = target.parent / name
            if beside.exists() and Path(self.source).exists() and beside.samefile(self.source):
                raise FitError(f"{beside}: is the log itself; valid: another name for the scenario")
            with whole_file(beside) as temporary:
                temporary.write_text(text, encoding="utf-8")
        with whole_file(target) as temporary:
            temporary.write_text(self.text, encoding="utf-8")
        return scenarios.load(target)

    def as_json(self) -> dict[str, Any]:
        """The result as plain data."""
        return {
            "log": self.source,
            "scenario": self.name,
            "tasks": self.tasks,
            "attempts": self.attempts,
            "entries": [
                {
                    "path": entry.path,
                    "written": entry.written,
                    "basis": entry.basis,
                    "quality": entry.quality,
                    "figures": [
                        {
                            "path": each.path,
                            "value": each.value,
                            "ci95": None if each.low is None else [each.low, each.high],
                            "unit": each.unit,
                        }
                        for each in entry.figures
                    ],
                }
                for entry in self.entries
            ],
            "errors": dict(self.errors),
            "work": [
                {
                    "family": each.family,
                    "parameters": each.parameters,
                    "aic_above_lowest": each.aic,
                    "ks_distance": each.distance,
                }
                for each in self.work.candidates
            ],
            "arrivals_by_hour": list(self.arrivals.hours),
            "unknown": list(self.unknown),
            "notes": list(self.notes),
            "files": list(self.files),
        }
