"""Schedules of faults, and scenarios that have them.

A schedule draws a random subset of the kinds of fault first (swarm testing: A. Groce et al., ISSTA 2012), because
faults of many kinds hide each other's effects. A fault is placed at a time, at a multiple of one of the scenario's
durations, together with the fault before it or one duration later, at a step of a recovery, when another fault begins
or ends, or when a quantity passes a threshold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from recovery.runbook.catalogue import documented
from scenarios import Scenario
from scenarios.errors import ScenarioError
from scenarios.faults import SINGLE
from sim.strategies.bounds import Bounds, Range
from sim.strategies.faults import FORMS, Around, Keyed, Keys, admitted
from sim.strategies.instants import NEAR

LATEST = 0.9
"""The share of a run after which no fault is placed at a time, so that its recovery can end."""
SWARM = 3
"""The number of kinds of fault that one schedule has at most."""
INTERRUPTIONS = ("agent_crash", "agent_hang", "core_crash", "core_hang", "partition", "execution_failure")
"""Kinds of fault that interrupt work, a recovery or the core."""
INTERRUPTING = 3
"""How much more often they are drawn than others."""
OF_TASKS = ("execution_failure", "poison_task", "checkpoint_corrupt", "checkpoint_torn")
"""Kinds of fault that only hit running tasks."""
LEVELS = (
    *("recovery.open > 0", "recovery.open > 1", "recovery.open > 3", "queue.depth > 0", "queue.depth > 5"),
    *("task.progress > 0.5", "task.progress > 0.9", "tasks.completed > 0", "tasks.failed > 0"),
)
"""Conditions at which a fault is placed, besides the steps of recoveries and other faults."""
MOST_INJECTIONS = 20
"""The number of times that a repeated fault happens at most, about."""
Placed = tuple[str, Keys, Keys]
"""Kind, place and the other keys of a fault."""
LASTING = tuple(form.kind for form in SINGLE if form.lasts())


@dataclass(frozen=True)
class Drawn:
    """One example: the values of settings by path, the faults in the notation of a file, and the seed of the run."""

    values: Mapping[str, Any]
    faults: tuple[Keys, ...]
    seed: int

    def scenario(self, base: Scenario, own: Sequence[Keys] | None = None) -> Scenario:
        """The scenario of this example; `own` are the faults of the base that stay. Raises ScenarioError."""
        kept = base.resolved()["faults"] if own is None else own
        if not self.values:
            return base.with_faults([*kept, *self.faults], self.seed)
        return base.with_values({**self.values, "faults": [*kept, *self.faults], "seed": self.seed})


def drawn(scenario: Scenario, bounds: Bounds | None = None) -> st.SearchStrategy[Drawn]:
    """Examples within bounds. Raises BoundsError."""
    bounds = Bounds() if bounds is None else bounds
    bounds.check(scenario)
    schedule = fault_schedules(scenario, bounds)
    settings = st.fixed_dictionaries({path: _values(given) for path, given in bounds.values.items()})
    seeds = st.integers(scenario.seed, scenario.seed + bounds.seeds - 1)

    @st.composite
    def example(draw: st.DrawFn) -> Drawn:
        return Drawn(draw(settings) if bounds.values else {}, draw(schedule), draw(seeds))

    return example()


def searched(
    scenario: Scenario,
    faults: Sequence[str] | None = None,
    most_faults: int = 4,
    values: Mapping[str, Any] | None = None,
) -> st.SearchStrategy[Scenario]:
    """Scenarios like this one, with other values, faults and seeds, within the bounds of `Bounds.of`.

    The scenario's own faults stay. Raises BoundsError.
    """

    def made(example: Drawn) -> Scenario:
        try:
            return example.scenario(scenario)
        except ScenarioError:  # parts that are valid alone, and contradict each other
            assume(False)
            raise

    return drawn(scenario, Bounds.of(faults, most_faults, values)).map(made)


def fault_schedules(scenario: Scenario, bounds: Bounds | None = None) -> st.SearchStrategy[tuple[Keys, ...]]:
    """Schedules of faults as in a scenario file, from one fault to `bounds.most_faults`. Raises BoundsError."""
    bounds = Bounds() if bounds is None else bounds
    kinds = admitted(scenario, bounds)
    around = Around(scenario)
    anywhere, while_working = _places(around), _places(around, ("task.progress > 0.1", *LEVELS[5:7]))
    every_kind = [
        st.tuples(st.just(kind), while_working if kind in OF_TASKS else anywhere, FORMS[kind](around))
        for kind in _weighted(kinds)
    ]
    number = st.integers(0, len(every_kind) - 1)
    lists: dict[tuple[int, ...], st.SearchStrategy[list[Placed]]] = {}

    @st.composite
    def numbers(draw: st.DrawFn) -> tuple[int, ...]:
        return tuple(sorted({draw(number) for _ in range(SWARM)}))

    swarms = numbers()

    @st.composite
    def schedule(draw: st.DrawFn) -> tuple[Keys, ...]:
        swarm = draw(swarms)
        if swarm not in lists:
            faults = st.one_of([every_kind[number] for number in swarm])
            lists[swarm] = st.lists(faults, min_size=1, max_size=bounds.most_faults)
        return _resolved(draw(lists[swarm]), scenario.duration)

    return schedule()


def _weighted(kinds: Sequence[str]) -> list[str]:
    """The kinds, those that interrupt something several times."""
    return [kind for kind in kinds for _ in range(INTERRUPTING if kind in INTERRUPTIONS else 1)]


def _values(given: Range | Sequence[Any]) -> st.SearchStrategy[Any]:
    if isinstance(given, Range):
        return st.integers(0, given.steps).map(given.at)
    return st.sampled_from(list(given))


# ------------------------------------------------------------------------------------ places
def _places(around: Around, levels: Sequence[str] = LEVELS) -> Keyed:
    """When a fault happens, among others at these levels.

    `tie`, `later` and `chained` refer to the fault before it; `_resolved` replaces them.
    """
    scenario, near = around.scenario, _near(around.durations)
    latest = LATEST * scenario.duration
    whole = latest >= 10
    at = st.integers(0, int(latest) if whole else int(latest * 10)).map(
        lambda number: {"at": number if whole else number / 10}
    )
    multiples = [
        {"at": _rounded(each * times + shift)}
        for times in range(1, 21)
        for each in around.durations
        for shift in (0.0, NEAR, -NEAR)
        if 0 <= each * times + shift <= latest
    ]
    commands = _steps(scenario)
    soon: list[Keys] = [{}, *({"after": each} for each in _soon(scenario))]
    delays: list[Keys] = [{}, *({"after": each} for each in dict.fromkeys((*_soon(scenario), *near)))]
    in_steps = [{"when": f"recovery.step == {command}", **delay} for delay in soon for command in commands]
    after_steps = [{"when": f"recovery.step == {command}", **delay} for delay in delays for command in commands]
    levels = (*levels, f"agents.up < {scenario.agents.count}")
    at_levels = [{"when": level, **delay} for delay in delays for level in levels]
    chained = [{"chained": state, **delay} for delay in delays for state in ("injected", "cleared")]
    shortest = max(1.0, scenario.duration / MOST_INJECTIONS)
    every = [{"every": each} for each in dict.fromkeys((shortest, *around.durations)) if each >= shortest]
    later = [{"later": each} for each in near]
    others = ([{"tie": True}], in_steps, later, chained, at_levels, after_steps, multiples or [{"at": 0}], every)
    return st.one_of(at, *(st.sampled_from(each) for each in others))


def _near(durations: Sequence[float]) -> list[float]:
    """Each duration, and just before and after it."""
    return list(dict.fromkeys(_rounded(each + shift) for each in durations for shift in (0.0, NEAR, -NEAR)))


def _rounded(seconds: float) -> float:
    """To a microsecond; a whole number of seconds as one, which is easier to read."""
    value = round(seconds, 6)
    return int(value) if value == int(value) else value


def _soon(scenario: Scenario) -> tuple[float, ...]:
    """Delays that end within a step of a recovery, in seconds: short ones, and half of what a step costs."""
    halves = (_rounded(cost / 2) for cost in scenario.recovery.costs.values() if cost)
    return tuple(dict.fromkeys((*halves, NEAR, 0.1, 1)))


def _steps(scenario: Scenario) -> tuple[str, ...]:
    """The commands of the recovery procedures in force that can occur in the scenario, in the order of the runbook."""
    runbook = scenario.recovery.in_force or documented()
    found = dict.fromkeys(each.command for _, entry in runbook.entries() for each in entry.recovery)
    of_resources = ("allocate_new_resources", "migrate_task")
    return tuple(command for command in found if scenario.resources or command not in of_resources)


def _resolved(faults: Sequence[Placed], duration: float) -> tuple[Keys, ...]:
    """The faults with places that refer to nothing before them."""
    found: list[Keys] = []
    kind_before = ""
    before: Keys = {"at": 0}
    for kind, place, keys in faults:
        placed = _placed(place, kind_before, before, LATEST * duration)
        found.append({kind: {**placed, **keys}})
        kind_before, before = kind, placed
    return tuple(found)


def _placed(place: Keys, kind_before: str, before: Keys, latest: float) -> Keys:
    if "tie" in place:
        return dict(before)
    if "later" in place:
        if "when" in before:
            return {"when": before["when"], "after": _rounded(before.get("after", 0.0) + place["later"])}
        start = before.get("at", before.get("every", 0.0))
        return {"at": _rounded(min(start + place["later"], latest))}
    if "chained" in place:
        if not kind_before:
            return {"at": _rounded(min(place.get("after", 0.0), latest))}
        state = place["chained"] if kind_before in LASTING else "injected"
        return {"when": f"fault.{kind_before} == {state}", **({"after": place["after"]} if "after" in place else {})}
    return dict(place)
