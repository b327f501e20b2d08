"""Responses, timeouts and retries of clients."""

from __future__ import annotations

import numpy as np

from sim.history import Event, History
from sim.measures.tables.distribution import describe
from sim.measures.tables.event_table import Tracks


def measure_clients(history: History) -> dict[str, float | None]:
    """The `client.*` metrics, over the window from the warm-up to the end; None without clients with timeouts.

    `.timeouts`, `.retries`, `.abandoned`: counts; a retried request counts each time. `.goodput` = responses in time,
    and accepted late ones, ÷ window (1/s). `.response.*` = response − first submission (s). `.amplification` =
    (requests + retries) ÷ requests.
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
    made = float(len(tracks.in_window(Event.TASK_SUBMITTED)))
    first = made - counts["retries"]
    return {
        **{f"client.{name}": count if asks else None for name, count in counts.items()},
        "client.goodput": len(answered) / tracks.window if asks and tracks.window else None,
        "client.amplification": made / first if asks and first else None,
        **describe("client.response", tracks.value[answered] if asks else np.empty(0)),
    }
