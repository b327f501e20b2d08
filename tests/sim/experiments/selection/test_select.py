"""The best of several settings: replications, selection, and evaluation of the winner."""

import math

import numpy as np
import pytest

import scenarios
import sim
from scenarios.errors import ScenarioError
from scenarios.fields.metrics import UnknownMetric
from sim.experiments.runs.backends import Backend
from sim.experiments.runs.metric_estimates import estimate_of
from sim.experiments.runs.summary import RunSummary
from sim.experiments.selection import select as select_module
from sim.experiments.selection.select import NotSelectable, as_it_is, select
from sim.experiments.sweeps.designs import grid
from sim.stats.estimates import estimate

INTERVAL = "recovery.detection.heartbeat_interval"
DETECT = "recovery.detect.mean"
COUNT = "agents.count"
RESTART = "agents.restart_time"
LEVEL = 100.0
"""Times are not negative, and noise is."""


@pytest.fixture(scope="module")
def scenario():
    quick = {"duration": "12m", "warmup": "1m", "tasks.arrivals.poisson.rate": "0.2/s"}
    return scenarios.load("agent-failure").with_values(quick)


@pytest.fixture(scope="module")
def found(scenario):
    return select(scenario, grid(scenario, {INTERVAL: ["5s", "1s", "2s"]}), DETECT, 0.5, seed=7, judged=4)


@pytest.fixture
def pretend(monkeypatch):
    """Runs whose metric is `LEVEL` more than a function of the number of agents and the replication; it records which
    were run.
    """

    def of(value, violations=lambda agents, number: ()):
        names = []

        def summaries(works, on=1, on_lost=None, core=None):
            for key, changed, name in works:
                names.append((changed.agents.count, name))
                agents, number = changed.agents.count, int(name.rpartition("/")[2])
                observed = value(agents, number)
                observed = None if observed is None else LEVEL + observed
                metrics = {"tasks.sojourn.mean": observed, "tasks.throughput": observed}
                yield key, RunSummary(name, "", 1, 60.0, 0.1, metrics, violations(agents, number))

        monkeypatch.setattr(select_module, "summaries", summaries)
        return names

    return of


@pytest.fixture(scope="module")
def anything_goes(scenario):
    """The scenario without expectations, which would disqualify settings that do not observe their metrics."""
    return scenario.with_values({"expect": []})


@pytest.fixture(scope="module")
def points(scenario):
    return grid(scenario, {COUNT: [5, 10, 20]})


def noise(agents, number):
    return float(np.random.default_rng([agents, number]).normal())


def select_by_sojourn(scenario, points, indifference=0.5, **options):
    return select(scenario, points, "tasks.sojourn.mean", indifference, seed=7, **options)


# ----------------------------------------------------------------------------- for real
def test_the_setting_with_the_best_expected_value_is_selected(found):
    """Two and a half intervals until a crash is noticed, on average: the shorter, the sooner."""
    assert found.decided
    assert [each.point[INTERVAL] for each in found.ranked] == ["1.0", "2.0", "5.0"]
    assert found.winner == {INTERVAL: "1.0"}
    low, high = found.ranked[2].difference.ci95
    assert low <= -2.5 * (5 - 1) <= high
    assert found.ranked[2].is_own


def test_the_winner_is_evaluated_on_fresh_replications(found, scenario):
    first = found.replications
    assert found.fresh == tuple(f"7/{number}" for number in range(first, first + 4))
    winner = scenario.with_values({INTERVAL: "1s"})
    alone = [RunSummary.of(sim.run(winner, seed=name)) for name in found.fresh]
    assert found.ranked[0].fresh == estimate_of(DETECT, alone, winner)
    assert found.ranked[0].difference is None


def test_all_settings_use_common_random_numbers(found, scenario):
    own = sim.replicate(scenario, seed=7, replications=found.ranked[2].replications)
    assert found.ranked[2].estimate == own.metrics[DETECT]


@pytest.mark.long
@pytest.mark.usefixtures("parallel")
def test_jobs_do_not_change_the_results(found, scenario):
    points = grid(scenario, {INTERVAL: ["5s", "1s", "2s"]})
    again = sim.select(scenario, points, DETECT, 0.5, seed=7, judged=4, jobs=2)
    assert again.frame.equals(found.frame)
    assert again.as_json() == found.as_json()


def test_the_selection_as_tidy_rows_and_json(found):
    row = found.frame.iloc[1]
    second = found.ranked[1]
    assert (row[INTERVAL], row["rank"], row["mean"], row["fresh_n"]) == (2.0, 2, second.estimate.mean, 4)
    assert (row["difference_low"], row["difference_high"]) == second.difference.ci95
    assert found.frame["eliminated"].tolist() == [False, True, True]
    told = found.as_json()
    assert (told["metric"], told["unit"], told["direction"], told["decided"]) == (DETECT, "s", "lower", True)
    assert told["settings"][0]["values"] == {INTERVAL: 1.0}
    assert told["settings"][1]["difference"]["mean"] == second.difference.mean
    assert [each["as_it_is"] for each in told["settings"]] == [False, False, True]


# ----------------------------------------------------------------------------- what is run, and what counts
def test_an_eliminated_setting_is_not_run_again(anything_goes, points, pretend):
    run = pretend(lambda agents, number: noise(agents, number) + {5: 0, 10: 0.2, 20: 90}[agents])
    found = select_by_sojourn(anything_goes, points, 0.3, judged=2)
    assert found.decided
    assert found.replications > 10
    of_worst = [name for agents, name in run if agents == 20]
    assert of_worst == [f"7/{number}" for number in range(10)]
    assert len(run) == len(set(run)) == found.runs


@pytest.mark.parametrize("on", [Backend(jobs=7), Backend("dask", jobs=2)])
def test_runs_beyond_the_decision_change_nothing(anything_goes, points, pretend, on):
    def value(agents, number):
        return noise(agents, number) + {5: 0.5, 10: 0.0, 20: 0.4}[agents] - 50 * (agents != best and number >= decided)

    decided, best = 10**6, 0
    run = pretend(value, lambda agents, number: ("broken",) * (number >= decided + 2))
    plain = select_by_sojourn(anything_goes, points, 0.4, judged=2)
    decided, best = plain.replications, int(plain.winner[COUNT])
    run.clear()
    again = select_by_sojourn(anything_goes, points, 0.4, judged=2, backend=on)
    assert f"7/{decided + 2}" in [name for _, name in run]
    assert len(run) == len(set(run)) > again.runs == plain.runs
    assert [each.estimate for each in again.ranked] == [each.estimate for each in plain.ranked]
    assert (again.replications, again.fresh, again.holds) == (plain.replications, plain.fresh, True)
    assert decided > 10


def test_the_direction_comes_from_the_metric(anything_goes, points, pretend):
    pretend(lambda agents, number: noise(agents, number) * 0.1 + agents)
    few = select_by_sojourn(anything_goes, points)
    many = select(anything_goes, points, "tasks.throughput", 0.5, seed=7)
    assert [few.winner[COUNT], many.winner[COUNT]] == ["5", "20"]
    assert many.ranked[1].difference.mean == pytest.approx(10, abs=0.5)


def test_the_selection_mean_is_biased_and_the_fresh_mean_is_not(anything_goes, pretend):
    """Six equal settings with different random numbers: the true mean of each is 0."""
    equal = grid(anything_goes, {COUNT: [1, 2, 3, 4, 5, 6]})
    selected, fresh = [], []
    for seed in range(25):
        pretend(lambda agents, number, seed=seed: float(np.random.default_rng([seed, agents, number]).normal()))
        found = select_by_sojourn(anything_goes, equal, 1.0, judged=10)
        selected.append(found.ranked[0].estimate.mean)
        fresh.append(found.ranked[0].fresh.mean)
    assert estimate(selected).ci95[1] < LEVEL - 0.1
    low, high = estimate(fresh).ci95
    assert low <= LEVEL <= high


def test_the_runner_up_and_the_original_are_evaluated_with_the_winner(anything_goes, points, pretend):
    pretend(lambda agents, number: noise(agents, number) * 0.1 + {5: 1, 10: 9, 20: 0}[agents])
    found = select_by_sojourn(anything_goes, points, judged=6)
    assert [each.point[COUNT] for each in found.judged] == ["20", "5", "10"]
    pairs = [noise(20, n) * 0.1 - noise(10, n) * 0.1 - 9 for n in range(10, 16)]
    assert found.judged[2].difference.mean == pytest.approx(float(np.mean(pairs)))
    assert found.judged[2].is_own


def test_the_original_scenario_may_be_none_of_the_settings(scenario):
    assert as_it_is(scenario, grid(scenario, {COUNT: [5, 20]})) == ()
    assert as_it_is(scenario, grid(scenario, {COUNT: [5, 10], "agents.restart_time": ["1s", "20s"]})) == (3,)


def test_violations_are_reported(anything_goes, points, pretend):
    pretend(lambda agents, number: float(agents), lambda agents, number: ("lost one", "lost two") * (number == 3))
    found = select_by_sojourn(anything_goes, points)
    assert not found.holds
    assert found.violations == tuple(f"agents.count={count} 7/3: lost one" for count in (5, 10, 20))
    pretend(lambda agents, number: float(agents))
    assert select_by_sojourn(anything_goes, points).holds


# ----------------------------------------------------------------------------- expectations
def by_agents(agents, number):
    """Five agents take 100 s, ten 101 s, twenty 102 s, with a little noise."""
    return noise(agents, number) * 0.01 + {5: 0, 10: 1, 20: 2}[agents]


def test_a_setting_for_which_an_expectation_does_not_hold_is_never_selected(scenario, points, pretend):
    pretend(by_agents)
    found = select_by_sojourn(scenario.with_values({"expect": ["tasks.throughput >= 100.5/s"]}), points, judged=2)
    assert found.winner[COUNT] == "10"
    best = next(each for each in found.ranked if each.point[COUNT] == "5")
    assert (found.status(best), [outcome.expression for outcome in best.failed]) == (
        "disqualified",
        ["tasks.throughput >= 100.5/s"],
    )
    assert best.failed[0].observed == pytest.approx(100, abs=0.1)
    assert found.holds
    assert found.outcome().startswith("95 % sure to be the best")


def test_when_one_setting_is_left_its_selection_is_said_to_need_no_statistics(scenario, points, pretend):
    pretend(by_agents)
    found = select_by_sojourn(scenario.with_values({"expect": ["tasks.throughput >= 101.5/s"]}), points, judged=2)
    assert found.winner[COUNT] == "20"
    assert found.outcome() == "selected, because what the scenario expects holds for no other setting"


def test_when_no_setting_meets_the_expectations_none_is_selected(scenario, points, pretend):
    pretend(by_agents)
    found = select_by_sojourn(scenario.with_values({"expect": ["tasks.throughput >= 200/s"]}), points, judged=2)
    assert (found.winner, found.holds, found.contention) == (None, False, ())
    assert found.outcome() == "none is selected: what the scenario expects holds for no setting"


def test_a_setting_that_does_better_than_expected_is_not_disqualified(scenario, points, pretend):
    pretend(by_agents)
    found = select_by_sojourn(scenario.with_values({"expect": ["tasks.sojourn.mean >= 101.5s"]}), points, judged=2)
    assert found.winner[COUNT] == "5"
    assert [each.failed for each in found.ranked] == [(), (), ()]


def test_an_expectation_that_was_not_observed_disqualifies(scenario, points, pretend):
    pretend(by_agents)
    found = select_by_sojourn(scenario.with_values({"expect": ["retries.delay.mean <= 5s"]}), points, judged=2)
    assert found.winner is None


# ----------------------------------------------------------------------------- no decision, no observation
def test_an_undecided_selection_is_reported_with_its_best_setting(anything_goes, points, pretend):
    pretend(lambda agents, number: noise(agents, number) + 80 * (agents == 20))
    found = select_by_sojourn(anything_goes, points, 0.01, most=14, judged=3)
    assert (found.decided, found.interrupted, found.replications) == (False, False, 14)
    assert {each.point[COUNT] for each in found.contention} == {"5", "10"}
    means = {str(agents): np.mean([noise(agents, n) for n in range(14)]) for agents in (5, 10)}
    assert found.winner[COUNT] == min(means, key=means.get)
    assert found.ranked[0].fresh.n == 3


def test_replications_unobserved_by_all_settings_are_dropped_and_counted(anything_goes, points, pretend):
    pretend(lambda agents, number: None if number in (2, 5) else float(agents))
    found = select_by_sojourn(anything_goes, points, judged=2)
    assert (found.replications, found.unobserved, found.decided) == (12, 2, True)
    assert [(each.estimate.n, each.replications) for each in found.ranked] == [(10, 12)] * 3


def test_a_metric_observed_by_only_some_settings_is_rejected(anything_goes, points, pretend):
    pretend(lambda agents, number: None if (agents, number) == (20, 3) else noise(agents, number))
    with pytest.raises(
        NotSelectable, match=r"tasks\.sojourn\.mean: agents\.count=20 observed nothing in replication 7/3"
    ):
        select_by_sojourn(anything_goes, points)


def test_a_never_observed_metric_is_rejected_after_the_first_stage(anything_goes, points, pretend):
    run = pretend(lambda agents, number: None)
    with pytest.raises(NotSelectable, match="agent-failure observes it in none of the first 10 replications"):
        select_by_sojourn(anything_goes, points)
    assert len(run) == 30


def test_a_setting_with_an_infinite_value_is_eliminated(anything_goes, points, pretend):
    pretend(lambda agents, number: math.inf if (agents, number) == (10, 3) else noise(agents, number) + agents)
    found = select_by_sojourn(anything_goes, points, judged=2)
    assert [each.point[COUNT] for each in found.ranked] == ["5", "20", "10"]
    assert (found.ranked[2].estimate.mean, found.ranked[2].estimate.ci95) == (math.inf, None)
    assert found.frame["mean"].tolist()[2] == math.inf


def test_an_infinite_fresh_replication_gives_no_difference(anything_goes, points, pretend):
    pretend(lambda agents, number: math.inf if (agents, number) == (10, 11) else noise(agents, number) * 0.1 + agents)
    found = select_by_sojourn(anything_goes, points, judged=4)
    assert (found.ranked[1].fresh.mean, found.ranked[1].difference) == (math.inf, None)
    assert found.ranked[0].fresh.n == 4


# ----------------------------------------------------------------------------- Ctrl-C
def stop_after(count):
    seen = []

    def stop(summary):
        seen.append(summary)
        if len(seen) == count:
            raise KeyboardInterrupt

    return stop


def test_an_interrupt_during_selection_keeps_finished_results(anything_goes, points, pretend):
    pretend(noise)
    found = select_by_sojourn(anything_goes, points, on_run=stop_after(3 * 4 + 2))
    assert (found.interrupted, found.decided, found.replications, found.runs) == (True, False, 4, 12)
    assert len(found.contention) == 3
    assert (found.fresh, found.judged) == ((), ())


def test_an_interrupt_during_the_evaluation_keeps_the_winner(anything_goes, points, pretend):
    pretend(lambda agents, number: noise(agents, number) * 0.1 + agents)
    found = select_by_sojourn(anything_goes, points, judged=10, on_run=stop_after(30 + 2 * 4 + 1))
    assert (found.interrupted, found.decided, found.winner[COUNT]) == (True, True, "5")
    assert found.fresh == ("7/10", "7/11", "7/12", "7/13")
    assert [each.fresh.n for each in found.judged] == [4, 4]


def test_an_interrupt_before_the_first_replication_is_raised(anything_goes, points, pretend):
    pretend(noise)
    with pytest.raises(KeyboardInterrupt):
        select_by_sojourn(anything_goes, points, on_run=stop_after(2))


# ----------------------------------------------------------------------------- what makes no sense
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"metric": "tasks.submitted"}, NotSelectable, "neither more nor less of it is better; valid: such as"),
        ({"metric": "tasks.lsot"}, UnknownMetric, "tasks.lsot"),
        ({"indifference": 0}, ValueError, "an indifference of 0; valid: a finite number above 0"),
        ({"points": []}, ValueError, "0 points leave nothing to select"),
        ({"points": [{COUNT: "5"}, {COUNT: "5"}]}, ValueError, "agents.count=5: is there twice"),
        ({"points": [{COUNT: "5"}, {"agents.slots": "2"}]}, ValueError, "points set different paths"),
        ({"points": [{COUNT: "5"}, {COUNT: "-1"}]}, ScenarioError, "agents.count=-1"),
        ({"seed": "7/3"}, ValueError, "7/3 is a single replication"),
        ({"judged": 1}, ValueError, "judged on 1 replications"),
        ({"first": 1}, ValueError, "a first stage of 1"),
        ({"most": 9}, ValueError, "9 replications at most"),
    ],
)
def test_invalid_arguments_are_rejected_before_the_first_run(scenario, points, pretend, options, error, message):
    run = pretend(noise)
    given = {"points": points, "metric": "tasks.sojourn.mean", "indifference": 0.5, "seed": 7} | options
    with pytest.raises(error, match=message):
        select(scenario, **given)
    assert run == []


@pytest.mark.long
def test_points_can_be_plain_values(scenario):
    plain = select(scenario, [{RESTART: "5s"}, {RESTART: 20}], "recovery.time.mean", 1.0, 7, judged=2)
    again = select(scenario, grid(scenario, {RESTART: ["5s", "20s"]}), "recovery.time.mean", 1.0, 7, judged=2)
    assert plain.as_json() == again.as_json()
