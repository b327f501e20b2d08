"""Finished replications of a pytest session, which the last replication of a scenario is judged with.

With pytest-xdist, replications of a scenario run in several processes. They share their results through a folder.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scenarios import Scenario
    from sim.experiments.runs.summary import RunSummary


class FinishedRuns:
    """Summaries of runs by file and replication; with a folder also those of other processes."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._here: dict[tuple[str, str], RunSummary] = {}

    def keep(self, file: str, scenario: Scenario, summary: RunSummary) -> None:
        """Keep a finished run of a scenario file, with values changed by options of the session."""
        self._here[file, summary.seed] = summary
        if self._folder is not None:
            from sim.experiments.runs.replications import Result  # noqa: PLC0415 - loaded when something has run

            Result(scenario, summary.seed, (summary,)).save(self._place(file, summary.seed))

    def get(self, file: str, replication: str) -> RunSummary | None:
        """A finished run; None if it has not been run, or is not finished yet."""
        found = self._here.get((file, replication))
        if found is None and self._folder is not None:
            import sim  # noqa: PLC0415 - loaded when something has run

            place = self._place(file, replication)
            if place.exists():
                (found,) = sim.load(place).runs
                self._here[file, replication] = found
        return found

    def _place(self, file: str, replication: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{hashlib.sha256(f'{file} {replication}'.encode()).hexdigest()}.json"
