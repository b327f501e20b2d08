"""Reports of recoveries in a folder: one for each recovery of each run, as JSON and as Markdown."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sim.cli.errors import BadInput

if TYPE_CHECKING:
    from recovery.monitoring.report import RecoveryReport
    from scenarios import Scenario
    from sim.core.build import BuildCore
    from sim.simulation import Run


class ReportFolder:
    """`DIR/SCENARIO/REPLICATION/recovery-N.json` and `.md`. Existing files that are not written again remain."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._reports: list[RecoveryReport] = []

    def core(self) -> BuildCore:
        """The core for the next run, whose monitor provides a report of each recovery that has ended."""
        from sim.core.build import build_core

        self._reports.clear()
        return partial(build_core, on_report=self._reports.append)

    def add(self, run: Run) -> None:
        """Write the reports of a run. Raises BadInput when they cannot be written."""
        from recovery.monitoring.report import write_report

        target = self._folder / run.scenario.name / run.seed.replace("/", "-")
        try:
            target.mkdir(parents=True, exist_ok=True)
            for report in self._reports:
                write_report(report, target)
        except OSError as error:
            raise BadInput(f"--reports {self._folder}: cannot be written: {error.strerror or error}") from None


def check_reports(folder: str | None, scenarios: list[Scenario]) -> None:
    """Raise `BadInput` when there are no reports to write, or no folder for them."""
    if folder is None:
        return
    if Path(folder).exists() and not Path(folder).is_dir():
        raise BadInput(f"--reports {folder}: is a file; valid: the name of a folder")
    for scenario in scenarios:
        if scenario.recovery.monitor is None:
            raise BadInput(
                f"--reports {folder}: {scenario.name} has no recovery monitor; "
                "valid: with --set recovery.monitor={}, or `monitor` in its `recovery` section"
            )
