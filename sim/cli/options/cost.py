"""`--force`, and the check that a command can end: the expected number of its events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scenarios import Scenario
    from sim.experiments.sweeps.designs import Point

MOST_EVENTS = 1e9
"""Some hours on one core."""

Force = Annotated[
    bool, typer.Option("--force", help="Run also what is expected to take more than a billion events, which is hours.")
]


def check_cost(scenario: Scenario, runs: int, *, force: bool) -> None:
    """Raise BadInput when so many runs of a scenario are expected to have too many events, unless forced."""
    from scenarios.expected_events import expected_events

    if force:
        return
    expected = expected_events(scenario)
    if expected.events > MOST_EVENTS:
        raise BadInput(
            f"{scenario.name}: {expected.key}: about {expected.events:.1g} events are expected in a run; valid: up to "
            f"{MOST_EVENTS:.0e}, or --force"
        )
    together = expected.events * float(min(runs, 10**30))
    if together > MOST_EVENTS:
        raise BadInput(
            f"{scenario.name}: --replications: about {together:.1g} events are expected in {runs:,} runs; valid: up to "
            f"{MOST_EVENTS:.0e}, or --force"
        )


def check_costs(scenario: Scenario, points: Sequence[Point], replications: int, *, force: bool) -> None:
    """Check the cost of each point, with all of its replications. Raises BadInput."""
    from sim.experiments.sweeps.designs import as_values

    if not force:
        for point in points:
            check_cost(scenario.with_values(as_values(point)), replications * len(points), force=False)
