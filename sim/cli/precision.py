"""`--precision`: what is asked for, and of which metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.cli import options
from sim.cli.errors import BadInput

if TYPE_CHECKING:
    from scenarios import Scenario
    from sim.experiments.precision import Asked


def precision_asked(text: str | None, metrics: list[str], most: str) -> Asked | None:
    """What is asked for; None: nothing. Raises BadInput."""
    from sim.experiments.precision import LEAST, Asked

    if text is None:
        if metrics:
            raise BadInput("--precise: says of which metric; valid: with --precision, such as 5%")
        return None
    cap = options.positive("--most", most)
    if cap < LEAST:
        raise BadInput(f"--most {most}: is too few to look at; valid: {LEAST} or more")
    return Asked(options.share("--precision", text), tuple(metrics), cap)


def check_precise(asked: Asked | None, loaded: list[Scenario]) -> None:
    """Raise BadInput for a metric that nothing can be."""
    from scenarios.metrics import UnknownMetric, lookup

    for scenario in loaded if asked is not None else ():
        for name in asked.metrics if asked is not None else ():
            try:
                lookup(name, tuple(scenario.resources))
            except UnknownMetric as error:
                raise BadInput(f"--precise {name}: {error}") from None
