"""What the agents' time is spent on."""

from __future__ import annotations

from dataclasses import asdict, fields

from sim.history import History
from sim.measures.tables.agent_time import AgentTime, agent_time
from sim.measures.tables.distribution import Measured
from sim.measures.tables.event_table import Tracks
from sim.stats.samples import Sample

NAMES = tuple(field.name for field in fields(AgentTime))


def measure_work(history: History) -> Measured:
    """The `work.*` metrics in agent-seconds, over the window from the warm-up to the end.

    `.useful` + `.wasted` + `.checkpoint` + `.idle` + `.down` = agents · slots · window, exactly. A slow agent needs
    more time for the same work, and all of it counts.

    `.useful`: work on accepted effects, and work that is not discarded at the end of the run; `.wasted`: work that was
    discarded, or whose answer no client waited for; `.checkpoint`: writes and reads of checkpoints, including those
    that were cut short; `.idle`: slots without a started attempt; `.down`: slots of agents that are crashed, hung,
    stopped or restarting. `.wasted_fraction` = wasted ÷ (useful + wasted); None without either.

    All of them also for each pool in `meta["pools"]`, as `work.gpu.wasted`; those of all pools add up to them.

    Raises `TimeNotAccounted` if the sum is another.
    """
    tracks = Tracks.of(history)
    measured = _measure(tracks, "work", None)
    for pool, (first, end) in tracks.meta.get("pools", {}).items():
        measured |= _measure(tracks, f"work.{pool}", range(first, end))
    return measured


def _measure(tracks: Tracks, name: str, pool: range | None) -> dict[str, float | Sample | None]:
    """The metrics of the agents of a pool (None: of all), whose names begin with `name`."""
    found = agent_time(tracks, pool)
    if found is None:
        return dict.fromkeys((*(f"{name}.{each}" for each in NAMES), f"{name}.wasted_fraction"))
    worked = found.useful + found.wasted
    return {
        **{f"{name}.{each}": seconds for each, seconds in asdict(found).items()},
        f"{name}.wasted_fraction": found.wasted / worked if worked > 0 else None,
    }
