"""`run`: runs scenarios, given by name or file, once or several times."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.commands.rare import check_alone, rare_asked, run_rare
from sim.cli.errors import BadInput
from sim.cli.interrupts import INTERRUPTED, TimeLimit, check, time_limit
from sim.cli.options import backends, parameters
from sim.cli.options.cost import Force, check_cost_of_each
from sim.cli.options.parameter_types import Count, Duration, Share, typed_option
from sim.cli.options.precision import check_precise, precision_asked, precision_told
from sim.cli.options.warmup import check_find_warmup, find_warmups, repeating
from sim.cli.output.console import console, progress, say
from sim.cli.output.files import STDOUT, check_apart, check_writable, write_json
from sim.cli.output.history_file import check_history
from sim.cli.output.report_folder import ReportFolder, check_reports
from sim.cli.output.run_recorder import Kept

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from scenarios import Scenario
    from sim.experiments.runs.backends import Backend
    from sim.experiments.runs.replications import Result
    from sim.experiments.runs.warmup import Warmup
    from sim.stats.precision import Asked, Reached

BAD_INPUT = 2


def run(
    scenario: Annotated[list[str], typer.Argument(metavar="SCENARIO", help="Names of shipped scenarios, or files.")],
    seed: parameters.AnySeed = None,
    replications: Annotated[
        int | None, typed_option(Count("--replications"), "Independent replications of each scenario; one if left out.")
    ] = None,
    precision: Annotated[
        float | None, typed_option(Share("--precision"), "As many replications as means of this precision take: 5%.")
    ] = None,
    precise: Annotated[
        list[str] | None,
        typer.Option(metavar="METRIC", help="Metric of --precision; recovery.time.mean if left out. May be repeated."),
    ] = None,
    most: Annotated[
        int | None,
        typed_option(Count("--most", 10, "replications"), "Replications for --precision at most; 1000 if left out."),
    ] = None,
    rare: Annotated[
        str | None,
        typer.Option(metavar="EVENT", help="Only estimate the probability of an event: 'recovery.time > 600s'."),
    ] = None,
    level: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="For --rare: a level that leads to the event, such as queue.depth; or none."),
    ] = None,
    particles: Annotated[
        int | None, typed_option(Count("--particles", 2), "For --rare: trajectories of each splitting; 50 if left out.")
    ] = None,
    max_time: Annotated[
        float | None,
        typed_option(Duration("--max-time"), "Stop after this wall time and report what has finished: 2m."),
    ] = None,
    set_: parameters.Set = None,
    find_warmup: Annotated[
        bool,
        typer.Option(
            "--find-warmup", help="Find the warm-up in ten pilot runs without the faults, in place of the scenario's."
        ),
    ] = False,
    jobs: parameters.Jobs = 1,
    backend: backends.Name = backends.HERE,
    scheduler: backends.Scheduler = None,
    json: parameters.Json = None,
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
        typer.Option("--check-determinism", help="Only check whether two processes give equal histories and verdicts."),
    ] = False,
    force: Force = False,
    quiet: parameters.Quiet = False,
    no_color: parameters.NoColor = False,
) -> int:
    """Run scenarios and print how the core recovered. Exit status 1 when an expectation or invariant does not hold."""
    many = 1 if replications is None else replications
    asked = precision_asked(precision, precise or [], most)
    if isinstance(seed, str) and (many > 1 or asked is not None):
        alone, given = seed.partition("/")[0], "--replications" if asked is None else "--precision"
        raise BadInput(f"--seed {seed}: is one replication; valid: leave {given} out, or --seed {alone}")
    if asked is not None and replications is not None:
        raise BadInput("--replications, --precision: each says how many replications there are; valid: one of them")
    if asked is not None and (history is not None or reports is not None or check_determinism):
        raise BadInput(
            "--precision: keeps nothing of each run; valid: without --history, --reports, --check-determinism"
        )
    changes = parameters.changes(set_)
    looked_for = rare_asked(rare, level, particles, replications)
    if find_warmup:
        check_find_warmup(changes, check_determinism)
    where = backends.backend_asked(backend, jobs, scheduler)
    for option, wanted in (
        ("--history", history is not None),
        ("--reports", reports is not None),
        ("--check-determinism", check_determinism),
    ):
        backends.check_runs_here(where, option, wanted)
    _check_files(json, history)
    loaded = [_load(name, changes) for name in scenario]
    check_cost_of_each(loaded, many, force=force)
    if looked_for is not None:
        others = {
            "--precision": precision,
            "--history": history,
            "--reports": reports,
            "--find-warmup": find_warmup,
            "--check-determinism": check_determinism,
        }
        check_alone([name for name, value in others.items() if value], loaded, seed)
        return run_rare(scenario[0], loaded[0], looked_for, seed, where, max_time, changes, json, quiet, no_color)
    if check_determinism:
        return _determinism(scenario, seed, many, changes, (json, history, reports), no_color)
    check_reports(reports, loaded)
    check_history(history, loaded)
    kept = Kept(history, None if reports is None else ReportFolder(reports))
    check_precise(asked, loaded)
    with time_limit(max_time) as limit:
        warmups = find_warmups(loaded, seed, where, quiet, no_color) if find_warmup else []
        if not quiet:
            _warn([each for name, each in zip(scenario, loaded, strict=True) if changes or not _is_shipped(name)])
        results, refused = _results(loaded, seed, many, where, kept, asked, warmups, quiet, no_color, limit)
    _report(results, scenario, changes, quiet or json == STDOUT, no_color)
    if json is not None:
        data = [result.as_json() for result in results]
        write_json(json, data[0] if len(scenario) == 1 else data)
    if refused:
        return BAD_INPUT
    if _interrupted(results, loaded) and not (limit.is_over and len(results) == len(loaded)):
        return INTERRUPTED
    return 0 if all(result.holds for result in results) else 1


def _check_files(json: str | None, history: str | None) -> None:
    check_writable("--json", json)
    check_writable("--history", history)
    check_apart({"--json": json, "--history": history})
    if history == STDOUT:
        raise BadInput("--history -: is kept in a file; valid: --history FILE.parquet")


def _determinism(
    names: list[str],
    seed: int | str | None,
    replications: int,
    changes: dict[str, str],
    kept: tuple[str | None, ...],
    no_color: bool,
) -> int:
    from sim.cli.commands.diff import check_determinism

    if any(kept):
        raise BadInput("--check-determinism: keeps nothing; valid: without --json, --history and --reports")
    given = [] if seed is None else ["--seed", str(seed)]
    given += ["--replications", str(replications), "--force"]  # each is checked already
    given += [part for path, value in changes.items() for part in ("--set", f"{path}={value}")]
    return check_determinism(names, given, no_color)


def _load(name: str, changes: dict[str, str]) -> Scenario:
    import scenarios

    scenario = scenarios.load(name)
    return scenario.with_values(changes) if changes else scenario


WARNINGS_SHOWN = 3


def _is_shipped(name: str) -> bool:
    import scenarios

    return name in scenarios.names()


def _warn(loaded: list[Scenario]) -> None:
    """Settings that contradict each other, in one line each on stderr.

    The descriptions of shipped scenarios explain theirs, which are the cause of what they show.
    """
    from scenarios import inconsistencies

    for scenario in loaded:
        found = inconsistencies(scenario)
        for each in found[:WARNINGS_SHOWN]:
            say(f"warning: {scenario.name}: {each}")
        if len(found) > WARNINGS_SHOWN:
            say(f"warning: {scenario.name}: {len(found) - WARNINGS_SHOWN} more; recovery-bench show prints them")


def _results(
    loaded: list[Scenario],
    seed: int | str | None,
    replications: int,
    backend: Backend,
    kept: Kept,
    asked: Asked | None,
    warmups: list[Warmup],
    quiet: bool,
    no_color: bool,
    limit: TimeLimit,
) -> tuple[list[Result], bool]:
    """The results of the scenarios, in order; after an interrupt, or at the time limit, of those that were started.

    The second value is whether a scenario could not be completed, because its requested metric has no observation or
    its backend failed: this was printed, and earlier results are kept. Raises BadInput when there are none.
    """
    from contextlib import ExitStack

    from sim.experiments.runs.replications import replicate
    from sim.experiments.runs.unobserved import NeverObserved
    from sim.randomness.branching import BranchNotReached

    results: list[Result] = []
    given: list[Warmup | None] = [*warmups] or [None] * len(loaded)
    loaded = [warmup.scenario for warmup in warmups] or loaded
    with ExitStack() as stack:
        bar = stack.enter_context(progress(no_color, quiet))
        keepers = stack.enter_context(kept.opened(loaded))
        try:
            for scenario, warmup in zip(loaded, given, strict=True):
                task = bar.add_task(scenario.name, total=replications)
                advance = partial(bar.advance, task)
                if not kept.anything:
                    total, told = partial(_total, bar, task), partial(_told, bar, task, asked)
                    heard = _ignoring(advance)
                    with backends.failures(backend):
                        result = replicate(
                            scenario,
                            seed,
                            replications,
                            on_run=heard,
                            precision=asked,
                            on_look=total,
                            on_precision=told,
                            warmup=warmup,
                            backend=backend,
                            on_lost=backends.lost,
                        )
                else:
                    result = keepers.replicate(scenario, seed, replications, advance, warmup)
                results.append(result)
                if result.interrupted:
                    break
        except (NeverObserved, BranchNotReached, BadInput) as error:
            wrong = f"{_option_of(error)}{error}"
            if not results:
                raise BadInput(wrong) from None
            say(wrong)
            return results, True
        except KeyboardInterrupt:
            if not results:
                say(
                    "--max-time is over; nothing was finished" if limit.is_over else "interrupted; nothing was finished"
                )
                raise
    if _interrupted(results, loaded):
        why = "--max-time is over" if limit.is_over else "interrupted"
        say(f"{why}; finished: {', '.join(_finished(result, replications, asked) for result in results)}")
    return results, False


def _option_of(error: Exception) -> str:
    from sim.experiments.runs.unobserved import NeverObserved
    from sim.randomness.branching import BranchNotReached

    options_of: dict[type[Exception], str] = {NeverObserved: "--precise ", BranchNotReached: "--seed "}
    return options_of.get(type(error), "")


def _total(bar: Progress, task: TaskID, count: int) -> None:
    bar.update(task, total=count)


def _told(bar: Progress, task: TaskID, asked: Asked | None, found: tuple[Reached, ...]) -> None:
    if asked is not None:
        bar.update(task, told=precision_told(asked, found))


def _ignoring(call: Callable[[], None]) -> Callable[[object], None]:
    def called(_: object) -> None:
        call()
        check()

    return called


def _interrupted(results: list[Result], loaded: list[Scenario]) -> bool:
    return len(results) < len(loaded) or any(result.interrupted for result in results)


def _finished(result: Result, replications: int, asked: Asked | None) -> str:
    many = f"{replications}" if asked is None else "as many as it takes"
    return f"{len(result.runs)} of {many} of {result.scenario.name}"


def _report(results: list[Result], names: list[str], changes: dict[str, str], quiet: bool, no_color: bool) -> None:
    """Tables on stdout; when quiet, only failures, on stderr."""
    from sim.presentation.formatting import signs
    from sim.reports.table import failures, summary

    out = console(no_color)
    style = signs(out.encoding)
    for number, (name, result) in enumerate(zip(names, results, strict=False)):
        changed = repeating(result, changes)
        if quiet:
            for line in failures(result, name, changed, signs(sys.stderr.encoding)):
                say(line)
            continue
        if number:
            out.print()
        out.print(summary(result, style))
        for line in failures(result, name, changed, style):
            out.print(line, style="red", soft_wrap=True)
