"""What an open recovery waits for at the end of a run, other than the core: its policy, a command, the world."""

from __future__ import annotations

from math import inf

import numpy as np

from sim.history import Event
from sim.measures.tables.event_table import Tracks
from sim.measures.tables.ground_truth import LinkTruth
from sim.measures.tables.recoveries import Incidents

DELAYS = (Event.RETRY_GRANTED, Event.RECOVERY_PACED)
"""The events whose value is a delay in seconds, which begins with the event."""
BEFORE_A_TRY = (Event.RECOVERY_OPENED, *DELAYS, Event.RECOVERY_FAILED, Event.RECOVERY_TAKEN_UP)
"""The events after which a recovery waits for its next try: for a delay, a slot or a circuit breaker."""
RESET, RESTART = "reset_connections", "restart_agent"
"""The commands whose duration the scenario determines: by the end of a partition, and by `agents.restart_time`."""


class Waits:
    """Until when each recovery that is open at the end may wait, in seconds. Infinite: until the end, and longer.

    The delays are those of the policy, the load limit and an open circuit breaker; the durations of commands those of
    `recovery.costs` (`meta["costs"]`). A recovery also waits for a slot that another one occupies, for a connection
    that is cut, for an agent that starts (`meta["restarting"]`), and for a core that is down, suspended, or cut off
    from the store.
    """

    def __init__(self, tracks: Tracks, incidents: Incidents, latest: dict[int, int]) -> None:
        """`latest` has the last row of each open recovery, by its number."""
        self._tracks = tracks
        self._latest = latest
        self._core_gone = _core_gone(tracks)
        under_way = sum(tracks.event[row] not in BEFORE_A_TRY for row in latest.values())
        parallel = tracks.meta.get("parallel")
        self._slots_taken = parallel is not None and under_way >= parallel
        self._breaker_opens = self._breakers()
        self._kind_of = dict(zip(incidents.number.tolist(), incidents.kind.tolist(), strict=True))

    def until(self, number: int) -> float:
        """Until when recovery `number` may wait."""
        row = self._latest[number]
        event, at = int(self._tracks.event[row]), float(self._tracks.time[row])
        if self._core_gone:
            return inf
        if event in BEFORE_A_TRY:
            if self._slots_taken:
                return inf
            delay = float(self._tracks.value[row]) if event in DELAYS else 0.0
            return max(at + delay, self._breaker_opens.get(self._kind_of[number], at))
        if event == Event.STEP_STARTED:
            return self._until_step_ends(row)
        return at

    def _until_step_ends(self, row: int) -> float:
        tracks = self._tracks
        command = tracks.word(int(tracks.detail[row]))
        ends = float(tracks.time[row]) + float(tracks.meta.get("costs", {}).get(command, 0.0))
        if command == RESTART and int(tracks.agent[row]) in tracks.meta.get("restarting", ()):
            return inf
        return max(ends, self._healed(row)) if command == RESET else ends

    def _healed(self, row: int) -> float:
        """The end of the last partition between the endpoints of a connection, which its name has. The connection of an
        agent that is diagnosed as unreachable is the one to the core.
        """
        tracks, links = self._tracks, LinkTruth.of(self._tracks)
        subject = tracks.subject(row)
        ends = subject.split("|") if "|" in subject else [subject, "core"]
        healed = [links.healed_at(tracks, link) for link in links.between(ends)]
        return max(healed, default=-inf)

    def _breakers(self) -> dict[int, float]:
        """By kind of failure, until when its breaker is open; infinite while it makes probes."""
        tracks = self._tracks
        opens: dict[int, float] = {}
        for row in tracks.rows(Event.BREAKER_OPENED, Event.BREAKER_HALF_OPENED, Event.BREAKER_CLOSED).tolist():
            kind, event = int(tracks.about[row]), tracks.event[row]
            opens[kind] = -inf
            if event == Event.BREAKER_OPENED:
                opens[kind] = float(tracks.time[row] + tracks.value[row])
            elif event == Event.BREAKER_HALF_OPENED:
                opens[kind] = inf
        return opens


def _count(tracks: Tracks, event: Event, since: int) -> int:
    """The number of suspensions of the core that began, or ended, after a row."""
    rows = tracks.rows(event)
    return int(np.sum((tracks.detail[rows] == tracks.number("core_hang")) & (rows > since)))


def _core_gone(tracks: Tracks) -> bool:
    """Whether at the end no core can act: it has crashed, is suspended, or is cut off from the store."""
    changes = tracks.rows(Event.CORE_ELECTED, Event.CORE_DEPOSED)
    if len(changes):
        if tracks.event[changes[-1]] == Event.CORE_DEPOSED:
            return True
        core, since = tracks.subject(int(changes[-1])), int(changes[-1])
    else:
        core, since = "core", -1
    crashes = [row for row in tracks.rows(Event.CORE_CRASHED).tolist() if row > since]
    if crashes and not np.any(tracks.rows(Event.CORE_RESTARTED) > crashes[-1]):
        return True
    if _count(tracks, Event.FAULT_INJECTED, since) > _count(tracks, Event.FAULT_CLEARED, since):
        return True
    links = LinkTruth.of(tracks)
    return any(links.healed_at(tracks, link) == inf for link in links.between([core, "store"]))
