"""How to repeat a run: the command, or the call in Python where no command can."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import scenarios
from scenarios import Scenario
from scenarios.errors import Path as KeyPath
from scenarios.errors import ScenarioError, written
from scenarios.loader import SUFFIX


@dataclass(frozen=True)
class Replay:
    """What repeats runs of a scenario: its name or file, the changed values by path, and what replaces its core.

    `name` is None for a scenario from a text, and `replaced` None for the scenario's own core.
    """

    name: str | None
    changes: Mapping[str, str] = field(default_factory=dict)
    replaced: str | None = None

    @classmethod
    def of(cls, scenario: Scenario, replaced: str | None = None) -> Replay:
        """The replay of a scenario, found by its file."""
        source = scenario.source
        if source is None:
            return cls(None, {}, replaced)
        shipped = Path(source).name.removesuffix(SUFFIX)
        is_shipped = shipped in scenarios.names() and scenarios.path(shipped) == Path(source)
        try:
            changes = dict(_changes(scenarios.load(source).resolved(), scenario.resolved(), ()))
        except ScenarioError:  # the file has changed since
            return cls(None, {}, replaced)
        return cls(shipped if is_shipped else _from_here(source), changes, replaced)

    def command(self, seed: str, replications: int = 1) -> str:
        """`recovery-bench run agent-failure --seed 7/3`, or a call of `sim.run` or `sim.replicate`."""
        if self.name is None or self.replaced is not None:
            return self._call(seed, replications)
        words = ["recovery-bench", "run", self.name, "--seed", seed]
        if replications > 1:
            words += ["--replications", str(replications)]
        for path, value in self.changes.items():
            words += ["--set", f"{path}={value}"]
        return shlex.join(words)

    def _call(self, seed: str, replications: int) -> str:
        loaded = "scenario" if self.name is None else f"scenarios.load({self.name!r})"
        if self.changes:
            loaded += f".with_values({dict(self.changes)!r})"
        arguments = [loaded, f"seed={seed!r}"] + ([f"replications={replications}"] if replications > 1 else [])
        if self.replaced is not None:
            arguments.append(f"{self.replaced.partition(':')[0]}=…")
        return f"sim.{'replicate' if replications > 1 else 'run'}({', '.join(arguments)})"


def _from_here(file: str) -> str:
    """The path of a file, relative when it is below the working directory."""
    path = Path(file).absolute()
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _changes(before: Any, after: Any, place: KeyPath) -> Iterator[tuple[str, str]]:
    """The outermost values that differ, as `--set` takes them."""
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict) and before.keys() == after.keys():
        for key, value in after.items():
            yield from _changes(before[key], value, (*place, key))
        return
    yield written(place), after if isinstance(after, str) else _flow(after)


def _flow(value: Any) -> str:
    """A value in YAML's flow style, which is JSON for what a scenario holds."""
    return json.dumps(value, ensure_ascii=False)
