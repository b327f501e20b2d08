"""Faults that stop one target at overlapping times, before a run: their united intervals."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import Any

from recovery.policies.time_limits import in_time
from scenarios.faults import AgentHang, CoreCrash, CoreHang, Partition, QueueBlocked, each
from scenarios.faults.targets import PoolTargets
from scenarios.schema import ScenarioFields
from scenarios.sections.agents import AgentSettings


@dataclass(frozen=True)
class Outage:
    """A target that several faults stop without a gap between them, from `begin` to `end`, in seconds.

    `end` is infinite without an end. `target` is a name in a history, and `kinds` are the kinds of the faults.
    """

    target: str
    kinds: tuple[str, ...]
    begin: float
    end: float


def united_outages(scenario: ScenarioFields) -> Iterator[Outage]:
    """The outages that consist of more than one fault, in the order of their targets and times.

    Only faults at fixed times with fixed durations are regarded, and targets that are certain: named agents, all of
    them, the only core, connections and the queue.
    """
    stops: dict[str, list[tuple[float, float, str]]] = {}
    for fault in scenario.faults:
        if fault.at is None or fault.at >= scenario.duration:
            continue
        for single in each([fault]):
            lasts = getattr(fault, "for_", None) or getattr(single, "for_", None)
            if lasts is None or lasts.constant is not None:
                end = inf if lasts is None else fault.at + lasts.constant
                for target in _targets(single, scenario.agents, scenario.recovery.cores.count):
                    stops.setdefault(target, []).append((fault.at, end, single.kind))
    for target, of_target in stops.items():
        yield from _chains(target, sorted(of_target))


def _chains(target: str, stops: list[tuple[float, float, str]]) -> Iterator[Outage]:
    chain: list[tuple[float, float, str]] = []
    until = -inf
    for stop in [*stops, (inf, inf, "")]:
        if not in_time(stop[0], until) or stop[0] == inf:
            if len(chain) > 1:
                yield Outage(target, tuple(dict.fromkeys(kind for *_, kind in chain)), chain[0][0], until)
            chain, until = [], -inf
        chain.append(stop)
        until = max(until, stop[1])


def _targets(fault: Any, agents: AgentSettings, cores: int) -> Iterator[str]:
    match fault:
        case AgentHang():
            targets, among = fault.targets, list(range(agents.count))
            if isinstance(targets, PoolTargets):
                among = [number for number in among if agents.pool_of(number) == targets.pool]
                targets = targets.amount
            if isinstance(targets, tuple):
                yield from targets
            elif targets == "all" or (isinstance(targets, int) and targets >= len(among)):
                yield from (f"agent.{number}" for number in among)
        case CoreCrash() | CoreHang():
            if cores == 1:
                yield "core"
        case Partition():
            yield "|".join(sorted(fault.between))
        case QueueBlocked():
            yield "queue"
