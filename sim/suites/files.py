"""The scenario files of a suite: those that are given, and those of the folders that are given."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import scenarios
from recovery.errors import RecoveryBenchError
from scenarios import Scenario, ScenarioError
from scenarios.documents import yaml_document
from scenarios.loader import SUFFIX

OTHER_SUFFIX = ".scenario.yml"
"""A suffix that is a mistake."""


class NoScenarios(RecoveryBenchError, ValueError):
    """A folder has no scenario files. One line: the folder, and what would be valid."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A scenario file of a suite. `scenario`: None if it is not valid, and `problem` is then a line with its line."""

    file: str
    name: str
    scenario: Scenario | None
    problem: str = ""
    line: int = 1

    @classmethod
    def broken(cls, file: str, problem: str, line: int | None = None) -> Entry:
        """A file that is not valid."""
        return cls(file, Path(file).name.removesuffix(SUFFIX), None, problem, line or 1)

    def refused(self, problem: str) -> Entry:
        """The same file, which is not run for a reason."""
        return Entry(self.file, self.name, None, f"{self.file}: {problem}", self.line)


def files_of(paths: Sequence[str]) -> list[str]:
    """The files of these paths, each once: a folder stands for the scenario files in it, sorted by path.

    A path that is no folder is a file or the name of a shipped scenario. Raises NoScenarios.
    """
    found: dict[str, str] = {}
    searched: set[str] = set()
    for path in paths:
        real = os.path.realpath(path)
        if real in searched:
            continue
        inside = [path]
        if Path(path).is_dir():
            searched.add(real)
            inside = _in_folder(path)
        for file in inside:
            found.setdefault(os.path.realpath(file), file)
    return list(found.values())


def _in_folder(folder: str) -> list[str]:
    found = [
        Path(inside, name)
        for inside, _, names in os.walk(folder)  # several times faster than `Path.rglob`, which tests each path
        for name in names
        if name.endswith((SUFFIX, OTHER_SUFFIX))
    ]
    if not found:
        raise NoScenarios(f"{folder}: has no scenario files; valid: a folder with files named NAME{SUFFIX}")
    return [str(file) for file in sorted(found)]


def entries(paths: Sequence[str], changes: Mapping[str, Any]) -> list[Entry]:
    """The scenarios of these paths, with changed values. What cannot be loaded is an entry with its problem.

    A second scenario of the same name is not valid: results and baselines name the scenario. Raises NoScenarios.
    """
    found: list[Entry] = []
    files: dict[str, str] = {}
    for file in files_of(paths):
        entry = _entry(file, changes)
        if entry.scenario is not None:
            first = files.setdefault(entry.name, file)
            if first != file:
                line = line_of(file, ("name",))
                problem = f"{file}:{line}: name: {entry.name} is the name of {first} as well; valid: different names"
                entry = Entry.broken(file, problem, line)
        found.append(entry)
    return found


def _entry(file: str, changes: Mapping[str, Any]) -> Entry:
    if file.endswith(OTHER_SUFFIX):
        return Entry.broken(file, f"{file}: is not named as a scenario file; valid: NAME{SUFFIX}")
    try:
        scenario = scenarios.load(file)
        scenario = scenario.with_values(changes) if changes else scenario
    except ScenarioError as error:
        at = file if error.source in (None, file) else error.source
        problem = str(error) if at == error.source else f"{file}: {error}"
        return Entry.broken(file, problem, error.line if at == file else None)
    return Entry(file, scenario.name, scenario)


def line_of(file: str, path: tuple[str | int, ...]) -> int:
    """The line of a key in a scenario file; 1 where the file does not contain it, as of an inherited key."""
    at = scenarios.path(file) if file in scenarios.names() else Path(file)
    try:
        return yaml_document.read(at.read_text(encoding="utf-8"), file).lines.get(path, 1)
    except (OSError, ValueError):
        return 1
