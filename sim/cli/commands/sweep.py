"""`sweep`: a scenario at many points, in a folder in which an interrupted sweep can be continued."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.errors import BadInput
from sim.cli.interrupts import INTERRUPTED, check
from sim.cli.options import backends, parameters
from sim.cli.options.cost import Force, check_costs
from sim.cli.options.grids import check_once, grid_points
from sim.cli.options.parameter_types import Change, Count, PathValue, typed_option
from sim.cli.output.console import console, progress, say
from sim.cli.output.files import STDOUT, check_apart, check_picture, check_writable, draw, write_json

if TYPE_CHECKING:
    from scenarios import Scenario
    from sim.experiments.runs.backends import Backend
    from sim.experiments.sweeps.designs import Point
    from sim.experiments.sweeps.sweep import Sweep

BAD_INPUT = 2
METHODS = ("lhs", "sobol", "random")
DESIGN = "sobol"


def sweep(
    scenario: Annotated[str, typer.Argument(metavar="SCENARIO", help="Name of a shipped scenario, or a file.")],
    out: Annotated[str, typer.Option(metavar="DIR", help="The folder of the sweep, which keeps finished runs.")],
    grid: Annotated[
        list[str] | None, typer.Option(metavar="PATH=V1,V2,…", help="Values of a key; every combination is run.")
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH=LOW..HIGH", help="In place of a grid: a range, :log behind it for a logarithmic one."
        ),
    ] = None,
    points: Annotated[int | None, typed_option(Count("--points"), "With --vary: how many points.")] = None,
    design: Annotated[
        str | None, typer.Option(metavar="NAME", help="With --vary: sobol, lhs or random; sobol if left out.")
    ] = None,
    seed: parameters.WholeSeed = None,
    replications: Annotated[int, typed_option(Count("--replications"), "Independent replications of each point.")] = 5,
    set_: Annotated[
        list[Change] | None, typed_option(PathValue("--set"), "Another value for a key at all points; may be repeated.")
    ] = None,
    jobs: parameters.Jobs = 1,
    backend: backends.Name = backends.HERE,
    scheduler: backends.Scheduler = None,
    metric: Annotated[list[str] | None, typer.Option(metavar="NAME", help="A metric to show; may be repeated.")] = None,
    plot: Annotated[
        str | None, typer.Option(metavar="FILE.png", help="A picture (.png, .svg, .pdf) of the first --metric.")
    ] = None,
    json: parameters.Json = None,
    force: Force = False,
    quiet: parameters.Quiet = False,
    no_color: parameters.NoColor = False,
) -> int:
    """Run a scenario at many points. Finished runs are kept in the folder and are not repeated.

    Exit status 1 when an invariant is violated at some point.
    """
    values = parameters.changes(set_)
    where_to = backends.backend_asked(backend, jobs, scheduler)
    check_writable("--json", json)
    check_picture("--plot", plot)
    check_apart({"--json": json, "--plot": plot})
    loaded = _loaded(scenario, values)
    shown = _metrics(loaded, metric or [])
    where = _points(loaded, grid or [], vary or [], points, design)
    _check_paths(list(where[0]), values, plot)
    check_costs(loaded, where, replications, force=force)
    found = _swept(loaded, where, seed, replications, where_to, out, quiet, no_color, force=force)
    silent = quiet or json == STDOUT
    if not silent:
        _show(found, shown if metric else _observed(found, shown), no_color)
        console(no_color).print(f"\nresults: {Path(out) / 'results.parquet'}", soft_wrap=True)
    if json is not None:
        write_json(json, found.as_json())
    if found.violations:
        say(f"invariants were violated in {found.violations} runs")
    refused = _refused(found, metric or [])
    if plot is not None and shown[0] not in refused:
        _draw(found, shown[0], plot)
        if not silent:
            console(no_color).print(f"picture: {plot}", soft_wrap=True)
    if found.interrupted:
        return INTERRUPTED
    if refused:
        return BAD_INPUT
    return 1 if found.violations else 0


def _loaded(name: str, values: dict[str, str]) -> Scenario:
    import scenarios

    found = scenarios.load(name)
    return found.with_values(values) if values else found


def _metrics(scenario: Scenario, names: list[str]) -> tuple[str, ...]:
    from scenarios.fields.metrics import UnknownMetric, lookup
    from sim.reports.sweep import SHOWN

    for name in names:
        try:
            lookup(name, scenario.parts)
        except UnknownMetric as error:
            raise BadInput(f"--metric {name}: {error}") from None
    return tuple(names) or SHOWN


def _points(
    scenario: Scenario, grids: list[str], varied: list[str], count: int | None, design: str | None
) -> list[Point]:
    from scenarios.errors import ScenarioError
    from sim.experiments.sweeps.designs import DesignError, space, spread

    if bool(grids) == bool(varied):
        raise BadInput("--grid, --vary: exactly one is needed; valid: --grid path=v1,v2 or --vary path=low..high")
    if grids:
        if count is not None:
            raise BadInput("--points: a grid determines its points; valid: with --vary")
        if design is not None:
            raise BadInput(f"--design {design}: does not apply to a grid; valid: with --vary")
        return grid_points(scenario, grids)
    try:
        if count is None:
            raise BadInput("--points: is missing; valid: a number of points with --vary")
        design = DESIGN if design is None else design
        if design not in METHODS:
            raise BadInput(f"--design {design}: not a design; valid: {', '.join(METHODS)}")
        ranges = [space(text) for text in varied]
        check_once("--vary", [each.path for each in ranges])
        return spread(scenario, ranges, count, design, scenario.seed)  # type: ignore[arg-type]
    except DesignError as error:
        raise BadInput(f"--vary {error}") from None
    except ScenarioError as error:
        raise BadInput(str(error).replace("--set ", "--vary ", 1)) from None


def _check_paths(paths: list[str], values: dict[str, str], plot: str | None) -> None:
    """Raise BadInput for a path that is both set and swept, and for more paths than a picture has axes."""
    fixed = next((path for path in values if path in paths), None)
    if fixed is not None:
        raise BadInput(f"--set {fixed}: the sweep sets it at each point; valid: another path")
    if plot is not None and len(paths) > 2:
        raise BadInput(f"--plot {plot}: {len(paths)} paths are too many for a picture; valid: one or two")


def _swept(
    scenario: Scenario,
    points: list[Point],
    seed: int | None,
    replications: int,
    backend: Backend,
    out: str,
    quiet: bool,
    no_color: bool,
    *,
    force: bool,
) -> Sweep:
    from sim.experiments.sweeps.folder import SweepFolderError
    from sim.experiments.sweeps.sweep import sweep as run_sweep

    with progress(no_color, quiet) as bar:
        task = bar.add_task(scenario.name, total=len(points) * replications)

        def begin(total: int, finished: int) -> None:
            bar.update(task, total=total, completed=finished)

        def advance(_: object) -> None:
            bar.advance(task)
            check()

        try:
            with backends.failures(backend, kept=out):
                found = run_sweep(
                    scenario,
                    points,
                    seed,
                    replications,
                    backend=backend,
                    out=out,
                    on_run=advance,
                    on_begin=begin,
                    on_lost=backends.lost,
                    force=force,
                )
        except SweepFolderError as error:
            raise BadInput(f"--out {error}") from None
        except KeyboardInterrupt:
            raise KeyboardInterrupt("interrupted; nothing was finished") from None
    if found.interrupted:
        say(f"interrupted; {found.computed} runs were finished and are kept in {out}")
    return found


def _observed(found: Sweep, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if found.estimates(name))


def _refused(found: Sweep, names: list[str]) -> list[str]:
    """Requested metrics that no run observes; each is reported. None when runs are missing."""
    from sim.experiments.runs.unobserved import never_observed

    refused = [] if found.interrupted else [name for name in names if not found.estimates(name)]
    for name in refused:
        say(f"--metric {never_observed(name, found.scenario.name, 'at no point', found.metrics)}")
    return refused


def _show(found: Sweep, metrics: tuple[str, ...], no_color: bool) -> None:
    from sim.presentation.formatting import signs
    from sim.reports.sweep import sweep_table

    out = console(no_color)
    out.print(sweep_table(found, metrics, signs(out.encoding)))


def _draw(found: Sweep, metric: str, file: str) -> None:
    from sim.experiments.sweeps.plot import INCHES
    from sim.presentation.axes import NoPicture, figure_of

    try:
        draw(figure_of(partial(found.plot.metric, metric), INCHES), file)
    except NoPicture as error:
        raise BadInput(f"--plot {error}") from None
