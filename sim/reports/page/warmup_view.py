"""The part of a page about a warm-up that was found."""

from __future__ import annotations

from dataclasses import dataclass, field

from sim.presentation.formatting import count, duration
from sim.reports.page.scales import Linear
from sim.reports.page.settings import joined
from sim.reports.stored.shapes import WarmupShape


@dataclass(frozen=True)
class WarmupView:
    """What the template of a warm-up shows: `line` and `end` in percent of the picture."""

    template: str = field(default="warmup.html.jinja", init=False)
    title: str
    subtitle: str
    headline: str
    holds: bool | None
    notes: list[str]
    metric: str
    line: str
    end: float
    across: list[tuple[float, str]]
    lowest: str
    highest: str
    command: str
    facts: list[tuple[str, str]]


def warmup_view(data: WarmupShape) -> WarmupView:
    """The view of a warm-up: the series that it was found in, and where it ends."""
    times = Linear(0.0, max(data.duration, *data.times, 1e-9), "s")
    heights = Linear.over(data.values, from_zero=True)
    points = (
        f"{times.at(at)},{round(100 - heights.at(each), 2)}" for at, each in zip(data.times, data.values, strict=True)
    )
    return WarmupView(
        title=f"{data.warmup_of}: warm-up",
        subtitle=f"MSER-5, {data.metric}, {count(data.replications, 'pilot run')} without faults",
        headline=f"The warm-up ends at {duration(data.seconds)}",
        holds=None,
        notes=[] if data.warning is None else [data.warning],
        metric=data.metric,
        line=" ".join(points),
        end=times.at(data.seconds),
        across=times.ticks(),
        lowest=f"{heights.low:.3g}",
        highest=f"{heights.high:.3g}",
        command=joined(["recovery-bench", "run", data.warmup_of, "--find-warmup"]),
        facts=[("scenario", data.warmup_of), ("version", data.version)],
    )
