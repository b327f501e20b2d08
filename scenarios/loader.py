"""Loads scenarios from files and strings."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path as FilePath

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from recovery.bounded_yaml import MOST_BYTES
from recovery.input_file import InputFileError, read_text
from scenarios.documents import yaml_document
from scenarios.documents.inheritance import extended
from scenarios.errors import ScenarioError, first_problem, instead, line_of, nearest, written
from scenarios.scenario import Scenario
from scenarios.sections.task_kinds import named

SUFFIX = ".scenario.yaml"
FOLDER = FilePath(__file__).parent


@cache
def _shipped() -> dict[str, FilePath]:
    return {file.name.removesuffix(SUFFIX): file for file in sorted(FOLDER.rglob(f"*{SUFFIX}"))}


def names() -> list[str]:
    """The names of the shipped scenarios, sorted."""
    return sorted(_shipped())


def path(name: str) -> FilePath:
    """The file of a shipped scenario. Raises `ScenarioError` for an unknown name."""
    try:
        return _shipped()[name]
    except KeyError:
        raise ScenarioError(f"no shipped scenario has this name; {instead(name, names(), 'valid')}", name) from None


def load(name_or_path: str | os.PathLike[str]) -> Scenario:
    """Load a shipped scenario by name, or a file by path. Raises `ScenarioError`."""
    text = os.fspath(name_or_path)
    if isinstance(name_or_path, str) and text in _shipped():
        return _from_file(str(path(text)))
    return _from_file(text)


def loads(text: str, source: str = "<text>") -> Scenario:
    """Load a scenario from a YAML string; errors show `source` as its file. Raises `ScenarioError`."""
    return _build(text, source)


def _from_file(file: str) -> Scenario:
    scenario = _build(_text(file), file)
    scenario._source = file
    return scenario


def _text(file: str) -> str:
    try:
        return read_text(FilePath(file), MOST_BYTES)
    except InputFileError as error:
        if not error.is_missing:
            raise ScenarioError(f"{error}; valid: a scenario file, NAME{SUFFIX}", file) from None
    word = FilePath(file).name.removesuffix(SUFFIX)
    here = {each.name.removesuffix(SUFFIX): each.name for each in sorted(FilePath().glob(f"*{SUFFIX}"))}
    near = here[found] if (found := nearest(word, here)) is not None else nearest(word, names())
    suggestion = f" (nearest: '{near}')" if near else ""
    raise ScenarioError(f"no such file or scenario; valid: a file, or one of {', '.join(names())}{suggestion}", file)


def _build(text: str, source: str) -> Scenario:
    read = _read(text, source)
    read = extended(read, _found, lambda file: _read(_text(file), file))
    try:
        return Scenario.model_validate(read.data, context={"folder": str(FilePath(source).parent)})
    except ValidationError as error:
        place, problem = first_problem(error, read.lines)
        line = line_of(place, read.lines) or 1
        raise ScenarioError(problem, read.source_of(place), line, written(place)) from None


def _read(text: str, source: str) -> yaml_document.Document:
    read = yaml_document.read(text, source)
    if not isinstance(read.data, dict):
        raise ScenarioError("is not a scenario; valid: a mapping with name, duration, tasks, agents", source, 1)
    _name_kinds(read)
    return read


def _name_kinds(read: yaml_document.Document) -> None:
    """Replace a list of kinds of tasks by a mapping, whose keys have the lines of the list's entries."""
    if "tasks" not in read.data:
        return
    try:
        read.data["tasks"], moved = named(read.data["tasks"])
    except PydanticCustomError as error:
        path = ("tasks", *(error.context or {}).get("below", ()))
        raise read.error(error.message(), line_of(path, read.lines) or 1, path) from None
    for old, new in moved.items():
        for path, line in list(read.lines.items()):
            if path[: len(old) + 1] == ("tasks", *old):
                read.lines["tasks", *new, *path[len(old) + 1 :]] = line
    if moved:
        read.lines.setdefault(("tasks", "kinds"), read.lines["tasks",])


def _found(named: str, folder: FilePath) -> str:
    """The file of the scenario that another one in `folder` extends: a shipped scenario, or a file in that folder."""
    return str(path(named)) if named in _shipped() else str(folder / named)
