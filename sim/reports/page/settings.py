"""Settings in words, and their estimates on a scale."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from sim.experiments.sweeps.designs import shown
from sim.reports.page.scales import Linear
from sim.reports.stored.shapes import EstimateShape


def setting(values: Mapping[str, Any]) -> str:
    """`agents.count=5, agents.restart_time=20`, or that nothing is changed."""
    return ", ".join(f"{path}={value_text(value)}" for path, value in values.items()) or "the scenario as it is"


def value_text(value: Any) -> str:
    """A value of a setting: a number for a constant, a text, or JSON."""
    return shown(json.dumps(value, ensure_ascii=False))


@dataclass(frozen=True)
class IntervalRow:
    """A setting with an estimate: text, position of the mean and of its interval in percent, and a class of color."""

    label: str
    text: str
    status: str
    kind: str
    mid: float | None = None
    low: float | None = None
    high: float | None = None
    note: str = ""


def placed(found: EstimateShape | None, scale: Linear) -> tuple[float | None, float | None, float | None]:
    """The positions of a mean and of its interval; None without a finite mean."""
    if found is None or not isfinite(found.mean):
        return None, None, None
    low, high = found.ci95 or (found.mean, found.mean)
    return scale.at(found.mean), scale.at(low), scale.at(high)


def facts(scenario: str, version: str, seed: int | str) -> list[tuple[str, str]]:
    """The origin of a result, for the end of its part."""
    return [("scenario", scenario), ("version", version), ("seed", str(seed))]


def joined(words: list[str]) -> str:
    """A command line."""
    return shlex.join(words)
