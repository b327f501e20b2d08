"""The monitor on virtual time: samples, alerts, and isolation from recoveries."""

import asyncio
from dataclasses import replace

import pytest

from recovery import RecoveryEngine, RecoveryMonitor, Supervisor
from recovery.model import FailureKind, TaskStatus
from recovery.monitoring.snapshot import RetryLimits
from sim.loop import SimLoop, run
from tests.recovery.small_system import SmallSystem, failure_of
from tests.recovery.supervised import HesitantEngine, at_once, report

LATE = {"name": "late", "severity": "warning", "measure": "age", "bound": {"task_failure": "20s"}, "text": "{value:g}"}
ESCALATED = {
    "name": "escalated",
    "severity": "critical",
    "measure": "escalated",
    "bound": 1,
    "text": "given up",
    "until": "operator",
}
BREAKER = {"name": "breaker_open", "severity": "warning", "measure": "breaker_open", "bound": 1, "text": "open"}
BUDGET = {
    "name": "budget_empty",
    "severity": "warning",
    "measure": "budget_tokens",
    "relation": "<",
    "bound": 1,
    "text": "{value:g} < {bound:g}",
}


def monitored(system, story, *, rules=(LATE,), storm=None, every=1.0, config=None, engine=RecoveryEngine, **options):
    """Run a story under a supervisor with a monitor."""
    monitor = RecoveryMonitor(
        {"metrics": {"every": every}, "alerts": {"rules": rules, "storm": storm}}, system.ports, **options
    )
    supervisor = Supervisor(config or {}, monitor.system, engine(config or {}, monitor.system), monitor=monitor)

    async def main():
        await supervisor.start()
        await story(supervisor)
        await supervisor.settled()
        await supervisor.stop()

    run(main())
    return supervisor


def alerts(system):
    return [
        (entry.at, entry.subject, f"{entry.event} {entry.detail}", entry.value)
        for entry in system.audit.entries
        if entry.event.startswith(("alert.", "monitor."))
    ]


def failing(*names):
    system = SmallSystem()
    for name in names or ("task.1",):
        system.failed(name)
    return system


def tasks(*names):
    return report(*((name, FailureKind.TASK) for name in names or ("task.1",)))


# ------------------------------------------------------------------------------------------------------ samples
def test_samples_are_taken_every_second_and_at_the_end():
    system, samples = failing(), []
    system.pauses["enqueue"] = 2.5
    monitored(system, tasks(), on_sample=samples.append)
    assert [sample.at for sample in samples] == [*map(float, range(33)), 32.5]
    told = {sample.at: (sample.phase, sample.steps_done, sample.tries, sample.retries_left) for sample in samples}
    assert told[0.0] == ("wait", 0, 0, 3)
    assert told[1.0] == ("wait", 0, 1, 2)
    assert told[31.0] == ("execute", 2, 1, 2)
    assert told[32.5] == ("verified", 3, 1, 2)


def test_the_default_interval_is_one_second():
    system, samples = failing(), []
    monitor = RecoveryMonitor({}, system.ports, on_sample=samples.append)
    supervisor = Supervisor({}, monitor.system, monitor=monitor)

    async def main():
        await supervisor.start()
        await tasks()(supervisor)
        await asyncio.sleep(3.5)
        await supervisor.stop()

    run(main())
    assert [sample.at for sample in samples] == [0.0, 1.0, 2.0, 3.0]


def test_steps_of_an_earlier_try_are_not_counted():
    system, samples = failing(), []
    system.raises["enqueue"] = ConnectionError()
    system.pauses["stop_attempts"] = 1.5
    monitored(system, tasks(), on_sample=samples.append)
    steps = {sample.at: sample.steps_done for sample in samples}
    assert (steps[40.0], steps[62.0]) == (2, 0)


def test_the_sampling_interval_is_configurable():
    system, samples = failing(), []
    monitored(system, tasks(), on_sample=samples.append, every=12)
    assert [sample.age for sample in samples] == [0.0, 12.0, 24.0, 30.0]


def test_a_sample_counts_open_recoveries():
    system, samples = failing("task.1", "task.2"), []
    monitored(system, tasks("task.1", "task.2"), on_sample=samples.append, config={"conditions": at_once(0)})
    assert [(of.subject, of.recoveries_open, of.escalations_open, of.escalated) for of in samples] == [
        ("task.1", 2, 0, False),
        ("task.2", 1, 1, False),
        ("task.1", 0, 2, True),
        ("task.2", 0, 2, True),
    ]


def test_an_idle_monitor_schedules_nothing():
    system = failing()
    monitor = RecoveryMonitor({}, system.ports)
    supervisor = Supervisor({}, monitor.system, monitor=monitor)
    loop = SimLoop()
    loop.run_until_complete(supervisor.start())
    assert loop.env.peek() == float("inf")
    loop.call_soon(supervisor.report, failure_of("task.1"))
    loop.env.run()
    assert loop.time() == 30.0
    loop.close()


def test_a_subject_without_a_recovery_is_not_monitored():
    system, samples = SmallSystem(), []

    async def story(supervisor):
        await supervisor.monitor.monitor_recovery("task.7")

    monitored(system, story, on_sample=samples.append)
    assert samples == []


def test_a_recovery_is_monitored_once():
    system, samples = failing(), []

    async def story(supervisor):
        supervisor.report(failure_of("task.1"))
        await asyncio.sleep(0.5)
        await supervisor.monitor.monitor_recovery("task.1")

    monitored(system, story, on_sample=samples.append, every=20)
    assert [sample.at for sample in samples] == [0.0, 20.0, 30.0]


def test_consecutive_recoveries_of_a_subject_have_separate_reports():
    system, reports = failing(), []

    async def story(supervisor):
        supervisor.report(failure_of("task.1"))
        await asyncio.sleep(31)
        system.start("task.1")
        system.fail("task.1")
        supervisor.report(failure_of("task.1"))

    monitored(system, story, on_report=reports.append, engine=HesitantEngine)
    assert [(of.incident, of.noticed, of.outcome) for of in reports] == [(0, 0.0, "verified"), (1, 35.0, "verified")]
    assert alerts(system)[1] == (35.0, "task.1", "alert.cleared warning late", 15.0)


# ------------------------------------------------------------------------------------------------------- alerts
def test_a_late_recovery_raises_one_alert_that_clears_at_its_end():
    system = failing()
    monitored(system, tasks())
    assert alerts(system) == [
        (20.0, "task.1", "alert.raised warning late", 20.0),
        (30.0, "task.1", "alert.cleared warning late", 10.0),
    ]


def test_a_timely_recovery_raises_no_alert():
    system = failing()
    monitored(system, tasks(), rules=[LATE | {"bound": {"task_failure": "31s", "agent_failure": "1s"}}])
    assert alerts(system) == []


def test_a_cleared_rule_fires_again():
    system, loop_time = failing(), lambda: asyncio.get_running_loop().time()
    monitored(
        system, tasks(), rules=[BREAKER], limits=lambda _: RetryLimits(breaker_open=int(loop_time()) in {3, 4, 8})
    )
    assert [(at, words) for at, _, words, _ in alerts(system)] == [
        (3.0, "alert.raised warning breaker_open"),
        (5.0, "alert.cleared warning breaker_open"),
        (8.0, "alert.raised warning breaker_open"),
        (9.0, "alert.cleared warning breaker_open"),
    ]


@pytest.mark.parametrize(("tokens", "raised"), [(None, []), (1.0, []), (0.5, [("budget_empty", "0.5 < 1")])])
def test_an_empty_retry_budget_raises_an_alert(tokens, raised):
    system, sent = failing(), []
    monitored(system, tasks(), rules=[BUDGET], limits=lambda _: RetryLimits(budget_tokens=tokens), on_alert=sent.append)
    assert [(alert.rule, alert.text) for alert in sent] == raised


def test_a_sample_does_not_clear_an_operator_alert():
    system = failing()
    monitored(
        system,
        tasks(),
        rules=[BREAKER | {"until": "operator"}],
        limits=lambda _: RetryLimits(breaker_open=asyncio.get_running_loop().time() < 5),
    )
    assert [words for _, _, words, _ in alerts(system)] == ["alert.raised warning breaker_open"]


def test_a_time_limit_is_checked_exactly_for_any_start():
    system = failing(*(f"task.{number}" for number in range(20)))

    async def story(supervisor):
        for number in range(20):
            supervisor.report(failure_of(f"task.{number}"))
            await asyncio.sleep(0.1)

    monitored(system, story)
    assert [value for _, _, words, value in alerts(system) if "raised" in words] == [20.0] * 20


def test_an_escalation_alert_clears_when_the_operator_resolves_it():
    system = failing()

    async def story(supervisor):
        supervisor.report(failure_of("task.1"))
        await supervisor.settled()
        await asyncio.sleep(7)
        supervisor.escalations.acknowledge(0, "ada")
        assert len(supervisor.monitor.alert_manager.standing) == 1
        supervisor.escalations.resolve(0, "ada")

    monitored(system, story, rules=[ESCALATED], config={"conditions": at_once(0)})
    assert alerts(system) == [
        (0.0, "task.1", "alert.raised critical escalated", 1.0),
        (7.0, "task.1", "alert.cleared critical escalated", 7.0),
    ]
    assert system.trail[-3:] == [
        "escalation.acknowledged ada",
        "escalation.resolved ada",
        "alert.cleared critical escalated",
    ]


def test_an_alert_storm_is_folded_into_one_counting_alert():
    names = [f"task.{number}" for number in range(6)]
    system, sent = failing(*names), []
    monitored(system, tasks(*names), storm={"alerts": 2, "window": "60s"}, on_alert=sent.append)
    assert [(at, subject, words, value) for at, subject, words, value in alerts(system)] == [
        (20.0, "task.0", "alert.raised warning late", 20.0),
        (20.0, "task.1", "alert.raised warning late", 20.0),
        (20.0, "alerts", "alert.raised critical storm", 3.0),
        (30.0, "task.0", "alert.cleared warning late", 10.0),
        (30.0, "task.1", "alert.cleared warning late", 10.0),
        (30.0, "alerts", "alert.cleared critical storm", 4.0),
    ]
    assert sent[-1].text == "3 alerts within 60 s: further alerts are counted and not sent"


def test_a_storm_ends_after_a_quiet_window_and_alerts_resume():
    system = failing("task.1", "task.2", "task.3")

    async def story(supervisor):
        for name in ("task.1", "task.2", "task.3"):
            supervisor.report(failure_of(name))
            await asyncio.sleep(1 if name == "task.1" else 8)

    monitored(system, story, storm={"alerts": 1, "window": "5s"})
    assert [(at, subject, words) for at, subject, words, _ in alerts(system) if "raised" in words] == [
        (20.0, "task.1", "alert.raised warning late"),
        (21.0, "alerts", "alert.raised critical storm"),
        (29.0, "task.3", "alert.raised warning late"),
    ]
    assert [(at, subject) for at, subject, words, _ in alerts(system) if "cleared" in words] == [
        (25.0, "alerts"),
        (30.0, "task.1"),
        (39.0, "task.3"),
    ]


# ----------------------------------------------------------------------------------------------- what goes wrong
def test_a_monitor_error_does_not_affect_recovery():
    system = failing()

    def limits(failure):
        raise OSError("no answer")

    monitored(system, tasks(), limits=limits)
    assert [words for _, _, words, _ in alerts(system)] == ["monitor.failed OSError: no answer"]
    assert system.store.status("task.1") is TaskStatus.QUEUED


def test_stopping_the_supervisor_stops_its_monitor_silently():
    system = failing()

    async def story(supervisor):
        supervisor.report(failure_of("task.1"))
        await asyncio.sleep(25)
        await supervisor.stop()
        assert supervisor.monitor.alert_manager.standing == ()
        await asyncio.sleep(60)

    monitored(system, story)
    assert [words for _, _, words, _ in alerts(system)] == ["alert.raised warning late"]


def test_a_finished_recovery_leaves_no_monitor_state():
    system = failing()
    supervisor = monitored(system, tasks())
    assert supervisor.system.audit.of(0) == ()


def test_a_recovery_stopped_before_it_began_leaves_no_monitor_state():
    system = failing()

    async def story(supervisor):
        supervisor.report(failure_of("task.1"))
        await supervisor.stop()
        await supervisor.start()

    supervisor = monitored(system, story)
    assert supervisor.system.audit.of(0) == ()


def test_a_supervisor_with_another_audit_trail_is_rejected():
    system = SmallSystem()
    monitor = RecoveryMonitor({}, system.ports)
    with pytest.raises(ValueError, match="the monitor gets no events"):
        Supervisor({}, replace(system.ports), monitor=monitor)


def test_a_monitor_without_a_supervisor_raises():
    with pytest.raises(RuntimeError, match="the monitor has no supervisor"):
        run(RecoveryMonitor({}, SmallSystem().ports).monitor_recovery("task.1"))


@pytest.mark.parametrize(
    ("alerts", "message"),
    [
        ({"rules": [LATE | {"measure": "mood"}]}, "unknown measure 'mood'; valid: age, tries"),
        ({"rules": [LATE | {"text": "{mood}"}]}, "may use {value} and {bound} only"),
        ({"rules": [LATE, LATE]}, "'late' names two rules"),
        ({"rules": [LATE | {"name": "storm"}]}, "'storm' names two rules"),
        ({"storm": {"alerts": 0}}, "greater than or equal to 1"),
    ],
)
def test_an_invalid_rule_is_rejected(alerts, message):
    with pytest.raises(ValueError, match="validation error") as refused:
        RecoveryMonitor({"alerts": alerts}, SmallSystem().ports)
    assert message in str(refused.value)
