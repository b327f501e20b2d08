"""The keys of a scenario by path, and those in which two scenarios differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scenarios import Scenario
from scenarios.errors import Path, written
from scenarios.fields.csv_columns import files_sha256

TEXTS = ("name", "description", "documents", "extends", "tags", "xfail")
"""Keys without an effect on a run."""
JUDGED = ("expect", "tolerances")
"""Keys that judge what was observed."""


def flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Nested values by path, such as `faults[0].agent_crash.at`. Empty mappings and lists are values."""
    return {written(path): value for path, value in _leaves(values, ())}


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, Mapping) and value:
        for key, each in value.items():
            yield from _leaves(each, (*path, str(key)))
    elif isinstance(value, list | tuple) and value:
        for place, each in enumerate(value):
            yield from _leaves(each, (*path, place))
    else:
        yield path, value


def keys_of(scenario: Scenario, *, defaults: bool = True) -> dict[str, Any]:
    """The values that have an effect on a run, by path, with the SHA-256 of the files that the scenario uses.

    The seed is not among them: it names the replications. Without `defaults`, only values that differ from these.
    """
    values = scenario.model_dump(mode="json", by_alias=True, exclude_defaults=not defaults)
    for key in (*TEXTS, *JUDGED, "seed"):
        values.pop(key, None)
    files = {f"sha256({name})": digest for name, digest in files_sha256(scenario).items()}
    if scenario.recovery.runbook is not None:
        files[f"sha256({scenario.recovery.runbook})"] = str(scenario.recovery.runbook_sha256)
    found = flat(values)
    if not defaults:  # what a fault does not give is null in it
        found = {path: value for path, value in found.items() if value is not None or not path.startswith("faults[")}
    return {**found, **files}


def differing(a: Scenario, b: Scenario) -> tuple[dict[str, Any], dict[str, Any]]:
    """The values by path in which two scenarios differ: those of a, and those of b. A key that one lacks is absent."""
    before, after = keys_of(a), keys_of(b)
    if a.name != b.name:
        before, after = {"name": a.name, **before}, {"name": b.name, **after}
    return _only(before, after), _only(after, before)


def _only(of: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    return {path: value for path, value in of.items() if path not in other or other[path] != value}
