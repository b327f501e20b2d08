"""Origin of a result: scenario, version and seed, which suffice to reproduce it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sim.results.version import installed_version

if TYPE_CHECKING:
    from scenarios import Scenario

__all__ = ["installed_version", "origin"]


def origin(scenario: Scenario, seed: str) -> dict[str, Any]:
    """The first fields of every result's JSON."""
    return {
        "scenario": scenario.name,
        "version": installed_version(),
        "seed": int(seed) if seed.isdecimal() else seed,
    }
