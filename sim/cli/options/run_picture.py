"""The picture of `run --plot`: the timeline of the first replication of each scenario."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sim.cli.errors import BadInput
from sim.cli.output.files import check_picture, draw

if TYPE_CHECKING:
    from scenarios import Scenario
    from sim.experiments.runs.replications import Result
    from sim.reports.stored.window import Window


def picture_window(
    plot: str | None, window: str | None, scenarios: Sequence[Scenario], *, is_shown: bool
) -> Window | None:
    """The part of the runs that the picture shows, and also a page or a view, if `is_shown`; None: around the first
    faults, and all of a run.

    Raises BadInput when the picture cannot be written, and StoredResultError for a window that is none or lies outside
    a run.
    """
    check_picture("--plot", plot)
    if window is None:
        return None
    if plot is None and not is_shown:
        raise BadInput(
            "--window: is the part of a run that --plot draws; valid: with --plot FILE.png, --html FILE or --live"
        )
    from sim.reports.stored.window import check_window, window_of

    found = window_of(window)
    for scenario in scenarios:
        check_window(found, scenario.duration + (scenario.drain or 0.0))
    return found


def draw_runs(results: Sequence[Result], plot: str, window: Window | None) -> None:
    """Draw the first replication of each result, which is repeated for its history."""
    from sim.reports.timeline import timeline, timelines
    from sim.simulation import run

    histories = []
    for result in results:
        full = result.scenario.with_values({"history": "full"})
        histories.append(run(full, result.runs[0].seed, force=True).record)
    if len(histories) == 1:
        draw(timeline(histories[0], window), plot)
        return
    seeds = ", ".join(dict.fromkeys(result.runs[0].seed for result in results))
    excerpt = "Excerpts around the first fault of each" if window is None else "Excerpts of each"
    draw(timelines(histories, f"{len(results)} scenarios", f"{excerpt}; replication {seeds}", window), plot)
