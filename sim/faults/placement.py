"""When faults happen.

Each fault of a scenario is one SimPy process with random streams of its own: one for each injection, in which each
agent and each task has its own luck, whoever else is there.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import simpy
from simpy.events import Event as SimpyEvent

from recovery.stores.memory import MemoryTaskStore
from scenarios.faults import AnyFault
from sim.faults import of_agents, of_messages, of_resources, of_storage, of_tasks
from sim.faults.injection import Injection, Injector, Site
from sim.randomness import Streams
from sim.world.world import World

INJECTORS: Mapping[type, Injector] = MappingProxyType(
    {
        **of_agents.INJECTORS,
        **of_tasks.INJECTORS,
        **of_resources.INJECTORS,
        **of_messages.INJECTORS,
        **of_storage.INJECTORS,
    }
)
"""What injects each kind of fault."""


class Faults:
    """Injects the faults of a scenario into a world."""

    def __init__(self, env: simpy.Environment, streams: Streams, world: World, store: MemoryTaskStore) -> None:
        self._env = env
        self._streams = streams
        self._site = Site.of(env, streams, world, store)

    def start(self, faults: Sequence[AnyFault]) -> None:
        """Begin the process of each fault."""
        for number, fault in enumerate(faults):
            self._env.process(self._run(fault, f"fault.{number}"))

    def _run(self, fault: AnyFault, name: str) -> Generator[SimpyEvent, Any, None]:
        inject = INJECTORS[type(fault)]
        duration = getattr(fault, "for_", None)
        lasts = None if duration is None else self._streams.sequence(f"{name}.for", duration)
        if fault.every is None:
            gaps: Iterable[float] = (fault.at or 0.0,)
        else:
            gaps = iter(self._streams.sequence(f"{name}.every", fault.every), None)  # without end
        for nth, gap in enumerate(gaps):
            yield self._env.timeout(gap)
            seconds = None if lasts is None else lasts()
            inject(Injection(self._site, fault, f"{name}.targets.{nth}", seconds))
