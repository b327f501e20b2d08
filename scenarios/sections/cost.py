"""Prices: what agent time, retries, lost tasks and late tasks cost, in any currency."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from scenarios.errors import invalid, shown
from scenarios.fields.base import Settings
from scenarios.fields.quantities import Number, PositiveSeconds, Quantity, bounded

MOST = 1e12
"""Limit on a price, so that a sum of them is finite."""


def _price(value: float) -> float:
    if not 0 <= value <= MOST:
        raise invalid(f"{shown(value)} is not a price; valid: a number from 0 to {MOST:g}")
    return value


Price = Annotated[Number, AfterValidator(_price), bounded(minimum=0, maximum=MOST), Quantity("price")]
"""A number from 0 to `MOST`, in any currency."""


class LateTask(Settings):
    """When a task is late, and what it costs then."""

    after: PositiveSeconds = Field(description="a task is late if it was not completed so long after its submission")
    cost: Price = Field(description="price of a late task")


class CostSettings(Settings):
    """Prices of what a run takes. `cost.total` is their sum."""

    agent_second: Price = Field(default=0.0, description="price of an agent for a second, whatever it does")
    retry: Price = Field(default=0.0, description="price of a retry")
    lost_task: Price = Field(default=0.0, description="price of a task that was given up, rejected or lost")
    late_task: LateTask | None = Field(
        default=None, description="price of a task that takes too long; null: a late task costs nothing"
    )
