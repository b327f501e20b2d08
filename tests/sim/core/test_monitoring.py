"""Verification, alerts and escalations in a run."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import sim
from recovery import Supervisor
from scenarios import Scenario, ScenarioError
from sim.core.build import build_core
from sim.experiments.runs.replications import replicate
from sim.history import Event, History
from sim.measures import measure
from sim.randomness.streams import Streams
from sim.reports.table import load
from sim.simulation import Run
from tests.sim.world.stories import recorded, scenario

FAILING = {"tasks.failure_probability": 1.0, "recovery.conditions.task_failure": {"max_retries": 1}}


def alerts(run: Run) -> list[tuple[float, str, int, str]]:
    rows = recorded(run, "alert.raised", "alert.cleared")
    return [(time, event, task, detail) for time, event, task, _, detail in rows]


def counted(run: Run) -> dict[str, float | None]:
    return {name: value for name, value in run.metrics.items() if name.startswith(("alerts.", "escalations."))}


# ------------------------------------------------------------------------------------------- verification decides
def doubting(tries: int) -> Any:
    """A core whose verification rejects so many recoveries, although every command has succeeded."""

    def core(of: Scenario, system: Any, streams: Streams) -> Supervisor:
        supervisor = build_core(of, system, streams)
        left = [tries]
        verify = supervisor.engine.verification.verify_recovery

        async def verify_recovery(task_id: str) -> bool:
            left[0] -= 1
            return left[0] < 0 and await verify(task_id)

        supervisor.engine.verification.verify_recovery = verify_recovery  # type: ignore[method-assign]
        return supervisor

    return core


def test_a_failed_verification_fails_the_try_and_is_retried() -> None:
    """Fails at 13 s; executed and not verified at 43 s, the second try is at 73 s."""
    policy = {"tasks.failure_probability": 1.0, "recovery.conditions.task_failure": {"max_retries": 2}}
    run = sim.run(scenario(policy, duration="74s"), core=doubting(1))
    stages = recorded(run, "recovery.executed", "recovery.failed", "recovery.verified")
    assert [(time, event, detail) for time, event, _, _, detail in stages] == [
        (43.0, "recovery.executed", ""),
        (43.0, "recovery.failed", "verification"),
        (73.0, "recovery.executed", ""),
        (73.0, "recovery.verified", ""),
    ]
    assert (run.metrics["recovery.failed"], run.metrics["recovery.succeeded"]) == (1, 1)


def test_a_recovery_that_is_never_verified_is_escalated() -> None:
    """Every step of every try succeeds, but the verification always fails."""
    policy = {"tasks.failure_probability": 1.0, "recovery.conditions.task_failure": {"max_retries": 2}}
    run = sim.run(scenario(policy), core=doubting(10))
    assert len(recorded(run, "step.failed")) == 0
    assert run.metrics["recovery.failed"] == 2
    assert run.metrics["recovery.succeeded"] == 0
    assert run.metrics["recovery.escalated"] == run.metrics["escalations.open"] == 1


# --------------------------------------------------------------------------------------------------------- alerts
def test_alerts_are_events_and_metrics_of_a_monitored_run() -> None:
    """Fails at 13 s and is retried at 43 s, fails at 46 s and has no retry left."""
    run = sim.run(scenario(FAILING | {"recovery.monitor": {"late": {"task_failure": "20s"}}}))
    assert alerts(run) == [
        (34.0, "alert.raised", 0, "warning late"),
        (43.0, "alert.cleared", 0, "warning late"),
        (46.0, "alert.raised", 0, "critical escalated"),
    ]
    assert counted(run) == {"escalations.open": 1, "alerts.raised": 2, "alerts.warning": 1, "alerts.critical": 1}
    assert run.violations == ()


def test_the_sampling_interval_comes_from_the_scenario() -> None:
    """Late after 20 s, detected at the sample at 24 s; never late when the limit is null."""
    rare = {"every": "8s", "late": {"task_failure": "20s"}}
    run = sim.run(scenario(FAILING | {"recovery.monitor": rare}))
    assert alerts(run)[0][0] == 37.0
    never = sim.run(scenario(FAILING | {"recovery.monitor": {"late": {"task_failure": None}}}))
    assert [detail for *_, detail in alerts(never)] == ["critical escalated"]


def test_alert_storms_are_folded_as_configured() -> None:
    """Fifty tasks fail at once and are late together: two alerts, and one that counts the others."""
    burst = {"tasks.arrivals": {"burst": {"size": 50}}, "tasks.count": None, "agents.count": 50}
    monitor = {"late": {"task_failure": "20s"}, "storm": {"alerts": 2, "window": "1m"}}
    run = sim.run(scenario(FAILING | burst | {"recovery.monitor": monitor}, duration="30s"))
    assert [detail for *_, detail in alerts(run)] == ["warning late", "warning late", "critical storm"]
    every_one = sim.run(scenario(FAILING | burst | {"recovery.monitor": monitor | {"storm": None}}, duration="30s"))
    assert every_one.metrics["alerts.raised"] == 50


def test_monitoring_is_off_by_default_and_changes_no_other_event() -> None:
    """Equal events except for the alerts; without a monitor the metrics of alerts have no observation."""
    alone, watched = sim.run(scenario(FAILING)), sim.run(scenario(FAILING | {"recovery.monitor": {}}))
    assert counted(alone) == {
        "escalations.open": 1,
        "alerts.raised": None,
        "alerts.warning": None,
        "alerts.critical": None,
    }
    kept = ~watched.history["event"].astype(str).str.startswith("alert.")
    columns = ["time", "subject", "detail"]
    assert watched.history.loc[kept, columns].to_numpy().tolist() == alone.history[columns].to_numpy().tolist()
    assert (~kept).sum() == 1


def test_an_invalid_monitor_configuration_is_rejected() -> None:
    """With the key and what would be valid."""
    with pytest.raises(ScenarioError, match=r"recovery\.monitor\.late\.task_failure"):
        scenario({"recovery.monitor": {"late": {"task_failure": "soon"}}})


# ------------------------------------------------------------------------------------------------------ telemetry
@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """A user's own provider, as the process's."""
    exporter, tracers = InMemorySpanExporter(), TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("opentelemetry.trace._TRACER_PROVIDER", tracers)
    return exporter


def spans(exporter: InMemorySpanExporter) -> list[tuple[str, float, float]]:
    return [(span.name, span.start_time / 1e9, span.end_time / 1e9) for span in exporter.get_finished_spans()]


def test_spans_are_in_virtual_time_and_do_not_change_the_run(exporter: InMemorySpanExporter) -> None:
    """Opened at 13 s, verified at 43 s, in virtual time."""
    recorded = sim.run(scenario(FAILING, duration="44s"), telemetry=True)
    assert [name for name, _, _ in spans(exporter)] == [
        "step release_resources",
        "step restore_checkpoint",
        "step retry_task",
        "recovery",
    ]
    assert spans(exporter)[-1] == ("recovery", 13.0, 43.0)
    assert recorded.history_sha256 == sim.run(scenario(FAILING, duration="44s")).history_sha256


def test_a_recovery_open_at_the_end_is_exported(exporter: InMemorySpanExporter) -> None:
    sim.run(scenario(FAILING, duration="30s"), telemetry=True)
    assert spans(exporter) == [("recovery", 13.0, 30.0)]


def test_telemetry_is_off_by_default(exporter: InMemorySpanExporter) -> None:
    sim.run(scenario(FAILING, duration="44s"))
    assert spans(exporter) == []


# ---------------------------------------------------------------------------------------------------- escalations
def test_a_resolved_escalation_is_not_open() -> None:
    """Of three escalations one is resolved, and one was opened during the warm-up."""
    rows = [
        row
        for number, at in enumerate((5.0, 20.0, 30.0))
        for row in (
            {"time": at, "event": Event.RECOVERY_OPENED, "task": number, "incident": number},
            {"time": at, "event": Event.RECOVERY_ESCALATED, "task": number, "incident": number},
        )
    ]
    resolved = {"time": 40.0, "event": Event.ESCALATION_RESOLVED, "task": 1, "incident": 1, "detail": "ada"}
    history = History.of([*rows, resolved], {"warmup": 10.0, "duration": 100.0})
    assert measure(history)["escalations.open"] == 1


def lines(values: dict[str, Any]) -> list[str]:
    from rich.console import Console

    console = Console(width=80, record=True, file=None, force_terminal=False)
    with console.capture() as captured:
        console.print(load(replicate(scenario(values), seed=1, replications=1, jobs=1)))
    return [line.rstrip() for line in captured.get().splitlines() if line.startswith("operator")]


def test_the_table_counts_open_escalations_only_when_there_are_some() -> None:
    """A separate line, which a run without escalations does not have."""
    assert lines(FAILING | {"recovery.monitor": {}}) == ["operator     1 escalation open, 1 critical alert"]
    assert lines({}) == []


def test_the_monitor_reads_the_shared_retry_budget() -> None:
    """The only token is spent at 13 s; the first sample, a second later, finds the budget empty."""
    values = {
        **FAILING,
        "recovery.conditions.task_failure": {"max_retries": 1, "budget": {"tokens": 1, "refill": 0}},
        "recovery.monitor": {},
    }
    assert alerts(sim.run(scenario(values, duration="20s")))[0] == (14.0, "alert.raised", 0, "warning budget_empty")
