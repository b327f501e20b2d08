"""Policy files: values of a scenario's policies, apart from the scenario.

A file has the shape of a scenario file with only the keys of `ALLOWED`. A condition in it is complete: it replaces that
of the scenario, and keys that it omits have their defaults. Of other sections, only the given keys are replaced.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError
from ruamel.yaml import YAML

from recovery.bounded_yaml import MOST_BYTES
from recovery.input_file import InputFileError, read_text
from scenarios.documents import yaml_document
from scenarios.documents.yaml_document import Document
from scenarios.errors import Path, ScenarioError, first_problem, instead, line_of, shown, written
from scenarios.exchange.portable import Portable, portable
from scenarios.exchange.values import yaml_text
from scenarios.scenario import Scenario
from scenarios.sections.policies import Condition
from scenarios.sections.recovery import ConditionSettings
from scenarios.sections.task_kinds import KindSettings

CONDITIONS: Path = ("recovery", "conditions")
TASK_KINDS: Path = ("tasks", "kinds")
ALLOWED: Mapping[str, tuple[str, ...]] = {
    "recovery": ("conditions", "detection", "load", "parallel", "stale_reads", "unconditional_tries"),
    "tasks": ("checkpoint", "client", "kinds", "requeue", "retry_holds_agent", "retry_holds_resources", "timeout"),
    "queue": ("preset", "ack_timeout", "capacity", "max_deliveries"),
    "agents": ("count", "prefetch", "slots"),
}
"""The keys of a policy file, by section."""
OF_TASK_KIND = ("retry", *(key for key in ALLOWED["tasks"] if key in KindSettings.model_fields))
"""The keys of a kind of tasks in a policy file."""
KINDS = tuple(ConditionSettings.model_fields)


@dataclass(frozen=True)
class PolicyFile:
    """A policy file that was read: its values by path, a condition's as one mapping."""

    document: Document
    values: Mapping[str, Any]

    @property
    def source(self) -> str:
        """The file."""
        return self.document.source

    @property
    def conditions(self) -> dict[str, Portable | None]:
        """The policies of the given conditions, by kind of failure; None: no condition. Raises ScenarioError."""
        given = {
            path.rpartition(".")[2]: value for path, value in self.values.items() if path.startswith("recovery.cond")
        }
        try:
            made = ConditionSettings.model_validate(given)
        except ValidationError as error:
            place, problem = first_problem(error)
            raise self._error(problem, (*CONDITIONS, *place)) from None
        found = {kind: getattr(made, kind) for kind in given}
        return {kind: None if each is None else portable(each) for kind, each in found.items()}

    @property
    def of_task_kinds(self) -> dict[str, Portable]:
        """The retry policies of single kinds of tasks, by name."""
        parts = {tuple(path.split(".")): value for path, value in self.values.items()}
        given = {path[2]: value for path, value in parts.items() if path[:2] == TASK_KINDS and path[3:] == ("retry",)}
        return {name: portable(Condition.model_validate(value)) for name, value in given.items() if value is not None}

    @property
    def changes(self) -> dict[str, str]:
        """The values as `--set` has them: `recovery.conditions.task_failure` with `{max_retries: 3, …}`."""
        return {path: flow(value) for path, value in self.values.items()}

    def applied(self, scenario: Scenario) -> Scenario:
        """The scenario with the policies of the file. Raises ScenarioError with the file's line and key."""
        for path in self.values:
            section, kinds, *name = path.split(".")[:3]
            if (section, kinds) == TASK_KINDS and name[0] not in scenario.tasks.kinds:
                known = [*scenario.tasks.kinds]
                valid = instead(name[0], known, "valid") if known else "it has no kinds of tasks"
                raise self._error(f"{scenario.name}: unknown kind {shown(name[0])}; {valid}", (*TASK_KINDS, *name))
        try:
            return scenario.with_values(self.values)
        except ScenarioError as error:
            named = error.path or error.change.partition("=")[0]
            place = tuple(int(each) if each.isdecimal() else each for each in re.findall(r"[^.\[\]]+", named))
            problem = error.problem if error.path else f"{scenario.name}: {error.problem}"
            raise self._error(problem, place) from None

    def _error(self, problem: str, place: Path) -> ScenarioError:
        return ScenarioError(problem, self.source, line_of(place, self.document.lines) or 1, written(place))


def load_policy(file: str | os.PathLike[str]) -> PolicyFile:
    """Read a policy file. Raises ScenarioError with line and key."""
    name = os.fspath(file)
    try:
        text = read_text(FilePath(name), MOST_BYTES)
    except InputFileError as error:
        if error.is_missing:
            raise ScenarioError("no such file; valid: a policy file, as policy import writes it", name) from None
        raise ScenarioError(f"{error}; valid: a policy file", name, error.line) from None
    return loads_policy(text, name)


def loads_policy(text: str, source: str = "<text>") -> PolicyFile:
    """Read the text of a policy file. Raises ScenarioError with line and key."""
    document = yaml_document.read(text, source)
    if not isinstance(document.data, dict) or not document.data:
        example = "valid: a mapping, as in recovery: {conditions: {task_failure: {max_retries: 3, retry_delay: 30s}}}"
        raise ScenarioError(f"is not a policy file; {example}", source, 1)
    file = PolicyFile(document, dict(_values(document)))
    _ = file.conditions  # validated alone; the other values together with a scenario
    return file


def policy_text(conditions: Mapping[str, Portable | None], comments: Iterable[str] = ()) -> str:
    """The text of a policy file with these conditions, by kind of failure."""
    given = {kind: None if each is None else each.as_condition() for kind, each in conditions.items()}
    return yaml_text({"recovery": {"conditions": given}}, list(comments))


def values_text(values: Mapping[str, Any], comments: Iterable[str] = ()) -> str:
    """The text of a policy file with values by path, such as those that a search has varied.

    Raises ScenarioError for a path that a policy file cannot have.
    """
    data: dict[str, Any] = {}
    for path, value in values.items():
        *above, key = path.split(".")
        node = data
        for step in above:
            node = node.setdefault(step, {})
        node[key] = value
    text = yaml_text(data, list(comments))
    loads_policy(text, "policy")
    return text


def flow(value: Any) -> str:
    """Plain data on one line, as YAML in flow style."""
    if isinstance(value, str):
        return value
    writer = YAML()
    writer.default_flow_style = True
    writer.width = 100_000
    stream = StringIO()
    writer.dump(value, stream)
    return stream.getvalue().removesuffix("...\n").strip()


def _values(document: Document) -> Iterator[tuple[str, Any]]:
    for section, below in document.data.items():
        if section not in ALLOWED:
            where = "recovery.conditions." if section in KINDS else ""
            valid = f"valid: {where}{section}" if where else instead(section, ALLOWED, "valid")
            raise _wrong(document, f"unknown key of a policy file; {valid}", section)
        if not isinstance(below, dict):
            raise _wrong(document, f"{shown(below)} is not a mapping", section)
        for key, value in below.items():
            if key not in ALLOWED[section]:
                raise _wrong(
                    document, f"is no part of a policy; {instead(key, ALLOWED[section], 'valid')}", section, key
                )
            yield from _below(document, (section, key), value)


def _below(document: Document, place: Path, value: Any) -> Iterator[tuple[str, Any]]:
    """A condition, and a section that may be null, are given as a whole, others key by key."""
    if place == CONDITIONS:
        if not isinstance(value, dict):
            raise _wrong(document, f"{shown(value)} is not a mapping; valid: {', '.join(KINDS)}", *place)
        for kind, condition in value.items():
            if kind not in KINDS:
                raise _wrong(document, f"unknown kind of failure; {instead(kind, KINDS, 'valid')}", *place, kind)
            yield written((*place, kind)), condition
    elif place == TASK_KINDS:
        yield from _of_task_kinds(document, value)
    elif isinstance(value, dict) and place[-1] in {"detection", "stale_reads", "client"}:
        for key, each in value.items():
            yield written((*place, key)), each
    else:
        yield written(place), value


def _of_task_kinds(document: Document, value: Any) -> Iterator[tuple[str, Any]]:
    """The policies of single kinds of tasks, each as a whole."""
    if not isinstance(value, dict):
        raise _wrong(document, f"{shown(value)} is not a mapping; valid: {{NAME: {{retry: {{…}}}}}}", *TASK_KINDS)
    for name, kind in value.items():
        if not isinstance(kind, dict):
            raise _wrong(document, f"{shown(kind)} is not a mapping; valid: {{retry: {{…}}}}", *TASK_KINDS, name)
        for key, policy in kind.items():
            place = (*TASK_KINDS, name, key)
            if key not in OF_TASK_KIND:
                raise _wrong(document, f"is no part of a policy; {instead(key, OF_TASK_KIND, 'valid')}", *place)
            try:
                _ = Condition.model_validate(policy) if key == "retry" and policy is not None else None
            except ValidationError as error:
                below, problem = first_problem(error)
                raise _wrong(document, problem, *place, *below) from None
            yield written(place), policy


def _wrong(document: Document, problem: str, *place: str | int) -> ScenarioError:
    line = line_of(place, document.lines) or 1
    return ScenarioError(problem, document.source, line, written(place))
