"""File names in a scenario: a name is relative to the file that contains it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Any

from scenarios.errors import Path

FORMS = ("trace", "empirical")
"""Forms with a key `file`."""


def places(data: Any, place: Path = ()) -> Iterator[Path]:
    """The positions of file names in the plain data of a scenario."""
    children: Any = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, child in children:
        here = (*place, step)
        is_named = here == ("recovery", "runbook") or (len(here) > 1 and here[-2] in FORMS and step == "file")
        if is_named and isinstance(child, str):
            yield here
        else:
            yield from places(child, here)


def value_at(data: Any, place: Path) -> Any:
    """The value at a position of plain data; None when the position does not exist."""
    for step in place:
        if isinstance(data, dict):
            data = data.get(step)
        else:
            data = data[step] if isinstance(data, list) and isinstance(step, int) and step < len(data) else None
    return data


def moved(data: Any, folder: FilePath, to: FilePath) -> Any:
    """The data with its file names, relative to `folder`, rewritten relative to `to`."""

    def copy(value: Any, place: Path) -> Any:
        if isinstance(value, dict):
            return {key: copy(child, (*place, key)) for key, child in value.items()}
        if isinstance(value, list):
            return [copy(child, (*place, step)) for step, child in enumerate(value)]
        if place in named and not FilePath(value).is_absolute():
            return os.path.relpath(folder / value, to or ".")
        return value

    named = set(places(data))
    return copy(data, ()) if named else data
