"""Scenario files as pytest items: `pytest scenarios/` collects every `*.scenario.yaml`. And three fixtures.

`bench` runs scenarios, `explore` runs asyncio programs in many orders, and `crash_sweep` cuts their power.

A scenario passes when its expectations hold and no invariant is violated. Every pytest run in an environment with
Recovery Bench imports this package, so the bench itself is imported only when a scenario is run.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Generator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from sim.pytest_plugin import exploration, power_cuts
from sim.pytest_plugin.bench import RAN, SECTION, bench, section
from sim.pytest_plugin.exploration import explore
from sim.pytest_plugin.failure_page import pages_of
from sim.pytest_plugin.finished_runs import FinishedRuns
from sim.pytest_plugin.gate import Gate
from sim.pytest_plugin.items import (
    BASELINE,
    CHANGES,
    FINISHED,
    GATE,
    NO_EXPECTATIONS,
    OTHER_SUFFIX,
    SUFFIX,
    InvalidScenario,
    ScenarioFile,
    ScenarioItem,
)
from sim.pytest_plugin.power_cuts import crash_sweep

__all__ = ["bench", "crash_sweep", "explore"]

SHARED = "recovery_bench_runs"
"""The name under which the controller of pytest-xdist passes the folder of finished runs to its workers."""
FOLDER = pytest.StashKey[Path]()
SAVED = pytest.StashKey[str]()
"""What became of the new baseline."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add options."""
    group = parser.getgroup("recovery-bench", "scenario files (*.scenario.yaml)")
    group.addoption(
        "--scenario-seed",
        metavar="N",
        help="seed of every scenario instead of its own; 7/3 is replication 3 of seed 7",
    )
    group.addoption(
        "--scenario-replications",
        metavar="N",
        help="replications of every scenario, each an item (default: 1, or those of the baseline)",
    )
    group.addoption(
        "--scenario-force", action="store_true", help="run also what is expected to take more than a billion events"
    )
    group.addoption(
        "--scenario-baseline",
        metavar="FILE.json",
        help="judge the metrics against this baseline, on the same replications",
    )
    group.addoption(
        "--scenario-save",
        metavar="FILE.json",
        help="write a new baseline of the scenarios that are run, unless a test fails (default: 20 replications each)",
    )
    group.addoption(
        "--scenario-html",
        metavar="DIR",
        help="write a page of each run that fails into this folder; the failure names it",
    )
    group.addoption(
        "--scenario-set",
        metavar="PATH=VALUE",
        action="append",
        default=[],
        help="change a value in every scenario, as recovery-bench run --set does; may be repeated",
    )
    exploration.add_options(parser)
    power_cuts.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Reject invalid options, and prepare the session."""
    seed, replications = config.getoption("--scenario-seed"), config.getoption("--scenario-replications")
    if seed is not None and not re.fullmatch(r"\d{1,4300}(/\d{1,4300})?", seed, re.ASCII):
        raise pytest.UsageError(f"--scenario-seed {seed}: not a seed; valid: a whole number such as 7, or 7/3")
    if replications is not None and not re.fullmatch(r"0*[1-9]\d{0,4}", replications, re.ASCII):
        raise pytest.UsageError(
            f"--scenario-replications {replications}: not a number of items; valid: a whole number from 1 to 99999"
        )
    if seed is not None and "/" in seed and int(replications or 1) > 1:
        raise pytest.UsageError(f"--scenario-seed {seed}: is one replication; valid: without --scenario-replications")
    pages = config.getoption("--scenario-html")
    if pages is not None and Path(pages).exists() and not Path(pages).is_dir():
        raise pytest.UsageError(f"--scenario-html {pages}: is a file; valid: the name of a folder")
    exploration.check_options(config)
    power_cuts.configure(config)
    config.stash[CHANGES] = _changes(config.getoption("--scenario-set"))
    shared = getattr(config, "workerinput", {}).get(SHARED)
    folder = None if shared is None else Path(shared)
    config.stash[FINISHED] = FinishedRuns(folder)
    config.stash[GATE] = Gate.of(config, folder)
    config.addinivalue_line(
        "markers", f"{NO_EXPECTATIONS}: a scenario without expectations; only its invariants are judged"
    )


def _changes(settings: list[str]) -> dict[str, str]:
    """Values by path. Raises UsageError."""
    changes: dict[str, str] = {}
    for setting in settings:
        path, sign, value = setting.partition("=")
        if not sign or not path:
            raise pytest.UsageError(f"--scenario-set {setting}: valid: PATH=VALUE, such as agents.count=5")
        if path in changes:
            raise pytest.UsageError(f"--scenario-set {path}: is there twice; valid: once")
        if path == "seed" and not re.fullmatch(r"\d+", value, re.ASCII):
            raise pytest.UsageError(f"--scenario-set {setting}: not a seed; valid: a whole number such as 7")
        changes[path] = value
    return changes


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect scenario files by name."""
    is_one = file_path.name.endswith((SUFFIX, OTHER_SUFFIX))
    return ScenarioFile.from_parent(parent, path=file_path) if is_one else None


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark tests that use the fixture `crash_sweep`."""
    power_cuts.mark(item)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let the first item of a file fail, and leave out its others, if an earlier file has the same name and a baseline
    is judged or written: scenarios are matched by their names.
    """
    if not config.stash[GATE].is_needed:
        return
    files: dict[str, ScenarioFile] = {}
    refused: list[Path] = []
    left_out: list[pytest.Item] = []
    for item in items:
        if isinstance(item, ScenarioItem):
            name = item.name.partition("[")[0]
            first = files.setdefault(name, item.file)
            if first is not item.file:
                item.error = InvalidScenario(
                    f"{item.path}: has the name {name}, as {first.shown} has; valid: different names with a baseline"
                )
                left_out += [item] if item.path in refused else []
                refused.append(item.path)
    items[:] = [item for item in items if item not in left_out]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Import the bench before the first scenario runs, so that its duration is its own."""
    if not session.config.option.collectonly and any(isinstance(item, ScenarioItem) for item in session.items):
        import_module("sim.reports.failure_message")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give each worker of pytest-xdist the folder of finished runs."""
    config = node.config
    if FOLDER not in config.stash:
        config.stash[FOLDER] = Path(tempfile.mkdtemp(prefix="recovery-bench-"))
        config.stash[GATE] = Gate.of(config, config.stash[FOLDER])
    node.workerinput[SHARED] = str(config.stash[FOLDER])


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Write the new baseline, unless something has failed. Workers of pytest-xdist leave it to their controller."""
    config = session.config
    gate = config.stash[GATE]
    if gate.save is None or hasattr(config, "workerinput") or config.option.collectonly:
        return
    if exitstatus != pytest.ExitCode.OK and not config.getoption("--scenario-force"):
        config.stash[SAVED] = (
            f"--scenario-save: {gate.save} is not written: a test failed; valid: with --scenario-force"
        )
        return
    from sim.baselines import BaselineError  # noqa: PLC0415 - only with the option

    try:
        config.stash[SAVED] = f"baseline of {count(gate.write())}: {gate.save}"
    except BaselineError as error:
        config.stash[SAVED] = f"--scenario-save {error}"
        session.exitstatus = pytest.ExitCode.USAGE_ERROR


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the folder of finished runs."""
    if FOLDER in config.stash:
        shutil.rmtree(config.stash[FOLDER], ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add what the fixture `bench` has run to the report of a failing test."""
    report = yield
    ran = item.stash.get(RAN, [])
    if report.when == "call" and report.failed and ran:
        report.sections.append((SECTION, "\n".join([section(ran), *pages_of(item, ran)])))
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print how many scenarios passed without an expectation, and what baselines say that is no failure."""
    passed = terminalreporter.stats.get("passed", [])
    without = len({report.nodeid.partition("[")[0] for report in passed if NO_EXPECTATIONS in report.keywords})
    if without:
        terminalreporter.write_line(
            f"{count(without)} passed without expectations: only invariants were judged ({NO_EXPECTATIONS})"
        )
    called = [report for reports in terminalreporter.stats.values() for report in reports if _is_call(report)]
    for report in called:
        for name, line in report.user_properties:
            if name == BASELINE:
                terminalreporter.write_line(line)
    if SAVED in terminalreporter.config.stash:
        terminalreporter.write_line(terminalreporter.config.stash[SAVED])


def _is_call(report: object) -> bool:
    return isinstance(report, pytest.TestReport) and report.when == "call"


def count(scenarios: int) -> str:
    """`1 scenario`, `2 scenarios`."""
    return f"{scenarios} scenario{'' if scenarios == 1 else 's'}"
