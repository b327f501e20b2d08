"""Slowdowns of agents and pools, and the resulting slowness of an attempt."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sim.world.agents.execution import Execution
from sim.world.entities import Agent, Attempt


class Slowdowns:
    """Current slowdown factors. Factors of one agent or one pool multiply; of several pools the slowest counts.

    Before the first slowdown no attempt looks its factor up, so a world without slowdowns has no extra cost.
    """

    def __init__(self, agents: Iterable[Agent], execution: Execution) -> None:
        self._all = tuple(agents)
        self._execution = execution
        self._agents: dict[Agent, list[float]] = {}
        self._pools: dict[str, list[float]] = {}

    def slow_agent(self, agent: Agent, factor: float) -> Callable[[], None]:
        """Slows an agent down; returns the function that ends it."""
        return self._add(self._agents.setdefault(agent, []), factor, (agent,))

    def slow_pool(self, pool: str, factor: float) -> Callable[[], None]:
        """Slows down attempts that hold units of a pool; returns the function that ends it."""
        return self._add(self._pools.setdefault(pool, []), factor, self._all)

    def _add(self, factors: list[float], factor: float, agents: tuple[Agent, ...]) -> Callable[[], None]:
        self._execution.slowness_of = self.of
        factors.append(factor)
        self._apply(agents)

        def end() -> None:
            factors.remove(factor)
            self._apply(agents)

        return end

    def _apply(self, agents: tuple[Agent, ...]) -> None:
        for agent in agents:
            for attempt in list(agent.attempts):
                if (
                    attempt.started and attempt in agent.attempts
                ):  # an attempt that just finished ends, and others may begin
                    self._execution.change_pace(attempt, self.of(attempt))

    def of(self, attempt: Attempt) -> float:
        """The current slowdown factor of an attempt's work."""
        held = {} if attempt.allocation is None else attempt.allocation.units
        pools = (_product(factors) for name, factors in self._pools.items() if held.get(name, 0))
        return _product(self._agents.get(attempt.agent, ())) * max(pools, default=1.0)


def _product(factors: Iterable[float]) -> float:
    product = 1.0
    for factor in factors:
        product *= factor
    return product
