"""`tune`: searches the policy space of scenarios for the best settings that meet their expectations."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.errors import BadInput
from sim.cli.interrupts import check
from sim.cli.options import backends, parameters
from sim.cli.options.cost import Force
from sim.cli.options.parameter_types import Count, typed_option
from sim.cli.output.console import progress, say
from sim.cli.output.files import STDOUT, check_apart, check_writable, written
from sim.cli.output.result_output import Outlets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import RenderableType

    from scenarios import Scenario
    from sim.experiments.runs.backends import Backend
    from sim.experiments.tuning.result import Tuning
    from sim.experiments.tuning.space import Dimension
    from sim.presentation.formatting import Signs


def tune(
    scenario: Annotated[list[str], typer.Argument(metavar="SCENARIO", help="Names of shipped scenarios, or files.")],
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH=LOW..HIGH",
            help="A range to search, :log behind it for a logarithmic one; or choices, PATH=A,B,C. May be repeated. "
            "If left out, the retry policies of the failures that occur.",
        ),
    ] = None,
    minimize: Annotated[
        list[str] | None, typer.Option(metavar="METRIC", help="A metric to minimize; may be repeated.")
    ] = None,
    maximize: Annotated[
        list[str] | None, typer.Option(metavar="METRIC", help="A metric to maximize, such as 'tasks.within(60s)'.")
    ] = None,
    within: Annotated[
        str | None,
        typer.Option(metavar="DURATION", help="The time that a task may take; without --vary and objectives."),
    ] = None,
    trials: Annotated[
        int | None,
        typed_option(Count("--trials"), "Settings to try; 60, or without --vary what takes a minute."),
    ] = None,
    replications: Annotated[
        int | None, typed_option(Count("--replications", 2), "Replications of a setting that is not stopped early.")
    ] = None,
    fresh: Annotated[
        int | None, typed_option(Count("--fresh", 2), "Fresh replications that verify the best settings.")
    ] = None,
    across: Annotated[
        str, typer.Option(metavar="NAME", help="Of several scenarios, what counts: the worst one, or the mean.")
    ] = "worst",
    study: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|URL", help="Keeps the search, in an SQLite file or a storage of Optuna; goes on with it."
        ),
    ] = None,
    seed: parameters.WholeSeed = None,
    set_: parameters.Set = None,
    policy: parameters.Policy = None,
    out: Annotated[
        str | None,
        typer.Option(metavar="policy.yaml", help="Writes the chosen setting as a policy file, for run --policy."),
    ] = None,
    choose: Annotated[
        int | None, typed_option(Count("--choose"), "Number of the setting to choose, as in the table.")
    ] = None,
    jobs: Annotated[
        int | None,
        typed_option(Count("--jobs"), "Processes to run replications on; 1, and without --vary as many as processors."),
    ] = None,
    backend: backends.Name = backends.HERE,
    scheduler: backends.Scheduler = None,
    plot: Annotated[
        str | None, typer.Option(metavar="FILE.png", help="A picture (.png, .svg, .pdf) of the search.")
    ] = None,
    json: parameters.Json = None,
    force: Force = False,
    quiet: parameters.Quiet = False,
    no_color: parameters.NoColor = False,
) -> int:
    """Search ranges of values for the best settings whose expectations hold, and verify them on fresh replications.

    With a scenario alone: which retry policy has the most tasks within their time at the least wasted work, and what
    it would change. Exit status 1 when no setting meets the expectations.
    """
    from scenarios.errors import ScenarioError
    from sim.experiments.tuning.space import TuneError, space_of

    outlets = Outlets(plot, json, quiet or out == STDOUT, no_color, picture="--plot")
    outlets.check()
    check_writable("--out", out)
    check_apart({"--out": out, "--json": json, "--plot": plot})
    if jobs is None:
        jobs = len(os.sched_getaffinity(0)) if not vary and hasattr(os, "sched_getaffinity") else 1
    changes = parameters.changes(set_)
    where = backends.backend_asked(backend, jobs, scheduler)
    if across not in ("worst", "mean"):
        raise BadInput(f"--across {across}: not known; valid: worst, mean")
    loaded = [_loaded(name, policy, changes) for name in scenario]
    twice = next((each.name for place, each in enumerate(loaded) if each in loaded[:place]), None)
    if twice is not None:
        raise BadInput(f"{twice}: is there twice; valid: each scenario once")
    asked: dict[str, object] = {
        "minimize": tuple(minimize or ()),
        "maximize": tuple(maximize or ()),
        "within": within,
        "trials": trials,
        "replications": replications,
        "fresh": fresh,
        "across": across,
        "study": study,
        "seed": seed,
        "force": force,
    }
    try:
        space = space_of(loaded[0], vary) if out is not None and vary else None
        if space is not None:
            _check_exportable(loaded, space)
        found = _tuned(loaded, vary, asked, where, quiet, no_color)
    except TuneError as error:
        raise BadInput(_with_options(str(error))) from None
    except ScenarioError as error:
        raise BadInput(str(error).replace("--set ", "--vary ", 1)) from None
    wrong = None
    if choose is not None:
        try:
            found = found.choose(choose)
        except TuneError as error:
            wrong = f"--{error}"  # said at the end: the search is printed and kept
    violations = [
        f"{run.seed}: {violation}"
        for each in found.finalists
        for result in each.fresh
        for run in result.runs
        for violation in run.violations[:1]
    ]
    status = outlets.tell(found, partial(_table, found), found.plot.figure, violations)
    if wrong is not None:
        raise BadInput(wrong)
    return status if out is None else _write(found, scenario, out, status, quiet or json == STDOUT)


def _write(found: Tuning, names: list[str], out: str, status: int, quiet: bool) -> int:
    """Write the policy file, or say why there is none."""
    from sim.experiments.tuning.space import TuneError

    try:
        text = found.policy()
    except TuneError as error:
        say(f"{out}: not written: {error}")
        return status
    if out == STDOUT:
        sys.stdout.write(text)
    else:
        with written(out) as path:
            path.write_text(text, encoding="utf-8")
        if not quiet:
            sys.stdout.write(f"\npolicy: {out}; to use it: recovery-bench run {' '.join(names)} --policy {out}\n")
    return status


def _check_exportable(loaded: list[Scenario], space: Sequence[Dimension]) -> None:
    from sim.experiments.tuning.policy_values import check_exportable
    from sim.experiments.tuning.space import TuneError

    try:
        check_exportable(loaded, space)
    except TuneError as error:
        raise BadInput(f"--out: {error}") from None


def _with_options(problem: str) -> str:
    """An error in the names of the options."""
    for name in ("within", "choose", "trials", "replications", "fresh"):
        if problem.startswith((f"{name}=", f"{name}:")):
            return f"--{problem}"
    return problem


def _loaded(name: str, policy: str | None, changes: dict[str, str]) -> Scenario:
    import scenarios
    from scenarios.exchange.policy_file import load_policy

    loaded = scenarios.load(name)
    if policy is not None:
        loaded = load_policy(policy).applied(loaded)
    return loaded.with_values(changes) if changes else loaded


def _tuned(
    loaded: list[Scenario],
    vary: list[str] | None,
    asked: dict[str, object],
    backend: Backend,
    quiet: bool,
    no_color: bool,
) -> Tuning:
    from sim.experiments.tuning.tune import tune as search

    with progress(no_color, quiet) as bar:
        task = bar.add_task(", ".join(each.name for each in loaded), total=None)

        def start(trials: int) -> None:
            bar.update(task, total=trials)

        finished = 0

        def tried(count: int) -> None:
            nonlocal finished
            finished = count
            bar.update(task, completed=count)

        def advance(_: object) -> None:
            check()

        try:
            with backends.failures(backend):
                found = search(
                    loaded,
                    vary or None,
                    backend=backend,
                    on_run=advance,
                    on_start=start,
                    on_tried=tried,
                    on_lost=backends.lost,
                    **asked,  # type: ignore[arg-type]
                )
        except KeyboardInterrupt:
            kept = "" if asked["study"] else "; --study FILE keeps a search"
            raise KeyboardInterrupt(
                f"interrupted after {finished} settings, before the best one was verified{kept}"
            ) from None
    if found.interrupted:
        say(f"interrupted; {len(found.judged)} settings were tried")
    return found


def _table(found: Tuning, style: Signs) -> RenderableType:
    from sim.reports.recommendation import recommendation
    from sim.reports.tuning import tuning

    return recommendation(found, style) if found.recommends else tuning(found, style)
