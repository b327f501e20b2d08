"""Retry policies of a scenario in a whole run: limits and their metrics."""

import pytest

import scenarios
import sim

pytestmark = pytest.mark.long

STORY = """
name: story
duration: 10m
tasks:
  arrivals: {interval: {every: 10s}}
  count: 10
  work: 1s
  failure_probability: 100%
agents: {count: 2}
"""


def run(**settings) -> sim.Run:
    scenario = scenarios.loads(STORY)
    prefix = "recovery.conditions.task_failure."
    return sim.run(scenario.with_values({prefix + key: value for key, value in settings.items()}), seed=1)


def delays(run: sim.Run, task: int = 0) -> list[float]:
    history = run.history
    return history[(history.event == "retry.granted") & (history.task == task)].value.tolist()


def escalations(run: sim.Run) -> list[str]:
    return run.history[run.history.event == "recovery.escalated"].detail.tolist()


def test_a_preset_gives_the_delays_of_its_engine():
    assert delays(run(preset="stepfunctions")) == [1, 2, 4]
    assert delays(run(preset="kubernetes")) == [10, 20, 40, 80, 160, 320]
    assert delays(run(preset="temporal"))[:8] == [1, 2, 4, 8, 16, 32, 64, 100]


def test_keys_beside_a_preset_take_precedence():
    assert delays(run(preset="stepfunctions", max_retries=1, retry_delay="3s")) == [3]


def test_delays_past_the_deadline_are_rejected():
    bounded = run(max_retries=9, retry_delay="10s", deadline="25s")
    assert delays(bounded) == [10, 10]
    assert escalations(bounded) == ["retry deadline passed"] * 10
    assert bounded.metrics["retries.over_deadline"] == bounded.metrics["retries.exhausted"] == 10


def test_the_budget_limits_the_retries_of_all_tasks():
    bounded = run(max_retries=9, retry_delay="1s", budget="{tokens: 5, refill: 0.5}")
    assert bounded.metrics["retries.count"] == 5
    assert bounded.metrics["retries.over_budget"] == bounded.metrics["retries.exhausted"] == 10
    assert bounded.metrics["tasks.failed"] == 10


def test_completed_tasks_refund_the_budget():
    half = scenarios.loads(STORY.replace("100%", "50%").replace("10s", "1s").replace("count: 10", "count: 200"))
    values = {"recovery.conditions.task_failure.retry_delay": "1s"}
    counts = []
    for refill in (0, 0.2, 1):
        budget = {"recovery.conditions.task_failure.budget": {"tokens": 1, "refill": refill}}
        counts.append(sim.run(half.with_values(values | budget), seed=3).metrics)
    retries = [metrics["retries.count"] for metrics in counts]
    assert retries[0] == 1
    assert retries[1] <= 1 + 0.2 * counts[1]["tasks.completed"]
    assert retries[0] < retries[1] < retries[2]


BLOCKED = """
name: blocked
duration: 10m
tasks: {arrivals: {interval: {every: 10s}}, count: 20, work: 15s, needs: {gpu: 1}}
agents: {count: 4}
resources: {gpu: {units: 2}}
recovery:
  conditions:
    resource_failure: {max_retries: 50, retry_delay: 2s, breaker: {failures: 3, open_for: 30s}}
faults:
  - resource_unavailable: {resource: gpu, units: 2, at: 32s, for: 100s}
"""


@pytest.mark.parametrize(("counts", "retries"), [("tries", 12), ("attempts", 10)])
def test_a_breaker_saves_retries_until_the_resource_returns(counts, retries):
    """Of the failures that open it, two are those of the attempts that lost their units, if attempts count."""
    guarded = scenarios.loads(BLOCKED).with_values({"recovery.conditions.resource_failure.breaker.counts": counts})
    free = guarded.with_values({"recovery.conditions.resource_failure.breaker": None})
    with_breaker, without = sim.run(guarded), sim.run(free)
    changes = with_breaker.history[with_breaker.history.event.astype(str).str.startswith("breaker.")]
    assert changes.event.tolist()[:2] == ["breaker.opened", "breaker.half_opened"]
    assert changes.event.tolist()[-1] == "breaker.closed"
    assert set(changes.about) == {"resource_failure"}
    assert with_breaker.metrics["breaker.openings"] == (changes.event == "breaker.opened").sum()
    assert (with_breaker.metrics["retries.count"], without.metrics["retries.count"]) == (retries, 100)
    assert (with_breaker.metrics["tasks.completed"], without.metrics["tasks.completed"]) == (20, 18)
    assert with_breaker.violations == without.violations == ()


def test_a_breaker_can_reject_instead_of_waiting():
    refusing = scenarios.loads(BLOCKED.replace("open_for: 30s", "open_for: 30s, when_open: refuse"))
    run = sim.run(refusing)
    assert set(escalations(run)) == {"circuit breaker open"}
    assert run.metrics["recovery.escalated"] == len(escalations(run)) > 0


def test_a_try_past_its_timeout_is_interrupted_and_recorded():
    slow = scenarios.loads(STORY).with_values(
        {
            "recovery.costs": "{release_resources: 5s}",
            "recovery.conditions.task_failure.try_timeout": "3s",
            "recovery.conditions.task_failure.max_retries": 2,
            "recovery.conditions.task_failure.retry_delay": "1s",
        }
    )
    run = sim.run(slow)
    failed = run.history[run.history.event == "recovery.failed"].detail
    assert set(failed) == {"timed out after 3 s"}
    assert run.metrics["attempts.started"] == 10  # no task came back to the queue
    assert run.violations == ()


def test_an_error_code_may_have_its_own_policy():
    story = scenarios.loads(STORY.replace("work: 1s", "work: 1s\n  timeout: 500ms"))
    condition = {"max_retries": 1, "by_error": {"timeout": {"max_retries": 3, "retry_delay": "2s"}}}
    run = sim.run(story.with_values({"recovery.conditions.task_failure": condition}))
    assert delays(run) == [2, 2, 2]
    assert run.violations == ()


def test_unconfigured_limits_are_not_measured():
    plain = run().metrics
    new = ("retries.over_deadline", "retries.over_budget", "retries.held_back", "breaker.openings")
    assert [plain[name] for name in new] == [None] * 4


@pytest.mark.parametrize(
    "settings",
    [
        {"deadline": "1d"},
        {"budget": "{tokens: 1000}"},
        {"breaker": "{failures: 1000}"},
        {"try_timeout": "1d"},
        {"by_error": "{other: {max_retries: 0}}"},
        {"jitter": "proportional", "spread": 0},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_a_limit_that_is_never_reached_changes_no_history(settings):
    assert run(**settings).history_sha256 == run().history_sha256


@pytest.mark.parametrize("jitter", ["proportional", "compounding", "additive"])
def test_jitter_is_drawn_from_the_seed(jitter):
    first, again = run(preset="dapr", jitter=jitter), run(preset="dapr", jitter=jitter)
    assert first.history_sha256 == again.history_sha256
    assert len(set(delays(first))) > 3
