"""Schedules faults.

Each fault of a scenario is one SimPy process, or waits for its condition. It has its own random streams: one per
injection, in which each agent and each task has its own draw, independent of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import simpy
from simpy.events import Event as SimpyEvent

from recovery.policies.time_limits import in_time
from recovery.stores.memory import MemoryTaskStore
from scenarios.faults import AnyFault, Group
from scenarios.fields.distributions import ZERO
from sim.core.host import CoreHost
from sim.faults.injection import Injection, Injector, Site
from sim.faults.injectors import agents, clocks, core, downstream, messages, resources, storage, tasks
from sim.faults.triggers import Triggers
from sim.randomness.delays import Wait, drawn_delays
from sim.randomness.streams import Residual, Samplable, Streams
from sim.world.world import World

INJECTORS: Mapping[type, Injector] = MappingProxyType(
    {
        **agents.INJECTORS,
        **tasks.INJECTORS,
        **resources.INJECTORS,
        **messages.INJECTORS,
        **storage.INJECTORS,
        **core.INJECTORS,
        **clocks.INJECTORS,
        **downstream.INJECTORS,
    }
)
"""The injector of each kind of fault."""


@dataclass(frozen=True, slots=True)
class _Gap:
    """The time between two injections of a fault, while it elapses."""

    process: simpy.Process
    every: Samplable
    since: float


class Faults:
    """Injects the faults of a scenario into a world, and those of the core into its `host`."""

    def __init__(
        self,
        env: simpy.Environment,
        streams: Streams,
        world: World,
        store: MemoryTaskStore,
        host: CoreHost,
    ) -> None:
        self._env = env
        self._streams = streams
        self._site = Site.of(env, streams, world, store, host, self._next_due)
        self._gaps: dict[str, _Gap] = {}
        self._due: dict[str, float] = {}  # the next injection of each fault with a time
        self._stopped = False
        streams.on_branch(self._redraw)

    def stop(self) -> None:
        """Inject nothing more. Faults that last end when they would."""
        self._stopped = True

    def start(self, faults: Sequence[AnyFault | Group]) -> None:
        """Start the process of each scheduled fault, and watch the conditions of the others."""
        waiting = []
        for number, fault in enumerate(faults):
            name = f"fault.{number}"
            if fault.when is None:
                self._env.process(self._run(fault, name))
            else:
                waiting.append((fault.when, partial(self._happen, fault, name)))
        if waiting:
            Triggers(self._site, waiting).start()

    def _next_due(self) -> float | None:
        """Seconds until the last of the injections that are due at this instant, up to rounding; None: none is."""
        now = self._env.now
        due = [at for at in self._due.values() if in_time(at, now)]
        return max(due) - now if due and not self._stopped else None

    def _run(self, fault: AnyFault | Group, name: str) -> Generator[SimpyEvent, Any, None]:
        lasts, wait = self._lasts(fault, name)
        if fault.every is None:
            gaps: Iterable[float] = (fault.at or 0.0,)
        else:
            gaps = iter(self._streams.sequence(f"{name}.every", fault.every), None)  # without end
        for nth, gap in enumerate(gaps):
            yield from self._pass(gap, name, fault.every)
            if self._stopped:
                return
            self._inject(fault, name, nth, lasts(), wait)

    def _pass(self, gap: float, name: str, every: Samplable | None) -> Generator[SimpyEvent, Any, None]:
        """Wait for a gap, whose length may be redrawn meanwhile."""
        process = self._env.active_process
        if every is not None and process is not None:
            self._gaps[name] = _Gap(process, every, self._env.now)
        left = gap
        while True:
            self._due[name] = self._env.now + left
            try:
                yield self._env.timeout(left)
            except simpy.Interrupt as redrawn:
                left = float(redrawn.cause or 0.0)
            else:
                self._gaps.pop(name, None)
                del self._due[name]
                return

    def _redraw(self, residual: Residual) -> None:
        """Redraw the time to the next injection of each fault, conditional on the time already elapsed."""
        for name, gap in self._gaps.items():
            age = self._env.now - gap.since
            seconds = residual(f"{name}.every", gap.every, age)
            if seconds is not None:
                gap.process.interrupt(seconds - age)

    def _happen(self, fault: AnyFault | Group, name: str) -> None:
        """Its condition has become true."""

        def happen(_: object = None) -> None:
            lasts, wait = self._lasts(fault, name)
            self._inject(fault, name, 0, lasts(), wait)

        if fault.after is None:
            happen()
        else:
            wait = drawn_delays(self._env, self._streams, f"{name}.after", fault.after)
            wait(self._streams.sequence(f"{name}.after", fault.after)(), happen)

    def _lasts(self, fault: AnyFault | Group, name: str) -> tuple[Callable[[], float | None], Wait]:
        """The duration of the next injection, drawn anew each time, None without an end; and how it elapses."""
        duration = getattr(fault, "for_", None)
        wait = drawn_delays(self._env, self._streams, f"{name}.for", ZERO if duration is None else duration)
        return (lambda: None) if duration is None else self._streams.sequence(f"{name}.for", duration), wait

    def _inject(self, fault: AnyFault | Group, name: str, nth: int, seconds: float | None, wait: Wait) -> None:
        if self._stopped:
            return
        injection = Injection(self._site, fault, f"{name}.targets.{nth}", seconds, wait, nth)
        if isinstance(fault, Group):
            injection.inject(lambda: None, "+".join(member.kind for member in fault.faults))
            for place, member in enumerate(fault.faults):
                self._inject(member, f"{name}.{place}", nth, seconds, wait)
        else:
            inject = next(INJECTORS[form] for form in type(fault).__mro__ if form in INJECTORS)
            inject(injection)
