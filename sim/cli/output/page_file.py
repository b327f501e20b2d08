"""The page of the results of a command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from sim.cli.errors import BadInput
from sim.cli.output.files import STDOUT, check_writable, write_text

if TYPE_CHECKING:
    from sim.experiments.runs.replications import Result
    from sim.reports.failures.replay import Replay
    from sim.reports.stored.window import Window
    from sim.simulation import Run

MOST_REPEATED = 5
"""Results of a suite whose shown replication is repeated."""


def check_page(file: str | None) -> None:
    """Raise BadInput for a page that cannot be written."""
    check_writable("--html", file)
    if file == STDOUT:
        raise BadInput("--html -: is kept in a file; valid: --html FILE.html")


def write_page(
    file: str,
    results: Sequence[tuple[Result, Replay]],
    runs: Mapping[str, Run] | None = None,
    window: Window | None = None,
    *,
    only_failures: bool = False,
) -> None:
    """Write the page of results, each with what repeats it. `runs` are those that were kept, by hash of their history.

    Of other results, the shown replication is repeated; with `only_failures`, of the first few that do not hold.
    `window`: the part of the runs that is shown. Raises BadInput.
    """
    from sim.reports.page.parts import part_of
    from sim.reports.page.render import page

    kept = runs or {}
    failing = [result for result, _ in results if not result.holds][:MOST_REPEATED]
    parts = [
        part_of(
            result,
            how,
            run=kept.get(result.runs[0].history_sha256),
            has_timeline=not only_failures or any(result is each for each in failing),
        )
        for result, how in results
    ]
    write_text(file, page(parts, window))
