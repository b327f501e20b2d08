"""Scenarios from files and texts."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path as FilePath

from pydantic import ValidationError

from scenarios.documents import yaml_document
from scenarios.documents.inheritance import extended
from scenarios.errors import ScenarioError, first_problem, instead, line_of, nearest, written
from scenarios.scenario import Scenario

SUFFIX = ".scenario.yaml"
FOLDER = FilePath(__file__).parent


@cache
def _shipped() -> dict[str, FilePath]:
    return {file.name.removesuffix(SUFFIX): file for file in sorted(FOLDER.rglob(f"*{SUFFIX}"))}


def names() -> list[str]:
    """The names of the scenarios that ship, sorted."""
    return sorted(_shipped())


def path(name: str) -> FilePath:
    """The file of a scenario that ships. Raises `ScenarioError` for another name."""
    try:
        return _shipped()[name]
    except KeyError:
        raise ScenarioError(f"no scenario of this name ships; {instead(name, names(), 'valid')}", name) from None


def load(name_or_path: str | os.PathLike[str]) -> Scenario:
    """A scenario by the name of one that ships, or from a file. Raises `ScenarioError`."""
    text = os.fspath(name_or_path)
    if isinstance(name_or_path, str) and text in _shipped():
        return _from_file(str(path(text)))
    return _from_file(text)


def loads(text: str, source: str = "<text>") -> Scenario:
    """A scenario from a YAML text; `source` is what errors call it. Raises `ScenarioError`."""
    return _build(text, source)


def _from_file(file: str) -> Scenario:
    scenario = _build(_text(file), file)
    scenario._source = file
    return scenario


def _text(file: str) -> str:
    try:
        return FilePath(file).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ScenarioError(f"is not a text in UTF-8 (byte {error.start}); valid: a scenario file", file) from None
    except (OSError, ValueError) as error:
        raise _missing(file, error) from None


def _missing(file: str, error: Exception) -> ScenarioError:
    if isinstance(error, IsADirectoryError):
        return ScenarioError(f"is a folder; valid: a scenario file, NAME{SUFFIX}", file)
    if not isinstance(error, FileNotFoundError):
        return ScenarioError(f"cannot be read: {getattr(error, 'strerror', None) or error}", file)
    near = nearest(FilePath(file).name.removesuffix(SUFFIX), names())
    suggestion = f" (nearest: '{near}')" if near else ""
    return ScenarioError(f"no such file or scenario; valid: a file, or one of {', '.join(names())}{suggestion}", file)


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
        raise ScenarioError("is no scenario; valid: a mapping with name, duration, tasks, agents", source, 1)
    return read


def _found(named: str, folder: FilePath) -> str:
    """The file of the scenario that another one in a folder extends: one that ships, or a file beside it."""
    return str(path(named)) if named in _shipped() else str(folder / named)
