"""Heavy-tailed distributions: without a variance, a mean over replications converges slowly or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from scenarios import Scenario

EXISTS_ABOVE = 2.0
"""A Pareto distribution has a variance if its alpha is larger than this, and a mean if alpha is larger than 1."""


@dataclass(frozen=True, slots=True)
class HeavyTail:
    """A Pareto distribution without a variance, and its path in the scenario."""

    path: str
    alpha: float

    def __str__(self) -> str:
        lacks = "variance" if self.alpha > 1 else "mean"
        return (
            f"{self.path} is pareto with alpha {self.alpha:g}, which has no {lacks}: means over replications, and "
            "their intervals, may mislead; quantiles do not"
        )


def heavy_tails(scenario: Scenario) -> tuple[HeavyTail, ...]:
    """All distributions of a scenario without a variance."""
    return tuple(_found(scenario.resolved(), ""))


def _found(node: Any, path: str) -> Iterator[HeavyTail]:
    if isinstance(node, dict):
        pareto = node.get("pareto")
        if isinstance(pareto, dict) and len(node) == 1 and pareto.get("alpha", EXISTS_ABOVE + 1) <= EXISTS_ABOVE:
            yield HeavyTail(path, float(pareto["alpha"]))
        for key, child in node.items():
            yield from _found(child, f"{path}.{key}" if path else str(key))
    elif isinstance(node, list):
        for place, child in enumerate(node):
            yield from _found(child, f"{path}[{place}]")
