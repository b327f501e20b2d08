"""Origin of a result: scenario, version and seed, which suffice to reproduce it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scenarios import Scenario


def installed_version() -> str:
    """The version of Recovery Bench, for results."""
    try:
        return version("recovery-bench")
    except PackageNotFoundError:
        return "0+unknown"


def origin(scenario: Scenario, seed: str) -> dict[str, Any]:
    """The first fields of every result's JSON."""
    return {
        "scenario": scenario.name,
        "version": installed_version(),
        "seed": int(seed) if seed.isdecimal() else seed,
    }
