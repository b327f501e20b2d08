"""Resources that attempts hold: which pool, how many units, and the most that are held at once."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from sim.experiments.fitting.logs.task_log import NOTHING, TaskLog


@dataclass(frozen=True)
class PoolUse:
    """A pool of the log. `units`: what most attempts hold of it; `share`: of the attempts that hold it, and `same`: of
    those, that hold so many. `most`: units held at once.
    """

    name: str
    units: int
    share: float
    same: float
    most: int


def pools_of(log: TaskLog) -> tuple[PoolUse, ...]:
    """The pools of a log, the most used first."""
    ran = np.isfinite(log.started) & np.isfinite(log.ended) & (log.ended > log.started)
    found = []
    for code in np.unique(log.pool[ran & (log.pool != NOTHING)]).tolist():
        rows = ran & (log.pool == code) & (log.units > 0)
        if not rows.any():
            continue
        units = log.units[rows]
        common = int(np.bincount(units).argmax())
        at = np.concatenate([log.ended[rows], log.started[rows]])
        step = np.concatenate([-units, units])
        held = np.cumsum(step[np.lexsort((step, at))])
        name = re.sub(r"[^A-Za-z0-9_]+", "-", log.pools[code]).strip("-_")[:40] or f"pool{code}"
        share = float(rows.sum() / max(ran.sum(), 1))
        found.append(PoolUse(name, common, share, float((units == common).mean()), int(held.max())))
    return tuple(sorted(found, key=lambda each: -each.share))
