"""Kinds of tasks, queues and pools of agents in a scenario file."""

import pytest

import scenarios
from scenarios.consistency import inconsistencies
from scenarios.errors import ScenarioError
from scenarios.offered_load import offered_load
from tests.scenarios.refusals import message

FLEET = """\
name: fleet
duration: 1h
tasks:
  arrivals: {poisson: {rate: 2/s}}
  work: 2s
  kinds:
  - {name: chat, share: 80%, priority: 1, queue: fast}
  - {name: report, work: {exponential: {mean: 10s}}, queue: slow, retry: {max_retries: 1, retry_delay: 5s}}
queues: {fast: {capacity: 50}, slow: {}}
agents:
  pools:
    small: {count: 6, takes: [chat]}
    large: {count: 4}
"""


def test_a_kind_has_its_own_keys_and_else_those_of_all_tasks():
    fleet = scenarios.loads(FLEET)
    assert (fleet.agents.count, fleet.agents.pool_of(5), fleet.agents.pool_of(6)) == (10, "small", "large")
    assert fleet.tasks.shares == pytest.approx({"chat": 0.8, "report": 0.2})
    assert (fleet.tasks.of_kind("chat").work.mean, fleet.tasks.of_kind("report").work.mean) == (2, 10)
    assert fleet.tasks.kinds["report"].retry.max_retries == 1


def test_a_list_is_a_list_of_kinds_with_arrivals_of_their_own():
    text = "[{name: a, arrivals: {interval: {every: 1s}}, work: 1s}, {name: b, arrivals: {burst: {size: 3}}, work: 2s}]"
    made = scenarios.loads(f"name: x\nduration: 1m\ntasks: {text}\nagents: {{count: 2}}\n")
    assert [kind.arrivals.kind for kind in made.tasks.kinds.values()] == ["interval", "burst"]
    assert type(made).model_validate(made.resolved()) == made


def test_overrides_name_the_kind():
    fleet = scenarios.loads(FLEET)
    changed = fleet.with_values(
        {"tasks.chat.work": "3s", "tasks.kinds.report.retry.max_retries": 4, "agents.pools.small.count": 2}
    )
    assert (changed.tasks.kinds["chat"].work.mean, changed.tasks.kinds["report"].retry.max_retries) == (3, 4)
    assert changed.agents.count == 6
    assert fleet.with_values({"tasks.kinds.chat.share": 0.5}).tasks.shares["report"] == 0.5
    with pytest.raises(ScenarioError, match=r"tasks\.kinds\.chat\.work=-1"):
        fleet.with_values({"tasks.kinds.chat.work": "-1"})


def test_a_scenario_that_extends_another_changes_single_keys_of_a_kind(tmp_path):
    (tmp_path / "fleet.scenario.yaml").write_text(FLEET, encoding="utf-8")
    child = tmp_path / "child.scenario.yaml"
    child.write_text(
        "name: child\nextends: fleet.scenario.yaml\ntasks:\n  kinds: [{name: chat, work: 7s}]\n", encoding="utf-8"
    )
    merged = scenarios.load(child).tasks
    assert list(merged.kinds) == ["chat", "report"]
    assert (merged.kinds["chat"].work.mean, merged.kinds["chat"].priority) == (7, 1)


SECOND = "  - {name: report, work: {exponential: {mean: 10s}}, queue: slow, retry: {max_retries: 1, retry_delay: 5s}}"
REFUSALS = {
    "a second kind of one name": (
        ("name: report", "name: chat"),
        "8: tasks.kinds[1].name: a second kind 'chat'; valid: each name once",
    ),
    "no name": (("name: report, ", ""), "8: tasks.kinds[1].name: is missing; it is required"),
    "shares": (
        ("{name: report,", "{name: report, share: 30%,"),
        "6: tasks.kinds: the shares sum to 1.1 (chat 0.8, report 0.3); valid: a sum of 1, or one kind without a share",
    ),
    "nothing left over": (
        ("share: 80%", "share: 1"),
        "8: tasks.kinds.report.share: is missing, and the others sum to 1: nothing is left over",
    ),
    "a share and arrivals": (
        ("share: 80%,", "share: 80%, arrivals: {interval: {every: 1s}},"),
        "7: tasks.kinds.chat.share: has a share and arrivals of its own; valid: one of both",
    ),
    "a priority": (
        ("priority: 1", "priority: 1.5"),
        "7: tasks.kinds.chat.priority: 1.5 is not valid; valid: a whole number, 0 or more",
    ),
    "a queue": (
        ("queue: slow", "queue: slo"),
        "8: tasks.kinds.report.queue: unknown queue 'slo'; valid: fast, slow (nearest: 'slow')",
    ),
    "an unused queue": (("queue: slow", "queue: fast"), "9: queues.slow: no kind of tasks waits in it"),
    "a kind that nothing takes": (
        ("large: {count: 4}", "large: {count: 4, takes: [chat]}"),
        "11: agents.pools: no pool takes tasks of the kind 'report'; valid: in takes of a pool",
    ),
    "a pool that takes nothing": (
        ("takes: [chat]", "takes: []"),
        "12: agents.pools.small.takes: is empty: its agents would execute nothing; valid: one kind of tasks or more",
    ),
    "an unknown kind": (
        ("takes: [chat]", "takes: [chta]"),
        "12: agents.pools.small.takes[0]: unknown kind 'chta'; valid: chat, report (nearest: 'chat')",
    ),
    "a word of the metrics": (("name: chat", "name: wait"), "7: tasks.kinds.wait: 'wait' is a word of the metrics"),
    "a count of agents": (
        ("  pools:", "  count: 3\n  pools:"),
        "11: agents.count: 3 is not the sum of the pools, 10; valid: without count",
    ),
    "needs": (
        ("{name: report,", "{name: report, needs: {gpu: 1},"),
        "8: tasks.kinds.report.needs.gpu: unknown resource 'gpu'; valid: one of resources, and there are none",
    ),
    "a metric of another kind": (
        ("agents:", "expect: [tasks.chatt.sojourn.p95 <= 3s]\nagents:"),
        "10: expect[0]: unknown metric 'tasks.chatt.sojourn.p95'; valid: tasks.chat.sojourn.p95 (nearest",
    ),
    "a fault of an unknown queue": (
        ("agents:", "faults: [{queue_blocked: {queue: fats, at: 1s}}]\nagents:"),
        "10: faults[0].queue_blocked.queue: unknown queue 'fats'; valid: fast, slow (nearest: 'fast')",
    ),
    "no kinds": (("kinds:", "kinds: []\n  nothing:"), "6: tasks.kinds: is empty; valid: one kind of tasks or more"),
}


@pytest.mark.parametrize(("change", "said"), REFUSALS.values(), ids=REFUSALS)
def test_an_invalid_fleet_is_rejected(change, said):
    before, after = change
    assert before in FLEET
    assert message(FLEET.replace(before, after, 1)).startswith(f"story.yaml:{said}")


def test_the_offered_load_is_that_of_the_agents_that_take_a_kind():
    fleet = scenarios.loads(FLEET)
    assert offered_load(fleet).load == pytest.approx(0.4 * 10 / 4)  # only the large pool takes reports
    assert offered_load(fleet).remedy == "agents.pools.large.count=5"
    warned = [each.paths for each in inconsistencies(fleet)]
    assert warned == [("tasks.arrivals.poisson", "agents.pools.large.count")]
    together = fleet.with_values({"agents.pools.small.takes": None})
    assert offered_load(together).load == pytest.approx((1.6 * 2 + 0.4 * 10) / 10)


def test_a_warning_names_the_kind():
    (found,) = inconsistencies(
        scenarios.loads(FLEET).with_values({"tasks.report.timeout": "1s", "agents.pools.large.count": 9})
    )
    assert found.paths == ("tasks.kinds.report.timeout", "tasks.kinds.report.work")
    assert found.problem.startswith("kind 'report': 1s is below")
