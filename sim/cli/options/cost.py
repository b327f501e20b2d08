"""`--force`, and the check that a command can end: the expected number of its events."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scenarios import Scenario
    from sim.experiments.sweeps.designs import Point

Force = Annotated[
    bool, typer.Option("--force", help="Run also what is expected to take more than a billion events, which is hours.")
]


@contextmanager
def costs() -> Iterator[None]:
    """Turn TooManyEvents into BadInput, with the names of the options."""
    from scenarios import expected_events

    try:
        yield
    except expected_events.TooManyEvents as error:
        named = error.cause
        if error.argument is not None:
            named = named.replace(f": {error.argument}: ", f": --{error.argument}: ", 1)
        raise BadInput(f"{named}; valid: up to {expected_events.MOST_EVENTS:.0e}, or --force") from None


def check_cost(scenario: Scenario, runs: int, *, force: bool, option: str = "replications") -> None:
    """Raise BadInput when so many runs of a scenario are expected to have too many events, unless forced.

    `option` gives the number of runs.
    """
    from scenarios.expected_events import check_events

    if not force:
        with costs():
            check_events(scenario, runs, option)


def check_costs(scenario: Scenario, points: Sequence[Point], replications: int, *, force: bool) -> None:
    """Check the cost of each point, with all of its replications. Raises BadInput."""
    from sim.experiments.sweeps.designs import as_values

    if not force:
        for point in points:
            check_cost(scenario.with_values(as_values(point)), replications * len(points), force=False)
