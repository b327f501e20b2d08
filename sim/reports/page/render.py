"""Renders stored results as one HTML page, which loads nothing from anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import isfinite
from pathlib import Path
from typing import Any, Protocol

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from sim.experiments.runs.provenance import installed_version
from sim.presentation.visible_text import visible
from sim.reports.failures.replay import Replay
from sim.reports.page.comparison_view import comparison_view
from sim.reports.page.crash_sweep_view import crash_sweep_view
from sim.reports.page.exploration_view import exploration_view
from sim.reports.page.rare_view import rare_view
from sim.reports.page.result_view import result_view
from sim.reports.page.search_view import search_view
from sim.reports.page.selection_view import selection_view
from sim.reports.page.suite_view import suite_view
from sim.reports.page.sweep_view import sweep_view
from sim.reports.page.tuning_view import tuning_view
from sim.reports.page.warmup_view import warmup_view
from sim.reports.stored.reading import Stored
from sim.reports.stored.shapes import (
    ComparisonShape,
    CrashSweepShape,
    ExplorationShape,
    RareShape,
    ResultShape,
    SearchShape,
    SelectionShape,
    SuiteShape,
    SweepShape,
    TuningShape,
)
from sim.reports.stored.shown_run import ShownRun
from sim.reports.stored.window import Window

TEMPLATES = Path(__file__).with_name("templates")


class View(Protocol):
    """A part of a page."""

    @property
    def template(self) -> str:
        """The name of its template."""

    @property
    def title(self) -> str:
        """Its heading."""

    @property
    def holds(self) -> bool | None:
        """Whether everything holds; None if there is nothing to hold."""


@dataclass(frozen=True)
class Part:
    """A result on a page. `shown`: the replication of a result of runs that is shown, which only that has."""

    stored: Stored
    shown: ShownRun | None = None
    how: Replay | None = None


def page(parts: Sequence[Part], window: Window | None = None) -> str:
    """The page as text."""
    views = [_view(part, window) for part in parts]
    title = views[0].title if len(views) == 1 else f"{len(views)} results"
    return (
        _environment()
        .get_template("page.html.jinja")
        .render(
            title=title, views=views, version=installed_version(), style=_asset("style.css"), script=_asset("page.js")
        )
    )


def _view(part: Part, window: Window | None) -> View:
    data = part.stored.data
    if isinstance(data, ResultShape):
        assert part.shown is not None
        return result_view(part.stored, part.shown, window, part.how)
    if isinstance(data, ComparisonShape):
        return comparison_view(data)
    if isinstance(data, SelectionShape):
        return selection_view(data)
    if isinstance(data, SweepShape):
        return sweep_view(data)
    if isinstance(data, TuningShape):
        return tuning_view(data)
    if isinstance(data, RareShape):
        return rare_view(data)
    if isinstance(data, SearchShape):
        return search_view(data)
    if isinstance(data, SuiteShape):
        return suite_view(data)
    if isinstance(data, CrashSweepShape):
        return crash_sweep_view(data)
    if isinstance(data, ExplorationShape):
        return exploration_view(data)
    return warmup_view(data)


@cache
def _environment() -> Environment:
    """Every text is escaped, and its control and bidirectional characters are made visible."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "ensure_ascii": True, "sort_keys": False}
    environment.filters["visible"] = _visible_data
    return environment


def _finalized(value: Any) -> Any:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _visible_data(value: Any) -> Any:
    """Plain data for a script: texts are made visible, and a number that JSON does not have is null."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): _visible_data(each) for key, each in value.items()}
    return [_visible_data(each) for each in value] if isinstance(value, list) else value


@cache
def _asset(name: str) -> Markup:
    """A file of the page's own, which is trusted."""
    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))  # noqa: S704 - package data, no input
