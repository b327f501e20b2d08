"""The space that a search varies: a range or a list of choices at each path of a scenario."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recovery.errors import RecoveryBenchError
from scenarios import Scenario
from scenarios.documents.overrides import value_of
from scenarios.errors import ScenarioError
from sim.experiments.sweeps.designs import DesignError, Point, Range, axis, bounds, canonical, number, space

if TYPE_CHECKING:
    from optuna.trial import Trial

DIGITS = 3
"""Significant digits of what is proposed: a policy of 13.2 s is as good as one of 13.1847 s, and can be read."""
DURATION = re.compile(r"\d+(\.\d+)?(ms|s|m|h|d)")


class TuneError(RecoveryBenchError, ValueError):
    """A search cannot be made. One line: why, and what would be valid."""


@dataclass(frozen=True)
class Dimension:
    """What is varied at a path: numbers from `low` to `high`, or one of `choices` (JSON).

    `log`: uniform on a logarithmic scale; `whole`: whole numbers.
    """

    path: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    choices: tuple[str, ...] = ()

    def suggest(self, trial: Trial) -> Any:
        """The value that Optuna proposes, as a scenario takes it."""
        if self.choices:
            return json.loads(trial.suggest_categorical(self.path, self.choices))
        if self.whole:
            return trial.suggest_int(self.path, int(self.low), int(self.high), log=self.log)
        return float(f"{trial.suggest_float(self.path, self.low, self.high, log=self.log):.{DIGITS}g}")

    def parameter(self, value: str) -> Any:
        """Optuna's parameter for a value (JSON); None if it is not in the space."""
        if self.choices:
            return value if value in self.choices else None
        found = number(value)
        if found is None or not self.low <= found <= self.high:
            return None
        return int(found) if self.whole else found

    def least(self) -> Any:
        """The lower end, or the first choice, as a scenario takes it."""
        if self.choices:
            return json.loads(self.choices[0])
        return int(self.low) if self.whole else self.low

    def text(self) -> str:
        """The dimension as `--vary` takes it."""
        if self.choices:
            return f"{self.path}={','.join(self.choices)}"
        return f"{self.path}={self.low:g}..{self.high:g}{':log' if self.log else ''}"


def space_of(scenario: Scenario, vary: Mapping[str, Any] | Sequence[str]) -> tuple[Dimension, ...]:
    """The dimensions from texts such as `path=low..high`, `path=low..high:log` and `path=a,b,c`, or from values by
    path: a tuple (low, high) or a list of choices.

    Ranges of durations above 0 are on a logarithmic scale. Raises TuneError, and ScenarioError for an invalid path or
    value.
    """
    if not vary:
        raise TuneError("nothing is varied; valid: one range or more, as in agents.count=5..20")
    given = [_parsed(each) for each in vary] if not isinstance(vary, Mapping) else list(vary.items())
    found: dict[str, Dimension] = {}
    for path, values in given:
        if path in found:
            raise TuneError(f"{path}: is varied twice; valid: once")
        found[path] = _dimension(scenario, path, values)
    return tuple(found.values())


def _parsed(text: str) -> tuple[str, Any]:
    try:
        if ".." not in text:
            return axis(text)
        found = space(text)
    except DesignError as error:
        raise TuneError(f"{error}; or path=low..high, path=low..high:log, path=a,b,c") from None
    return found.path, found


def _dimension(scenario: Scenario, path: str, values: Any) -> Dimension:
    if isinstance(values, list):
        choices = tuple(dict.fromkeys(canonical(scenario, path, value) for value in values))
        if len(choices) < 2:
            raise TuneError(f"{path}: one choice leaves nothing to search; valid: two or more")
        return Dimension(path, choices=choices)
    if isinstance(values, tuple) and len(values) == 2:
        values = Range(path, *values)
    if not isinstance(values, Range):
        raise TuneError(f"{path}: {values!r} is not a range; valid: (low, high), or a list of choices")
    try:
        low, high, whole = bounds(scenario, values)
    except DesignError as error:
        raise TuneError(str(error)) from None
    is_duration = isinstance(values.high, str) and DURATION.fullmatch(values.high) is not None
    return Dimension(path, low, high, values.log or (low > 0 and is_duration), whole)


def current(scenario: Scenario, space: Sequence[Dimension]) -> Point:
    """The scenario's own value at each path that it has."""
    point: dict[str, str] = {}
    for each in space:
        try:
            point[each.path] = canonical(scenario, each.path, value_of(scenario, each.path))
        except ScenarioError:  # a key that the scenario only has when it is set
            continue
    return point
