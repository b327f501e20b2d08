"""`tune`: searches the policy space of scenarios for the best settings that meet their expectations."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.errors import BadInput
from sim.cli.interrupts import check
from sim.cli.options import backends, parameters
from sim.cli.options.cost import Force
from sim.cli.options.parameter_types import Count, typed_option
from sim.cli.output.console import progress, say
from sim.cli.output.result_output import Outlets

if TYPE_CHECKING:
    from rich.console import RenderableType

    from scenarios import Scenario
    from sim.experiments.runs.backends import Backend
    from sim.experiments.tuning.result import Tuning
    from sim.presentation.formatting import Signs


def tune(
    scenario: Annotated[list[str], typer.Argument(metavar="SCENARIO", help="Names of shipped scenarios, or files.")],
    vary: Annotated[
        list[str],
        typer.Option(
            metavar="PATH=LOW..HIGH",
            help="A range to search, :log behind it for a logarithmic one; or choices, PATH=A,B,C. May be repeated.",
        ),
    ],
    minimize: Annotated[
        list[str] | None, typer.Option(metavar="METRIC", help="A metric to minimize; may be repeated.")
    ] = None,
    maximize: Annotated[
        list[str] | None, typer.Option(metavar="METRIC", help="A metric to maximize, such as 'tasks.within(60s)'.")
    ] = None,
    trials: Annotated[int, typed_option(Count("--trials"), "Settings to try.")] = 60,
    replications: Annotated[
        int, typed_option(Count("--replications", 2), "Replications of a setting that is not stopped early.")
    ] = 8,
    fresh: Annotated[int, typed_option(Count("--fresh", 2), "Fresh replications that verify the best settings.")] = 20,
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
    jobs: parameters.Jobs = 1,
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

    Exit status 1 when no setting meets the expectations.
    """
    from sim.experiments.tuning.space import TuneError

    outlets = Outlets(plot, json, quiet, no_color, picture="--plot")
    outlets.check()
    changes = parameters.changes(set_)
    where = backends.backend_asked(backend, jobs, scheduler)
    if across not in ("worst", "mean"):
        raise BadInput(f"--across {across}: not known; valid: worst, mean")
    loaded = [_loaded(name, changes) for name in scenario]
    twice = next((each.name for place, each in enumerate(loaded) if each in loaded[:place]), None)
    if twice is not None:
        raise BadInput(f"{twice}: is there twice; valid: each scenario once")
    asked = {
        "minimize": tuple(minimize or ()),
        "maximize": tuple(maximize or ()),
        "trials": trials,
        "replications": replications,
        "fresh": fresh,
        "across": across,
        "study": study,
        "seed": seed,
        "force": force,
    }
    try:
        found = _tuned(loaded, vary, asked, where, quiet, no_color)
    except TuneError as error:
        raise BadInput(str(error)) from None
    violations = [
        f"{run.seed}: {violation}"
        for each in found.finalists
        for result in each.fresh
        for run in result.runs
        for violation in run.violations[:1]
    ]
    return outlets.tell(found, partial(_table, found), found.plot.figure, violations)


def _loaded(name: str, changes: dict[str, str]) -> Scenario:
    import scenarios

    loaded = scenarios.load(name)
    return loaded.with_values(changes) if changes else loaded


def _tuned(
    loaded: list[Scenario], vary: list[str], asked: dict[str, object], backend: Backend, quiet: bool, no_color: bool
) -> Tuning:
    from scenarios.errors import ScenarioError
    from sim.experiments.tuning.tune import tune as search

    with progress(no_color, quiet) as bar:
        task = bar.add_task(", ".join(each.name for each in loaded), total=asked["trials"])  # type: ignore[arg-type]

        def tried(count: int) -> None:
            bar.update(task, completed=count)

        def advance(_: object) -> None:
            check()

        try:
            with backends.failures(backend):
                found = search(
                    loaded,
                    vary,
                    backend=backend,
                    on_run=advance,
                    on_tried=tried,
                    on_lost=backends.lost,
                    **asked,  # type: ignore[arg-type]
                )
        except ScenarioError as error:
            raise BadInput(str(error).replace("--set ", "--vary ", 1)) from None
        except KeyboardInterrupt:
            say("interrupted; no setting was finished")
            raise
    if found.interrupted:
        say(f"interrupted; {len(found.judged)} of {asked['trials']} settings were tried")
    return found


def _table(found: Tuning, style: Signs) -> RenderableType:
    from sim.reports.tuning import tuning

    return tuning(found, style)
