"""How often the core allowed another try of a task, after which delay, and how often it had none left."""

from __future__ import annotations

from sim.history import Event, History
from sim.measures.distribution import describe
from sim.measures.tracks import Tracks


def measure_retries(history: History) -> dict[str, float | None]:
    """The `retries.*` metrics, of tasks submitted at or after the warm-up.

    `.count`: retries granted. `.exhausted`: failures without a retry left. `.delay.*`: delays of those granted (s).
    `.per_failure.mean` = granted ÷ (granted + exhausted).
    """
    tracks = Tracks.of(history)
    granted = tracks.of_cohort(Event.RETRY_GRANTED)
    exhausted = tracks.of_cohort(Event.RETRY_EXHAUSTED)
    failures = len(granted) + len(exhausted)
    return {
        "retries.count": float(len(granted)),
        "retries.exhausted": float(len(exhausted)),
        **describe("retries.delay", tracks.value[granted]),
        "retries.per_failure.mean": len(granted) / failures if failures else None,
    }
