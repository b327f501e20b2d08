"""The schedule that a search found, as a scenario and as a file that pytest collects."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

import scenarios
from recovery.atomic_file import whole_file
from scenarios import Scenario
from sim.experiments.search.judgement import Break
from sim.strategies import Drawn
from sim.strategies.faults import Keys

SUFFIX = ".scenario.yaml"


@dataclass(frozen=True)
class Found:
    """The smallest schedule. `example` is the number of the example that broke first, `runs` those of the shrinking.

    `scenario` contains the faults and says in `found_by` what it breaks: everything in `breaks`, `name` first.
    """

    name: str
    example: int
    runs: int
    drawn: Drawn
    own: tuple[Keys, ...]
    breaks: tuple[Break, ...]
    scenario: Scenario

    @property
    def faults(self) -> tuple[Keys, ...]:
        """All faults of the schedule, in the notation of a file."""
        return (*self.own, *self.drawn.faults)

    def yaml(self, name: str | None = None) -> str:
        """The scenario as a file that loads as the same scenario, with another name if one is given."""
        scenario = self.scenario if name is None else self.scenario.with_values({"name": name})
        short = scenario.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        text = _written({**short, "faults": [dict(fault) for fault in self.faults]})
        same = scenarios.loads(text) == scenario
        return text if same else _written(scenario.resolved())

    def save(self, folder: Path) -> Path:
        """Write the file into a folder, which is created, unless it is there. Raises OSError.

        A file with this name and another schedule is kept: the new file, and its scenario, have a number in their name.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for number in count(1):
            name = None if number == 1 else f"{self.scenario.name}-{number}"
            file, text = folder / f"{name or self.scenario.name}{SUFFIX}", self.yaml(name)
            if not file.exists():
                with whole_file(file) as path:
                    path.write_text(text, encoding="utf-8")
                return file
            if file.read_text(encoding="utf-8", errors="replace") == text:
                return file
        raise AssertionError

    def as_json(self) -> dict[str, Any]:
        """The schedule and what it breaks as plain data."""
        return {
            "breaks": self.name,
            "messages": [each.message for each in self.breaks],
            "example": self.example,
            "shrinking_runs": self.runs,
            "seed": f"{self.scenario.seed}/0",
            "values": dict(self.drawn.values),
            "faults": list(self.faults),
            "scenario": self.scenario.name,
        }


def _written(data: dict[str, Any]) -> str:
    writer = YAML()
    writer.default_flow_style = None
    writer.width = 120
    stream = io.StringIO()
    writer.dump(_ordered(data), stream)
    return stream.getvalue()


def _ordered(data: dict[str, Any]) -> dict[str, Any]:
    """What is about the file first, then the world, then faults and expectations."""
    first = [key for key in ("name", "description", "found_by", "seed", "duration") if key in data]
    last = [key for key in ("faults", "steady_state", "expect") if key in data]
    between = [key for key in data if key not in {*first, *last}]
    return {key: data[key] for key in (*first, *between, *last)}


def found_name(scenario: Scenario, broken: str) -> str:
    """The name of a found scenario: `agent-failure-breaks-no_lost_task`."""
    slug = re.sub(r"[^A-Za-z0-9_]+", "-", broken).strip("-")
    return f"{scenario.name}-breaks-{slug}"


def found_scenario(
    base: Scenario, example: Drawn, own: Sequence[Keys], breaks: Sequence[Break], command: str, seed: int
) -> Scenario:
    """The scenario of a schedule. Raises ScenarioError."""
    made = example.scenario(base, own)
    names = [each.name for each in breaks]
    return made.with_values(
        {
            "name": found_name(base, names[0]),
            "description": f"Found by a search in {base.name}: {breaks[0].message}.",
            "found_by": {"search": command, "seed": seed, "violates": names},
        }
    )
