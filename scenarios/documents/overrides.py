"""Overrides of values of a scenario: `--set path=value` and `with_values`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, TypeVar

import numpy as np
from pydantic import ValidationError

from scenarios.documents import yaml_document
from scenarios.documents.file_references import places, value_at
from scenarios.errors import Path, ScenarioError, first_problem, nearest, shown, written
from scenarios.fields.base import Form, Settings
from scenarios.fields.quantities import WrittenRate
from scenarios.schema import ScenarioFields
from scenarios.sections.policies import given_by_presets

PATH = re.compile(r"[^.\[\]]+(\[\d{1,9}\]|\.[^.\[\]]+)*")
S = TypeVar("S", bound=ScenarioFields)
TEXTS = frozenset({"name", "description", "documents"})
"""Keys whose value is always a string."""


def changed(scenario: S, values: Mapping[str, Any]) -> S:
    """The scenario with changed values at some paths, validated as a whole. Raises `ScenarioError` that names the path.

    A path may omit the key that names a form: `faults[0].at` is `faults[0].agent_crash.at`. A null value becomes a
    mapping when a key below it is set.
    """
    try:
        return _changed(scenario, values)
    except RecursionError:
        raise ScenarioError(
            "a value is nested too deeply; valid: the types of the reference", scenario.source
        ) from None


def _changed(scenario: S, values: Mapping[str, Any]) -> S:
    data = _with_written_rates(scenario, scenario.resolved())
    edit = _Edit(data, scenario.source or scenario.name, _open_mappings(scenario))
    for path, value in values.items():
        edit.put(path, value)
    edit.make_room_for_presets()
    _find_from_here(edit, scenario)
    _leave_conditions_to_the_runbook(edit, scenario)
    _leave_count_to_the_pools(edit)
    try:
        new = type(scenario).model_validate(edit.data, context={"folder": str(FilePath(scenario.source or "").parent)})
    except ValidationError as error:
        place, problem = first_problem(error)
        raise ScenarioError(problem, edit.source, None, written(place), edit.blamed(place)) from None
    new._source = scenario.source
    return new


def _leave_count_to_the_pools(edit: _Edit) -> None:
    """Remove the number of agents that was the sum of the pools, which an override may change."""
    agents = edit.data["agents"]
    if isinstance(agents, dict) and agents.get("pools") and ("agents", "count") not in edit.changes:
        agents.pop("count", None)


def value_of(scenario: ScenarioFields, path: str) -> Any:
    """The value at a path as plain data, durations in seconds. Raises `ScenarioError` for an unknown path."""
    edit = _Edit(scenario.resolved(), scenario.source or scenario.name, _open_mappings(scenario))
    return edit.find(path)


def _find_from_here(edit: _Edit, scenario: ScenarioFields) -> None:
    """Make overridden file names absolute: they are relative to the working directory."""
    before = scenario.resolved()
    for place in places(edit.data):
        *above, key = place
        name = edit.at(place)
        if value_at(before, place) != name:
            edit.at(tuple(above))[key] = str(FilePath(name).absolute())


def _leave_conditions_to_the_runbook(edit: _Edit, scenario: ScenarioFields) -> None:
    """Remove conditions that were not given: they come from the runbook, which the overrides may replace."""
    recovery = edit.data["recovery"]
    if not isinstance(recovery, dict):
        return
    conditions = recovery.get("conditions")
    top: Path = ("recovery", "conditions")
    if not isinstance(conditions, dict) or top in edit.changes or top[:1] in edit.changes:
        return
    for kind, old in scenario.recovery.conditions:
        if (*top, kind) in edit.changes:
            continue
        given = kind in scenario.recovery.conditions.model_fields_set
        if isinstance(conditions[kind], dict):
            named = old.model_fields_set if given and old is not None else set()
            conditions[kind] = {
                key: value
                for key, value in conditions[kind].items()
                if key in named or edit.changes_below((*top, kind, key))
            }
        if not conditions[kind] and not given:
            del conditions[kind]


@dataclass
class _Edit:
    """Plain data of a scenario during the application of overrides; `open` are the mappings with arbitrary keys."""

    data: dict[str, Any]
    source: str
    open: set[Path]
    changes: dict[Path, str] = field(default_factory=dict)

    def find(self, path: str) -> Any:
        """The value at an existing path."""
        if not PATH.fullmatch(path):
            raise ScenarioError(f"{shown(path)} is not a path; valid: keys with dots, as in tasks.work", self.source)
        node: Any = self.data
        place: Path = ()
        for step in re.findall(r"[^.\[\]]+", path):
            node, place = self._child(node, place, step, path)
        return node

    def put(self, path: str, value: Any) -> None:
        """Set the value at an existing path."""
        change = f"{path}={value if isinstance(value, str) else shown(value)}"
        if not isinstance(path, str) or not PATH.fullmatch(path):
            raise ScenarioError(f"{shown(path)} is not a path; valid: keys with dots, as in tasks.work", self.source)
        steps = re.findall(r"[^.\[\]]+", path)
        if steps[0] == "extends":
            problem = (
                "cannot be changed, because a scenario extends another one when it is loaded; valid: a scenario file"
            )
            raise ScenarioError(f"{problem} with this `extends`", self.source, None, "extends", change)
        node: Any = self.data
        place: Path = ()
        for step in steps[:-1]:
            node, place = self._child(node, place, step, change)
            if node is None:
                node = {}
                self.at(place[:-1])[place[-1]] = node
                self.open.add(place)
        old, place = self._child(node, place, steps[-1], change)
        self.at(place[:-1])[place[-1]] = new = _plain(value, place)
        self.changes[place] = change
        is_form = isinstance(old, dict) and len(old) == 1
        if isinstance(new, dict) and not is_form:  # a later change may add a key that this mapping omits
            self.open.add(place)

    def changes_below(self, place: Path) -> bool:
        """Whether an override is at or below this position."""
        return any(path[: len(place)] == place for path in self.changes)

    def make_room_for_presets(self) -> None:
        """Remove the values that an overridden preset replaces, except keys that are overridden together with it."""
        for place in self.changes:
            *above, key = place
            policy = self.at(tuple(above))
            if key == "preset" and policy["preset"] is not None:
                for given in given_by_presets(tuple(above)):
                    if (*above, given) not in self.changes:
                        policy.pop(given, None)

    def _child(self, node: Any, place: Path, step: str, change: str) -> tuple[Any, Path]:
        if isinstance(node, list) and step.isdecimal() and int(step) < len(node):
            return node[int(step)], (*place, int(step))
        if isinstance(node, dict):
            if step in node:
                return node[step], (*place, step)
            form = next(iter(node.values())) if len(node) == 1 else None
            if isinstance(form, dict) and place not in self.open and (step in form):
                return form[step], (*place, next(iter(node)), step)
            kinds = node.get("kinds") if place == ("tasks",) else None
            if isinstance(kinds, dict) and step in kinds:  # `tasks.chat.work` is `tasks.kinds.chat.work`
                return kinds[step], (*place, "kinds", step)
            if place in self.open:
                return None, (*place, step)
        raise ScenarioError(self._unknown(node, place, step), self.source, None, "", change)

    def _unknown(self, node: Any, place: Path, step: str) -> str:
        if isinstance(node, list):
            last = f"{written(place)}[{len(node) - 1}]"
            return "unknown path; valid: " + (f"{written(place)}[0] … {last}" if node else f"{written(place)} is empty")
        below = written(place) or "the scenario"
        if not isinstance(node, dict):
            return f"unknown path; {below} has no keys, it is {shown(node)}"
        if len(node) == 1 and isinstance(form := next(iter(node.values())), dict) and place not in self.open:
            node = {**node, **form}  # the key that names a form may be omitted
        near = nearest(step, node)
        found = written((*place, near)) if near else nearest(written((*place, step)), map(written, _paths(self.data)))
        known = f"unknown path; keys of {below}: {', '.join(node)}"
        return known + (f" (nearest: '{found}')" if found else "")

    def at(self, place: Path) -> Any:
        """The value at a position."""
        node: Any = self.data
        for step in place:
            node = node[step]
        return node

    def blamed(self, place: Path) -> str:
        """The overrides to name in an error at this position: those at or around it, otherwise all."""
        around = [path for path in self.changes if place[: len(path)] == path or path[: len(place)] == place]
        return ", ".join(self.changes[path] for path in around or self.changes)


def _plain(value: Any, place: Path) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if not isinstance(value, str) or place[0] in TEXTS:
        return deepcopy(value) if isinstance(value, dict | list) else value  # a later override may be below it
    try:
        return yaml_document.read(value, "").data
    except ScenarioError:
        return value


def _with_written_rates(value: Any, data: Any) -> Any:
    """The data of a value, with its rates as they were written."""
    if isinstance(value, WrittenRate):
        return value
    if isinstance(value, Form) and isinstance(data, dict) and list(data) == [value.kind]:
        data[value.kind] = _with_rates_of_fields(value, data[value.kind])
    elif isinstance(value, Settings) and isinstance(data, dict):
        _with_rates_of_fields(value, data)
    elif isinstance(value, Mapping) and isinstance(data, dict):
        data.update({key: _with_written_rates(value[key], data[key]) for key in data if key in value})
    elif isinstance(value, tuple | list) and isinstance(data, list):
        data[:] = [_with_written_rates(each, item) for each, item in zip(value, data, strict=True)]
    return data


def _with_rates_of_fields(settings: Settings, data: Any) -> Any:
    if isinstance(data, dict):
        for name, field_info in type(settings).model_fields.items():
            key = field_info.alias or name
            if key in data:
                data[key] = _with_written_rates(getattr(settings, name), data[key])
    return data


def _open_mappings(settings: Settings, place: Path = ()) -> set[Path]:
    found: set[Path] = set()
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, dict):
            found.add((*place, name))
        elif isinstance(value, Settings) and not isinstance(value, Form):
            found |= _open_mappings(value, (*place, name))
    return found


def _paths(data: Any, place: Path = ()) -> Iterator[Path]:
    if place:
        yield place
    children: Any = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for step, child in children:
        yield from _paths(child, (*place, step))
