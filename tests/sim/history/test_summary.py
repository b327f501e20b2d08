"""`history: summary`: equal metrics and verdicts, without events."""

from __future__ import annotations

import subprocess
from operator import attrgetter

import pandas as pd
import pytest

import scenarios
import sim
from sim.cli import main
from sim.experiments.runs.summary import RunSummary
from sim.history.storage import HistoryNotKept
from sim.measures.tables import event_table
from sim.simulation import Run
from tests.sim.cli.small import SMALL

pytestmark = pytest.mark.long

SUMMARY = {"history": "summary"}
SHORT = {"duration": "25m"}


@pytest.fixture(scope="module")
def summary() -> Run:
    """A run that keeps no history."""
    return sim.run(scenarios.load("agent-failure").with_values(SUMMARY), seed=7)


@pytest.mark.parametrize("name", scenarios.names())
def test_every_metric_and_verdict_is_equal(name: str) -> None:
    scenario = scenarios.load(name)
    full, summary = sim.run(scenario, seed=7), sim.run(scenario.with_values(SUMMARY), seed=7)
    assert summary.metrics == full.metrics
    assert summary.violations == full.violations
    assert (summary.events, summary.history_sha256) == (full.events, full.history_sha256)
    pd.testing.assert_frame_equal(summary.confusion, full.confusion)


@pytest.mark.parametrize("name", ["agent-failure", "resource-failure", "duplicated-deliveries"])
def test_tasks_processed_in_parts_give_equal_metrics(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Short runs are processed as a whole; sums of parts may differ in the last digits."""
    scenario = scenarios.load(name).with_values(SHORT)
    whole = sim.run(scenario, seed=7)
    monkeypatch.setattr(event_table, "FEW_TASKS", 11)
    parts = sim.run(scenario, seed=7)
    observed, same = (
        {name: value for name, value in run.metrics.items() if value is not None} for run in (parts, whole)
    )
    assert observed == pytest.approx(same, rel=1e-12)
    assert parts.violations == whole.violations


@pytest.mark.parametrize("ask", [attrgetter("history"), attrgetter("record.table")])
def test_reading_events_of_a_summary_raises(summary: Run, ask: attrgetter[object]) -> None:
    with pytest.raises(HistoryNotKept, match="valid: 'history: full'"):
        ask(summary)


def test_a_replication_keeps_equal_data(summary: Run) -> None:
    kept, full = RunSummary.of(summary), RunSummary.of(sim.run(scenarios.load("agent-failure"), seed=7))
    assert {**vars(kept), "wall_seconds": 0} == {**vars(full), "wall_seconds": 0}


def test_run_accepts_a_summary_and_rejects_a_history_file(tmp_path, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.scenario.yaml").write_text(SMALL % "35s" + "history: summary\n")
    assert main(["run", "small.scenario.yaml", "--replications", "2"]) == 0
    capsys.readouterr()
    assert main(["run", "small.scenario.yaml", "--history", "h.parquet"]) == 2
    message = "--history h.parquet: small keeps a summary and no history; valid: with --set history=full"
    assert capsys.readouterr().err.strip() == message
    assert main(["run", "small.scenario.yaml", "--history", "h.parquet", "--set", "history=full"]) == 0
    assert (tmp_path / "h.parquet").exists()


def test_determinism_checks_use_whole_histories(tmp_path, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    """In this process; a test of `diff` has two others."""

    def here(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, main(command[3:]), "", "")

    monkeypatch.setattr(subprocess, "run", here)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.scenario.yaml").write_text(SMALL % "35s" + "history: summary\n")
    assert main(["run", "small.scenario.yaml", "--check-determinism"]) == 0
    assert "two processes: the same, " in capsys.readouterr().out
