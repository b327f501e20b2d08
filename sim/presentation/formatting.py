"""Formatting of numbers: three significant digits, units, half-widths, and symbols that the terminal supports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from math import floor, isfinite, isinf, isnan, log10
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.stats.estimates import Estimate

SIGNIFICANT = 3
MOST_DECIMALS = 3
SYMMETRIC = 0.2
"""How far the middle of an interval may be from its mean, in half-widths, to be shown as mean ± half-width."""
UNIT_SIGNS = {"s": " s", "agent-s": " agent-s", "1/s": "/s", "fraction": " %"}
"""Units that are shown after a number. Units of counts (tasks, retries) are omitted: the label names them."""


@dataclass(frozen=True, slots=True)
class Signs:
    """Characters that a terminal may not support."""

    holds: str = "✓"
    fails: str = "✗"
    plus_minus: str = "±"
    bar: str = "█"
    instant: str = "▏"
    infinite: str = "∞"
    dash: str = "–"
    times: str = "×"
    ellipsis: str = "…"


UNICODE = Signs()
ASCII = Signs("ok", "NO", "+/-", "#", "|", "inf", "-", "x", "...")


def signs(encoding: str | None) -> Signs:
    """The symbols that this encoding supports; None: text is not encoded, all symbols."""
    try:
        "".join(astuple(UNICODE)).encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE


def quantity(value: float | None, unit: str = "", style: Signs = UNICODE) -> str:
    """`32.5 s`, `6,493`, `97.5 %`, `1.97/s`; a dash without an observation."""
    if value is None or isnan(value):
        return style.dash
    number = _scaled(value, unit)
    text = _digits(number, _decimals(number, SIGNIFICANT), style)
    if unit not in UNIT_SIGNS and "." in text:
        text = text.rstrip("0").rstrip(".")  # 5 recoveries, not 5.00
    return text + UNIT_SIGNS.get(unit, "")


def observation(value: float | None, unit: str = "", style: Signs = UNICODE) -> str:
    """What was observed: `32.5 s`, or that nothing was."""
    return "not observed" if value is None else quantity(value, unit, style)


def estimated(estimate: Estimate | None, style: Signs = UNICODE) -> str:
    """`12.5 s` for one replication, `12.51 ± 0.63 s` for several: the half-width has two significant digits.

    An interval that is longer on one side is written out: `1.2 [0.4, 4.1] s`. What lies beyond the horizon has no
    number. Where all replications agree there is no interval to show.
    """
    if estimate is None:
        return style.dash
    if isinf(estimate.mean) and estimate.cut_off:
        return "beyond the horizon"
    low, high = estimate.ci95 or (estimate.mean, estimate.mean)
    if not isfinite(estimate.mean):
        return quantity(estimate.mean, estimate.unit, style)
    mean, low, high = (_scaled(value, estimate.unit) for value in (estimate.mean, low, high))
    half_width = (high - low) / 2
    if not half_width > abs(mean) * 1e-9:  # a difference by rounding
        return quantity(estimate.mean, estimate.unit, style)
    unit = UNIT_SIGNS.get(estimate.unit, "")
    if isfinite(half_width) and abs(high + low - 2 * mean) <= SYMMETRIC * half_width:
        decimals = _decimals(half_width, 2)
        return f"{_digits(mean, decimals, style)} {style.plus_minus} {_digits(half_width, decimals, style)}{unit}"
    decimals = _decimals(min(mean - low, high - mean) or (high - low if isfinite(half_width) else mean), 2)
    shown = [_digits(value, decimals if value and isfinite(value) else 0, style) for value in (mean, low, high)]
    return f"{shown[0]} [{shown[1]}, {shown[2]}]{unit}"


def difference(estimate: Estimate | None, style: Signs = UNICODE) -> str:
    """The same with its sign: `+1.30 ± 0.12 s`; of two shares, in percentage points."""
    if estimate is None:
        return style.dash
    text = estimated(estimate, style)
    if estimate.unit == "fraction":
        text = text.removesuffix("%") + "pp"
    return f"+{text}" if estimate.mean > 0 else text


def duration(seconds: float) -> str:
    """A duration in scenario notation: `250ms`, `30s`, `10m`, `1h`."""
    for unit, length in (("d", 86400.0), ("h", 3600.0), ("m", 60.0)):
        if seconds >= length and (seconds / length).is_integer():
            return f"{seconds / length:g}{unit}"
    return f"{seconds * 1000:g}ms" if 0 < seconds < 1 else f"{seconds:g}s"


def restriction(metric: str, of: Estimate | None) -> Iterator[str]:
    """`tasks.sojourn.mean is restricted to 4h: 25 % cut off`, of a mean that is; nothing of other estimates."""
    if of is not None and of.restricted_to is not None:
        yield f"{metric} is restricted to {duration(round(of.restricted_to, 3))}: {percent(of.cut_off)} cut off"


def span(seconds: float) -> str:
    """A length of time in one or two units: `12.5s`, `2h 5m`."""
    if seconds < 120:
        return duration(float(f"{seconds:.4g}"))
    left = round(seconds)
    parts: list[str] = []
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        if left >= length and len(parts) < 2:
            parts.append(f"{left // length}{unit}")
            left %= length
    return " ".join(parts)


def rate(per_second: float) -> str:
    """`2.00/s`, `90/m`, `3/h`, in a unit in which it is no small fraction."""
    if per_second >= 0.5 or per_second <= 0 or not isfinite(per_second):
        return quantity(per_second, "1/s")
    for unit, length in (("m", 60), ("h", 3_600)):
        if per_second * length >= 0.5:
            return f"{quantity(per_second * length)}/{unit}"
    return f"{per_second * 86_400:.3g}/d"


def probability(p: float) -> str:
    """`p = 0.02`, or a bound of one that is tiny."""
    return f"p = {p:.2g}" if p >= 1e-9 else "p < 1e-9"


def percent(share: float) -> str:
    """`2 %`."""
    return f"{share * 100:.3g} %"


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 agent`, `2 agents`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def _scaled(value: float, unit: str) -> float:
    return value * 100 if unit == "fraction" else value


def _decimals(value: float, significant: int) -> int:
    """The number of decimals for so many significant digits, at most `MOST_DECIMALS`."""
    return min(MOST_DECIMALS, max(0, significant - 1 - floor(log10(abs(value))))) if value and isfinite(value) else 0


def _digits(value: float, decimals: int, style: Signs) -> str:
    if isinf(value):
        return style.infinite if value > 0 else f"-{style.infinite}"
    return f"{value:,.{decimals}f}"
