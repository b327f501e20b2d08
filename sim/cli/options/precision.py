"""`--precision`: the requested precision, its metrics, and the precision reached so far."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from math import isinf
from typing import TYPE_CHECKING

from sim.cli.errors import BadInput

if TYPE_CHECKING:
    from scenarios import Scenario
    from sim.stats.precision import Asked, Reached


def precision_asked(precision: float | None, metrics: list[str], most: int | None) -> Asked | None:
    """The requested precision; None without `--precision`. Raises BadInput."""
    from sim.stats.precision import LEAST, MOST, Asked

    if precision is None:
        if metrics:
            raise BadInput("--precise: only applies to --precision; valid: with --precision, such as 5%")
        if most is not None:
            raise BadInput(f"--most {most}: only applies to --precision; valid: with --precision, such as 5%")
        return None
    cap = MOST if most is None else most
    if cap < LEAST:
        raise BadInput(f"--most {most}: is too few for an interval; valid: {LEAST} or more")
    return Asked(precision, tuple(metrics), cap)


def check_precise(asked: Asked | None, loaded: list[Scenario]) -> None:
    """Raise BadInput for an unknown metric."""
    from scenarios.fields.metrics import UnknownMetric, lookup

    for scenario in loaded if asked is not None else ():
        for name in asked.metrics if asked is not None else ():
            try:
                lookup(name, scenario.parts)
            except UnknownMetric as error:
                raise BadInput(f"--precise {name}: {error}") from None


def precision_told(asked: Asked, found: Sequence[Reached]) -> str:
    """The worst precision so far against the one asked for: `±7.1 % of ±5 %`."""
    from sim.presentation.formatting import percent, signs

    worst = max(each.epsilon for each in found)
    sign = signs(sys.stderr.encoding).plus_minus
    so_far = "no interval" if isinf(worst) else f"{sign}{percent(worst)}"
    return f"{so_far} of {sign}{percent(asked.epsilon)}"
