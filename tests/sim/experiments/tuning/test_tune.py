"""Searches of a policy space: the optimum, the expectations, several objectives and scenarios, and continuing."""

import json
import math
import re

import pytest

import scenarios
import sim
from scenarios.expected_events import TooManyEvents
from sim.experiments.tuning.defaults import default_space, their_time
from sim.experiments.tuning.policy_values import check_exportable
from sim.experiments.tuning.race import FIRST_LOOK, looks
from sim.experiments.tuning.recommendation import changes, round_number
from sim.experiments.tuning.space import current, space_of

pytestmark = pytest.mark.long

pytest.importorskip("optuna")

TEXT = """\
name: small
seed: 7
duration: 3m
tasks: {arrivals: {interval: {every: 2s}}, work: {exponential: {mean: 1s}}, failure_probability: 20%}
agents: {count: 3}
recovery: {conditions: {task_failure: {max_retries: 3, retry_delay: 30s}}}
"""
SMALL = scenarios.loads(TEXT)
DELAY, RETRIES = (f"recovery.conditions.task_failure.{key}" for key in ("retry_delay", "max_retries"))
SPACE = [f"{DELAY}=100ms..60s", f"{RETRIES}=0..6"]
QUICK = {"trials": 12, "replications": 3, "fresh": 4}


@pytest.fixture(scope="module")
def found():
    """A search by one objective under an expectation that few retries do not meet."""
    return sim.tune(
        SMALL.with_values({"expect": ["tasks.failed == 0"]}), SPACE, minimize=["tasks.sojourn.mean"], **QUICK
    )


def test_the_best_setting_is_found_and_its_expectations_hold(found):
    best = found.best
    assert found.holds
    assert json.loads(best.point[DELAY]) < 5
    assert json.loads(best.point[RETRIES]) >= 3
    assert best.fresh[0].metrics["tasks.failed"].mean == 0
    assert found.comparison(best).differences["tasks.sojourn.mean"].verdict == "better"


def test_the_scenario_as_it_is_is_tried_first(found):
    first = found.judged[0]
    assert {path: json.loads(text) for path, text in first.point.items()} == {DELAY: 30.0, RETRIES: 3}


def test_the_best_is_verified_on_replications_that_the_search_has_not_used(found):
    used = {f"7/{number}" for number in range(found.replications)}
    assert [run.seed for run in found.best.fresh[0].runs] == [f"7/{number}" for number in range(3, 7)]
    assert not used & {run.seed for run in found.now[0].runs}
    (apart,) = found.optimism(found.best)
    (searched,) = found.best.searched
    assert apart == pytest.approx(found.best.fresh[0].metrics["tasks.sojourn.mean"].mean - searched)


def test_a_setting_that_does_not_meet_an_expectation_is_never_proposed(found):
    refused = [each for each in found.judged if json.loads(each.point[RETRIES]) == 0]
    assert refused
    assert not any(each.is_feasible for each in refused)
    assert not {id(each) for each in refused} & {id(each) for each in found.finalists}
    assert all(each.failed[0].startswith("small: tasks.failed == 0, observed ") for each in refused)


def test_the_result_does_not_depend_on_the_number_of_processes(found):
    again = sim.tune(
        SMALL.with_values({"expect": ["tasks.failed == 0"]}), SPACE, minimize=["tasks.sojourn.mean"], jobs=2, **QUICK
    )
    assert again == found


def test_a_search_is_saved_and_its_frame_has_every_setting(found, tmp_path):
    found.save(tmp_path / "tuning.json")
    assert sim.load(tmp_path / "tuning.json") == found
    assert len(found.frame) == len(found.judged) == 12
    assert found.frame["finalist"].sum() >= 1
    assert set(found.importance[0]) == {DELAY, RETRIES}
    assert sum(found.importance[0].values()) == pytest.approx(1)
    assert found.as_json()["chosen"] == {path: json.loads(text) for path, text in found.best.point.items()}


def test_a_search_is_continued_from_its_study(found, tmp_path):
    expecting = SMALL.with_values({"expect": ["tasks.failed == 0"]})
    file, objective = tmp_path / "study.db", {"minimize": ["tasks.sojourn.mean"]}
    sim.tune(expecting, SPACE, study=file, **objective, **{**QUICK, "trials": 8})
    whole = sim.tune(expecting, SPACE, study=file, **objective, **QUICK)
    assert [each.point for each in whole.judged] == [each.point for each in found.judged]
    assert whole.best.point == found.best.point
    with pytest.raises(sim.TuneError, match=r"study\.db: is a study of another objective; valid: a new file"):
        sim.tune(expecting, SPACE, study=file, minimize=["tasks.sojourn.p95"], **QUICK)
    with pytest.raises(sim.TuneError, match="is a study of another scenario"):
        sim.tune(SMALL, SPACE, study=file, **objective, **QUICK)


def test_an_interrupted_search_keeps_what_is_finished(tmp_path):
    file, objective = tmp_path / "study.db", {"minimize": ["tasks.sojourn.mean"]}

    def stop(run):
        runs.append(run)
        if len(runs) == 20:
            raise KeyboardInterrupt

    runs = []
    stopped = sim.tune(SMALL, SPACE, study=file, on_run=stop, **objective, **QUICK)
    assert stopped.interrupted
    assert 0 < len(stopped.judged) < 12
    whole = sim.tune(SMALL, SPACE, study=file, **objective, **QUICK)
    assert [each.point for each in whole.judged] == [
        each.point for each in sim.tune(SMALL, SPACE, **objective, **QUICK).judged
    ]


def test_two_objectives_have_a_front_of_settings_none_of_which_is_dominated():
    priced = SMALL.with_values({"cost": {"retry": 1}})
    found = sim.tune(priced, SPACE, minimize=["tasks.sojourn.mean", "cost.total"], **QUICK)
    values = [each.searched for each in found.finalists]
    assert len(values) > 1
    assert not any(
        one != other and all(a <= b for a, b in zip(one, other, strict=True)) for one in values for other in values
    )
    assert found.best in found.finalists
    assert len(found.plot.front().lines) > 0
    number = next(place for place in range(len(found.finalists)) if place != found.chosen) + 1
    other = found.choose(number)
    assert other.best == found.finalists[number - 1]
    assert f"retry_delay: {json.loads(other.best.point[DELAY]):g}\n" in other.policy()
    with pytest.raises(sim.TuneError, match="choose=9: there is no such setting; valid: 1, "):
        found.choose(9)


def test_a_policy_for_scenarios_whose_conditions_differ_elsewhere_is_refused():
    other = SMALL.with_values({"name": "other", "recovery.conditions.task_failure.jitter": "full"})
    with pytest.raises(sim.TuneError, match="task_failure differs between small and other in keys that are"):
        check_exportable([SMALL, other], space_of(SMALL, SPACE))
    check_exportable([SMALL, other], space_of(SMALL, [*SPACE, "recovery.conditions.task_failure.jitter=none,full"]))


def test_what_is_recommended_has_only_changes_with_an_effect_and_round_numbers():
    found = sim.tune(SMALL, trials=10, replications=3, fresh=5)
    assert found.objectives[0].metric == "tasks.within(6s)"
    assert set(found.paths) == {
        f"recovery.conditions.task_failure.{key}"
        for key in ("retry_delay", "max_retries", "backoff", "jitter", "budget")
    }
    changed = changes(found.now, found.space, found.recommended)
    assert DELAY in [each.path for each in changed]
    assert "recovery.conditions.task_failure.budget" not in [each.path for each in changed]
    delay = json.loads(found.recommended.point[DELAY])
    assert delay == round_number(delay)


@pytest.mark.parametrize(
    "values",
    [
        {DELAY: "0s"},
        {RETRIES: None},
        {DELAY: "5m", RETRIES: 12, "recovery.conditions.task_failure.budget": {"tokens": 7}},
        {"queue": {"ack_timeout": "1s", "loss": 0.1}},
    ],
)
def test_the_present_policy_is_part_of_what_is_searched(values):
    scenario = SMALL.with_values({**values, "duration": "1m"})
    space = space_of(scenario, default_space(scenario, sim.replicate(scenario, replications=1).runs))
    own = current(scenario, space)
    assert {DELAY, RETRIES} <= set(own)
    assert [each.path for each in space if each.parameter(own[each.path]) is None] == []


@pytest.mark.parametrize(
    ("values", "metric"),
    [
        ({}, "tasks.within(6s)"),  # 2 · p95 of an exponential with mean 1 s, rounded up
        ({"expect": ["tasks.sojourn.p95 <= 40s"]}, "tasks.within(40s)"),
        ({"expect": ["tasks.sojourn.mean <= 4s"]}, "tasks.within(6s)"),  # no limit on a single task
        ({"expect": ["tasks.within(9s) >= 90%"]}, "tasks.within(9s)"),
        ({"cost": {"late_task": {"after": "1m", "cost": 1}}}, "tasks.within(1m)"),
        ({"tasks.client": {"timeout": "250ms"}}, "tasks.within(250ms)"),
    ],
)
def test_the_time_of_a_task_is_what_the_scenario_says(values, metric):
    assert their_time([SMALL.with_values(values)]).metric == metric


def test_several_scenarios_are_judged_by_the_worst_change():
    other = scenarios.loads(TEXT.replace("name: small", "name: other").replace("20%", "5%"))
    found = sim.tune([SMALL, other], SPACE[:1], minimize=["tasks.sojourn.mean"], **{**QUICK, "trials": 6})
    assert [result.scenario.name for result in found.now] == ["small", "other"]
    as_it_is = found.judged[0]
    assert as_it_is.values == (0.0,)
    assert min(each.values[0] for each in found.judged) < 0
    assert [len(each.fresh) for each in found.finalists] == [2]


def test_bad_settings_are_stopped_after_few_replications():
    found = sim.tune(SMALL, SPACE[:1], minimize=["tasks.sojourn.mean"], trials=12, replications=8, fresh=2)
    stopped = [each for each in found.judged if each.is_stopped]
    assert stopped
    assert {each.replications for each in stopped} <= {3, 6}
    best = min(each.values[0] for each in found.judged)
    assert all(each.values[0] > best for each in stopped)


def test_a_search_in_which_no_setting_meets_the_expectations_says_which_came_nearest():
    impossible = SMALL.with_values({"expect": ["tasks.sojourn.mean <= 1ms"]})
    found = sim.tune(impossible, SPACE[:1], minimize=["tasks.sojourn.mean"], **{**QUICK, "trials": 5})
    assert (found.best, found.holds) == (None, False)
    assert found.nearest.values[0] == min(each.values[0] for each in found.judged)
    assert "no setting meets the expectations; the nearest is" in found._repr_html_()
    assert re.search(r"small: tasks.sojourn.mean &lt;= 1ms, observed [\d.]+ s", found._repr_html_())


def test_looks_grow_up_to_all_replications():
    assert looks(20) == [3, 6, 12, 20]
    assert looks(FIRST_LOOK) == [FIRST_LOOK]
    assert looks(2) == [2]


@pytest.mark.parametrize(
    ("vary", "options", "message"),
    [
        ([], {}, "nothing is varied; valid: one range or more"),
        ([f"{RETRIES}=6..0"], {}, "6 is not below 0; valid: low..high"),
        ([f"{RETRIES}=3"], {}, "one choice leaves nothing to search; valid: two or more"),
        ([f"{DELAY}=0s..5s:log"], {}, "0s has no logarithm; valid: above 0 with :log"),
        ([SPACE[0], SPACE[0]], {}, "is varied twice; valid: once"),
        (["agents.count"], {}, "agents.count: not a list of values"),
        (SPACE, {"minimize": []}, "there is no objective; valid: one metric or more"),
        (SPACE, {"minimize": ["tasks.sojurn.mean"]}, r"unknown metric 'tasks.sojurn.mean' \(nearest: 'tasks.sojourn"),
        (SPACE, {"minimize": ["tasks.completed"]}, "tasks.completed: higher values are better; valid: to maximize it"),
        (SPACE, {"minimize": ["tasks.failed"] * 2}, "tasks.failed: is an objective twice; valid: once"),
        (SPACE, {"minimize": ["client.response.mean"]}, "client.response.mean: no finite value with any of 4 settings"),
        (
            SPACE,
            {"minimize": ["tasks.sojourn.mean", "client.response.mean"]},
            "client.response.mean: no finite value with any of 4 settings",
        ),
        (None, {"minimize": [], "maximize": [], "within": "0s"}, "within=0s: is not above 0"),
        (None, {"minimize": [], "maximize": [], "within": "soon"}, "within=soon: 'soon' is not a duration"),
        (SPACE, {"replications": 1}, "replications=1: too few; valid: 2 or more"),
    ],
)
def test_invalid_searches_are_refused_in_one_line(vary, options, message):
    arguments = {"minimize": ["tasks.sojourn.mean"], "trials": 4, "replications": 2, "fresh": 2}
    with pytest.raises(sim.TuneError, match=message):
        sim.tune(SMALL, vary, **{**arguments, **options})


def test_without_a_failure_there_is_no_retry_policy_to_search():
    with pytest.raises(sim.TuneError, match=r"small: in 2 replications, no failure occurs that has a retry policy"):
        sim.tune(SMALL.with_values({"tasks.failure_probability": 0}), replications=2, fresh=2)


def test_an_end_of_a_range_with_too_many_events_is_refused_before_the_search():
    with pytest.raises(TooManyEvents, match=r"agents\.count"):
        sim.tune(SMALL, ["agents.count=2..5000000000"], minimize=["tasks.sojourn.mean"], **QUICK)


def test_a_file_that_is_not_a_study_is_refused(tmp_path):
    file = tmp_path / "study.db"
    file.write_text("not a database")
    with pytest.raises(sim.TuneError, match=r"study\.db: cannot be used as a study: .*not a database"):
        sim.tune(SMALL, SPACE, minimize=["tasks.sojourn.mean"], study=file, **QUICK)
    assert file.read_text() == "not a database"


def test_an_unknown_path_is_refused_with_the_nearest_one():
    with pytest.raises(scenarios.ScenarioError, match=r"nearest: 'agents\.count'"):
        sim.tune(SMALL, ["agents.cuont=2..5"], minimize=["tasks.sojourn.mean"], **QUICK)


def test_the_optimal_checkpoint_interval_of_theory_is_found():
    """Young's interval √(2 C M) = 20 s for a cost of 2 s and a mean time between failures of 100 s, near which the
    objective is flat.
    """
    scenario = scenarios.loads(
        """\
name: checkpoints
seed: 3
duration: 2h
tasks: {arrivals: {closed: {clients: 4}}, work: 600s, checkpoint: {every: 60s, cost: 2s, restore: 0s}}
agents: {count: 4, mtbf: 100s, restart_time: 0s}
recovery: {detection: {detector: perfect}}
"""
    )
    found = sim.tune(
        scenario, ["tasks.checkpoint.every=1s..300s"], maximize=["tasks.completed"], trials=16, replications=4, fresh=4
    )
    chosen = json.loads(found.best.point["tasks.checkpoint.every"])
    assert chosen == pytest.approx(math.sqrt(2 * 2 * 100), rel=0.5)
