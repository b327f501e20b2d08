"""`compare --grid`: the best of several settings, selected on common random numbers, verified on fresh ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sim.cli.errors import BadInput
from sim.cli.interrupts import check
from sim.cli.options import backends
from sim.cli.options.cost import check_costs
from sim.cli.options.grids import grid_points
from sim.cli.output.console import progress, say

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import RenderableType

    from scenarios import Scenario
    from sim.cli.output.result_output import Outlets
    from sim.experiments.runs.backends import Backend
    from sim.experiments.selection.result import Selection
    from sim.experiments.sweeps.designs import Point
    from sim.presentation.formatting import Signs

EXAMPLES = {"s": "500ms", "agent-s": "10s", "1/s": "0.1/s", "fraction": "1%"}


@dataclass(frozen=True)
class Options:
    """The options of the command line."""

    grids: list[str]
    metrics: list[str]
    indifference: str | None
    most: int | None
    seed: int | None
    replications: int
    force: bool = False


@dataclass(frozen=True)
class Asked:
    """The settings, and how one is selected."""

    points: list[Point]
    metric: str
    indifference: float
    most: int
    seed: int | None
    judged: int


def select(scenario: str, for_all: dict[str, str], options: Options, backend: Backend, outlets: Outlets) -> int:
    """Select a setting of the scenario with these changes, print the result, and return the exit status.

    It is 1 when an invariant is violated, and when the expectations hold for no setting.
    """
    import scenarios

    outlets.check()
    loaded = scenarios.load(scenario)
    loaded = loaded.with_values(for_all) if for_all else loaded
    asked = _asked(loaded, options)
    check_costs(loaded, asked.points, options.replications, force=options.force)
    found = _selected(loaded, asked, backend, outlets.quiet, outlets.no_color, force=options.force)
    return outlets.tell(found, partial(_table, found), partial(_picture, found), found.violations)


def _table(found: Selection, style: Signs) -> RenderableType:
    from sim.reports.selection import selection

    return selection(found, style)


def _picture(found: Selection) -> Figure:
    from sim.presentation.axes import figure_of

    return figure_of(found.plot.ranks, found.plot.inches())


def _asked(scenario: Scenario, options: Options) -> Asked:
    """Raises BadInput."""
    from sim.stats.ranking_and_selection import FIRST, MOST

    if options.replications < 2:
        raise BadInput("--replications 1: gives no interval; valid: 2 or more")
    most = MOST if options.most is None else options.most
    if most < FIRST:
        raise BadInput(f"--most {most}: is less than the first stage needs; valid: {FIRST} or more")
    metric, indifference = _metric(scenario, options.metrics, options.indifference)
    points = grid_points(scenario, options.grids)
    if len(points) < 2:
        raise BadInput(f"--grid {options.grids[0]}: is one setting, and leaves nothing to select; valid: several")
    return Asked(points, metric, indifference, most, options.seed, options.replications)


def _metric(scenario: Scenario, metrics: list[str], indifference: str | None) -> tuple[str, float]:
    """The metric, and the smallest difference in its unit that matters."""
    from pydantic_core import PydanticCustomError

    from scenarios.fields.expectations import in_unit_of
    from scenarios.fields.metrics import UnknownMetric, lookup
    from sim.stats.ranking_and_selection import LARGEST, SMALLEST

    if len(metrics) != 1 or "*" in metrics[0]:
        raise BadInput(
            f"--metric {' '.join(metrics) or 'is missing'}: one says which setting is the best; valid: --metric NAME"
        )
    try:
        metric = lookup(metrics[0], scenario.parts)
    except UnknownMetric as error:
        raise BadInput(f"--metric {metrics[0]}: {error}") from None
    if indifference is None:
        raise BadInput(
            f"--indifference is missing: the smallest difference of {metric.name} that matters; valid: such as "
            f"{EXAMPLES.get(metric.unit, '0.5')}"
        )
    try:
        value = in_unit_of(metric, indifference)
    except PydanticCustomError as error:
        raise BadInput(f"--indifference {error.message()}") from None
    if not SMALLEST < value < LARGEST:
        such = EXAMPLES.get(metric.unit, "0.5")
        said = f"--indifference {indifference}: out of range"
        raise BadInput(f"{said}; valid: more than 0, such as {such}")
    return metric.name, value


def _selected(
    scenario: Scenario, asked: Asked, backend: Backend, quiet: bool, no_color: bool, *, force: bool
) -> Selection:
    from sim.experiments.selection.select import NotSelectable
    from sim.experiments.selection.select import select as select_setting

    with progress(no_color, quiet) as bar:
        task = bar.add_task(scenario.name, total=None)

        def advance(_: object) -> None:
            bar.advance(task)
            check()

        def look(planned: int) -> None:
            bar.update(task, total=planned)

        try:
            with backends.failures(backend):
                found = select_setting(
                    scenario,
                    asked.points,
                    asked.metric,
                    asked.indifference,
                    asked.seed,
                    most=asked.most,
                    judged=asked.judged,
                    backend=backend,
                    on_run=advance,
                    on_look=look,
                    on_lost=backends.lost,
                    force=force,
                )
        except NotSelectable as error:
            raise BadInput(f"--metric {error}") from None
        except KeyboardInterrupt:
            raise KeyboardInterrupt("interrupted; no replication was finished under all settings") from None
    if found.interrupted:
        say(f"interrupted; {_finished(found, asked)}")
    elif found.winner is not None and not found.decided:
        say(f"--most {found.most}: not decided by then, {len(found.contention)} settings are still in contention")
    return found


def _finished(found: Selection, asked: Asked) -> str:
    if found.decided:
        return f"it is decided, and judged on {len(found.fresh)} of {asked.judged} fresh replications"
    return f"not decided after {found.replications} replications: {len(found.contention)} settings in contention"
