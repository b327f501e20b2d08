"""Faults that stop one target at overlapping times, before a run: their united intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from scenarios.faults.agents import AgentHang
from scenarios.faults.core import CoreCrash, CoreHang
from scenarios.faults.messages import Partition, QueueBlocked


@dataclass(frozen=True)
class Outage:
    """A target that several faults stop without a gap between them, from `begin` to `end`, in seconds.

    `end` is infinite without an end. `target` is a name in a history, and `kinds` are the kinds of the faults.
    """

    target: str
    kinds: tuple[str, ...]
    begin: float
    end: float


def united(scheduled: Sequence[tuple[Any, float, float]], agents: int, cores: int) -> Iterator[Outage]:
    """The outages that consist of more than one fault, in the order of their targets and times.

    `scheduled` are faults with their start and duration. Only targets that are certain are regarded: named agents, all
    of them, the only core, connections and the queue.
    """
    stops: dict[str, list[tuple[float, float, str]]] = {}
    for fault, begin, lasts in scheduled:
        for target in _targets(fault, agents, cores):
            stops.setdefault(target, []).append((begin, begin + lasts, fault.kind))
    for target, of_target in stops.items():
        chain: list[tuple[float, float, str]] = []
        for stop in [*sorted(of_target), (inf, inf, "")]:
            until = max((end for _, end, _ in chain), default=-inf)
            if (chain and stop[0] > until) or stop[0] == inf:
                if len(chain) > 1:
                    kinds = tuple(dict.fromkeys(kind for *_, kind in chain))
                    yield Outage(target, kinds, chain[0][0], until)
                chain = []
            chain.append(stop)


def _targets(fault: Any, agents: int, cores: int) -> Iterator[str]:
    match fault:
        case AgentHang():
            if isinstance(fault.targets, tuple):
                yield from fault.targets
            elif fault.targets == "all" or (isinstance(fault.targets, int) and fault.targets >= agents):
                yield from (f"agent.{number}" for number in range(agents))
        case CoreCrash() | CoreHang():
            if cores == 1:
                yield "core"
        case Partition():
            yield "|".join(sorted(fault.between))
        case QueueBlocked():
            yield "queue"
