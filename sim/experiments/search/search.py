"""Searches for a schedule of faults that breaks a scenario.

Hypothesis draws examples within bounds, guided towards trouble, and shrinks what breaks. The examples that broke
something are kept in a database, and are the first of the next search.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, reject, settings, target
from hypothesis import seed as seeded
from hypothesis.database import DirectoryBasedExampleDatabase, ExampleDatabase
from hypothesis.errors import Unsatisfiable

from recovery.errors import RecoveryBenchError, argument
from scenarios import Scenario
from scenarios.errors import ScenarioError
from scenarios.expected_events import check_events
from scenarios.fields.quantities import is_whole
from sim.core.build import BuildCore, build_core
from sim.experiments.runs.provenance import installed_version
from sim.experiments.search.constants import no_constants_of_modules
from sim.experiments.search.coverage import NOTHING_REACHED, Coverage, Reached
from sim.experiments.search.found import Found, found_scenario
from sim.experiments.search.guidance import GROUPS, scores
from sim.experiments.search.judgement import RUN_ERROR, Break, Judge
from sim.experiments.search.reduction import reduced
from sim.gc_tuning import rare_collections
from sim.invariants import CHECKERS
from sim.simulation import BuildStore
from sim.strategies import Bounds, BoundsError, Drawn, Range, drawn
from sim.strategies.faults import Keys, admitted
from sim.world.task_store import NumberedTaskStore

EXAMPLES = 1000
CLIMBING = 0.4
"""The share of the examples in rounds that climb scores."""
FEWEST_TO_CLIMB = 20
MOST_ROUNDS = 100
"""Consecutive seeds of a search are so far apart in the seeds of rounds."""
SHRINKING = 45.0
"""Wall time in seconds after which shrinking stops; what was smallest until then is reduced further."""
MOST_REMEMBERED = 10_000
"""The number of latest examples that are not run again."""
OnExample = Callable[[int, str], object]
"""Called after each run with the number of runs so far, and `searching` or `shrinking`."""


class Broken(RecoveryBenchError):
    """An example that breaks something; a subclass for each name, so that Hypothesis shrinks one at a time."""


@cache
def _broken(name: str) -> type[Broken]:
    return type("Broken", (Broken,), {"name": name})


@dataclass(frozen=True)
class SearchResult:
    """The result of a search. `found`: the smallest schedule, None when nothing broke.

    `examples` were run, those of the shrinking not counted; `rejected` were contradictory and did not run.
    """

    scenario: Scenario
    seed: int
    kinds: tuple[str, ...]
    examples: int
    rejected: int
    coverage: Coverage
    found: Found | None
    wall_seconds: float
    interrupted: bool = False
    out_of_time: bool = False

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return self.found is None

    def as_json(self) -> dict[str, Any]:
        """The result as plain data."""
        return {
            "scenario": self.scenario.name,
            "version": installed_version(),
            "seed": self.seed,
            "faults": list(self.kinds),
            "examples": self.examples,
            "rejected": self.rejected,
            "found": None if self.found is None else self.found.as_json(),
            "coverage": self.coverage.as_json(),
            "not_reached": list(self.coverage.missed),
            "wall_seconds": self.wall_seconds,
            "interrupted": self.interrupted,
        }


def search(
    scenario: Scenario,
    examples: int = EXAMPLES,
    seed: int | None = None,
    *,
    bounds: Bounds | None = None,
    seconds: float | None = None,
    core: BuildCore = build_core,
    store: BuildStore = NumberedTaskStore,
    invariants_only: bool = False,
    database: Path | None = None,
    command: str = "sim.search",
    on_example: OnExample = lambda number, phase: None,
    force: bool = False,
) -> SearchResult:
    """Search for faults that break an invariant or an expectation of the scenario, and shrink what is found.

    The scenario's own faults stay, and others are added within `bounds`. At most `examples` are run, in at most
    `seconds` of wall time. `seed` (default: the scenario's) determines the examples. Failing examples are kept in the
    folder `database`, and are the first of the next search with it. `core` and `store` are those of `sim.run`. With
    `invariants_only` expectations are not judged; an expectation on a metric without an observation never is.

    Examples that are expected to have more than a billion events together, or a single one if there is a limit of
    time, are refused (TooManyEvents), unless `force` is true.

    Raises BoundsError and TooManyEvents.
    """
    if not is_whole(examples) or examples < 1:
        raise BoundsError(
            f"{argument('examples', examples)}: is no number of examples; valid: a whole number, 1 or more"
        )
    bounds = Bounds() if bounds is None else bounds
    bounds.check(scenario)
    if not force:
        check_events(bounds.largest(scenario), examples if seconds is None else 1, "examples")
    chosen = scenario.seed if seed is None else seed
    made = _Search(scenario, bounds, Judge(core, store, invariants_only), seconds, on_example)
    made.hunt(examples, chosen, database)
    found = made.reduced(command, chosen)
    return SearchResult(
        scenario,
        chosen,
        made.kinds,
        made.examples,
        made.rejected,
        made.coverage,
        found,
        _now() - made.began,
        made.interrupted,
        made.out_of_time,
    )


def rounds(examples: int) -> list[tuple[int, tuple[str, ...]]]:
    """The number of examples of each round, and the scores that it climbs; the first climbs none.

    Hypothesis climbs as long as a score grows, and would spend most examples on one score. So each group of scores has
    a round of its own, half of which is random.
    """
    each = int(examples * CLIMBING / len(GROUPS))
    if each < FEWEST_TO_CLIMB:
        return [(examples, ())]
    return [(examples - each * len(GROUPS), ()), *((each, labels) for labels in GROUPS)]


@dataclass(frozen=True, slots=True)
class _Judged:
    """What one example breaks, reaches and scores."""

    breaks: tuple[Break, ...]
    reached: Reached = NOTHING_REACHED
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass
class _Search:
    """One search while it runs.

    Hypothesis makes the same example of different draws, one of seven in a search, and more when it shrinks. An example
    that equals an earlier one is judged as that one was, because a run with a seed has one history.
    """

    scenario: Scenario
    bounds: Bounds
    judge: Judge
    seconds: float | None
    on_example: OnExample
    began: float = 0.0
    examples: int = 0
    rejected: int = 0
    runs: int = 0  # of the shrinking
    smallest: Drawn | None = None
    name: str = ""
    contradiction: str = ""
    first: int = 0
    interrupted: bool = False
    out_of_time: bool = False
    stopped: bool = False
    found_at: float = 0.0

    def __post_init__(self) -> None:
        self.began = _now()
        self.kinds = admitted(self.scenario, self.bounds)
        self.coverage = Coverage.of(self.scenario, self.kinds)
        self.strategy = drawn(self.scenario, self.bounds)
        self._judged: dict[str, _Judged] = {}
        self.own: tuple[Keys, ...] = tuple(
            self.scenario.model_dump(mode="json", by_alias=True, exclude_none=True)["faults"]
        )

    def hunt(self, examples: int, seed: int, database: Path | None) -> None:
        """Let Hypothesis draw, judge and shrink."""
        kept = None if database is None else DirectoryBasedExampleDatabase(database)
        try:
            with rare_collections():
                self._baseline()
                for number, (many, labels) in enumerate(rounds(examples - self.examples)):
                    self._round(many, seed * MOST_ROUNDS + number, labels, kept)
                    kept = None  # replayed already
        except (Broken, Unsatisfiable):
            pass
        except KeyboardInterrupt:
            self.interrupted = not self.stopped
        if not self.examples and self.contradiction:
            raise BoundsError(f"all {self.rejected} examples within the bounds are contradictory: {self.contradiction}")

    def _round(self, examples: int, seed: int, labels: tuple[str, ...], kept: ExampleDatabase | None) -> None:
        replay = () if kept is None else (Phase.reuse,)
        climb = (Phase.target,) if labels else ()

        @settings(
            max_examples=examples,
            database=kept,
            deadline=None,
            phases=(*replay, Phase.generate, *climb, Phase.shrink),
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        )
        @seeded(seed)  # below the settings, because it takes the database away
        @given(self.strategy)
        def example_breaks(example: Drawn) -> None:
            self._example(example, labels)

        with no_constants_of_modules():
            example_breaks()

    def _baseline(self) -> None:
        """Run the scenario as it is, with the first value of each setting. Raises Broken if it breaks something."""
        values = {
            path: given.low if isinstance(given, Range) else given[0] for path, given in self.bounds.values.items()
        }
        example = Drawn(values, (), self.scenario.seed)
        try:
            example.scenario(self.scenario, self.own)
        except ScenarioError as error:
            self.rejected += 1
            self.contradiction = str(error)
        else:
            self._example(example)

    def _example(self, example: Drawn, labels: Collection[str] = ()) -> None:
        """Run and judge one example. Raises Broken for one that breaks something, the same as the first one.

        Raises KeyboardInterrupt, which Hypothesis passes on, when the time is over.
        """
        self._check_time()
        try:
            judged = self._judge(example, self.own)
        except ScenarioError as error:  # parts that are valid alone, and contradict each other
            self.rejected += 1
            self.contradiction = str(error)
            reject()
        if not self.name:
            self.examples += 1
            self.coverage.add(judged.reached)
            for label, score in judged.scores.items():
                if label in labels:
                    target(score, label=label)
            self.on_example(self.examples, "searching")
        else:
            self.runs += 1
            self.on_example(self.runs, "shrinking")
        for each in judged.breaks:
            if self.name in ("", each.name):
                self._keep(example, each.name)
                raise _broken(each.name)(each.message)

    def _judge(self, example: Drawn, own: Sequence[Keys]) -> _Judged:
        """Run and judge an example with these faults of the scenario's own. Raises ScenarioError."""
        key = repr((example, own))
        judged = self._judged.get(key)
        if judged is None:
            history, breaks = self.judge.run(example.scenario(self.scenario, own))
            judged = _Judged(breaks) if history is None else _Judged(breaks, Reached.of(history), scores(history))
            if len(self._judged) >= MOST_REMEMBERED:
                del self._judged[next(iter(self._judged))]
            self._judged[key] = judged
        return judged

    def _keep(self, example: Drawn, name: str) -> None:
        if self.smallest is None:
            self.name, self.first, self.found_at = name, self.examples, _now()
        if self.smallest is None or _size(example) <= _size(self.smallest):
            self.smallest = example

    def _check_time(self) -> None:
        now = _now()
        if self.smallest is not None:
            self.stopped = now - self.found_at > SHRINKING
        elif self.seconds is not None:
            self.stopped = self.out_of_time = now - self.began > self.seconds
        if self.stopped:
            raise KeyboardInterrupt

    def reduced(self, command: str, seed: int) -> Found | None:
        """The smallest schedule, reduced further, with what it breaks; None when nothing was found."""
        if self.smallest is None:
            return None
        example, own = self.smallest, self.own
        if not self.interrupted:
            is_expectation = self.name not in CHECKERS and self.name != RUN_ERROR
            try:
                example, own = reduced(example, own, self._breaks, keep_own=is_expectation)
            except KeyboardInterrupt:
                self.interrupted = True
        breaks = self._judge(example, own).breaks
        first = [each for each in breaks if each.name == self.name]
        ordered: tuple[Break, ...] = (*first, *(each for each in breaks if each.name != self.name))
        made = found_scenario(self.scenario, example, own, ordered, command, seed)
        return Found(self.name, self.first, self.runs, example, own, ordered, made)

    def _breaks(self, example: Drawn, own: Sequence[Keys]) -> bool:
        self.runs += 1
        self.on_example(self.runs, "shrinking")
        try:
            judged = self._judge(example, own)
        except ScenarioError:
            return False
        return any(each.name == self.name for each in judged.breaks)


def _size(example: Drawn) -> tuple[int, int]:
    """Fewer faults are smaller, and then a shorter text."""
    return len(example.faults), len(str(example.faults)) + len(str(example.values))


def _now() -> float:
    return time.monotonic()  # noqa: TID251 - the budget of a search; no history depends on it
