"""`progress=True`: a bar that counts runs, in scripts and in notebooks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from importlib import import_module
from inspect import signature
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
BARS = "sim.presentation.progress_bar"
"""The module that draws bars. It needs rich, and is imported when a bar is asked for."""
Arguments = Mapping[str, Any]


def shows_progress(
    total: Callable[[Arguments], int | None], planned_by: str | None = None
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """For a function with `scenario`, `on_run` and `progress`: with `progress`, show a bar of its runs on stderr, or as
    the output of a notebook's cell.

    `total` is the number of runs for the arguments; None: it is not known. `planned_by` names the argument that is
    called with the planned number of runs, and then perhaps with the number of finished ones.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        parameters = signature(function)

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            if not kwargs.get("progress"):
                return function(*args, **kwargs)
            given = parameters.bind(*args, **kwargs)
            given.apply_defaults()
            name = str(getattr(given.arguments["scenario"], "name", ""))
            with import_module(BARS).run_bar(name, total(given.arguments)) as bar:
                given.arguments["on_run"] = _both(bar.finished, given.arguments["on_run"])
                if planned_by is not None:
                    given.arguments[planned_by] = _both(bar.planned, given.arguments[planned_by])
                return function(*given.args, **given.kwargs)

        return call

    return decorate


def _both(first: Callable[..., object], second: Callable[..., object] | None) -> Callable[..., None]:
    def call(*args: Any) -> None:
        first(*args)
        if second is not None:
            second(*args)

    return call
