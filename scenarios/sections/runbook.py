"""The runbook of a scenario: read once; its conditions apply where the scenario gives none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from recovery.runbook.catalogue import Runbook, RunbookError, loads
from recovery.runbook.parser import text_of
from scenarios.errors import invalid


@dataclass(frozen=True)
class LoadedRunbook:
    """A loaded runbook and the SHA-256 of its file: a run can be repeated only with an equal file."""

    runbook: Runbook
    sha256: str


def read_runbook(path: str, folder: str) -> LoadedRunbook:
    """Read a runbook by its path relative to a folder. Raises a validation error for an invalid runbook."""
    try:
        file = Path(folder, path)
        text = text_of(file)
        runbook = loads(text, str(file))
    except RunbookError as error:
        raise invalid(str(error), "runbook") from None
    for kind, policy in runbook.conditions().items():
        if policy is not None and policy.max_retries is None:
            raise invalid(f"{file}: its condition for {kind} has no bound; valid: max_retries of 0 or more", "runbook")
    return LoadedRunbook(runbook, sha256(text.encode()).hexdigest())


def with_conditions_of(runbook: Runbook, given: Mapping[str, Any], keys: type[BaseModel]) -> dict[str, Any]:
    """The conditions of a scenario, completed with missing kinds and keys from the runbook.

    A condition with a preset takes its other keys from the preset.
    """
    merged = dict(given)
    for kind, policy in runbook.conditions().items():
        own = given.get(kind.value, {})
        if policy is None:
            merged.setdefault(kind.value, None)
        elif isinstance(own, Mapping) and not own.get("preset"):  # a preset sets all keys that are not given
            known = policy.model_dump()
            merged[kind.value] = {name: known[name] for name in keys.model_fields if name in known} | dict(own)
    return merged


def only_given(conditions: BaseModel, given: Mapping[str, Any]) -> None:
    """Restrict `model_fields_set` to the keys that the scenario gives, without those added from the runbook."""
    for kind in type(conditions).model_fields:
        condition = getattr(conditions, kind)
        own = given.get(kind)
        if condition is not None:
            condition.model_fields_set.intersection_update(own if isinstance(own, Mapping) else ())
    conditions.model_fields_set.intersection_update(given)
