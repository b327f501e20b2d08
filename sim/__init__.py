"""The world in which things go wrong, and the bench around it.

`run` gives one replication of a scenario, `replicate` several with their intervals, `compare` what a setting changes,
`select` the best of several settings, `rare` how probable something is, `find_warmup` how long a scenario takes to
settle; `sim.loop.SimLoop` is asyncio on SimPy's clock. What is asked for is imported when it is asked for, so that the
loop alone stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.experiments.comparison.compare import Comparison, compare
    from sim.experiments.rare_events.estimate import Rare, rare
    from sim.experiments.runs.replications import Result, replicate
    from sim.experiments.runs.warmup import Warmup, find_warmup
    from sim.experiments.selection.result import Selection
    from sim.experiments.selection.select import select
    from sim.experiments.sweeps.sweep import Sweep, load_sweep, sweep
    from sim.simulation import Run, run

__all__ = [
    "Comparison",
    "Rare",
    "Result",
    "Run",
    "Selection",
    "Sweep",
    "Warmup",
    "compare",
    "find_warmup",
    "load_sweep",
    "rare",
    "replicate",
    "run",
    "select",
    "sweep",
]

_HOMES = {
    "Run": "sim.simulation",
    "run": "sim.simulation",
    "Comparison": "sim.experiments.comparison.compare",
    "Selection": "sim.experiments.selection.result",
    "select": "sim.experiments.selection.select",
    "Sweep": "sim.experiments.sweeps.sweep",
    "load_sweep": "sim.experiments.sweeps.sweep",
    "sweep": "sim.experiments.sweeps.sweep",
    "compare": "sim.experiments.comparison.compare",
    "Rare": "sim.experiments.rare_events.estimate",
    "rare": "sim.experiments.rare_events.estimate",
    "Result": "sim.experiments.runs.replications",
    "replicate": "sim.experiments.runs.replications",
    "Warmup": "sim.experiments.runs.warmup",
    "find_warmup": "sim.experiments.runs.warmup",
}


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sim' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
