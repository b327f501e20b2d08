"""What `run` keeps of each run besides its metrics: its history, the reports of its recoveries, and the run itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.cli.interrupts import check
from sim.cli.output.report_folder import ReportFolder

if TYPE_CHECKING:
    from scenarios import Scenario
    from sim.cli.output.history_file import HistoryFile
    from sim.experiments.runs.replications import Result
    from sim.experiments.runs.warmup import Warmup
    from sim.simulation import Run


@dataclass(frozen=True)
class Kept:
    """The outputs of each run: a file for its history, a folder for its reports. `runs`: the runs, by hash."""

    history: str | None
    reports: ReportFolder | None
    runs: dict[str, Run] | None = None

    @property
    def anything(self) -> bool:
        """Whether runs have to be executed one after another in this process."""
        return self.history is not None or self.reports is not None or self.runs is not None

    @contextmanager
    def opened(self, loaded: list[Scenario]) -> Iterator[Keepers]:
        """The recorder of the runs, open until the block ends."""
        if self.history is None:
            yield Keepers(None, self.reports, self.runs)
            return
        from sim.cli.output.history_file import history_file

        with history_file(self.history, loaded) as file:
            yield Keepers(file, self.reports, self.runs)


@dataclass(frozen=True)
class Keepers:
    """Records histories and reports of runs, and keeps the runs."""

    history: HistoryFile | None
    reports: ReportFolder | None
    runs: dict[str, Run] | None = None

    def replicate(
        self,
        scenario: Scenario,
        seed: int | str | None,
        replications: int,
        finished: Callable[[], None],
        warmup: Warmup | None,
    ) -> Result:
        """As `sim.replicate` in this process, with the outputs of each run."""
        from sim.experiments.runs.replications import Result
        from sim.experiments.runs.summary import RunSummary
        from sim.simulation import replication_name

        summaries: list[RunSummary] = []
        interrupted = False
        try:
            for number in range(replications):
                summaries.append(RunSummary.of(self._run(scenario, seed, number)))
                finished()
                check()
        except KeyboardInterrupt:
            if not summaries:
                raise
            interrupted = True
        group = replication_name(scenario, seed).partition("/")[0]
        return Result(scenario, group, tuple(summaries), interrupted, warmup=warmup)

    def _run(self, scenario: Scenario, seed: int | str | None, number: int) -> Run:
        """Run a replication, whose cost is checked already, and record its outputs."""
        from sim import simulation

        if self.reports is None:
            found = simulation.run(scenario, seed, number, force=True)
        else:
            found = simulation.run(scenario, seed, number, core=self.reports.core(), force=True)
            self.reports.add(found)
        if self.history is not None:
            self.history.add(found)
        if self.runs is not None:
            self.runs[found.history_sha256] = found
        return found
