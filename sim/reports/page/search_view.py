"""The part of a page about a search for faults that break a system."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sim.presentation.formatting import count
from sim.reports.page.settings import facts, joined, value_text
from sim.reports.stored.shapes import CoverageShape, SearchShape


@dataclass(frozen=True)
class SearchView:
    """What the template of a search shows. `marks` have a share of the examples in percent."""

    template: str = field(default="search.html.jinja", init=False)
    title: str
    subtitle: str
    headline: str
    holds: bool | None
    notes: list[str]
    messages: list[str]
    faults: list[str]
    values: list[str]
    saved: str
    marks: list[tuple[str, float, str]]
    cells: list[tuple[str, str, str, str]]
    command: str
    facts: list[tuple[str, str]]


def search_view(data: SearchShape) -> SearchView:
    """The view of a search: the smallest schedule that breaks the system, and what the examples have reached."""
    found = data.found
    if found is None:
        said = f"{count(data.examples, 'example')} broke nothing"
    else:
        said = f"Example {found.example} breaks {found.breaks}"
    notes = ["The search was interrupted: there are fewer examples than requested."] if data.interrupted else []
    if data.not_reached:
        notes.append(
            f"No example reached {len(data.not_reached)} of {len(data.coverage.marks)} goals, which are below."
        )
    search = ["recovery-bench", "search", data.scenario, "--seed", str(data.seed), "--examples", str(data.examples)]
    return SearchView(
        title=f"{data.scenario}: search",
        subtitle=f"seed {data.seed}, {count(data.examples, 'example')}, {data.rejected:,} contradictory ones left out",
        headline=said,
        holds=found is None,
        notes=notes,
        messages=[] if found is None else list(found.messages),
        faults=[] if found is None else [_fault(each) for each in found.faults],
        values=[] if found is None else [f"{path}={value_text(each)}" for path, each in found.values.items()],
        saved=data.saved or "",
        marks=_marks(data.coverage, data.examples),
        cells=[(each.fault, each.step, each.outcome, f"{each.examples:,}") for each in data.coverage.cells],
        command=joined(["recovery-bench", "run", data.saved] if data.saved else search),
        facts=facts(data.scenario, data.version or "unknown", data.seed),
    )


def _fault(given: Mapping[str, Any]) -> str:
    """A fault in the notation of a scenario file, without the keys that are not set."""
    kept = {
        kind: {key: value for key, value in keys.items() if value is not None} if isinstance(keys, Mapping) else keys
        for kind, keys in given.items()
    }
    return json.dumps(kept, ensure_ascii=False)


def _marks(coverage: CoverageShape, examples: int) -> list[tuple[str, float, str]]:
    most = max([examples, *coverage.marks.values(), 1])
    return [(mark, round(100 * number / most, 2), f"{number:,}") for mark, number in coverage.marks.items()]
