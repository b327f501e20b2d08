"""One fault: its kind's own keys, in the notation of a scenario file. The first alternative is the simplest."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from hypothesis import strategies as st

from scenarios import Scenario
from scenarios.errors import ScenarioError
from scenarios.task_views import any_task
from sim.strategies.bounds import KINDS, Bounds, BoundsError
from sim.strategies.instants import NEAR, durations

Keys = dict[str, Any]
Keyed = st.SearchStrategy[Keys]


@dataclass(frozen=True)
class Around:
    """What the faults of a scenario can refer to."""

    scenario: Scenario

    @cached_property
    def durations(self) -> tuple[float, ...]:
        """The scenario's own durations (`sim.strategies.instants`)."""
        return durations(self.scenario)

    @cached_property
    def lengths(self) -> tuple[float, ...]:
        """Durations of faults: round ones first, then those just before, at and just after each of the scenario's."""
        longest = self.scenario.duration / 2
        simple = [length for length in (10, 1, 30, 60, 0.1) if length <= longest] or [longest]
        near = [round(each + shift, 6) for each in self.durations for shift in (0.0, NEAR, -NEAR)]
        return tuple(dict.fromkeys([*simple, *(length for length in near if 0 < length <= longest)]))

    @cached_property
    def agents(self) -> list[Keys]:
        """Targets of a fault of agents: one, all, half of them, or a name."""
        count = self.scenario.agents.count
        choices: list[Any] = [1, "all", *(["50%", 2] if count > 2 else [])]
        choices += [[f"agent.{number}"] for number in range(min(count, 4))]
        choices += [{"pool": pool, **amount} for pool in self.scenario.agents.pools for amount in ({"count": 1}, {})]
        return _key("targets", choices)

    @cached_property
    def tasks(self) -> list[Keys]:
        """Targets of a fault of tasks: one, all, half of them, or those of a kind."""
        kinds = [{"kind": kind, **amount} for kind in self.scenario.tasks.kinds for amount in ({"count": 1}, {})]
        return _key("targets", [1, "all", "50%", *kinds])

    @cached_property
    def length(self) -> list[Keys]:
        """The duration of a fault."""
        return _key("for", self.lengths)

    @cached_property
    def units(self) -> list[Keys]:
        """Some or all units of a pool."""
        return [
            {"resource": name, "units": units}
            for name, pool in self.scenario.resources.items()
            for units in dict.fromkeys((1, max(1, pool.units // 2), pool.units))
        ]

    @cached_property
    def sides(self) -> list[Keys]:
        """Two endpoints of the network, or a core and the store."""
        cores = self.scenario.recovery.cores.count
        to_store = [["core", "store"], *([["core.0", "store"]] if cores > 1 else [])]
        agents = [["agent.0", "queue"], ["agent.0", "core"]]
        return _key("between", [*PAIRS, *agents, *to_store])

    @cached_property
    def endpoints(self) -> list[Keys]:
        """Two endpoints of the network, or all messages; in both directions or in one."""
        one_way = [{"between": pair, "one_way": True} for each in PAIRS for pair in (each, each[::-1])]
        return [{}, *_key("between", PAIRS), *one_way]

    @cached_property
    def delay(self) -> list[Keys]:
        """An additional latency."""
        return _key("delay", (1, 0.1, *self.durations))

    @cached_property
    def clocks(self) -> list[Keys]:
        """Which clocks are wrong, and how."""
        scenario = self.scenario
        uses = scenario.recovery.detection.detector != "perfect" or any(
            tasks.timeout is not None for tasks in any_task(scenario)
        )
        whose = [*((1, "all") if uses else ()), *(("queue",) if scenario.queue.ack_timeout is not None else ())]
        rates = [{"targets": targets, "rate": rate} for targets in whose for rate in (2, 0.5)]
        if scenario.queue.ack_timeout is None:
            return rates
        return rates + [{"targets": "queue", "offset": each * way} for each in self.durations for way in (1, -1)]


PAIRS = (["agents", "queue"], ["agents", "core"], ["queue", "core"])
FACTORS: list[Keys] = [{"factor": 2}, {"factor": 10}, {"factor": 100}]
SHARES: list[Keys] = [{"probability": 1}, {"probability": 0.5}]


def _key(name: str, values: Iterable[Any]) -> list[Keys]:
    return [{name: value} for value in values]


def _all(*parts: Sequence[Keys]) -> Keyed:
    """One of all combinations in a single choice, which is faster; the simplest of each part come first."""
    places = np.indices([len(part) for part in parts]).reshape(len(parts), -1)
    ordered = places[:, np.argsort(places.max(axis=0), kind="stable")]

    def combination(chosen: list[int]) -> Keys:
        return {key: value for part, place in zip(parts, chosen, strict=True) for key, value in part[place].items()}

    # In lists, which have no hash: otherwise the label of the strategy, and with it the examples, depend on the number.
    return st.sampled_from(ordered.T.tolist()).map(combination)


FORMS: Mapping[str, Callable[[Around], Keyed]] = MappingProxyType(
    {
        "agent_crash": lambda at: _all(at.agents),
        "agent_hang": lambda at: _all(at.agents, at.length, [{}, {"beating": True}]),
        "agent_slow": lambda at: _all(at.agents, at.length, FACTORS),
        "agent_flap": lambda at: _all(
            at.agents, at.length, _key("down", (1, *at.durations)), _key("up", (10, 1, *at.durations[-4:]))
        ),
        "execution_failure": lambda at: _all(at.tasks),
        "poison_task": lambda at: _all(at.tasks),
        "resource_unavailable": lambda at: _all(at.units, at.length),
        "resource_degraded": lambda at: _all(_key("resource", at.scenario.resources), at.length, FACTORS),
        "resource_leak": lambda at: _all(at.units, at.length),
        "partition": lambda at: _all(at.sides, at.length),
        "message_loss": lambda at: _all(SHARES, at.endpoints, at.length),
        "message_delay": lambda at: _all(at.delay, SHARES, at.endpoints, at.length),
        "message_reorder": lambda at: _all(at.delay, SHARES, at.length),
        "message_duplicate": lambda at: _all(SHARES, at.length),
        "queue_blocked": lambda at: _all(at.length),
        "checkpoint_corrupt": lambda at: _all(at.tasks),
        "checkpoint_torn": lambda at: _all(at.tasks),
        "checkpoint_stale": lambda at: _all(_key("lag", at.lengths), at.length),
        "storage_failure": lambda at: _all(SHARES, at.length),
        "storage_slow": lambda at: _all(FACTORS, at.length),
        "load_surge": lambda at: _all([{"factor": 2}, {"factor": 5}], at.length),
        "core_crash": lambda at: _all(at.length),
        "core_hang": lambda at: _all(at.length),
        "core_slow": lambda at: _all(at.delay, at.length),
        "clock_skew": lambda at: _all(at.clocks, at.length),
        "dependency_down": lambda at: _all(_key("dependency", at.scenario.downstream), at.length),
        "dependency_slow": lambda at: _all(_key("dependency", at.scenario.downstream), at.length, FACTORS),
    }
)
"""The keys of each kind of fault besides its time."""
SAMPLES: Mapping[str, tuple[Keys, ...]] = MappingProxyType(
    {
        "clock_skew": ({"targets": 1, "rate": 2, "for": 1}, {"targets": "queue", "rate": 2, "for": 1}),
        "agent_flap": ({"down": 1, "up": 10, "for": 1},),
        "agent_slow": ({"factor": 2, "for": 1},),
        "partition": ({"between": ["agents", "queue"], "for": 1},),
        "message_loss": ({"probability": 1, "for": 1},),
        "message_delay": ({"delay": 1, "for": 1},),
        "message_reorder": ({"delay": 1, "for": 1},),
        "message_duplicate": ({"probability": 1, "for": 1},),
        "checkpoint_stale": ({"lag": 1, "for": 1},),
        "storage_slow": ({"factor": 2, "for": 1},),
        "load_surge": ({"factor": 2, "for": 1},),
        "core_slow": ({"delay": 1, "for": 1},),
    }
)
"""Keys with which a kind of fault is tried against a scenario, where it has required ones."""
CALLED = ("dependency_down", "dependency_slow")
POOLED = ("resource_unavailable", "resource_degraded", "resource_leak")


def refusal(scenario: Scenario, kind: str) -> str | None:
    """Why a scenario admits no fault of this kind; None: it does."""
    samples = SAMPLES.get(kind, ({},))
    if kind in POOLED:
        if not scenario.resources:
            return "the scenario has no resources"
        keys = {"factor": 2} if kind == "resource_degraded" else {"units": 1}
        samples = tuple({"resource": pool, **keys} for pool in scenario.resources)
    if kind in CALLED:
        if not scenario.downstream:
            return "the scenario has no dependencies"
        keys = {"factor": 2} if kind == "dependency_slow" else {}
        samples = tuple({"dependency": name, **keys} for name in scenario.downstream)
    why = None
    for sample in samples:
        try:
            scenario.with_faults([{kind: {**sample, "at": 0}}], scenario.seed)
        except ScenarioError as error:
            why = error.problem
        else:
            return None
    return why


def admitted(scenario: Scenario, bounds: Bounds) -> tuple[str, ...]:
    """The kinds of fault of a search. Raises BoundsError if there is none, or one is not possible."""
    if bounds.faults is not None:
        for kind in bounds.faults:
            why = refusal(scenario, kind)
            if why is not None:
                raise BoundsError(f"faults: {kind} is not possible in {scenario.name}: {why}")
        return bounds.faults
    kinds = tuple(kind for kind in KINDS if refusal(scenario, kind) is None)
    if not kinds:
        raise BoundsError(f"faults: {scenario.name} admits no kind of fault")
    return kinds
