"""The part of a page about a selection."""

from __future__ import annotations

from dataclasses import dataclass, field

from sim.presentation.formatting import count, estimated, quantity
from sim.reports.page.judgements import known, written
from sim.reports.page.scales import Linear
from sim.reports.page.settings import IntervalRow, facts, joined, placed, setting, value_text
from sim.reports.stored.shapes import EstimateShape, SelectionShape, SettingShape


@dataclass(frozen=True)
class SelectionView:
    """What the template of a selection shows."""

    template: str = field(default="selection.html.jinja", init=False)
    title: str
    subtitle: str
    headline: str
    holds: bool
    notes: list[str]
    rows: list[IntervalRow]
    fresh: list[IntervalRow]
    ticks: list[tuple[float, str]]
    command: str
    facts: list[tuple[str, str]]


def selection_view(data: SelectionShape) -> SelectionView:
    """The view of a selection: settings by rank."""
    every = [_estimate(each, data.unit) for each in data.settings]
    ends = [end for each in every if each is not None for end in (each.mean, *(each.ci95 or ()))]
    scale = Linear.over(ends, data.unit)
    rows = []
    for each, found in zip(data.settings, every, strict=True):
        status, kind = _status(data, each)
        failed = "; ".join(
            f"{one.expression}, observed {_observed(one.expression, one.observed)}" for one in each.failed
        )
        own = " (as it is)" if each.as_it_is else ""
        text = "not observed" if found is None else estimated(found.estimate())
        rows.append(IntervalRow(setting(each.values) + own, text, status, kind, *placed(found, scale), note=failed))
    fresh = [
        IntervalRow(setting(each.values), written(each.fresh, data.metric), "", "none", *placed(each.fresh, scale))
        for each in data.settings
        if each.fresh is not None
    ]
    best = data.settings[0]
    said = f"{setting(best.values)} is selected" if data.decided and not best.disqualified else "Not decided"
    if all(each.disqualified for each in data.settings):
        said = "None is selected: what the scenario expects holds for no setting"
    wanted = "largest" if data.direction == "higher" else "smallest"
    grid: dict[str, list[str]] = {}
    for each in data.settings:
        for path, value in each.values.items():
            grid.setdefault(path, [])
            if value_text(value) not in grid[path]:
                grid[path].append(value_text(value))
    words = ["recovery-bench", "compare", data.scenario, "--seed", str(data.seed)]
    words += [part for path, values in grid.items() for part in ("--grid", f"{path}={','.join(values)}")]
    words += ["--metric", data.metric, "--indifference", f"{data.indifference:g}"]
    return SelectionView(
        title=f"{data.scenario}: the best of {count(len(data.settings), 'setting')}",
        subtitle=f"seed {data.seed}, {count(data.replications, 'replication')}; wanted: the {wanted} {data.metric}; "
        f"less than {quantity(data.indifference, data.unit)} does not matter",
        headline=said,
        holds=data.decided and not best.disqualified,
        notes=list(data.violations[:10]),
        rows=rows,
        fresh=fresh,
        ticks=scale.ticks(),
        command=joined(words),
        facts=facts(data.scenario, data.version, data.seed),
    )


def _estimate(of: SettingShape, unit: str) -> EstimateShape | None:
    return None if of.mean is None else EstimateShape(mean=of.mean, ci95=of.ci95, unit=unit)


def _observed(expression: str, observed: float | None) -> str:
    metric = known(expression.partition(" ")[0])
    return "nothing" if observed is None else quantity(observed, "" if metric is None else metric.unit)


def _status(data: SelectionShape, each: SettingShape) -> tuple[str, str]:
    if each.disqualified:
        return "disqualified", "bad"
    if each.eliminated:
        return f"out after {each.replications:,}", "none"
    if not data.decided:
        return "in contention", "warn"
    return ("selected", "good") if each.rank == 1 else ("exactly as good", "good")
