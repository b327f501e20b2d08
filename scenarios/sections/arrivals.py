"""Arrival processes."""

from __future__ import annotations

from math import cos, pi, sin
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from scenarios.errors import invalid, shown
from scenarios.fields.base import Form, OneOf
from scenarios.fields.csv_columns import FromFile
from scenarios.fields.distributions import ZERO, Distribution
from scenarios.fields.quantities import PositiveCount, PositiveSeconds, Quantity, Rate, Seconds, Share

SHORTEST_PERIOD, LONGEST_PERIOD = 1e-3, 1e12
"""The periods, in seconds, of which an instant of a run is a phase that is not rounded away."""


class Poisson(Form):
    """Poisson arrivals: independent exponential interarrival times."""

    kind: ClassVar[str] = "poisson"
    rate: Rate = Field(description="arrivals per second")


class Interval(Form):
    """One task at every multiple of an interval."""

    kind: ClassVar[str] = "interval"
    every: PositiveSeconds = Field(description="interarrival time")


class Burst(Form):
    """Many tasks at one instant."""

    kind: ClassVar[str] = "burst"
    size: PositiveCount = Field(description="number of tasks")
    at: Seconds = Field(default=0.0, description="when")


class Closed(Form):
    """A closed system: each client waits for its task, thinks, and submits the next one."""

    kind: ClassVar[str] = "closed"
    clients: PositiveCount = Field(description="number of clients")
    think: Distribution = Field(default=ZERO, description="think time: from a response to the next submission")


def _has_phases(seconds: float) -> float:
    if not SHORTEST_PERIOD <= seconds <= LONGEST_PERIOD:
        raise invalid(f"{shown(seconds)} is not a period; valid: {SHORTEST_PERIOD:g} s to {LONGEST_PERIOD:g} s")
    return seconds


def _within_reach(seconds: float) -> float:
    if seconds > LONGEST_PERIOD:
        raise invalid(f"{shown(seconds)} is too late; valid: up to {LONGEST_PERIOD:g} s")
    return seconds


class Diurnal(Form):
    """Poisson arrivals with a periodic rate: rate·(1 + amplitude·cos(2π·(t − peak)/period)) per second at time t."""

    kind: ClassVar[str] = "diurnal"
    rate: Rate = Field(description="arrivals per second, on average over a period")
    amplitude: Share = Field(default=0.5, description="relative amplitude of the rate")
    period: Annotated[PositiveSeconds, AfterValidator(_has_phases)] = Field(
        default=86400.0, description="time from one peak to the next"
    )
    peak: Annotated[Seconds, AfterValidator(_within_reach)] = Field(default=0.0, description="time of the first peak")

    def rate_at(self, time: float) -> float:
        """Arrivals per second at a time in seconds."""
        return self.rate * (1 + self.amplitude * cos(2 * pi * (time - self.peak) / self.period))

    def expected(self, time: float) -> float:
        """Expected number of arrivals until a time in seconds: the integral of the rate."""
        swing = self.amplitude * self.period / (2 * pi)
        since, first = (2 * pi * (at - self.peak) / self.period for at in (time, 0.0))
        return self.rate * (time + swing * (sin(since) - sin(first)))


class Trace(FromFile):
    """Recorded arrival times, in order: durations from the start of the run, seconds since 1970, or dates and times of
    ISO 8601; the latter two count from the first row. Arrivals after the end of the run are omitted.
    """

    kind: ClassVar[str] = "trace"
    ordered: ClassVar[bool] = True


FORMS = (Poisson, Interval, Burst, Closed, Diurnal, Trace)
Arrivals = Annotated[
    Poisson | Interval | Burst | Closed | Diurnal | Trace, OneOf("arrivals", FORMS), Quantity("arrivals")
]
"""One form of arrivals."""
