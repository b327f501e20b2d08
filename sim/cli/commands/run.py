"""`run`: runs scenarios, given by name or file, once or several times."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.commands.rare import check_alone, rare_asked, run_rare
from sim.cli.errors import BadInput
from sim.cli.interrupts import INTERRUPTED, TimeLimit, check, time_limit
from sim.cli.options import backends, parameters
from sim.cli.options.cost import Force, check_cost
from sim.cli.options.parameter_types import Count, Duration, Share, Speed, typed_option
from sim.cli.options.precision import check_precise, precision_asked, precision_told
from sim.cli.options.run_picture import draw_runs, picture_window
from sim.cli.options.warmup import check_find_warmup, find_warmups, repeating, with_warmup
from sim.cli.output.console import console, progress, say
from sim.cli.output.files import STDOUT, check_apart, check_writable, write_json
from sim.cli.output.history_file import check_history
from sim.cli.output.live_view import live_asked, record_run, show_runs
from sim.cli.output.page_file import check_page, write_page
from sim.cli.output.report_folder import ReportFolder, check_reports
from sim.cli.output.run_recorder import Kept

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from scenarios import Scenario
    from sim.experiments.runs.backends import Backend
    from sim.experiments.runs.replications import Result
    from sim.experiments.runs.warmup import Warmup
    from sim.reports.stored.window import Window
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
    policy: parameters.Policy = None,
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
    plot: Annotated[
        str | None,
        typer.Option(metavar="FILE.png", help="A picture of the first replication: load, faults and recoveries."),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(metavar="BEGIN..END", help="The part that --plot, --html and --live show: 10m..20m."),
    ] = None,
    reports: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Keep the monitor's report of each recovery, as JSON and Markdown."),
    ] = None,
    html: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the results as one HTML page that loads nothing.")
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Show the first replication in the terminal as its virtual time passes.")
    ] = False,
    speed: Annotated[
        float | None,
        typed_option(Speed("--speed"), "Virtual seconds a second of --live; if left out, a run takes a minute."),
    ] = None,
    record: Annotated[
        str | None,
        typer.Option(metavar="FILE.svg", help="What --live shows as an animated picture; needs no terminal."),
    ] = None,
    check_determinism: Annotated[
        bool,
        typer.Option("--check-determinism", help="Only check whether two processes give equal histories and verdicts."),
    ] = False,
    force: Force = False,
    quiet: parameters.Quiet = False,
    no_color: parameters.NoColor = False,
) -> int:
    """Run scenarios and print how the core recovered. Exit status 1 when an expectation or invariant does not hold.

    A scenario that is not valid is reported, and the others are run; the exit status is then 2.
    """
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
    changes = {**_of_policy(policy, scenario), **parameters.changes(set_)}
    looked_for = rare_asked(rare, level, particles, replications, force=force)
    if find_warmup:
        check_find_warmup(changes, check_determinism)
    where = backends.backend_asked(backend, jobs, scheduler)
    for option, wanted in (
        ("--history", history is not None),
        ("--reports", reports is not None),
        ("--check-determinism", check_determinism),
    ):
        backends.check_runs_here(where, option, wanted)
    view = live_asked(live, speed, record, quiet=quiet)
    _check_files(json, history, plot, html, record)
    names, loaded = _loaded(scenario, changes, many, force)
    if not loaded:
        return BAD_INPUT
    if looked_for is not None:
        others = {
            "--precision": precision,
            "--history": history,
            "--reports": reports,
            "--plot": plot,
            "--find-warmup": find_warmup,
            "--check-determinism": check_determinism,
            "--html": html,
            "--live": live,
            "--record": record,
        }
        check_alone([name for name, value in others.items() if value], scenario, seed)
        return run_rare(names[0], loaded[0], looked_for, seed, where, max_time, changes, json, quiet, no_color)
    if check_determinism:
        same = _determinism(names, seed, many, changes, (json, history, reports, plot, html, live, record), no_color)
        return same if len(names) == len(scenario) else BAD_INPUT
    check_reports(reports, loaded)
    check_history(history, loaded)
    shown = picture_window(plot, window, loaded, is_shown=html is not None or view is not None)
    is_shown = (html is not None or view is not None) and many == 1 and asked is None and where.is_here
    kept = Kept(history, None if reports is None else ReportFolder(reports), {} if is_shown else None)
    check_precise(asked, loaded)
    with time_limit(max_time) as limit:
        found = find_warmups(loaded, seed, where, quiet, no_color, force=force) if find_warmup else {}
        names, loaded = with_warmup(names, found), with_warmup(loaded, found)
        warmups = list(found.values())
        if not quiet:
            _warn([each for name, each in zip(names, loaded, strict=True) if changes or not _is_shipped(name)])
        done = _results(loaded, seed, many, where, kept, asked, warmups, quiet, no_color, limit, force=force)
        results = list(done.results.values())
        complete = show_runs(view, [] if done.is_interrupted else results, kept.runs, shown, no_color=no_color)
        done.is_view_complete = complete or limit.is_over
    _report(results, [names[place] for place in done.results], changes, quiet or json == STDOUT, no_color)
    if json is not None:  # before the pictures, which cannot be written to a full disk
        data = [result.as_json() for result in results]
        write_json(json, data[0] if len(scenario) == 1 else data)
    if plot is not None and results:
        draw_runs(results, plot, shown)
    _write_page(html, done, names, changes, kept, shown, is_silent=quiet or json == STDOUT, no_color=no_color)
    record_run(view, results, kept.runs, shown)
    return _status(done, limit, all_valid=len(names) == len(scenario))


def _of_policy(file: str | None, names: list[str]) -> dict[str, str]:
    """The values of a policy file as changes. Raises ScenarioError with its line, also for the first valid scenario."""
    if file is None:
        return {}
    import scenarios
    from scenarios.errors import ScenarioError
    from scenarios.exchange.policy_file import load_policy

    policy = load_policy(file)
    for name in names:
        try:
            scenario = scenarios.load(name)
        except ScenarioError:
            continue  # reported where all scenarios are loaded
        policy.applied(scenario)
        break
    return policy.changes


def _check_files(json: str | None, history: str | None, plot: str | None, html: str | None, record: str | None) -> None:
    check_writable("--json", json)
    check_writable("--history", history)
    check_page(html)
    check_apart({"--json": json, "--history": history, "--plot": plot, "--html": html, "--record": record})
    if history == STDOUT:
        raise BadInput("--history -: is kept in a file; valid: --history FILE.parquet")


def _determinism(
    names: list[str],
    seed: int | str | None,
    replications: int,
    changes: dict[str, str],
    kept: tuple[str | bool | None, ...],
    no_color: bool,
) -> int:
    from sim.cli.commands.diff import check_determinism

    if any(kept):
        raise BadInput(
            "--check-determinism: keeps and shows nothing; valid: without --json, --history, --html, --reports, "
            "--plot, --live and --record"
        )
    given = [] if seed is None else ["--seed", str(seed)]
    given += ["--replications", str(replications), "--force"]  # each is checked already
    given += [part for path, value in changes.items() for part in ("--set", f"{path}={value}")]
    return check_determinism(names, given, no_color)


def _loaded(names: list[str], changes: dict[str, str], runs: int, force: bool) -> tuple[list[str], list[Scenario]]:
    """The valid scenarios, with their names. What is wrong with the others is printed.

    Raises BadInput or ScenarioError when only one scenario is given.
    """
    import scenarios
    from scenarios.errors import ScenarioError

    found: dict[int, Scenario] = {}
    for place, name in enumerate(names):
        try:
            scenario = scenarios.load(name)
            scenario = scenario.with_values(changes) if changes else scenario
            check_cost(scenario, runs, force=force)
        except (BadInput, ScenarioError) as error:
            if len(names) == 1:
                raise
            say(str(error))
        else:
            found[place] = scenario
    return [names[place] for place in found], list(found.values())


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


@dataclass
class Done:
    """The results of the scenarios by their place. `refused` are the places of those that cannot be completed.
    `is_view_complete`: no interrupt has ended the view of the runs.
    """

    scenarios: int
    results: dict[int, Result] = field(default_factory=dict)
    refused: list[int] = field(default_factory=list)
    is_view_complete: bool = True

    @property
    def all_started(self) -> bool:
        """Whether every scenario has a result or cannot be completed."""
        return len(self.results) + len(self.refused) == self.scenarios

    @property
    def is_interrupted(self) -> bool:
        """Whether there are fewer runs than requested."""
        return not self.all_started or any(result.interrupted for result in self.results.values())


def _status(done: Done, limit: TimeLimit, *, all_valid: bool) -> int:
    """The exit status of the command."""
    if not done.is_view_complete or (done.is_interrupted and not (limit.is_over and done.all_started)):
        return INTERRUPTED
    if done.refused or not all_valid:
        return BAD_INPUT
    return 0 if all(result.holds for result in done.results.values()) else 1


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
    *,
    force: bool,
) -> Done:
    """The results of the scenarios; after an interrupt, or at the time limit, of those that were started.

    A scenario that cannot be completed, because its requested metric has no observation, its trajectory does not
    exist or its backend failed, is printed, and the others are run. Raises BadInput when there is only one.
    """
    from contextlib import ExitStack

    from sim.experiments.runs.replications import replicate
    from sim.experiments.runs.unobserved import NeverObserved
    from sim.loop import Deadlock, Livelock
    from sim.randomness.branching import BranchNotReached

    done = Done(len(loaded))
    given: list[Warmup | None] = [*warmups] or [None] * len(loaded)
    loaded = [warmup.scenario for warmup in warmups] or loaded
    with ExitStack() as stack:
        bar = stack.enter_context(progress(no_color, quiet))
        keepers = stack.enter_context(kept.opened(loaded))
        try:
            for place, (scenario, warmup) in enumerate(zip(loaded, given, strict=True)):
                task = bar.add_task(scenario.name, total=replications)
                advance = partial(bar.advance, task)
                try:
                    if kept.anything:
                        result = keepers.replicate(scenario, seed, replications, advance, warmup)
                    else:
                        with backends.failures(backend):
                            result = replicate(
                                scenario,
                                seed,
                                replications,
                                on_run=_ignoring(advance),
                                precision=asked,
                                on_look=partial(_total, bar, task),
                                on_precision=partial(_told, bar, task, asked),
                                warmup=warmup,
                                backend=backend,
                                on_lost=backends.lost,
                                force=force,
                            )
                except (NeverObserved, BranchNotReached, BadInput, Deadlock, Livelock) as error:
                    wrong = f"{_option_of(error)}{' '.join(str(error).split())}"
                    if len(loaded) == 1:
                        raise BadInput(wrong) from None
                    say(wrong)
                    done.refused.append(place)
                    continue
                done.results[place] = result
                if result.interrupted:
                    break
        except KeyboardInterrupt:
            if not done.results:
                raise KeyboardInterrupt(f"{limit.reason}; nothing was finished") from None
    if done.is_interrupted:
        results = done.results.values()
        say(f"{limit.reason}; finished: {', '.join(_finished(result, replications, asked) for result in results)}")
    return done


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


def _finished(result: Result, replications: int, asked: Asked | None) -> str:
    many = f"{replications}" if asked is None else "as many as it takes"
    return f"{len(result.runs)} of {many} of {result.scenario.name}"


def _write_page(
    file: str | None,
    done: Done,
    names: list[str],
    changes: dict[str, str],
    kept: Kept,
    window: Window | None,
    *,
    is_silent: bool,
    no_color: bool,
) -> None:
    """The page of the results, if one is asked for."""
    from sim.reports.failures.replay import Replay

    if file is None:
        return
    results = [(result, Replay(names[place], repeating(result, changes))) for place, result in done.results.items()]
    write_page(file, results, kept.runs, window)
    if not is_silent:
        console(no_color).print(f"\npage: {Path(file)}", soft_wrap=True, markup=False)


def _report(results: list[Result], names: list[str], changes: dict[str, str], quiet: bool, no_color: bool) -> None:
    """Tables on stdout; when quiet, only failures, on stderr."""
    from sim.presentation.formatting import signs
    from sim.reports.failures.replay import Replay
    from sim.reports.table import failures, summary

    out = console(no_color)
    style = signs(out.encoding)
    for number, (name, result) in enumerate(zip(names, results, strict=False)):
        how = Replay(name, repeating(result, changes))
        if quiet:
            for line in failures(result, how, signs(sys.stderr.encoding)):
                say(line)
            continue
        if number:
            out.print()
        out.print(summary(result, style))
        for line in failures(result, how, style):
            out.print(line, style="red", soft_wrap=True)
