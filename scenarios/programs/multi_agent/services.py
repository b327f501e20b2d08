"""What is outside of the program, for tests and demonstrations: services with effects that are counted.

`Agency(durable)` takes a `sim.Durable`, or another object with its methods. Services have latency and a quota, fail at
times, and find no flights. What they have done stays when the power of the program is cut.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

from scenarios.programs.multi_agent.plan import Plan, is_finished
from scenarios.programs.multi_agent.ports import LIMITS, NotPossible, Unavailable

LATENCIES: Final = {"search": 1.0, "find": 0.2, "book": 0.5, "charge": 1.0, "mail": 0.5}
"""Seconds between a request and its answer."""
SLOW: Final = 4.0
"""Seconds of the first booking: it arrives at the instant at which the client's timeout ends."""
EFFECTS: Final = {"book": "booking", "charge": "charge", "mail": "e-mail"}
OVER: Final = "call over the quota"


class TravelServices:
    """Search, bookings, payments and e-mail."""

    def __init__(self, durable: Any) -> None:
        self._durable = durable
        self._calls = dict.fromkeys(LATENCIES, 0)
        self._bookings: set[str] = set()
        self._answered: set[str] = set()
        self._quota = {tool: (float(burst), 0.0) for tool, (burst, _) in LIMITS.items()}

    async def request(self, tool: str, what: str, *, key: str | None = None) -> Any:
        """The answer of a service. A key that it had before changes nothing. Raises Unavailable and NotPossible."""
        self._calls[tool] += 1
        first = self._calls[tool] == 1
        latency = SLOW if tool == "book" and first else LATENCIES[tool]
        await asyncio.sleep(latency / 2)
        self._count(tool)
        if tool == "charge" and first:
            raise Unavailable("charge: try again later")
        answer = self._answer(tool, what, key)
        await asyncio.sleep(latency / 2)
        if what.startswith("flights"):
            raise NotPossible(f"{what}: sold out")
        return answer

    def _answer(self, tool: str, what: str, key: str | None) -> Any:
        if tool == "find":
            return what in self._bookings
        if tool == "book":
            self._bookings.add(what)
        if tool in EFFECTS and (tool == "book" or key is None or key not in self._answered):
            self._durable.effect(EFFECTS[tool])
        if key is not None:
            self._answered.add(key)
        return f"{what}: ok"

    def _count(self, tool: str) -> None:
        """Calls beyond the quota are charged extra."""
        burst, rate = LIMITS[tool]
        tokens, since = self._quota[tool]
        now = time.time()
        tokens = min(burst, tokens + (now - since) * rate) - 1
        if tokens < -1e-6:
            self._durable.effect(OVER)
            tokens = 0.0
        self._quota[tool] = tokens, now


class Agency:
    """The store, queue, disk and services of the agents."""

    def __init__(self, durable: Any) -> None:
        self.durable = durable
        self.store = durable.store("plans")
        self.queue = durable.queue("steps", visibility=60.0)
        self.disk = durable.disk()
        self.services = TravelServices(durable)


def check(agency: Agency, goal: str = "Lisbon") -> None:
    """Raise AssertionError unless everything was done, and each effect happened once."""
    plan: Plan = agency.store[f"plan for {goal}"]
    assert is_finished(plan), f"the plan is not finished: {plan}"
    for effect in EFFECTS.values():
        times = agency.durable.effects.get(effect, 0)
        assert times == 1, f"{effect}: {times} times"
    over = agency.durable.effects.get(OVER, 0)
    assert not over, f"{OVER}: {over} times"
    names = agency.disk.names()
    assert f"{goal}.txt" in names, f"the itinerary is not on the disk: {names}"
    content = agency.disk.file(f"{goal}.txt").content
    assert content == b"three days in Lisbon", f"the itinerary is torn: {content!r}"
