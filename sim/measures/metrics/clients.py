"""Responses, timeouts and retries of clients."""

from __future__ import annotations

import numpy as np

from sim.history import Event, History
from sim.measures.tables.distribution import Measured
from sim.measures.tables.event_table import Floats, Tracks
from sim.stats.samples import Sample


def measure_clients(history: History) -> Measured:
    """The `client.*` metrics, over the window from the warm-up to the end; None without clients that wait.

    `.timeouts`, `.retries`, `.abandoned`: numbers, of requests that were made again the number of times.
    `.goodput` = answers in time, and late ones that were accepted, ÷ window (1/s). `.response.*` = answer − first
    asked (s); requests that are open at the end are censored observations, and abandoned ones have none.
    `.amplification` = (requests + retries) ÷ requests.
    """
    tracks = Tracks.of(history)
    asks = bool(tracks.meta.get("clients"))
    counts = {
        name: float(len(tracks.in_window(event)))
        for name, event in (
            ("timeouts", Event.CLIENT_TIMED_OUT),
            ("retries", Event.CLIENT_RETRIED),
            ("abandoned", Event.CLIENT_ABANDONED),
        )
    }
    answered = tracks.in_window(Event.CLIENT_ANSWERED)
    in_window = float(np.count_nonzero(tracks.time[answered] <= tracks.end))
    made = float(len(tracks.in_window(Event.TASK_SUBMITTED)))
    first = made - counts["retries"]
    return {
        **{f"client.{name}": count if asks else None for name, count in counts.items()},
        "client.goodput": in_window / tracks.window if asks and tracks.window else None,
        "client.amplification": made / first if asks and first else None,
        "client.response": Sample.of(tracks.value[answered], _unanswered(tracks)) if asks else Sample.of(np.empty(0)),
    }


def _unanswered(tracks: Tracks) -> Floats:
    """Seconds until the end since the requests were first made that are neither answered nor abandoned."""
    submitted = tracks.rows(Event.TASK_SUBMITTED)
    request = tracks.requests
    is_repeated = np.zeros(tracks.task_count, dtype=bool)
    is_repeated[tracks.task[tracks.rows(Event.CLIENT_RETRIED)]] = True
    first_made = submitted[~is_repeated[tracks.task[submitted]]]
    over = request[tracks.task[tracks.rows(Event.CLIENT_ANSWERED, Event.CLIENT_ABANDONED)]]
    is_open = np.ones(len(first_made), dtype=bool)
    is_open[over] = False
    made_at = tracks.time[first_made][is_open]
    lasted: Floats = tracks.horizon - made_at[made_at >= tracks.start]
    return lasted
