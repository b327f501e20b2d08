"""Recoveries, one row each: opening, true fault, phases and end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf, nan

import numpy as np

from recovery import audit
from recovery.audit import AuditEvent, RecoveryOutcome, RecoveryPhase
from sim.history import Event
from sim.measures.tables.event_table import NOWHERE, Floats, Integers, Rows, Tracks, Truths
from sim.measures.tables.ground_truth import AgentTruth, LinkTruth

PHASE_AFTER: Mapping[int, RecoveryPhase] = {
    Event[AuditEvent(event).name]: phase for event, phase in audit.PHASE_AFTER.items()
}
"""The phase that begins with an event of a history; it lasts until the next of `STAGES`."""
OUTCOME_OF: Mapping[int, RecoveryOutcome] = {
    Event[AuditEvent(event).name]: outcome for event, outcome in audit.OUTCOME_OF.items()
}
"""The outcome of a recovery that ends with an event of a history."""
RECOVERY_ENDS = tuple(Event(event) for event in OUTCOME_OF)
STAGES = (*(Event(event) for event in PHASE_AFTER), *RECOVERY_ENDS)


@dataclass(frozen=True, eq=False)
class Incidents:
    """One row per opened recovery.

    `row` is where it was opened and `end_row` where it ended (`NOWHERE`: open at the end), `opened` and `ended` are
    those instants (infinite: open). `task`, `agent` or `about` (a word's number) say whom it is about, and `kind` (a
    word's number) is the kind of the failure. `onset_row` is
    the fault behind it in truth (`NOWHERE`: there was none, it was a false alarm) and `onset` its instant (NaN).
    """

    row: Rows
    end_row: Rows
    number: Integers
    task: Integers
    agent: Integers
    about: Integers
    kind: Integers
    opened: Floats
    ended: Floats
    onset_row: Rows
    onset: Floats

    @classmethod
    def of(cls, tracks: Tracks) -> Incidents:
        """The recoveries of a history, in order of opening."""
        return tracks.derive(_incidents)

    def __len__(self) -> int:
        return len(self.row)

    def by_kind(self, tracks: Tracks) -> Iterator[tuple[str, Truths]]:
        """The kinds of failure that there were, in order of name, and which recoveries are of each."""
        for kind, number in sorted((tracks.word(int(number)), number) for number in np.unique(self.kind)):
            if kind:
                yield kind, self.kind == number

    def outcome(self, tracks: Tracks) -> Integers:
        """The event that ended each recovery, 0 for open ones."""
        return np.where(self.end_row >= 0, tracks.event[self.end_row], 0).astype(np.int64)

    def open_at(self, row: int) -> Rows:
        """Indexes of the recoveries that are open just before a row of the history."""
        return np.flatnonzero((self.row < row) & ((self.end_row < 0) | (self.end_row >= row)))


def _incidents(tracks: Tracks) -> Incidents:
    opened = tracks.rows(Event.RECOVERY_OPENED)
    end_row = onset_row = opened
    number = tracks.incident[opened].astype(np.int64)
    if len(opened):
        opened = opened[np.sort(np.unique(number, return_index=True)[1])]  # the first opening of each number
        number = tracks.incident[opened].astype(np.int64)
        end_row = _first_end(tracks, number)
        onset_row = _used_once(_onsets(tracks, opened), opened, end_row, tracks)
    return Incidents(
        row=opened,
        end_row=end_row,
        number=number,
        task=tracks.task[opened].astype(np.int64),
        agent=tracks.agent[opened].astype(np.int64),
        about=tracks.about[opened].astype(np.int64),
        kind=tracks.detail[opened].astype(np.int64),
        opened=tracks.time[opened],
        ended=tracks.times(end_row, inf),
        onset_row=onset_row,
        onset=tracks.times(onset_row, nan),
    )


def _first_end(tracks: Tracks, number: Integers) -> Rows:
    ends = tracks.rows(*RECOVERY_ENDS)
    ends = ends[tracks.incident[ends] >= 0]
    highest = max((int(numbers.max()) for numbers in (number, tracks.incident[ends]) if len(numbers)), default=-1)
    first: Rows = np.full(highest + 2, NOWHERE, dtype=np.intp)  # the last index is for number -1
    first[tracks.incident[ends][::-1]] = ends[::-1]
    return first[number]


# ------------------------------------------------------------------------------ onsets
def task_faults(tracks: Tracks) -> Rows:
    """Rows at which an attempt fails: failed, timed out, or blocked because a unit that it held went out of service."""
    rows = tracks.rows(Event.ATTEMPT_FAILED, Event.ATTEMPT_TIMED_OUT, Event.ATTEMPT_INTERRUPTED)
    blocked = tracks.detail[rows] == tracks.number("resource_unavailable")
    faults: Truths = blocked | ~tracks.are(rows, Event.ATTEMPT_INTERRUPTED)
    return rows[faults]


def invalid_ends(tracks: Tracks, rows: Rows) -> Truths:
    """Which of these attempts' ends were void: rejected afterwards, or under an epoch that was fenced before."""
    is_void = np.zeros(len(rows), dtype=bool)
    refused, fences = tracks.rows(Event.ATTEMPT_REFUSED), tracks.rows(Event.TASK_FENCED)
    if len(rows) and len(refused):
        span = max(int(tracks.epoch[some].max()) for some in (rows, refused)) + 2
        keys = tracks.task[rows].astype(np.int64) * span + tracks.epoch[rows]
        is_void = np.isin(keys, tracks.task[refused].astype(np.int64) * span + tracks.epoch[refused])
    if len(rows) and len(fences):
        fence = tracks.latest_before(fences, rows, tracks.task)
        is_void |= tracks.epoch[rows] <= np.where(fence >= 0, tracks.value[fence], -np.inf)
    return is_void


def truth(tracks: Tracks, row: int) -> str:
    """The runbook's entry for the fault at this row, which is the correct diagnosis."""
    return {
        Event.ATTEMPT_FAILED: "task_failures.execution_failure",
        Event.ATTEMPT_TIMED_OUT: "task_failures.execution_failure",
        Event.ATTEMPT_INTERRUPTED: "task_failures.resource_failure",
        Event.AGENT_CRASHED: "system_failures.agent_failure",
        Event.AGENT_HUNG: "system_failures.agent_failure",
        Event.LINK_CUT: "system_failures.communication_failure",
    }[Event(int(tracks.event[row]))]


def _onsets(tracks: Tracks, opened: Rows) -> Rows:
    """The latest fault of the same subject before each opening.

    For a task: the end of an attempt in `task_faults` that was not void, which was reported to the core. For an agent:
    its crash or hang, unless it has been up since; when it was up, the cut that separates it from the core. For a link:
    its cut.
    """
    faults = task_faults(tracks)
    onset = tracks.latest_before(faults[~invalid_ends(tracks, faults)], opened, tracks.task)
    onset[tracks.task[opened] < 0] = NOWHERE
    others = np.flatnonzero(tracks.task[opened] < 0)
    if len(others):
        agents, links = AgentTruth.of(tracks), LinkTruth.of(tracks)
        rows = opened[others]
        columns = (column.tolist() for column in (others, rows, tracks.agent[rows], tracks.about[rows]))
        for place, row, agent, about in zip(*columns, strict=True):
            if agent < 0:
                onset[place] = links.last_cut(about, row)
            elif (fault := agents.fault(agent, row)) != NOWHERE:
                onset[place] = fault
            elif not agents.down(agent, row):
                onset[place] = links.cut_off(agent, row)
    return onset


def _used_once(onset: Rows, opened: Rows, end_row: Rows, tracks: Tracks) -> Rows:
    """Remove faults that an earlier verified recovery has ended."""
    used = np.sort(onset[onset >= 0])
    shared = used[1:][used[1:] == used[:-1]]
    if not len(shared):
        return onset
    seen: dict[int, list[int]] = {}
    places = np.flatnonzero(np.isin(onset, shared))
    verified = np.where(tracks.are(end_row, Event.RECOVERY_VERIFIED), end_row, NOWHERE)
    columns = (column.tolist() for column in (places, onset[places], opened[places], verified[places]))
    for place, fault, row, end in zip(*columns, strict=True):
        earlier = seen.setdefault(fault, [])
        if any(before < row for before in earlier):
            onset[place] = NOWHERE
        elif end != NOWHERE:
            earlier.append(end)
    return onset


# ------------------------------------------------------------------------------ phases
@dataclass(frozen=True)
class Phases:
    """Stretches of recoveries: `incident` is an index in `Incidents`, `stage` the `Event` that starts the stretch.

    Times are in seconds. A stretch of an open recovery lasts until the end of the run.
    """

    incident: Rows
    stage: Integers
    begins: Floats
    ends: Floats


def phases(tracks: Tracks, incidents: Incidents) -> Phases:
    """The stretches between a recovery's stages, from its opening to its end."""
    rows = tracks.rows(*STAGES)
    order = np.argsort(incidents.number, kind="stable")
    if not len(order):
        empty = np.empty(0)
        return Phases(empty.astype(np.intp), empty.astype(np.int64), empty, empty)
    numbers = incidents.number[order]
    place = np.minimum(np.searchsorted(numbers, tracks.incident[rows]), len(numbers) - 1)
    known = numbers[place] == tracks.incident[rows]
    rows, place = rows[known], order[place[known]]
    last = np.where(incidents.end_row >= 0, incidents.end_row, tracks.size)[place]
    within = (rows >= incidents.row[place]) & (rows <= last)
    rows, place = rows[within], place[within]
    sequence = np.argsort(place, kind="stable")
    rows, place = rows[sequence], place[sequence]
    follows = np.append(place[1:] == place[:-1], np.zeros(min(1, len(place)), dtype=bool))
    begins = tracks.time[rows]
    ends = np.where(follows, np.append(begins[1:], nan), max(tracks.horizon, float(tracks.time[-1])))
    stage = tracks.event[rows].astype(np.int64)
    running = ~np.isin(stage, RECOVERY_ENDS)
    return Phases(place[running], stage[running], begins[running], ends[running])
