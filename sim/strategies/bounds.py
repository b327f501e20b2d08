"""The bounds of a search: the kinds and number of faults, and the settings that vary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import PydanticCustomError

from recovery.errors import RecoveryBenchError
from scenarios import Scenario
from scenarios.errors import ScenarioError, instead
from scenarios.expected_events import expected_events
from scenarios.faults import SINGLE
from scenarios.fields.quantities import seconds

KINDS: tuple[str, ...] = tuple(form.kind for form in SINGLE)
"""Every kind of fault, in the order of the reference."""
MOST_FAULTS = 4
SEEDS = 16
"""The number of seeds among which the run of an example is drawn."""
STEPS = 100
"""The number of equal steps in which a range of durations or numbers with a fraction is drawn."""


class BoundsError(RecoveryBenchError, ValueError):
    """Bounds that admit no schedule, or that are not valid. One line: which, and what would be valid."""


@dataclass(frozen=True)
class Range:
    """Values from `low` to `high`, both included: whole numbers, or numbers and durations in `STEPS` equal steps."""

    low: float
    high: float

    @property
    def is_whole(self) -> bool:
        """Whether only whole numbers are drawn."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def at(self, step: int) -> float:
        """The value at a step from 0."""
        if self.is_whole:
            return self.low + step
        return round(self.low + (self.high - self.low) * step / STEPS, 6)

    @property
    def steps(self) -> int:
        """The number of the last step."""
        return int(self.high - self.low) if self.is_whole else STEPS


@dataclass(frozen=True)
class Bounds:
    """What a search may draw.

    `faults` are kinds of fault; None: each that the scenario admits. A schedule has at most `most_faults` of them.
    `values` are, by path of a setting, a `Range` or a sequence of values; the first is the simplest. The seed of the
    run is one of `seeds` consecutive ones from the scenario's on.
    """

    faults: tuple[str, ...] | None = None
    most_faults: int = MOST_FAULTS
    values: Mapping[str, Range | Sequence[Any]] = field(default_factory=dict)
    seeds: int = SEEDS

    @classmethod
    def of(
        cls,
        faults: Iterable[str] | None = None,
        most_faults: int = MOST_FAULTS,
        values: Mapping[str, Any] | None = None,
        seeds: int = SEEDS,
    ) -> Bounds:
        """Bounds from plain data; a text is parsed as in `parse_values`. Raises BoundsError."""
        kinds = None if faults is None else tuple(dict.fromkeys(faults))
        for kind in kinds or ():
            if kind not in KINDS:
                raise BoundsError(f"faults: unknown kind '{kind}'; {instead(kind, KINDS, 'valid')}")
        if kinds == ():
            raise BoundsError("faults: no kind of fault; valid: at least one, or None for each that is possible")
        if most_faults < 1:
            raise BoundsError(f"most_faults: {most_faults} admits no schedule; valid: 1 or more")
        if seeds < 1:
            raise BoundsError(f"seeds: {seeds} admits no run; valid: 1 or more")
        return cls(
            kinds,
            most_faults,
            {
                path: parse_values(path, given) if isinstance(given, str) else given
                for path, given in (values or {}).items()
            },
            seeds,
        )

    def ends(self, path: str) -> tuple[Any, ...]:
        """The values of a setting between which the others are: the ends of its range, or the whole sequence."""
        given = self.values[path]
        return (given.low, given.high) if isinstance(given, Range) else tuple(given)

    def largest(self, scenario: Scenario) -> Scenario:
        """The scenario with the values of most events, of each setting by itself.

        Where they contradict each other, that of the single setting with most events. Raises ScenarioError for a value
        that is not valid.
        """
        most: dict[str, Any] = {}
        single = [scenario]
        for path in self.values:
            made = {value: scenario.with_values({path: value}) for value in self.ends(path)}
            most[path] = max(made, key=lambda value: expected_events(made[value]).events)
            single.append(made[most[path]])
        try:
            return scenario.with_values(most)
        except ScenarioError:
            return max(single, key=lambda each: expected_events(each).events)

    def check(self, scenario: Scenario) -> None:
        """Raise BoundsError for a path or a value that the scenario does not have.

        The ends of a range are checked, and every value of a sequence.
        """
        for path in self.values:
            if path.partition("[")[0].partition(".")[0] in {"faults", "seed", "name", "extends", "expect", "found_by"}:
                raise BoundsError(f"{path}: does not vary; valid: a setting of the world or of a policy")
            ends = self.ends(path)
            if not ends:
                raise BoundsError(f"{path}: no value; valid: at least one")
            for value in ends:
                try:
                    scenario.with_values({path: value})
                except ScenarioError as error:
                    raise BoundsError(f"{path}={value}: {error.problem}") from None


def parse_values(path: str, text: str) -> Range | tuple[str, ...]:
    """A range, `low..high`, of whole numbers, numbers or durations; or a list, `v1,v2,…`. Raises BoundsError."""
    low, sign, high = text.partition("..")
    if not sign:
        values = tuple(value.strip() for value in text.split(","))
        if "" in values:
            raise BoundsError(f"{path}={text}: has an empty value; valid: low..high, or v1,v2,…")
        return values
    ends = _number(path, text, low), _number(path, text, high)
    if ends[0] > ends[1]:
        raise BoundsError(f"{path}={text}: admits no value; valid: low..high with low ≤ high")
    return Range(*ends)


def _number(path: str, text: str, end: str) -> float:
    """One end of a range."""
    try:
        return int(end)
    except ValueError:
        pass
    if end.strip().endswith("%"):
        end = end.strip()[:-1]
        try:
            return float(end) / 100
        except ValueError:
            pass
    try:
        return seconds(end.strip())
    except PydanticCustomError:
        raise BoundsError(f"{path}={text}: '{end}' is not a number or duration; valid: 1..10, or 5s..1m") from None
