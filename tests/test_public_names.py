"""The public names of the three packages, and the base class of their errors."""

import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

import recovery
import scenarios
import sim
from recovery.leadership import Deposed
from sim.core.standstill import Stopped

RECOVERY = """
    PRESETS STANDALONE AgentHealth AgentPort AuditEntry AuditEvent AuditTrail BreakerPolicy BudgetPolicy Checkpoint
    CircuitBreaker CommandFailed DetectionConfig Escalation EscalationQueue EscalationReason Failure FailureKind
    IncidentFacts LinkHealth LogPort MemoryAudit MemoryJournal MemoryTaskStore MonitorConfig NetworkPort NoLogs
    NoNetwork NoQueues NoResources Outcome QueueHealth QueuePort RecoveryBenchError RecoveryConfig RecoveryContext
    RecoveryEngine RecoveryMonitor RecoveryOutcome RecoveryPhase RecoveryServices RecoveryVerification ResourceHealth
    ResourcePort ResourceRecovery RetryBudget RetryPolicy RunbookError StateRecovery Supervisor Symptom System TaskPort
    TaskStatus TaskStore TaskView TopologyPort from_tenacity inline preset threaded
"""
SCENARIOS = """
    Inconsistency InconsistencyKind RecoveryBenchError Scenario ScenarioError UnknownMetric inconsistencies load loads
    names path
"""
SIM = """
    Backend Comparison CrashSweepError CrashSweepReport Deadlock DoesNotHold Durable Event Exploration Fit FitError
    ForeignThreads History HistoryNotKept InvalidToken Livelock Network NoInputOutput NotDeterministic Rare
    RecoveryBenchError Result ResultFileError Run RunError RunSummary SearchResult Selection SimLoop Sweep TuneError
    Tuning Warmup build_core compare core_config crash_sweep explore find_warmup fit load load_sweep rare replay
    replicate run search select sweep task_log tune virtual_time
"""


@pytest.mark.parametrize(("package", "names"), [(recovery, RECOVERY), (scenarios, SCENARIOS), (sim, SIM)])
def test_each_package_exports_exactly_these_names(package, names):
    assert package.__all__ == names.split()
    for name in package.__all__:
        assert getattr(package, name) is not None
    assert set(names.split()) <= set(dir(package))


@pytest.mark.parametrize("package", [recovery, sim])
def test_an_unknown_name_raises_attribute_error(package):
    with pytest.raises(AttributeError, match=f"module '{package.__name__}' has no attribute 'nothing'"):
        _ = package.nothing


def test_every_error_derives_from_one_base_class():
    """`Deposed` and `Stopped` are no errors: they cancel tasks of a core that has lost its lease, or repeats itself."""
    errors = {each for package in (recovery, scenarios, sim) for each in exceptions_of(package)}
    assert len(errors) > 30
    assert {each for each in errors if not issubclass(each, recovery.RecoveryBenchError)} == {Deposed, Stopped}
    assert recovery.RecoveryBenchError is scenarios.RecoveryBenchError is sim.RecoveryBenchError


@pytest.mark.parametrize("package", ["recovery", "sim", "sim.loop"])
def test_importing_a_package_loads_no_heavy_library(package):
    script = f"import sys, {package}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert set(loaded).isdisjoint(HEAVY | OPTIONAL)


FRAMEWORKS = "sim.programs.frameworks."  # imports frameworks, which takes seconds; all of its errors are in ERRORS
ERRORS = f"{FRAMEWORKS}errors"
HEAVY = {"matplotlib", "numpy", "pandas", "pyarrow", "pydantic", "scipy", "sqlalchemy"}
OPTIONAL = {"agent_framework", "agents", "langgraph", "procrastinate", "pydantic_ai", "taskiq", "tenacity"}


def exceptions_of(package):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if (
            module.name.endswith("__main__")
            or module.name.startswith("scenarios.programs")  # programs of users
            or (module.name.startswith(FRAMEWORKS) and module.name != ERRORS)
        ):
            continue
        found = importlib.import_module(module.name)
        for each in vars(found).values():
            if inspect.isclass(each) and issubclass(each, BaseException) and each.__module__ == found.__name__:
                yield each
