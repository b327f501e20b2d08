"""Arrivals: a constant rate, a rate that follows the day, an exact interval, or the recorded times.

A constant rate is tested against a rate r·(1 + a·cos(2π(t − p)/P)) by the likelihood ratio, which for a = 0 has twice
the log-likelihood χ² with two degrees of freedom (Lewis, "Some results on the non-stationary Poisson process", 1972); a
period that was searched for is charged for the number of periods. What remains is tested by the dispersion of counts:
the sum of (observed − expected)²/expected over equal parts of the log is χ².
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import cos, inf, nan, pi, sin, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from sim.experiments.fitting.families import Z95

Numbers = NDArray[np.float64]
DAY, HOUR = 86_400.0, 3_600.0
PARTS = 4_096
"""Parts of the log in which arrivals are counted for the search of a period."""
MOST_CYCLES = 400
SURE = 1e-3
"""Level of the tests."""
DISPERSED = 1.3
"""Arrivals are recorded times when counts vary more than so many times a Poisson process, and not by chance."""
REGULAR = 0.01
"""Coefficient of variation of the time between arrivals, below which it is constant."""
POISSON, DIURNAL, INTERVAL, TRACE = "poisson", "diurnal", "interval", "trace"
KINDS = (POISSON, DIURNAL, INTERVAL, TRACE)
MOST_ARRIVALS = 4_000_000


@dataclass(frozen=True)
class ArrivalsFit:
    """The arrival process. `parameters` by the names of the schema, with 95 % intervals.

    `p_constant`: probability of a likelihood ratio such as this when the rate is constant. `dispersion`: variance of
    counts in equal parts, over that of the fitted process; `p_dispersion`: the probability of so much.
    `hours`: arrivals per second in each hour of the day (in each 24th of the period), NaN in those that the log does
    not cover. `values`: the times of recorded arrivals, from the first one.
    """

    kind: str
    parameters: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    count: int
    begin: float
    end: float
    rate: float
    p_constant: float
    dispersion: float
    p_dispersion: float
    period: float
    hours: tuple[float, ...]
    values: tuple[float, ...] = field(default=(), repr=False)


def fit_arrivals(times: Numbers, resolution: float, *, has_clock: bool, wanted: str | None = None) -> ArrivalsFit:
    """The arrival process of ascending times in seconds since midnight (with a clock), or since the start of the log.

    Raises ValueError for fewer than two different times.
    """
    if len(times) < 2 or times[-1] <= times[0]:
        raise ValueError("there are no two arrivals at different times")
    gaps = np.diff(times)
    wave = _wave(times, has_clock=has_clock)
    significant = wave is not None and wave.p < SURE
    kind = wanted or (INTERVAL if _is_regular(gaps, resolution) else DIURNAL if significant else POISSON)
    if kind == DIURNAL and wave is None:
        raise ValueError("the log is too short for a period")
    fitted = wave if kind == DIURNAL else None
    dispersion, p_dispersion = _dispersion(times, fitted)
    if wanted is None and kind in (POISSON, DIURNAL) and dispersion > DISPERSED and p_dispersion < SURE:
        kind = TRACE
    whole = DAY if has_clock else float(times[-1] - times[0])
    period = wave.period if wave is not None and significant else whole
    parameters, intervals = _parameters(kind, times, gaps, wave)
    count = len(times)
    return ArrivalsFit(
        kind,
        parameters,
        intervals,
        count,
        float(times[0]),
        float(times[-1]),
        (count - 1) / float(times[-1] - times[0]),
        1.0 if wave is None else wave.p,
        dispersion,
        p_dispersion,
        period,
        _by_hour(times, period),
        tuple(np.round(times[:MOST_ARRIVALS] - times[0], 6).tolist()) if kind == TRACE else (),
    )


def _is_regular(gaps: Numbers, resolution: float) -> bool:
    mean = float(gaps.mean())
    return len(gaps) >= 3 and float(gaps.std()) <= max(REGULAR * mean, 1e-9) and resolution < mean


def _parameters(
    kind: str, times: Numbers, gaps: Numbers, wave: _Wave | None
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    n, span = len(gaps), float(times[-1] - times[0])
    if kind == INTERVAL:
        error = Z95 * float(gaps.std()) / sqrt(n)
        return {"every": span / n}, {"every": (span / n - error, span / n + error)}
    if kind == DIURNAL and wave is not None:
        return wave.parameters, wave.intervals
    if kind == TRACE:
        return {}, {}
    low, high = (float(stats.chi2.ppf(p, 2 * n)) / (2 * span) for p in (0.025, 0.975))
    return {"rate": n / span}, {"rate": (low, high)}


# ---------------------------------------------------------------------------- a rate that follows the day
@dataclass(frozen=True)
class _Wave:
    rate: float
    amplitude: float
    period: float
    peak: float
    p: float
    errors: tuple[float, float, float, float]

    @property
    def parameters(self) -> dict[str, float]:
        return {"rate": self.rate, "amplitude": self.amplitude, "period": self.period, "peak": self.peak}

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        found = {}
        for (name, value), error in zip(self.parameters.items(), self.errors, strict=True):
            low, high = value - Z95 * error, value + Z95 * error
            found[name] = (max(0.0, low), min(1.0, high)) if name == "amplitude" else (low, high)
        return found

    def expected(self, at: Numbers) -> Numbers:
        """The expected number of arrivals from time 0 to each time."""
        since = 2 * pi * (at - self.peak) / self.period
        swing = self.amplitude * self.period / (2 * pi)
        return np.asarray(self.rate * (at + swing * np.sin(since)))


def _wave(times: Numbers, *, has_clock: bool) -> _Wave | None:
    """The best cosine. With a clock, of a day, if one is covered; else of the period with the most power."""
    begin, span, n = float(times[0]), float(times[-1] - times[0]), len(times)
    if n < 50:
        return None
    tried = 1
    if has_clock and span >= 0.9 * DAY:
        period, is_day = DAY, True
    else:
        counts, _ = np.histogram(times, PARTS, (begin, begin + span))
        most = min(MOST_CYCLES, n // 20)
        if most < 1:
            return None
        power = np.abs(np.fft.rfft(counts - counts.mean()))[1 : most + 1]
        period, tried, is_day = span / (int(power.argmax()) + 1), most, False
    return _best_wave(times, begin, span, period, tried, is_day=is_day)


def _best_wave(times: Numbers, begin: float, span: float, period: float, tried: int, *, is_day: bool) -> _Wave | None:
    """Maximum likelihood on counts in fine parts; errors from the Fisher information."""
    n = len(times)
    parts = int(min(50_000, max(PARTS, 64 * span / period)))
    counts, edges = np.histogram(times, parts, (begin, begin + span))
    middle = (edges[:-1] + edges[1:]) / 2 - begin
    used = counts > 0
    at, weights = middle[used], counts[used].astype(float)

    def negative(theta: Numbers) -> float:
        a, b = theta[0], theta[1]
        omega = 2 * pi / (theta[2] * period if len(theta) > 2 else period)
        if a * a + b * b >= 1:
            return inf
        mean = 1 + (a * sin(omega * span) + b * (1 - cos(omega * span))) / (omega * span)
        rates = 1 + a * np.cos(omega * at) + b * np.sin(omega * at)
        return float(-(weights * np.log(rates)).sum() + n * np.log(mean))

    omega = 2 * pi / period
    first = np.array([(weights * np.cos(omega * at)).sum(), (weights * np.sin(omega * at)).sum()]) * 2 / n
    size = sqrt(float((first**2).sum()))
    first *= min(1.0, 0.9 / size) if size else 1.0
    start = first if is_day else np.append(first, 1.0)
    step = np.diag([0.05, 0.05, 0.25 * period / span][: len(start)])
    simplex = np.vstack([start, start + step])
    found = optimize.minimize(
        negative, start, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-6, "initial_simplex": simplex}
    )
    a, b = float(found.x[0]), float(found.x[1])
    if not is_day:
        period = period * float(found.x[2])
    if not 0 < period <= 1.5 * span or not np.isfinite(found.fun):
        return None
    ratio = max(0.0, -2 * float(found.fun))
    degrees = 2 if is_day else 3
    p = min(1.0, tried * float(stats.chi2.sf(ratio, degrees)))
    amplitude = min(sqrt(a * a + b * b), 0.9999)
    phase = float(np.arctan2(b, a))
    peak = (phase * period / (2 * pi) + begin) % period
    omega = 2 * pi / period
    level = 1 + (a * sin(omega * span) + b * (1 - cos(omega * span))) / (omega * span)
    rate = n / (span * level)
    errors = _wave_errors(rate, amplitude, period, peak, begin, span, is_day=is_day)
    return _Wave(rate, amplitude, period, peak, p, errors)


def _wave_errors(
    rate: float, amplitude: float, period: float, peak: float, begin: float, span: float, *, is_day: bool
) -> tuple[float, float, float, float]:
    """Standard errors from the Fisher information ∫ (∂λ/∂θᵢ)(∂λ/∂θⱼ)/λ dt of a Poisson process."""
    at = begin + (np.arange(20_000) + 0.5) * span / 20_000
    angle = 2 * pi * (at - peak) / period
    wave = 1 + amplitude * np.cos(angle)
    slope = rate * amplitude * np.sin(angle) * 2 * pi / period
    rows = [wave, rate * np.cos(angle), slope * (at - peak) / period, slope]
    if is_day:
        del rows[2]
    matrix = np.array(rows)
    information = (matrix / (rate * wave)) @ matrix.T * span / 20_000
    try:
        variances = np.maximum(np.diag(np.linalg.inv(information)), 0.0)
    except np.linalg.LinAlgError:
        return inf, inf, inf, inf
    errors = np.sqrt(variances).tolist()
    if is_day:
        errors.insert(2, 0.0)
    return errors[0], errors[1], errors[2], errors[3]


# ------------------------------------------------------------------------------------------- what remains
def _dispersion(times: Numbers, wave: _Wave | None) -> tuple[float, float]:
    """Variance of counts in equal parts over that of the process, and the probability of so much by chance."""
    n = len(times)
    parts = int(min(500, max(5, n // 20)))
    if n < 50:
        return 1.0, 1.0
    begin, end = float(times[0]), float(times[-1])
    edges = np.linspace(begin, end, parts + 1)
    counts, _ = np.histogram(times, edges)
    expected = np.full(parts, n / parts) if wave is None else np.diff(wave.expected(edges))
    expected = np.maximum(expected * n / expected.sum(), 1e-9)
    degrees = parts - (1 if wave is None else 4)
    statistic = float(((counts - expected) ** 2 / expected).sum())
    return statistic / degrees, float(stats.chi2.sf(statistic, degrees))


def _by_hour(times: Numbers, period: float) -> tuple[float, ...]:
    """Arrivals per second in each 24th of the period, from the time that the log covers it."""
    width = period / 24
    begin, end = float(times[0]), float(times[-1])
    counts = np.bincount(np.minimum((times % period / width).astype(np.int64), 23), minlength=24)[:24]
    edges = np.arange(np.floor(begin / width), np.ceil(end / width) + 1) * width
    parts = np.clip(edges[1:], begin, end) - np.clip(edges[:-1], begin, end)
    covered = np.bincount((np.rint(edges[:-1] / width).astype(np.int64)) % 24, parts, minlength=24)
    return tuple(
        count / time if time > 0 else nan for count, time in zip(counts.tolist(), covered.tolist(), strict=True)
    )
