"""The world in which things go wrong, and the bench around it.

`run` gives one replication of a scenario, `replicate` several with their intervals, `compare` what a setting changes;
`sim.loop.SimLoop` is asyncio on
SimPy's clock. What is asked for is imported when it is asked for, so that the loop alone stays light.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.bench import Run, run
    from sim.experiments.compare import Comparison, compare
    from sim.experiments.replications import Result, replicate

__all__ = ["Comparison", "Result", "Run", "compare", "replicate", "run"]

_HOMES = {
    "Run": "sim.bench",
    "run": "sim.bench",
    "Comparison": "sim.experiments.compare",
    "compare": "sim.experiments.compare",
    "Result": "sim.experiments.replications",
    "replicate": "sim.experiments.replications",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sim' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
