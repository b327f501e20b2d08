"""The simulation: a world with injected faults, and experiments on it.

`run` runs one replication of a scenario, `replicate` several with confidence intervals. `compare` estimates the effect
of a setting, `select` finds the best of several settings, `sweep` runs many settings, `rare` estimates the probability
of a rare event, `find_warmup` finds the length of the warm-up, and `fit` fits a scenario to a task log. `SimLoop` is
asyncio on SimPy's clock. Public names are imported on first use, so that `import sim` loads little.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recovery.errors import RecoveryBenchError
    from sim.core.build import build_core, core_config
    from sim.core.run_errors import RunError
    from sim.experiments.comparison.compare import Comparison, compare
    from sim.experiments.fitting.fit import fit
    from sim.experiments.fitting.logs.errors import FitError
    from sim.experiments.fitting.logs.run_log import task_log
    from sim.experiments.fitting.result import Fit
    from sim.experiments.rare_events.estimate import Rare, rare
    from sim.experiments.runs.backends import Backend
    from sim.experiments.runs.replications import Result, replicate
    from sim.experiments.runs.summary import RunSummary
    from sim.experiments.runs.warmup import Warmup, find_warmup
    from sim.experiments.search.search import SearchResult, search
    from sim.experiments.selection.result import Selection
    from sim.experiments.selection.select import select
    from sim.experiments.sweeps.sweep import Sweep, load_sweep, sweep
    from sim.experiments.tuning.result import Tuning
    from sim.experiments.tuning.space import TuneError
    from sim.experiments.tuning.tune import tune
    from sim.history import Event, History, HistoryNotKept
    from sim.loop import Deadlock, Livelock, NoInputOutput, SimLoop
    from sim.loop.virtual_time import virtual_time
    from sim.programs.crash_sweep.errors import CrashSweepError
    from sim.programs.crash_sweep.report import CrashSweepReport
    from sim.programs.crash_sweep.sweep import crash_sweep
    from sim.programs.durable import Durable
    from sim.programs.exploration.errors import ForeignThreads, InvalidToken, NotDeterministic
    from sim.programs.exploration.explore import explore, replay
    from sim.programs.exploration.report import Exploration
    from sim.programs.network import Network
    from sim.results.base import DoesNotHold
    from sim.results.file import ResultFileError, load
    from sim.simulation import Run, run

__all__ = [
    "Backend",
    "Comparison",
    "CrashSweepError",
    "CrashSweepReport",
    "Deadlock",
    "DoesNotHold",
    "Durable",
    "Event",
    "Exploration",
    "Fit",
    "FitError",
    "ForeignThreads",
    "History",
    "HistoryNotKept",
    "InvalidToken",
    "Livelock",
    "Network",
    "NoInputOutput",
    "NotDeterministic",
    "Rare",
    "RecoveryBenchError",
    "Result",
    "ResultFileError",
    "Run",
    "RunError",
    "RunSummary",
    "SearchResult",
    "Selection",
    "SimLoop",
    "Sweep",
    "TuneError",
    "Tuning",
    "Warmup",
    "build_core",
    "compare",
    "core_config",
    "crash_sweep",
    "explore",
    "find_warmup",
    "fit",
    "load",
    "load_sweep",
    "rare",
    "replay",
    "replicate",
    "run",
    "search",
    "select",
    "sweep",
    "task_log",
    "tune",
    "virtual_time",
]

_HOMES = {
    "RecoveryBenchError": "recovery.errors",
    "build_core": "sim.core.build",
    "core_config": "sim.core.build",
    "Comparison": "sim.experiments.comparison.compare",
    "compare": "sim.experiments.comparison.compare",
    "Fit": "sim.experiments.fitting.result",
    "FitError": "sim.experiments.fitting.logs.errors",
    "fit": "sim.experiments.fitting.fit",
    "task_log": "sim.experiments.fitting.logs.run_log",
    "Rare": "sim.experiments.rare_events.estimate",
    "rare": "sim.experiments.rare_events.estimate",
    "Backend": "sim.experiments.runs.backends",
    "Result": "sim.experiments.runs.replications",
    "replicate": "sim.experiments.runs.replications",
    "RunSummary": "sim.experiments.runs.summary",
    "Warmup": "sim.experiments.runs.warmup",
    "find_warmup": "sim.experiments.runs.warmup",
    "SearchResult": "sim.experiments.search.search",
    "search": "sim.experiments.search.search",
    "Selection": "sim.experiments.selection.result",
    "select": "sim.experiments.selection.select",
    "Sweep": "sim.experiments.sweeps.sweep",
    "load_sweep": "sim.experiments.sweeps.sweep",
    "sweep": "sim.experiments.sweeps.sweep",
    "Tuning": "sim.experiments.tuning.result",
    "TuneError": "sim.experiments.tuning.space",
    "tune": "sim.experiments.tuning.tune",
    "Event": "sim.history",
    "History": "sim.history",
    "HistoryNotKept": "sim.history",
    "Deadlock": "sim.loop",
    "Livelock": "sim.loop",
    "NoInputOutput": "sim.loop",
    "SimLoop": "sim.loop",
    "virtual_time": "sim.loop.virtual_time",
    "CrashSweepError": "sim.programs.crash_sweep.errors",
    "CrashSweepReport": "sim.programs.crash_sweep.report",
    "Durable": "sim.programs.durable",
    "Network": "sim.programs.network",
    "crash_sweep": "sim.programs.crash_sweep.sweep",
    "Exploration": "sim.programs.exploration.report",
    "ForeignThreads": "sim.programs.exploration.errors",
    "InvalidToken": "sim.programs.exploration.errors",
    "NotDeterministic": "sim.programs.exploration.errors",
    "explore": "sim.programs.exploration.explore",
    "replay": "sim.programs.exploration.explore",
    "DoesNotHold": "sim.results.base",
    "ResultFileError": "sim.results.file",
    "load": "sim.results.file",
    "Run": "sim.simulation",
    "RunError": "sim.core.run_errors",
    "run": "sim.simulation",
}
"""The module that defines each public name."""


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sim' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
