"""Where a result comes from: scenario, version and seed, which are enough to have it again."""

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
    """How every result's JSON begins."""
    return {
        "scenario": scenario.name,
        "version": installed_version(),
        "seed": int(seed) if seed.isdecimal() else seed,
    }
