"""`extends`: a scenario that contains only its differences from another one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

from scenarios.documents.file_references import moved
from scenarios.documents.yaml_document import Document
from scenarios.errors import Path, ScenarioError, shown
from scenarios.sections.policies import given_by_presets

OWN = ("name", "description", "extends", "tags", "xfail")
"""Keys that are not inherited from the extended scenario."""
OPEN = frozenset({"resources", "needs", "costs", "by_error"})
"""Mappings with arbitrary keys. In all other mappings with one key, the key names a form; another form replaces it."""
DEEPEST = 16

Read = Callable[[str], Document]
"""Reads the document of a scenario by its file."""


def extended(document: Document, find: Callable[[str, FilePath], str], read: Read) -> Document:
    """The document merged with the documents that it extends, with the source file of each value.

    `find` returns the file for the value of `extends` in a folder. Raises ScenarioError for a cycle.
    """
    chain = [document]
    files = [FilePath(document.source).resolve()]
    while "extends" in chain[-1].data:
        below = chain[-1]
        named, line = below.data["extends"], below.lines[("extends",)]
        if not isinstance(named, str):
            raise below.error(f"{shown(named)} is not a scenario; valid: a name, or a file", line, ("extends",))
        try:
            file = find(named, FilePath(below.source).parent)
            base = read(file)
        except ScenarioError as error:
            raise below.error(f"{shown(named)}: {error.problem}", line, ("extends",)) from None
        if FilePath(file).resolve() in files or len(files) > DEEPEST:
            raise below.error(
                f"{shown(named)} leads to a cycle; valid: a scenario that does not extend this one", line, ("extends",)
            )
        files.append(FilePath(file).resolve())
        chain.append(base)
    whole = chain.pop()
    while chain:
        whole = _over(chain.pop(), whole)
    return whole


def _over(document: Document, base: Document) -> Document:
    """Merge a document over its base."""
    folder, other = FilePath(document.source).parent, FilePath(base.source).parent
    merged = Document(document.source, lines=dict(document.lines), sources=dict(document.sources))
    inherited = moved({key: value for key, value in base.data.items() if key not in OWN}, other, folder)
    merged.data = _merge(document.data, inherited, merged, base, ())
    return merged


def _merge(
    mine: dict[str, Any], theirs: dict[str, Any], merged: Document, base: Document, path: Path
) -> dict[str, Any]:
    data: dict[str, Any] = {}
    replaced = given_by_presets(path) if mine.get("preset") is not None else ()
    for key, value in theirs.items():
        here = (*path, key)
        if key not in mine:
            if key in replaced:
                continue
            data[key] = value
            _take_lines(merged, base, here)
        elif isinstance(value, dict) and isinstance(mine[key], dict) and not _is_other_form(mine[key], value, key):
            data[key] = _merge(mine[key], value, merged, base, here)
        else:
            data[key] = mine[key]
    return data | {key: value for key, value in mine.items() if key not in data}


def _is_other_form(mine: dict[str, Any], theirs: dict[str, Any], key: str) -> bool:
    return key not in OPEN and len(mine) == len(theirs) == 1 and mine.keys() != theirs.keys()


def _take_lines(merged: Document, base: Document, here: Path) -> None:
    for path, line in base.lines.items():
        if path[: len(here)] == here:
            merged.lines[path] = line
            merged.sources[path] = base.source_of(path)
