"""The true state of agents and links at a given row. The core only sees symptoms."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from math import inf

from sim.history import Event
from sim.measures.tables.event_table import NOWHERE, Tracks

AGENT_FAULTS = (Event.AGENT_CRASHED, Event.AGENT_HUNG)
AGENT_RETURNS = (Event.AGENT_RESTARTED, Event.AGENT_WOKE)
AGENT_CHANGES = (*AGENT_FAULTS, Event.AGENT_STOPPED, *AGENT_RETURNS)


class AgentTruth:
    """The true down and up times of each agent."""

    def __init__(self, tracks: Tracks) -> None:
        self._faults: dict[int, list[int]] = {}
        self._returns: dict[int, list[int]] = {}
        self._changes: dict[int, list[int]] = {}
        self._returning = set(map(int, tracks.rows(*AGENT_RETURNS)))
        for rows, log in (
            (tracks.rows(*AGENT_FAULTS), self._faults),
            (tracks.rows(*AGENT_RETURNS), self._returns),
            (tracks.rows(*AGENT_CHANGES), self._changes),
        ):
            for row, agent in zip(rows.tolist(), tracks.agent[rows].tolist(), strict=True):
                log.setdefault(agent, []).append(row)

    @classmethod
    def of(cls, tracks: Tracks) -> AgentTruth:
        """The truth about the agents of a history."""
        return tracks.derive(cls)

    def fault(self, agent: int, row: int) -> int:
        """The row of the crash or hang since which the agent is down at this row, `NOWHERE` when it is up.

        A crash of a hung agent continues an outage, so that this is the row of the hang.
        """
        fault = _next(self._faults.get(agent, []), _last(self._returns.get(agent, []), row))
        return NOWHERE if fault is None or fault >= row else fault

    def down(self, agent: int, row: int) -> bool:
        """Whether the agent is crashed, hung or stopped just before this row."""
        last = _last(self._changes.get(agent, []), row)
        return last != NOWHERE and last not in self._returning

    def returns_after(self, agent: int, row: int) -> int | None:
        """The row at which the agent comes up after this row; None: never."""
        return _next(self._returns.get(agent, []), row)


class LinkTruth:
    """The true times at which each link was cut and healed. A link is named by its endpoints: `agents|queue`."""

    def __init__(self, tracks: Tracks) -> None:
        self._cuts: dict[int, list[int]] = {}
        self._heals: dict[int, list[int]] = {}
        for event, log in ((Event.LINK_CUT, self._cuts), (Event.LINK_HEALED, self._heals)):
            rows = tracks.rows(event)
            for row, link in zip(rows.tolist(), tracks.about[rows].tolist(), strict=True):
                log.setdefault(link, []).append(row)
        self._sides = {link: set(tracks.word(link).split("|")) for link in self._cuts}

    @classmethod
    def of(cls, tracks: Tracks) -> LinkTruth:
        """The truth about the links of a history."""
        return tracks.derive(cls)

    def last_cut(self, link: int, row: int) -> int:
        """The row of the link's latest cut before this row, healed or not; `NOWHERE` without one."""
        return _last(self._cuts.get(link, []), row)

    def heals_after(self, link: int, row: int) -> int | None:
        """The row at which the link is healed after this row; None: never."""
        return _next(self._heals.get(link, []), row)

    def between(self, ends: Sequence[str]) -> list[int]:
        """The links that were cut and lie on the way between these two endpoints or groups."""
        return [link for link, sides in self._sides.items() if _joins(sorted(sides), ends)]

    def healed_at(self, tracks: Tracks, link: int) -> float:
        """The time in seconds from which a link that was cut is whole; infinite: it is cut at the end."""
        heals = self._heals.get(link, [])
        if not heals or heals[-1] < self._cuts[link][-1]:
            return inf
        return float(tracks.time[heals[-1]])

    def joins_core(self, link: int, agent: int) -> bool:
        """Whether a link that was cut is one between the core and this agent."""
        return self._sides[link] in ({"core", "agents"}, {"core", f"agent.{agent}"})

    def cut_off(self, agent: int, row: int) -> int:
        """The row of the latest active cut between an agent and the core at a row, or `NOWHERE`."""
        cuts = [
            cut
            for link in self._cuts
            if self.joins_core(link, agent)
            and (cut := self.last_cut(link, row)) > _last(self._heals.get(link, []), row)
        ]
        return max(cuts, default=NOWHERE)


def _joins(sides: Sequence[str], ends: Sequence[str]) -> bool:
    return any(
        all(end == side or end.startswith(f"{side.removesuffix('s')}.") for end, side in zip(ends, order, strict=True))
        for order in (sides, sides[::-1])
        if len(order) == len(ends)
    )


def _last(rows: list[int], row: int) -> int:
    place = bisect_left(rows, row)
    return rows[place - 1] if place else NOWHERE


def _next(rows: list[int], row: int) -> int | None:
    place = bisect_left(rows, row + 1)
    return rows[place] if place < len(rows) else None
