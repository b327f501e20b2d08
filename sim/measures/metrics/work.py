"""What the agents' time is spent on."""

from __future__ import annotations

from dataclasses import asdict, fields

from sim.history import History
from sim.measures.tables.agent_time import AgentTime, agent_time
from sim.measures.tables.distribution import Measured
from sim.measures.tables.event_table import Tracks

NAMES = tuple(field.name for field in fields(AgentTime))


def measure_work(history: History) -> Measured:
    """The `work.*` metrics in agent-seconds, over the window from the warm-up to the end.

    `.useful` + `.wasted` + `.checkpoint` + `.idle` + `.down` = agents · slots · window, exactly. A slow agent needs
    more time for the same work, and all of it counts.

    `.useful`: work on accepted effects, and work that is not discarded at the end of the run; `.wasted`: work that was
    discarded, or whose answer no client waited for; `.checkpoint`: writes and reads of checkpoints, including those
    that were cut short; `.idle`: slots without a started attempt; `.down`: slots of agents that are crashed, hung,
    stopped or restarting. `.wasted_fraction` = wasted ÷ (useful + wasted); None without either.

    Raises `TimeNotAccounted` if the sum is another.
    """
    found = agent_time(Tracks.of(history))
    if found is None:
        return dict.fromkeys((*(f"work.{name}" for name in NAMES), "work.wasted_fraction"))
    worked = found.useful + found.wasted
    return {
        **{f"work.{name}": seconds for name, seconds in asdict(found).items()},
        "work.wasted_fraction": found.wasted / worked if worked > 0 else None,
    }
