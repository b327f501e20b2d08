"""The world in which things go wrong, and the bench around it.

`run` gives one replication of a scenario, `replicate` several with their intervals, `compare` what a setting changes,
`select` the best of several settings, `rare` how probable something is, `find_warmup` how long a scenario takes to
settle; `sim.loop.SimLoop` is asyncio on SimPy's clock. What is asked for is imported when it is asked for, so that the
loop alone stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.bench import Run, run
    from sim.experiments.compare import Comparison, compare
    from sim.experiments.rare import Rare, rare
    from sim.experiments.replications import Result, replicate
    from sim.experiments.selected import Selection
    from sim.experiments.selection import select
    from sim.experiments.sweep import Sweep, load_sweep, sweep
    from sim.experiments.warmup import Warmup, find_warmup

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
    "Run": "sim.bench",
    "run": "sim.bench",
    "Comparison": "sim.experiments.compare",
    "Selection": "sim.experiments.selected",
    "select": "sim.experiments.selection",
    "Sweep": "sim.experiments.sweep",
    "load_sweep": "sim.experiments.sweep",
    "sweep": "sim.experiments.sweep",
    "compare": "sim.experiments.compare",
    "Rare": "sim.experiments.rare",
    "rare": "sim.experiments.rare",
    "Result": "sim.experiments.replications",
    "replicate": "sim.experiments.replications",
    "Warmup": "sim.experiments.warmup",
    "find_warmup": "sim.experiments.warmup",
}


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sim' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
