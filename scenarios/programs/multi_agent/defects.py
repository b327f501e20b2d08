"""How `broken` differs from `sound`: eight defects, each in one function, and `sound` with one of them."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any, Final

from scenarios.programs.multi_agent import broken, sound
from scenarios.programs.multi_agent.plan import Plan
from scenarios.programs.multi_agent.ports import Outside


@dataclass(frozen=True)
class Defect:
    """A defect: what is wrong, and the methods that have it."""

    name: str
    owner: str
    """The class."""
    methods: tuple[str, ...]

    def diff(self) -> str:
        """The sound source text, and the broken one."""
        lines = []
        for method in self.methods:
            one, other = (
                inspect.getsource(getattr(getattr(module, self.owner), method)).splitlines()
                for module in (sound, broken)
            )
            lines += [*unified_diff(one, other, lineterm="", n=1)][2:]
        return "\n".join(lines)

    async def start(self, outside: Outside, goal: str = "Lisbon") -> Plan:
        """`sound.start` with this defect."""
        wrong = getattr(broken, self.owner)
        methods: dict[str, Any] = {method: vars(wrong)[method] for method in self.methods}
        before = getattr(sound, self.owner)
        setattr(sound, self.owner, type(self.owner, (before,), methods))
        try:
            supervisor = sound.Supervisor(outside)
        finally:
            setattr(sound, self.owner, before)
        return await supervisor.run(goal)


DEFECTS: Final = (
    Defect("noted as queued before it is in the queue", "Planner", ("hand_out",)),
    Defect("acknowledged before it is done", "Worker", ("handle",)),
    Defect("a new idempotency key for each attempt", "Worker", ("charge",)),
    Defect("a rate limit that a restart refills", "RateLimiter", ("__init__", "acquire")),
    Defect("a name of a file that is not synced", "Worker", ("write",)),
    Defect("a timeout taken for a failure", "Worker", ("book",)),
    Defect("a plan that is read and written over an await", "Checkpointer", ("update",)),
    Defect("a slot that a cancellation does not release", "Tools", ("request",)),
)
"""All differences between the two programs."""
