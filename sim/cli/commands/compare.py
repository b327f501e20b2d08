"""`compare`: two settings on common random numbers, with a verdict per metric; or the best of several settings."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.commands import select
from sim.cli.errors import BadInput
from sim.cli.interrupts import check
from sim.cli.options import backends, fail_if, parameters
from sim.cli.options.cost import Force, check_cost
from sim.cli.options.grids import check_is_setting
from sim.cli.options.parameter_types import Change, Count, PathValue, typed_option
from sim.cli.output.console import progress, say
from sim.cli.output.result_output import Outlets

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType

    from scenarios import Scenario
    from sim.experiments.comparison.compare import Comparison
    from sim.experiments.runs.backends import Backend
    from sim.presentation.formatting import Signs


def compare(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="Name of a shipped scenario, or a file.")],
    a: Annotated[list[Change] | None, typed_option(PathValue("--a"), "Values of the first setting.")] = None,
    b: Annotated[list[Change] | None, typed_option(PathValue("--b"), "Values of the second setting.")] = None,
    set_: Annotated[
        list[Change] | None, typed_option(PathValue("--set"), "A value for both, or for all settings of a grid.")
    ] = None,
    grid: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH=V1,V2,…", help="In place of --a and --b: select the best of every combination."),
    ] = None,
    indifference: Annotated[
        str | None,
        typer.Option(metavar="VALUE", help="With --grid: the smallest difference of the --metric that matters."),
    ] = None,
    most: Annotated[
        int | None,
        typed_option(
            Count("--most", 10, "replications"), "With --grid: replications of the selection at most; 1000 if left out."
        ),
    ] = None,
    seed: parameters.WholeSeed = None,
    replications: Annotated[
        int,
        typed_option(
            Count("--replications", 2), "Pairs of replications; with --grid, fresh replications of the winner."
        ),
    ] = 20,
    jobs: parameters.Jobs = 1,
    backend: backends.Name = backends.HERE,
    scheduler: backends.Scheduler = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="This one, or those like recovery.time.*, or all: *; may be repeated. With --grid, one.",
        ),
    ] = None,
    out: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.png",
            help="A picture (.png, .svg, .pdf): each difference, or with --grid each mean, with its interval.",
        ),
    ] = None,
    fail_if_: Annotated[
        list[str] | None,
        typer.Option(
            fail_if.OPTION,
            metavar=fail_if.METAVAR,
            help="Exit with status 1 when b is worse: in any metric compared, in this one, or in this one by more than "
            "5 %. May be repeated.",
        ),
    ] = None,
    json: parameters.Json = None,
    force: Force = False,
    quiet: parameters.Quiet = False,
    no_color: parameters.NoColor = False,
) -> int:
    """Compare setting b with setting a: the difference, its interval and a verdict per metric, on common random
    numbers.

    With --grid, select the best of several settings by one metric.

    Exit status 1 when an invariant is violated under one of them, or when a --fail-if holds.
    """
    outlets = Outlets(out, json, quiet, no_color)
    for_both = parameters.changes(set_)
    if grid:
        if fail_if_:
            raise BadInput(f"--fail-if {fail_if_[0]}: compares b with a; valid: with --a and --b, without --grid")
        if a or b:
            raise BadInput("--grid, --a, --b: a grid contains all settings; valid: --grid, or --a and --b")
        options = select.Options(grid, metric or [], indifference, most, seed, replications, force)
        where = backends.backend_asked(backend, jobs, scheduler)
        return select.select(scenario, for_both, options, where, outlets)
    for option, given in (("--indifference", indifference), ("--most", most)):
        if given is not None:
            raise BadInput(f"{option} {given}: only applies to --grid; valid: with --grid path=v1,v2")
    asked = _asked(parameters.changes(a, "--a"), parameters.changes(b, "--b"), seed, replications)
    where = backends.backend_asked(backend, jobs, scheduler)
    outlets.check()
    if twice := [path for path in for_both if path in {**asked.a, **asked.b}]:
        raise BadInput(f"--set {twice[0]}: is a value of --a or --b as well; valid: one of them")
    asked = replace(asked, force=force)
    loaded = _loaded(scenario, for_both)
    from sim.presentation.formatting import signs

    conditions = fail_if.fail_ifs(fail_if_ or (), loaded)
    found = _compared(loaded, asked, where, tuple(metric or ()), conditions, quiet, no_color)
    gate = {"fail_if": fail_if.as_json(conditions, found)} if conditions else {}
    status = outlets.tell(found, partial(_table, found), partial(_picture, found), _violations(found), gate)
    for line in fail_if.told(conditions, found, signs(sys.stderr.encoding)):
        say(line)
    return status or int(any(each.failed(found) for each in conditions))


def _loaded(name: str, for_both: dict[str, str]) -> Scenario:
    import scenarios

    loaded = scenarios.load(name)
    return loaded.with_values(for_both) if for_both else loaded


def _table(found: Comparison, style: Signs) -> RenderableType:
    from sim.reports.comparison import comparison

    return comparison(found, style)


def _picture(found: Comparison) -> Figure:
    from sim.presentation.axes import figure_of

    return figure_of(found.plot.differences, found.plot.inches())


@dataclass(frozen=True)
class Asked:
    """The two settings, the seed and the number of pairs."""

    a: dict[str, str]
    b: dict[str, str]
    seed: int | None
    pairs: int
    force: bool = False


def _asked(a: dict[str, str], b: dict[str, str], seed: int | None, replications: int) -> Asked:
    """Raises BadInput."""
    if replications < 2:
        raise BadInput("--replications 1: gives no interval; valid: 2 or more")
    for which, values in (("--a", a), ("--b", b)):
        check_is_setting(which, values)
    if not a and not b:
        raise BadInput("--a, --b: no setting is given; valid: --b path=value, as in --b agents.count=20")
    return Asked(a, b, seed, replications)


def _compared(
    loaded: Scenario,
    asked: Asked,
    backend: Backend,
    metrics: tuple[str, ...],
    conditions: list[fail_if.FailIf],
    quiet: bool,
    no_color: bool,
) -> Comparison:
    from scenarios.errors import ScenarioError
    from scenarios.fields.metrics import UnknownMetric
    from sim.experiments.comparison.compare import compare as compare_settings
    from sim.experiments.runs.unobserved import NeverObserved

    added = fail_if.metrics_of(conditions, metrics)
    for which, values in (("a", asked.a), ("b", asked.b)):
        try:
            check_cost(loaded.with_values(values), asked.pairs, force=asked.force)
        except ScenarioError as error:
            raise BadInput(str(error).replace("--set ", f"--{which} ", 1)) from None
    with progress(no_color, quiet) as bar:
        task = bar.add_task(loaded.name, total=2 * asked.pairs)

        def advance(_: object) -> None:
            bar.advance(task)
            check()

        try:
            with backends.failures(backend):
                found = compare_settings(
                    loaded,
                    asked.a,
                    asked.b,
                    asked.seed,
                    asked.pairs,
                    backend=backend,
                    metrics=metrics,
                    added=added,
                    on_run=advance,
                    on_lost=backends.lost,
                    force=asked.force,
                )
            found.differences  # noqa: B018 - while what is wrong with it can be said
        except UnknownMetric as error:
            raise BadInput(f"--metric {error.name}: {error}") from None
        except NeverObserved as error:
            option = fail_if.OPTION if str(error).partition(":")[0] in added else "--metric"
            raise BadInput(f"{option} {error}") from None
        except KeyboardInterrupt:
            raise KeyboardInterrupt("interrupted; no pair was finished") from None
    if found.interrupted:
        say(f"interrupted; finished: {found.replications} of {asked.pairs} pairs")
    return found


def _violations(found: Comparison) -> list[str]:
    """The first violation of each run."""
    return [
        f"{which} {run.seed}: {violation}"
        for which, result in (("a", found.a), ("b", found.b))
        for run in result.runs
        for violation in run.violations[:1]
    ]
