"""A search: what it judges, shrinks, keeps and reaches."""

import pytest
from hypothesis.internal.conjecture import providers

import scenarios
import sim
from recovery import Supervisor
from sim.core.build import build_core
from sim.experiments.search.constants import METHOD
from sim.experiments.search.coverage import Coverage, Reached
from sim.experiments.search.guidance import GROUPS, scores
from sim.experiments.search.judgement import RUN_ERROR
from sim.experiments.search.reduction import reduced
from sim.experiments.search.search import rounds, search
from sim.history import Event, History
from sim.simulation import simulate
from sim.strategies import Bounds, Drawn
from tests.gallery import cores

QUIET = """
name: quiet
seed: 3
duration: 1m
tasks: {arrivals: {interval: {every: 10s}}, work: 5s}
agents: {count: 2, restart_time: 1s}
recovery: {detection: {detector: perfect}}
"""
CRASHES = Bounds.of(["agent_crash"], 2, seeds=1)
HARMLESS = Bounds.of(["agent_slow"], 2, seeds=1)


def world(more="", **values):
    return scenarios.loads(QUIET + more).with_values(values)


def both_crash(scenario, system, streams):
    """A core in which the recoveries of two agents wait for each other."""
    return cores.deadlocks_with_another_recovery(scenario, system, streams)


def test_finds_shrinks_and_names_what_breaks():
    found = search(world(), 100, 1, bounds=CRASHES, core=both_crash).found
    assert found.name == "recovery_terminates"
    ((kind, keys),) = found.faults[0].items()
    assert (len(found.faults), kind, keys["targets"]) == (1, "agent_crash", "all")
    assert found.scenario.name == "quiet-breaks-recovery_terminates"
    assert found.scenario.found_by.violates[0] == "recovery_terminates"
    assert found.scenario.found_by.seed == 1


def test_the_file_is_the_scenario_and_repeats_what_breaks(tmp_path):
    found = search(world(), 100, 1, bounds=CRASHES, core=both_crash).found
    file = found.save(tmp_path / "new")
    loaded = scenarios.load(file)
    assert loaded == found.scenario
    assert found.save(tmp_path / "new") == file  # the same schedule once more is the same file
    file.write_text("another schedule that breaks the same\n", encoding="utf-8")
    second = found.save(tmp_path / "new")
    assert scenarios.load(second).name == second.name.removesuffix(".scenario.yaml") == f"{found.scenario.name}-2"
    assert file.read_text(encoding="utf-8") == "another schedule that breaks the same\n"
    assert not sim.replicate(loaded, core=both_crash).holds
    assert sim.replicate(loaded).holds


def test_an_example_that_equals_an_earlier_one_is_not_run_again():
    run = []

    def core(scenario, system, streams):
        run.append((repr(scenario.faults), scenario.seed))
        return build_core(scenario, system, streams)

    found = search(world(), 60, 1, bounds=HARMLESS, core=core)
    assert found.examples == 60
    assert len(run) == len(set(run)) < 60


def test_equal_seeds_give_equal_searches_and_others_do_not():
    def cells(seed):
        return search(world(), 12, seed, bounds=CRASHES).coverage.as_json()

    assert cells(1) == cells(1)
    assert cells(1) != cells(2)


def test_examples_do_not_depend_on_the_source_of_loaded_modules(monkeypatch):
    """Hypothesis draws constants from there, unless a search keeps it from that."""
    drawn = []
    monkeypatch.setattr(providers.HypothesisProvider, METHOD, lambda *_, **__: drawn.append(1))
    search(world(), 60, 1, bounds=HARMLESS)
    assert not drawn
    providers.HypothesisProvider.__dict__[METHOD](None)
    assert drawn  # it is restored


def test_what_was_found_is_the_first_example_of_the_next_search(tmp_path):
    first = search(world(), 100, 1, bounds=CRASHES, core=both_crash, database=tmp_path).found
    second = search(world(), 100, 5, bounds=CRASHES, core=both_crash, database=tmp_path).found
    assert first.example > 2
    assert second.example == 2  # after the scenario without further faults


def test_a_scenario_that_breaks_by_itself_is_found_without_a_fault():
    found = search(world("expect: [tasks.completed >= 100]\n"), 50, bounds=CRASHES).found
    assert (found.example, found.faults) == (1, ())
    assert found.name == "tasks.completed >= 100"


def test_an_expectation_is_judged_unless_it_is_not_observed_or_invariants_alone_are():
    strict = world("expect: [recovery.time.max <= 1ms]\n")
    assert search(strict, 30, bounds=CRASHES).found.name == "recovery.time.max <= 1ms"
    assert search(strict, 10, bounds=CRASHES, invariants_only=True).found is None
    assert search(strict, 10, bounds=HARMLESS).found is None


def test_own_faults_stay_for_an_expectation_and_are_left_out_for_an_invariant():
    own = "faults: [{agent_slow: {at: 1s, factor: 2, for: 5s}}]\n"
    found = search(world(own), 100, 1, bounds=CRASHES, core=both_crash).found
    assert [next(iter(fault)) for fault in found.faults] == ["agent_crash"]
    found = search(world(own + "expect: [recovery.count == 0]\n"), 100, 1, bounds=CRASHES).found
    assert [next(iter(fault)) for fault in found.faults] == ["agent_slow", "agent_crash"]


def test_own_faults_are_saved_with_the_keys_that_they_have():
    own = "faults: [{agent_slow: {at: 1s, factor: 2, for: 5s}}]\n"
    found = search(world(own + "expect: [recovery.count == 0]\n"), 100, 1, bounds=CRASHES).found
    slow = {"at": 1.0, "targets": 1, "factor": 2.0, "for": {"constant": {"value": 5.0}}}
    assert found.own == ({"agent_slow": slow},)
    assert "null" not in found.yaml()


def test_an_exception_of_the_core_breaks_the_run():
    class Raising(Supervisor):
        def agent_down(self, agent_id):
            raise LookupError(agent_id)

    def build(scenario, system, streams):
        return Raising({"detection": {"detector": "perfect"}}, system)

    found = search(world(), 50, 1, bounds=CRASHES, core=build).found
    assert found.name == RUN_ERROR
    assert "LookupError" in found.breaks[0].message


def test_settings_vary_within_their_bounds():
    bounds = Bounds.of(["agent_crash"], 1, {"agents.count": "1..3", "tasks.work": "4s..5s"}, seeds=1)
    found = search(world("expect: [agents.up.mean >= 1.5]\n"), 50, 1, bounds=bounds).found
    assert found.drawn.values["agents.count"] == 1  # the smallest value, which breaks the expectation


def test_a_time_limit_and_an_interrupt_end_a_search_with_what_was_done():
    late = search(world(), 1000, bounds=CRASHES, seconds=1e-9)
    assert (late.out_of_time, late.interrupted, late.found) == (True, False, None)
    assert late.examples < 3

    def interrupt(number, phase):
        if number == 3:
            raise KeyboardInterrupt

    stopped = search(world(), 1000, bounds=CRASHES, on_example=interrupt)
    assert (stopped.interrupted, stopped.examples) == (True, 3)


def test_coverage_counts_the_step_that_a_fault_hits_and_how_its_recovery_ends():
    faults = [{"agent_crash": {"at": "12s"}}, {"agent_slow": {"at": "12.5s", "factor": 2, "for": "1s"}}]
    made = world(faults=faults)
    coverage = Coverage.of(made, ["agent_crash", "agent_slow", "queue_blocked"])
    coverage.add(Reached.of(simulate(made, "3/0")))
    assert coverage.cells == {
        ("agent_crash", "no recovery", "verified"): 1,
        ("agent_slow", "restart_agent", "verified"): 1,
    }
    assert "a fault during a step of a recovery" not in coverage.missed
    assert "queue_blocked injected" in coverage.missed
    assert "a recovery is escalated" in coverage.missed


def test_scores_grow_with_trouble():
    calm = scores(simulate(world(), "3/0"))
    made = world(faults=[{"agent_crash": {"at": "12s", "targets": "all"}}])
    worse = scores(simulate(made, "3/0"))
    assert "oldest recovery" not in calm
    assert worse["oldest recovery"] == pytest.approx(1.0)
    assert worse["open recoveries"] == 2
    assert {label for group in GROUPS for label in group} >= worse.keys()


def test_scores_are_of_the_deepest_queue_and_of_the_recovery_with_most_events():
    entered, delivered, opened = Event.QUEUE_ENTERED, Event.QUEUE_DELIVERED, Event.RECOVERY_OPENED
    events = [{"event": event} for event in (entered, entered, delivered, entered, delivered, delivered)]
    events += [{"event": opened, "incident": number} for number in (0, 1)]
    events += [{"event": Event.RETRY_GRANTED, "incident": number} for number in (0, 1, 1)]
    found = scores(History.of([{"time": 1.0, **event} for event in events]))
    assert (found["queue depth"], found["open recoveries"]) == (2, 2)
    assert (found["retries of a task"], found["failed tries"]) == (2, 0)


def test_rounds_have_the_requested_number_of_examples():
    assert rounds(50) == [(50, ())]
    assert sum(many for many, _ in rounds(1000)) == 1000
    assert [labels for _, labels in rounds(1000)] == [(), *GROUPS]


def test_a_reduction_leaves_out_what_does_not_matter_and_rounds_the_rest():
    """The fault breaks something if its agent crashes within the first minutes."""

    def breaks(example, own):
        return any("agent_crash" in fault and fault["agent_crash"].get("at", 999) < 300 for fault in example.faults)

    faults = ({"agent_slow": {"at": 5}}, {"agent_crash": {"at": 247.013, "targets": "all"}}, {"core_crash": {"at": 9}})
    example, own = reduced(Drawn({}, faults, 0), ({"core_hang": {"at": 1}},), breaks, keep_own=False)
    assert example.faults == ({"agent_crash": {"at": 0, "targets": 1}},)
    assert own == ()
    assert reduced(Drawn({}, faults, 0), ({"core_hang": {"at": 1}},), breaks, keep_own=True)[1] != ()
