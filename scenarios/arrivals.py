"""How tasks arrive."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from scenarios.distributions import ZERO, Distribution
from scenarios.quantities import PositiveCount, PositiveSeconds, Quantity, Rate, Seconds
from scenarios.settings import Form, OneOf


class Poisson(Form):
    """Independent arrivals: exponential times between them."""

    kind: ClassVar[str] = "poisson"
    rate: Rate = Field(description="arrivals per second")


class Interval(Form):
    """One task at every multiple of an interval."""

    kind: ClassVar[str] = "interval"
    every: PositiveSeconds = Field(description="time between two arrivals")


class Burst(Form):
    """Many tasks at one instant."""

    kind: ClassVar[str] = "burst"
    size: PositiveCount = Field(description="number of tasks")
    at: Seconds = Field(default=0.0, description="when")


class Closed(Form):
    """Clients that each wait for their task, think, and submit the next one."""

    kind: ClassVar[str] = "closed"
    clients: PositiveCount = Field(description="number of clients")
    think: Distribution = Field(default=ZERO, description="from an answer to the next submission")


FORMS = (Poisson, Interval, Burst, Closed)
Arrivals = Annotated[
    Poisson | Interval | Burst | Closed, OneOf("arrivals", FORMS, ("diurnal", "trace")), Quantity("arrivals")
]
"""One form of arrivals."""
