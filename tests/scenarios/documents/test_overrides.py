"""Overrides of values at paths."""

import numpy as np
import pytest

import scenarios
from scenarios import ScenarioError

STORY = """\
name: story
duration: 1h
tasks:
  arrivals: {poisson: {rate: 2/s}}
  work: {exponential: {mean: 3s}}
  needs: {gpu: 1}
agents: {count: 10}
resources: {gpu: {units: 12}}
faults:
  - agent_crash: {targets: 1, at: 10m}
  - partition: {between: [agents, queue], at: 20m, for: 30s}
"""


@pytest.fixture
def story():
    return scenarios.loads(STORY)


def refused(scenario, values):
    with pytest.raises(ScenarioError) as caught:
        scenario.with_values(values)
    return str(caught.value)


@pytest.mark.parametrize(
    ("path", "value", "read"),
    [
        ("seed", 3, lambda new: new.seed == 3),
        ("seed", "3", lambda new: new.seed == 3),
        ("seed", np.int64(3), lambda new: new.seed == 3),
        ("duration", "2h", lambda new: new.duration == 7200),
        ("name", "1e3", lambda new: new.name == "1e3"),
        ("description", "null", lambda new: new.description == "null"),
        ("tasks.count", "100", lambda new: new.tasks.count == 100),
        ("tasks.count", None, lambda new: new.tasks.count is None),
        ("tasks.work", "5s", lambda new: new.tasks.work.constant == 5),
        ("tasks.work", "{erlang: {k: 2, mean: 3s}}", lambda new: new.tasks.work.k == 2),
        ("tasks.work", {"erlang": {"k": 2, "mean": "3s"}}, lambda new: new.tasks.work.k == 2),
        ("tasks.work.exponential.mean", "5s", lambda new: new.tasks.work.mean == 5),
        ("tasks.work.mean", np.float64(5), lambda new: new.tasks.work.mean == 5),
        ("tasks.arrivals.rate", "90/m", lambda new: new.tasks.arrivals.rate == 1.5),
        ("tasks.failure_probability", "2%", lambda new: new.tasks.failure_probability == 0.02),
        ("tasks.retry_holds_agent", "true", lambda new: new.tasks.retry_holds_agent is True),
        ("tasks.checkpoint.every", "1s", lambda new: new.tasks.checkpoint.every == 1),
        ("tasks.needs.gpu", 12, lambda new: new.tasks.needs == {"gpu": 12}),
        ("resources.cpu.units", 4, lambda new: new.resources["cpu"].units == 4),
        ("resources.cpu", {"units": 4}, lambda new: new.resources["cpu"].units == 4),
        ("recovery.costs.restart_agent", "3s", lambda new: new.recovery.costs == {"restart_agent": 3}),
        (
            "recovery.conditions.task_failure.retry_delay",
            "5s",
            lambda new: new.recovery.conditions.task_failure.retry_delay == 5,
        ),
        (
            "recovery.conditions.agent_failure.max_retries",
            2,
            lambda new: new.recovery.conditions.agent_failure.max_retries == 2,
        ),
        ("faults[0].agent_crash.at", "5m", lambda new: new.faults[0].at == 300),
        ("faults[0].at", "5m", lambda new: new.faults[0].at == 300),
        ("faults.0.at", "5m", lambda new: new.faults[0].at == 300),
        ("faults[1].for", "{uniform: {low: 1s, high: 2s}}", lambda new: new.faults[1].for_.high == 2),
        ("faults[1].between", "[queue, core]", lambda new: new.faults[1].between == ("queue", "core")),
        ("faults[1].between[0]", "agent.3", lambda new: new.faults[1].between == ("agent.3", "queue")),
        ("faults", "[]", lambda new: new.faults == ()),
        ("expect", ["tasks.lost == 0"], lambda new: new.expect[0].metric == "tasks.lost"),
        ("queue.ack_timeout", "null", lambda new: new.queue.ack_timeout is None),
    ],
)
def test_a_value_is_set_at_its_path(story, path, value, read):
    assert read(story.with_values({path: value}))


def test_the_original_scenario_is_unchanged(story):
    story.with_values({"tasks.needs.gpu": 3, "faults[0].at": "5m"})
    assert story == scenarios.loads(STORY)


def test_the_given_values_are_unchanged(story):
    """Also if a later override is below an earlier one."""
    work = {"exponential": {"mean": "3s"}}
    changed = story.with_values({"tasks.work": work, "tasks.work.exponential.mean": "5s"})
    assert work == {"exponential": {"mean": "3s"}}
    assert changed.tasks.work.mean == 5


def test_no_overrides_give_an_equal_scenario(story):
    assert story.with_values({}) == story


def test_the_source_of_a_scenario_is_kept():
    scenario = scenarios.load("agent-failure")
    assert scenario.with_values({"seed": 3}).source == scenario.source


def test_overrides_that_are_valid_only_together_are_applied_together(story):
    both = {"tasks.needs.gpu": 20, "resources.gpu.units": 20}
    assert story.with_values(both).tasks.needs == {"gpu": 20}
    assert story.with_values(dict(reversed(both.items()))).tasks.needs == {"gpu": 20}
    with pytest.raises(ScenarioError):
        story.with_values({"tasks.needs.gpu": 20})
    moved = story.with_values({"faults[0].at": None, "faults[0].every": "5m"})
    assert (moved.faults[0].at, moved.faults[0].every.constant) == (None, 300)


def test_several_keys_replace_a_null_section(story):
    prefix = "recovery.conditions.agent_failure"
    new = story.with_values({f"{prefix}.max_retries": 2, f"{prefix}.retry_delay": "5s"})
    condition = new.recovery.conditions.agent_failure
    assert (condition.max_retries, condition.retry_delay) == (2, 5)


def test_a_later_override_sees_an_earlier_one(story):
    new = story.with_values({"tasks.work": "{erlang: {k: 2, mean: 3s}}", "tasks.work.k": 5})
    assert new.tasks.work.k == 5


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "recovery.conditions.task_failure.retry_dely",
            (
                "unknown path; keys of recovery.conditions.task_failure: preset, max_retries, retry_delay, backoff, "
                "multiplier, max_delay, jitter, spread, jitter_width, deadline, try_timeout, "
                "honor_retry_after, budget, breaker, by_error "
                "(nearest: 'recovery.conditions.task_failure.retry_delay')"
            ),
        ),
        (
            "agents.counts",
            (
                "unknown path; keys of agents: count, pools, slots, prefetch, mtbf, failure_clock, restart_time, "
                "restart_slots (nearest: 'agents.count')"
            ),
        ),
        ("tasks.work.men", "unknown path; keys of tasks.work: exponential, mean (nearest: 'tasks.work.mean')"),
        ("seed.value", "unknown path; seed has no keys, it is 0"),
        ("faults[2].at", "unknown path; valid: faults[0] … faults[1]"),
        ("expect[0]", "unknown path; valid: expect is empty"),
        ("faults.first", "unknown path; valid: faults[0] … faults[1]"),
    ],
)
def test_an_unknown_path_is_rejected_with_a_suggestion(story, path, message):
    assert refused(story, {path: "5s"}) == f"story: {path}=5s: {message}"


def test_an_unknown_top_level_path_is_rejected_with_the_valid_keys(story):
    message = refused(story, {"agnts.count": 3})
    assert message.startswith("story: agnts.count=3: unknown path; keys of the scenario: name, description, ")
    assert message.endswith(" (nearest: 'agents')")


@pytest.mark.parametrize("path", ["", ".", "a.", ".a", "a..b", "a[b]", "a[0", "[0]", "a[0]b"])
def test_an_invalid_path_is_rejected(story, path):
    assert refused(story, {path: 3}) == f"story: '{path}' is not a path; valid: keys with dots, as in tasks.work"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"tasks.arrivals.rate": "-2/s"},
            (
                "tasks.arrivals.rate=-2/s: tasks.arrivals.poisson.rate: '-2/s' is a negative rate; "
                "valid: more than 0, as in 2/s"
            ),
        ),
        (
            {"seed": 3, "agents.count": 0},
            "agents.count=0: 0 is not valid; valid: a whole number, 1 or more",
        ),
        (
            {"seed": 3, "tasks.needs.gpu": 20},
            "tasks.needs.gpu=20: 20 can never be allocated; valid: up to 12, the units of gpu",
        ),
        (
            {"tasks.checkpoint.cost": "1s"},
            "tasks.checkpoint.cost=1s: tasks.checkpoint.every: is missing; it is required",
        ),
        (
            {"tasks.checkpoint": {"evry": 3}},
            (
                "tasks.checkpoint={'evry': 3}: tasks.checkpoint.evry: unknown key; "
                "known: every, cost, restore, final (nearest: 'every')"
            ),
        ),
        (
            {"expect": ["tasks.lots == 0"]},
            (
                "expect=['tasks.lots == 0']: expect[0]: unknown metric 'tasks.lots'; valid: tasks.lost "
                "(nearest: 'tasks.lost')"
            ),
        ),
        (
            {"resources.gpu.units": 0},
            "resources.gpu.units=0: 0 is not valid; valid: a whole number, 1 or more",
        ),
    ],
)
def test_an_invalid_value_is_attributed_to_its_override(story, values, message):
    assert refused(story, values) == f"story: {message}"


def test_a_contradiction_elsewhere_is_attributed_to_all_overrides(story):
    message = refused(story, {"seed": 3, "resources": "{cpu: {units: 1}}"})
    assert message == (
        "story: seed=3, resources={cpu: {units: 1}}: tasks.needs.gpu: unknown resource 'gpu'; "
        "valid: cpu (nearest: 'cpu')"
    )


def test_an_override_error_has_structured_fields(story):
    with pytest.raises(ScenarioError) as caught:
        story.with_values({"agents.count": 0})
    assert (caught.value.change, caught.value.path, caught.value.line) == ("agents.count=0", "agents.count", None)


def test_the_extended_scenario_cannot_be_changed():
    with pytest.raises(ScenarioError, match=r"extends=agent-failure: cannot be changed, because .*; valid: "):
        scenarios.load("baseline").with_values({"extends": "agent-failure"})


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("workers", "agents"),
        ("retry_delay", "recovery.conditions.task_failure.retry_delay"),
        ("max_retries", "recovery.conditions.task_failure.max_retries"),
        ("agnets", "agents"),
    ],
)
def test_the_nearest_key_is_that_with_the_meaning(path, nearest):
    with pytest.raises(ScenarioError, match=rf"\(nearest: '{nearest}'\)$"):
        scenarios.load("baseline").with_values({path: 3})
