"""The replication of a result that a report or a trace shows, and its history: stored, kept beside it, or repeated."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from recovery.errors import argument
from scenarios import Scenario
from sim.experiments.runs.provenance import installed_version
from sim.history import History
from sim.presentation.visible_text import visible
from sim.reports.stored.kept_history import history_of
from sim.reports.stored.reading import Stored, StoredResultError, scenario_of
from sim.reports.stored.shapes import ResultShape, RunShape
from sim.simulation import meta_of, run


@dataclass(frozen=True)
class ShownRun:
    """The shown replication. Without a history, `note` is the reason; with one, it is a restriction, or empty.

    `can_repeat`: a history can be had by `repeat`.
    """

    seed: str
    history: History | None
    note: str = ""
    can_repeat: bool = True


def chosen_run(stored: Stored, seed: str | None) -> RunShape:
    """The replication with this name; left out: the first that shows what does not hold, else the first.

    Raises StoredResultError for an unknown name.
    """
    data = stored.data
    assert isinstance(data, ResultShape)
    if seed is None:
        return _failing(data) or data.runs[0]
    for each in data.runs:
        if each.seed == seed:
            return each
    names = f"{data.runs[0].seed} to {data.runs[-1].seed}" if len(data.runs) > 1 else data.runs[0].seed
    raise StoredResultError(f"{argument('seed', seed)}: is not in {visible(stored.file)}; valid: {names}")


def _failing(data: ResultShape) -> RunShape | None:
    from scenarios.fields.expectations import parse  # noqa: PLC0415

    for each in data.runs:
        if each.violations or each.errors:
            return each
    for outcome in data.expectations:
        if not outcome.holds:
            expectation = parse(outcome.expression)
            for each in data.runs:
                if not expectation.holds(each.metrics.get(expectation.metric)):
                    return each
    return None


def shown_run(
    stored: Stored, seed: str | None = None, kept: pd.DataFrame | None = None, *, repeat: bool = False
) -> ShownRun:
    """The shown replication of a result of runs, with its history if there is one.

    `kept` are rows of a history file. Without stored or kept rows, the run is repeated, which takes as long as it took:
    only if `repeat` is true for a result of another version, and for a scenario that keeps no history. Raises
    StoredResultError.
    """
    of = chosen_run(stored, seed)
    if stored.history is not None:
        return ShownRun(of.seed, stored.history)
    assert isinstance(stored.data, ResultShape)
    replaced = stored.data.replaced
    if replaced is not None:
        return ShownRun(of.seed, None, f"its core was replaced ({replaced}), which no file holds", can_repeat=False)
    if kept is not None and (rows := _rows(kept, stored.data.scenario, of.seed)) is not None:
        return _kept(stored, of, rows)
    if not stored.is_current and not repeat:
        made = f"it was made by version {visible(stored.data.version)}, and this is {installed_version()}"
        return ShownRun(of.seed, None, made)
    scenario = scenario_of(stored)
    if scenario.history == "summary" and not repeat:
        return ShownRun(of.seed, None, "its scenario keeps no history (history: summary)")
    return _repeated(stored, scenario, of, repeat=repeat)


def _rows(kept: pd.DataFrame, scenario: str, seed: str) -> pd.DataFrame | None:
    rows = kept[(kept["scenario"].astype(str) == scenario) & (kept["replication"].astype(str) == seed)]
    return rows if len(rows) else None


def _kept(stored: Stored, of: RunShape, rows: pd.DataFrame) -> ShownRun:
    meta = meta_of(scenario_of(stored), of.seed) | {"end": of.virtual_seconds}
    try:
        history = history_of(rows, meta)
    except ValueError as error:
        raise StoredResultError(f"the kept history of {of.seed} {visible(str(error))}") from None
    if history.sha256() != of.history_sha256:
        raise StoredResultError(
            f"the kept history of {of.seed} is not that of {visible(stored.file)}: its SHA-256 differs; "
            f"valid: the file that {argument('history')} wrote with it"
        )
    return ShownRun(of.seed, history)


def _repeated(stored: Stored, scenario: Scenario, of: RunShape, *, repeat: bool) -> ShownRun:
    full = scenario if scenario.history == "full" else scenario.with_values({"history": "full"})
    history = run(full, of.seed, force=repeat).record
    if history.sha256() == of.history_sha256:
        return ShownRun(of.seed, history)
    if not repeat:
        return ShownRun(of.seed, None, "a repeated run has another history: another program has made the result")
    return ShownRun(of.seed, history, "the repeated run has another history than the one that was stored")
