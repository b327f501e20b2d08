"""Plots of a comparison: each difference with its interval, and the pairs of replications of one metric."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import floor, isinf, log10
from typing import Any, Protocol

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullLocator

from scenarios.fields.metrics import Metric, lookup, statistic_of
from sim.experiments.runs.plot import PlottedResult
from sim.presentation.axes import (
    NoPicture,
    axes_for,
    grid,
    height_of_infinity,
    label,
    label_rows,
    mark_infinity,
    titled,
)
from sim.presentation.figure_style import BLUE, FAINT, GREEN, INK, PALE, VERMILION
from sim.presentation.formatting import difference, quantity
from sim.stats.differences import BETTER, DIFFERENT, NOT_COMPARED, NOT_SHOWN, WORSE, Difference

COLORS = {BETTER: GREEN, WORSE: VERMILION, DIFFERENT: BLUE, NOT_SHOWN: PALE, NOT_COMPARED: PALE}
"""Each verdict is also written as text."""
MOST_ROWS = 8
"""Metrics that are drawn, unless more are asked for by their names."""
FEWEST_ROWS = 6
"""With fewer differences, metrics without a shown difference complete the picture."""
MOST_NAMED_ROWS = 40
MOST_PERCENT = 1000.0
"""A larger increase, for example from nearly zero, is drawn at the right edge of the plot."""
ROW_INCHES = 0.27
WIDE = 30.0
"""Minimum ratio of the largest to the smallest effect for a logarithmic axis."""
LEAST_DECADE = -1
"""Effects below 10^-1 percent are on the linear part of a logarithmic axis."""
Pair = tuple[float | None, float | None]


class PlottedComparison(Protocol):
    """What the plots need of a comparison."""

    @property
    def a(self) -> PlottedResult:
        """The result under the first setting."""

    @property
    def b(self) -> PlottedResult:
        """The result under the second setting."""

    @property
    def a_values(self) -> Mapping[str, Any]:
        """The values of the first setting, by path."""

    @property
    def b_values(self) -> Mapping[str, Any]:
        """The values of the second setting, by path."""

    @property
    def chosen(self) -> tuple[str, ...]:
        """Names and patterns of the metrics that were asked for; empty: all metrics."""

    @property
    def paired(self) -> bool:
        """Whether both settings were run on the same replications."""

    @property
    def counted(self) -> str:
        """The number of replications in words."""

    @property
    def pools(self) -> tuple[str, ...]:
        """The names of the resource pools of either scenario."""

    @property
    def differences(self) -> Mapping[str, Difference]:
        """The difference of each metric, b − a."""


@dataclass(frozen=True)
class ComparisonPictures:
    """`comparison.plot`. Each plot is drawn on `ax`, or in a new figure, and returns its axes."""

    comparison: PlottedComparison

    def inches(self) -> tuple[float, float]:
        """Width and height of a new figure of the differences."""
        return 9.0, 1.6 + ROW_INCHES * max(1, len(self._rows()))

    def _rows(self) -> list[Difference]:
        """The metrics that matter: those that were asked for by their names, then shown differences, then others.

        Of a distribution, one statistic comes before the second one of another. The chosen rows keep their order.
        """
        found = self.comparison
        every = list(found.differences.values())
        named = [each for each in every if each.metric in found.chosen]
        kinds: Counter[tuple[str, bool]] = Counter()
        ranked: list[tuple[bool, int, int]] = []
        for place, each in enumerate(every):
            is_shown = each.verdict not in {NOT_SHOWN, NOT_COMPARED}
            distribution = (each.metric.rpartition(".")[0] if _is_statistic(each.metric) else each.metric), is_shown
            if is_shown or found.chosen or _percent(each) is not None:
                ranked.append((not is_shown, kinds[distribution], place))
            kinds[distribution] += 1
        ranked.sort()
        differing = sum(not is_other for is_other, _, _ in ranked)
        most = MOST_ROWS if found.chosen else min(MOST_ROWS, max(FEWEST_ROWS, differing))
        chosen = [every[place] for _, _, place in ranked if every[place] not in named]
        rows = [*named[:MOST_NAMED_ROWS], *chosen[: max(0, most - len(named))]]
        return sorted(rows, key=lambda each: (each.verdict in {NOT_SHOWN, NOT_COMPARED}, every.index(each)))

    def differences(self, ax: Axes | None = None) -> Axes:
        """Each shown difference in percent of a, with its 95 % interval; those with a = 0 appear as text only.

        There are at most 8 rows, significant differences first, unless more metrics were asked for by their names. The
        axis is logarithmic where effects differ by orders of magnitude.

        Raises NeverObserved as `Comparison.differences` does.
        """
        found = self.comparison
        shown = self._rows()
        more = [
            each
            for each in found.differences.values()
            if each not in shown and (found.chosen or each.verdict not in {NOT_SHOWN, NOT_COMPARED})
        ]
        with axes_for(ax, *self.inches()) as axes:
            axes.axvline(0.0, color=INK, linewidth=0.8)
            for row, each in enumerate(shown):
                _draw(axes, row, each)
            axes.set_yticks(range(len(shown)), [each.metric for each in shown])
            axes.set_xlabel("difference b − a, in % of a")
            axes.set_xlim(*_limits(shown))
            _scale(axes, shown)
            label_rows(axes, [_told(each) for each in shown])
            grid(axes, "x")
            title = f"{found.a.scenario.name}: b against a, {found.counted}"
            titled(axes, title, *self._settings())
            if more:
                axes.annotate(f"and {len(more)} more", (0, 0), (0, -32), "axes fraction", "offset points", size=8)
            if not shown:
                axes.annotate("no difference shown", (0.5, 0.5), xycoords="axes fraction", ha="center", color=FAINT)
        return axes

    def metric(self, name: str, ax: Axes | None = None) -> Axes:
        """The values of each replication under a and b, joined by a line, and the two means.

        A line is green if b is better than a in this replication, and vermilion if it is worse. Raises UnknownMetric,
        NeverObserved as `Comparison.differences` does, and NoPicture, a ValueError, if no replication has observed the
        metric under both.
        """
        found = self.comparison
        metric = lookup(name, found.pools)
        pairs = self._pairs(name)
        if not (any(a is not None for a, _ in pairs) and any(b is not None for _, b in pairs)) or (
            found.paired and not any(a is not None and b is not None for a, b in pairs)
        ):
            where = "no pair of replications" if found.paired else "the replications of one result only, or of none"
            raise NoPicture(
                f"{name}: {found.a.scenario.name} observes it in {where}; valid: a name in comparison.differences"
            )
        each = found.differences.get(name)
        infinity = height_of_infinity([value for pair in pairs for value in pair if value is not None])
        with axes_for(ax, 5.5, 4.2) as axes:
            for pair in pairs:
                _slope(axes, pair, metric, infinity)
            if each is not None and each.a is not None and each.b is not None:
                means = [_drawn(each.a, infinity), _drawn(each.b, infinity)]
                axes.plot([0, 1], means, "o-", color=INK, linewidth=2.2, markersize=6, label="mean")
                axes.legend(loc="best", frameon=False, fontsize=8)
            axes.set_xticks([0, 1], ["a", "b"])
            axes.set_xlim(-0.25, 1.25)
            axes.set_ylabel(label(name, metric.unit))
            grid(axes, "y")
            mark_infinity(axes.yaxis, infinity)
            told = [] if each is None else [_told(each)]
            title = f"{found.a.scenario.name}: {name}, {found.counted}"
            titled(axes, title, *told, *self._settings())
        return axes

    def _pairs(self, name: str) -> list[Pair]:
        """The values of each pair; of results that are not paired, each value by itself."""
        a, b = ([run.metrics.get(name) for run in result.runs] for result in (self.comparison.a, self.comparison.b))
        if self.comparison.paired:
            return list(zip(a, b, strict=True))
        return [*((value, None) for value in a), *((None, value) for value in b)]

    def _settings(self) -> tuple[str, str]:
        return f"a  {_values(self.comparison.a_values)}", f"b  {_values(self.comparison.b_values)}"


def _slope(axes: Axes, pair: Pair, metric: Metric, infinity: float | None) -> None:
    """One replication: a line, or a dot if only one setting has observed the metric."""
    drawn = [(side, _drawn(value, infinity)) for side, value in enumerate(pair) if value is not None]
    axes.plot(
        [side for side, _ in drawn],
        [value for _, value in drawn],
        "o-",
        color=COLORS[_verdict(pair, metric)],
        linewidth=1.0,
        markersize=3,
        alpha=0.7,
    )


def _drawn(value: float, infinity: float | None) -> float:
    return infinity if infinity is not None and isinf(value) else value


def _verdict(pair: Pair, metric: Metric) -> str:
    """The verdict of one replication, which also depends on randomness."""
    a, b = pair
    if a is None or b is None or a == b:
        return NOT_SHOWN
    if metric.direction is None:
        return DIFFERENT
    return BETTER if (b > a) == (metric.direction == "higher") else WORSE


def _draw(axes: Axes, row: int, each: Difference) -> None:
    percent = _percent(each)
    if percent is None:
        return
    mean, low, high = percent
    if mean > MOST_PERCENT:
        axes.plot([MOST_PERCENT], [row], ">", color=COLORS[each.verdict], markersize=6)
        return
    axes.plot([low, high], [row, row], color=COLORS[each.verdict], linewidth=2.2, solid_capstyle="butt")
    axes.plot([mean], [row], "o", color=COLORS[each.verdict], markersize=5)


def _percent(each: Difference) -> tuple[float, float, float] | None:
    if not each.a or each.difference is None or each.difference.ci95 is None:
        return None
    low, high = each.difference.ci95
    mean, low, high = (100 * value / abs(each.a) for value in (each.difference.mean, low, high))
    return mean, low, high


def _limits(shown: Sequence[Difference]) -> tuple[float, float]:
    """Limits with room for every interval."""
    found = [percent for each in shown if (percent := _percent(each)) is not None]
    ends = [min(end, MOST_PERCENT) for percent in found for end in percent]
    low, high = min((*ends, 0.0)), max((*ends, 0.0))
    margin = 0.05 * (high - low) or 1.0
    return low - margin, high + margin


def _scale(axes: Axes, shown: Sequence[Difference]) -> None:
    """A logarithmic axis on both sides of 0 if the shown effects differ by orders of magnitude."""
    differing = [each for each in shown if each.verdict not in {NOT_SHOWN, NOT_COMPARED}] or shown
    effects = [abs(percent[0]) for each in differing if (percent := _percent(each)) is not None and percent[0]]
    if not effects or max(effects) < WIDE * min(effects):
        return
    low, high = axes.get_xlim()
    linear = 10.0 ** max(LEAST_DECADE, floor(log10(min(effects))))
    axes.set_xscale("symlog", linthresh=linear, linscale=0.5)
    decades = [linear * 10**power for power in range(5) if linear * 10**power <= MOST_PERCENT]
    axes.set_xticks([tick for tick in (*(-each for each in decades[::-1]), 0.0, *decades) if low <= tick <= high])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:g}".replace("-", "−")))
    axes.xaxis.set_minor_locator(NullLocator())
    edge = 1.25
    axes.set_xlim(min(low * edge, -linear), max(high * edge, linear))


def _is_statistic(metric: str) -> bool:
    return statistic_of(metric) is not None


def _told(each: Difference) -> str:
    a, b = (quantity(value, each.unit) for value in (each.a, each.b))
    return f"{a} → {b}  ({difference(each.difference)}, {each.verdict})"


def _values(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{path}={value}" for path, value in values.items()) or "(as the scenario is)"
