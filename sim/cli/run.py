"""`run`: scenarios by name or by file, once or often."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli import options
from sim.cli.consoles import console, progress, say
from sim.cli.errors import BadInput
from sim.cli.files import STDOUT, check_writable, write_json
from sim.cli.interrupts import check

if TYPE_CHECKING:
    from scenarios import Scenario
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
    results = _results(loaded, chosen, many, processes, history, quiet, no_color)
    _report(results, scenario, changes, quiet or json == STDOUT, no_color)
    if json is not None:
        data = [result.as_json() for result in results]
        write_json(json, data[0] if len(scenario) == 1 else data)
    if _interrupted(results, loaded):
        return INTERRUPTED
    return 0 if all(result.holds for result in results) else 1


def _load(name: str, changes: dict[str, str]) -> Scenario:
    import scenarios

    scenario = scenarios.load(name)
    return scenario.with_values(changes) if changes else scenario


def _results(
    loaded: list[Scenario],
    seed: int | str | None,
    replications: int,
    jobs: int,
    history: str | None,
    quiet: bool,
    no_color: bool,
) -> list[Result]:
    """The results of the scenarios, in order; when the user interrupts, of those that were begun."""
    from contextlib import ExitStack

    from sim.cli.histories import history_file
    from sim.experiments.replications import replicate

    results: list[Result] = []
    with ExitStack() as stack:
        bar = stack.enter_context(progress(no_color, quiet))
        kept = stack.enter_context(history_file(history, loaded)) if history is not None else None
        try:
            for scenario in loaded:
                task = bar.add_task(scenario.name, total=replications)
                advance = partial(bar.advance, task)
                if kept is None:
                    result = replicate(scenario, seed, replications, jobs, _ignoring(advance))
                else:
                    result = _one_after_another(scenario, seed, replications, kept, advance)
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


def _one_after_another(
    scenario: Scenario, seed: int | str | None, replications: int, kept: HistoryFile, finished: Callable[[], None]
) -> Result:
    """As `replicate` on one process, with the history of each run kept."""
    from sim.bench import replication_name, run
    from sim.experiments.replications import Result, RunSummary

    summaries: list[RunSummary] = []
    interrupted = False
    try:
        for number in range(replications):
            found = run(scenario, seed, number)
            kept.add(found)
            summaries.append(RunSummary.of(found))
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
