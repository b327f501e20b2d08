"""Responses, timeouts and retries of clients."""

from __future__ import annotations

import numpy as np

from sim.history import Event, History
from sim.measures.tables.distribution import Measured
from sim.measures.tables.event_table import Floats, Rows, Tracks, Truths
from sim.stats.samples import Sample


def measure_clients(history: History) -> Measured:
    """The `client.*` metrics, over the window from the warm-up to the end; None without clients that wait.

    `.timeouts`, `.retries`, `.abandoned`: numbers, of requests that were made again the number of times.
    `.goodput` = answers in time, and late ones that were accepted, ÷ window (1/s). `.response.*` = answer − first
    asked (s); requests that are open at the end are censored observations, and abandoned ones have none.
    `.amplification` = (requests + retries) ÷ requests.

    All of them also for each kind of tasks, as `client.chat.timeouts`.
    """
    tracks = Tracks.of(history)
    measured = _measure(tracks, "client", None)
    for kind, of_kind in tracks.task_kinds.items():
        measured |= _measure(tracks, f"client.{kind}", of_kind)
    return measured


def _measure(tracks: Tracks, name: str, among: Truths | None) -> dict[str, float | Sample | None]:
    """The metrics of the requests for some tasks (None: of all), whose names begin with `name`."""

    def rows(event: int) -> Rows:
        found = tracks.in_window(event)
        return found if among is None else found[among[tracks.task[found]]]

    asks = bool(tracks.meta.get("clients"))
    counts = {
        each: float(len(rows(event)))
        for each, event in (
            ("timeouts", Event.CLIENT_TIMED_OUT),
            ("retries", Event.CLIENT_RETRIED),
            ("abandoned", Event.CLIENT_ABANDONED),
        )
    }
    answered = rows(Event.CLIENT_ANSWERED)
    in_window = float(np.count_nonzero(tracks.time[answered] <= tracks.end))
    made = float(len(rows(Event.TASK_SUBMITTED)))
    first = made - counts["retries"]
    return {
        **{f"{name}.{each}": count if asks else None for each, count in counts.items()},
        f"{name}.goodput": in_window / tracks.window if asks and tracks.window else None,
        f"{name}.amplification": made / first if asks and first else None,
        f"{name}.response": Sample.of(tracks.value[answered], _unanswered(tracks, among))
        if asks
        else Sample.of(np.empty(0)),
    }


def _unanswered(tracks: Tracks, among: Truths | None) -> Floats:
    """Seconds until the end since the requests were first made that are neither answered nor abandoned."""
    submitted = tracks.rows(Event.TASK_SUBMITTED)
    request = tracks.requests
    is_repeated = np.zeros(tracks.task_count, dtype=bool)
    is_repeated[tracks.task[tracks.rows(Event.CLIENT_RETRIED)]] = True
    first_made = submitted[~is_repeated[tracks.task[submitted]]]
    over = request[tracks.task[tracks.rows(Event.CLIENT_ANSWERED, Event.CLIENT_ABANDONED)]]
    is_open = np.ones(len(first_made), dtype=bool)
    is_open[over] = False
    if among is not None:
        is_open &= among[tracks.task[first_made]]
    made_at = tracks.time[first_made][is_open]
    lasted: Floats = tracks.horizon - made_at[made_at >= tracks.start]
    return lasted
