"""`run`: scenarios by name or by file, once or often."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli import options
from sim.cli.consoles import console, progress, say
from sim.cli.errors import BadInput
from sim.cli.files import STDOUT, check_writable, write_json
from sim.cli.histories import check_history
from sim.cli.interrupts import check
from sim.cli.reports import ReportFolder, check_reports

if TYPE_CHECKING:
    from scenarios import Scenario
    from sim.bench import Run
    from sim.cli.histories import HistoryFile
    from sim.experiments.replications import Result

INTERRUPTED = 130


def run(
    scenario: Annotated[list[str], typer.Argument(metavar="SCENARIO", help="Names of those that ship, or files.")],
    seed: options.Seed = None,
    replications: Annotated[str, typer.Option(metavar="N", help="Independent replications of each scenario.")] = "1",
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="PATH=VALUE", help="Another value for a key; may be repeated.")
    ] = None,
    jobs: options.Jobs = "1",
    json: options.Json = None,
    history: Annotated[
        str | None,
        typer.Option(metavar="FILE.parquet", help="Keep every event; the replications then run one after another."),
    ] = None,
    reports: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Keep the monitor's report of each recovery, as JSON and Markdown."),
    ] = None,
    check_determinism: Annotated[
        bool,
        typer.Option("--check-determinism", help="Only see whether two processes give the same history and verdicts."),
    ] = False,
    quiet: options.Quiet = False,
    no_color: options.NoColor = False,
) -> int:
    """Run scenarios and say how recovery went. Exit status 1 when an expectation or an invariant does not hold."""
    chosen = options.seed(seed)
    many, processes = options.positive("--replications", replications), options.positive("--jobs", jobs)
    if isinstance(chosen, str) and many > 1:
        alone = chosen.partition("/")[0]
        raise BadInput(f"--seed {chosen}: is one replication; valid: leave --replications out, or --seed {alone}")
    changes = options.changes(set_ or [])
    check_writable("--json", json)
    check_writable("--history", history)
    if json is not None and json == history and json != os.devnull:
        raise BadInput(f"--history {history}: is the file of --json as well; valid: two different files")
    if history == STDOUT:
        raise BadInput("--history -: is kept in a file; valid: --history FILE.parquet")
    loaded = [_load(name, changes) for name in scenario]
    if check_determinism:
        return _determinism(scenario, seed, replications, set_ or [], (json, history, reports), no_color)
    check_reports(reports, loaded)
    check_history(history, loaded)
    kept = Kept(history, None if reports is None else ReportFolder(reports))
    results = _results(loaded, chosen, many, processes, kept, quiet, no_color)
    _report(results, scenario, changes, quiet or json == STDOUT, no_color)
    if json is not None:
        data = [result.as_json() for result in results]
        write_json(json, data[0] if len(scenario) == 1 else data)
    if _interrupted(results, loaded):
        return INTERRUPTED
    return 0 if all(result.holds for result in results) else 1


def _determinism(
    names: list[str],
    seed: str | None,
    replications: str,
    changes: list[str],
    kept: tuple[str | None, ...],
    no_color: bool,
) -> int:
    from sim.cli.differences import check_determinism

    if any(kept):
        raise BadInput("--check-determinism: keeps nothing; valid: without --json, --history and --reports")
    given = [] if seed is None else ["--seed", seed]
    given += ["--replications", replications]
    return check_determinism(names, [*given, *(part for change in changes for part in ("--set", change))], no_color)


def _load(name: str, changes: dict[str, str]) -> Scenario:
    import scenarios

    scenario = scenarios.load(name)
    return scenario.with_values(changes) if changes else scenario


def _results(
    loaded: list[Scenario],
    seed: int | str | None,
    replications: int,
    jobs: int,
    kept: Kept,
    quiet: bool,
    no_color: bool,
) -> list[Result]:
    """The results of the scenarios, in order; when the user interrupts, of those that were begun."""
    from contextlib import ExitStack

    from sim.experiments.replications import replicate

    results: list[Result] = []
    with ExitStack() as stack:
        bar = stack.enter_context(progress(no_color, quiet))
        keepers = stack.enter_context(kept.opened(loaded))
        try:
            for scenario in loaded:
                task = bar.add_task(scenario.name, total=replications)
                advance = partial(bar.advance, task)
                if not kept.anything:
                    result = replicate(scenario, seed, replications, jobs, _ignoring(advance))
                else:
                    result = _one_after_another(scenario, seed, replications, keepers, advance)
                results.append(result)
                if result.interrupted:
                    break
        except KeyboardInterrupt:
            if not results:
                say("interrupted; nothing was finished")
                raise
    if _interrupted(results, loaded):
        say(f"interrupted; finished: {', '.join(_finished(result, replications) for result in results)}")
    return results


def _ignoring(call: Callable[[], None]) -> Callable[[object], None]:
    def called(_: object) -> None:
        call()
        check()

    return called


def _interrupted(results: list[Result], loaded: list[Scenario]) -> bool:
    return len(results) < len(loaded) or any(result.interrupted for result in results)


def _finished(result: Result, replications: int) -> str:
    return f"{len(result.runs)} of {replications} of {result.scenario.name}"


@dataclass(frozen=True)
class Kept:
    """What is kept of each run: a file for its history, a folder for its reports."""

    history: str | None
    reports: ReportFolder | None

    @property
    def anything(self) -> bool:
        """Whether runs have to come one after another, here."""
        return self.history is not None or self.reports is not None

    @contextmanager
    def opened(self, loaded: list[Scenario]) -> Iterator[Keepers]:
        """What takes the runs, as long as the block lasts."""
        if self.history is None:
            yield Keepers(None, self.reports)
            return
        from sim.cli.histories import history_file

        with history_file(self.history, loaded) as file:
            yield Keepers(file, self.reports)


@dataclass(frozen=True)
class Keepers:
    """Those who keep something of each run."""

    history: HistoryFile | None
    reports: ReportFolder | None

    def run(self, scenario: Scenario, seed: int | str | None, number: int) -> Run:
        """Run a replication and keep what is to be kept of it."""
        from sim import bench

        if self.reports is None:
            found = bench.run(scenario, seed, number)
        else:
            found = bench.run(scenario, seed, number, core=self.reports.core())
            self.reports.add(found)
        if self.history is not None:
            self.history.add(found)
        return found


def _one_after_another(
    scenario: Scenario, seed: int | str | None, replications: int, keepers: Keepers, finished: Callable[[], None]
) -> Result:
    """As `replicate` on one process, with what is to be kept of each run."""
    from sim.bench import replication_name
    from sim.experiments.replications import Result
    from sim.experiments.summaries import RunSummary

    summaries: list[RunSummary] = []
    interrupted = False
    try:
        for number in range(replications):
            summaries.append(RunSummary.of(keepers.run(scenario, seed, number)))
            finished()
            check()
    except KeyboardInterrupt:
        if not summaries:
            raise
        interrupted = True
    return Result(scenario, replication_name(scenario, seed).partition("/")[0], tuple(summaries), interrupted)


def _report(results: list[Result], names: list[str], changes: dict[str, str], quiet: bool, no_color: bool) -> None:
    """Tables on stdout; when quiet, only what does not hold, on stderr."""
    from sim.reports.numbers import signs
    from sim.reports.table import failures, summary

    out = console(no_color)
    style = signs(out.encoding)
    for number, (name, result) in enumerate(zip(names, results, strict=False)):
        if quiet:
            for line in failures(result, name, changes, signs(sys.stderr.encoding)):
                say(line)
            continue
        if number:
            out.print()
        out.print(summary(result, style))
        for line in failures(result, name, changes, style):
            out.print(line, style="red", soft_wrap=True)
