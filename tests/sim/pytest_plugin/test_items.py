"""The pytest plugin, run by pytest on scenario files that hold, that do not, and that are not valid."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import scenarios
import sim.cli.app
import sim.reports.failure_message
import sim.simulation
from sim.cli import main
from sim.experiments.runs.summary import RunSummary
from sim.invariants import Violation
from sim.pytest_plugin.finished_runs import FinishedRuns
from tests.nested_pytest import PLUGINS

pytest_plugins = ["pytester"]
# pytester forgets what an inner pytest has imported, and numpy cannot be imported twice: so all is imported above.

ROOT = Path(__file__).parents[3]
HOLDS = """\
name: small
seed: 7
duration: 10m
tasks: {arrivals: {poisson: {rate: 2/s}}, work: {exponential: {mean: 3s}}}
agents: {count: 10, restart_time: 20s}
faults:
  - agent_crash: {targets: 1, at: 5m}
expect:
  - tasks.lost == 0
  - recovery.time.max <= 35s
"""


@pytest.fixture
def run(pytester):
    """Run pytest on files, given by name, with the plugin as an installation would load it."""

    def run(files, *arguments):
        for name, text in files.items():
            pytester.path.joinpath(name).write_text(text)
        return pytester.runpytest_inprocess(*PLUGINS, "-p", "no:cacheprovider", *arguments)

    return run


def test_a_scenario_that_holds_passes(run):
    result = run({"small.scenario.yaml": HOLDS, "other.yaml": "name: no scenario"}, "-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*small.scenario.yaml::small[[]7/0[]] PASSED*"])
    assert result.ret == pytest.ExitCode.OK


def test_a_failed_expectation_is_shown_with_the_command_to_repeat_it(run, pytester, monkeypatch, capsys):
    strict = HOLDS.replace("35s", "5s")
    result = run({"strict.scenario.yaml": strict}, "--scenario-seed", "9")
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    observed = re.search(r"✗ recovery\.time\.max <= 5s: observed (3\d\.\d) s", text)
    assert observed is not None
    assert "seed: 9/0" in text
    assert "Traceback" not in text
    assert "pytest_plugin.py" not in text
    replay = "recovery-bench run strict.scenario.yaml --seed 9/0"
    assert set(re.findall(r"replay: (recovery-bench .*)", text)) == {replay}  # under CI, pytest's summary has it too
    monkeypatch.chdir(pytester.path)
    capsys.readouterr()
    assert main(shlex.split(replay)[1:]) == 1
    assert f"observed {observed[1]} s" in capsys.readouterr().out


def test_a_violated_invariant_fails_without_expectations(run, monkeypatch):
    found = {"no_lost_task": [Violation("no_lost_task", 12.0, "task.3", "nobody has it", 0)]}
    monkeypatch.setattr(sim.simulation, "check_all", lambda history: found)
    result = run({"small.scenario.yaml": HOLDS.partition("expect")[0]})
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["✗ no_lost_task at 12 s: task.3: nobody has it"])


def test_the_events_before_a_violation_are_shown(run, monkeypatch):
    found = {"no_lost_task": [Violation("no_lost_task", 12.0, "task.3", "no agent has it", 40)]}
    monkeypatch.setattr(sim.simulation, "check_all", lambda history: found)
    text = run({"small.scenario.yaml": HOLDS}).stdout.str()
    shown = text.partition("the events before no_lost_task is violated, with time in seconds:\n")[2].splitlines()[:11]
    times = [float(line.removeprefix("  > ").split()[0]) for line in shown]
    assert times == sorted(times)
    assert [line.startswith("  > ") for line in shown] == [False] * 10 + [True]


def test_an_invalid_file_is_one_failing_item_and_everything_else_runs(run):
    bad = HOLDS.replace("count", "cuont")
    result = run({"bad.scenario.yaml": bad, "small.scenario.yaml": HOLDS}, "--scenario-replications", "2")
    result.assert_outcomes(passed=2, failed=1)
    text = result.stdout.str()
    assert "bad.scenario.yaml:5: agents.cuont: unknown key; known: count" in text
    assert "Traceback" not in text
    assert "items.py" not in text


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("cut.scenario.yaml", "name: [", "cut.scenario.yaml:1: invalid YAML"),
        ("empty.scenario.yaml", "", "empty.scenario.yaml:1: is not a scenario"),
        ("binary.scenario.yaml", "\x00\x01", "binary.scenario.yaml:1: invalid YAML"),
        ("other.scenario.yml", HOLDS, "other.scenario.yml: scenario files end with .scenario.yaml; valid: other."),
    ],
)
def test_a_file_that_is_not_a_scenario_fails_in_one_line(run, name, text, line):
    result = run({name: text})
    result.assert_outcomes(failed=1)
    assert line in result.stdout.str()


def test_each_replication_is_an_item_with_its_own_properties(run, pytester):
    result = run({"small.scenario.yaml": HOLDS}, "--scenario-replications", "2", "--junit-xml", "junit.xml", "-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*::small[[]7/0[]] PASSED*", "*::small[[]7/1[]] PASSED*"])
    junit = pytester.path.joinpath("junit.xml").read_text()
    assert re.findall(r'name="seed" value="([^"]+)"', junit) == ["7/0", "7/1"]
    assert len({*re.findall(r'name="history_sha256" value="([0-9a-f]{64})"', junit)}) == 2
    assert junit.count('value="tasks.lost == 0: holds, observed 0.0"') == 2
    assert len({*re.findall(r'name="metric:tasks.sojourn.mean" value="([0-9.]+)"', junit)}) == 2


POOLED = HOLDS.replace("recovery.time.max <= 35s", "recovery.time.mean <= 34.5s")
"""Of seed 7, replications 0 and 1 take 34.3 s each, and replication 2 takes 35 s."""


def test_an_expectation_on_an_estimate_is_judged_on_all_replications_by_the_last_item(run):
    result = run({"pooled.scenario.yaml": POOLED}, "--scenario-replications", "3", "-rf")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*recovery.time.mean <= 34.5s: observed 34.5* s; 1 of 3 runs fail", "FAILED *7/2*"])


def test_the_last_item_runs_the_replications_that_were_not_selected(run):
    result = run({"pooled.scenario.yaml": POOLED}, "--scenario-replications", "3", "-k", "7/2")
    result.assert_outcomes(failed=1, deselected=2)
    result.stdout.fnmatch_lines(["*; 1 of 3 runs fail"])


@pytest.mark.long  # two processes import everything
def test_replications_in_several_processes_are_judged_together(run, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    files = {"pooled.scenario.yaml": POOLED, "small.scenario.yaml": HOLDS}
    result = run(files, "--scenario-replications", "3", "-n", "2")
    result.assert_outcomes(passed=5, failed=1)
    result.stdout.fnmatch_lines(["*recovery.time.mean <= 34.5s: observed 34.5* s; 1 of 3 runs fail"])


def test_finished_replications_are_shared_through_a_folder(tmp_path):
    scenario = scenarios.loads(HOLDS)
    summary = RunSummary.of(sim.simulation.run(scenario, "7/1"))
    FinishedRuns(tmp_path).keep("a.scenario.yaml", scenario, summary)
    found = FinishedRuns(tmp_path).get("a.scenario.yaml", "7/1")
    assert found is not None
    assert found.metrics["tasks.sojourn.p99"] == summary.metrics["tasks.sojourn.p99"]
    assert FinishedRuns(tmp_path).get("b.scenario.yaml", "7/1") is None
    assert FinishedRuns(None).get("a.scenario.yaml", "7/1") is None


def test_a_single_replication_can_be_selected(run):
    result = run({"strict.scenario.yaml": HOLDS.replace("35s", "5s")}, "--scenario-seed", "9/4", "-v")
    result.stdout.fnmatch_lines(
        ["*::small[[]9/4[]] FAILED*", "*replay: recovery-bench run strict.scenario.yaml --seed 9/4"]
    )


def test_values_can_be_changed_in_every_scenario(run):
    files = {"small.scenario.yaml": HOLDS, "other.scenario.yaml": HOLDS.replace("name: small", "name: other")}
    result = run(files, "--scenario-set", "agents.restart_time=40s", "--scenario-set", "seed=8", "-v")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "*::other[[]8/0[]] FAILED*",
            "  replay: recovery-bench run other.scenario.yaml --seed 8/0 --set agents.restart_time=40s --set seed=8",
        ]
    )
    refused = run(files, "--scenario-set", "agents.cuont=40s")
    refused.assert_outcomes(failed=2)
    refused.stdout.fnmatch_lines(
        ["small.scenario.yaml: --scenario-set agents.cuont=40s: unknown path; keys of agents: count*"]
    )


@pytest.mark.long
def test_tags_and_expected_failures_become_markers(run):
    files = {
        "slow.scenario.yaml": HOLDS.replace("seed: 7", "seed: 7\ntags: [slow, night-run]"),
        "known.scenario.yaml": HOLDS.replace("35s", "5s").replace("seed: 7", "seed: 7\nxfail: not mended yet"),
        "small.scenario.yaml": HOLDS,
    }
    run(files, "--strict-markers").assert_outcomes(passed=2, xfailed=1)
    run({}, "-m", "slow and night-run").assert_outcomes(passed=1, deselected=2)
    result = run({}, "-rx")
    result.stdout.fnmatch_lines(["XFAIL known.scenario.yaml::*not mended yet*"])


def test_an_expected_failure_hides_no_invalid_scenario(run):
    known = {"known.scenario.yaml": HOLDS.replace("35s", "5s") + "xfail: not mended yet\n"}
    run(known).assert_outcomes(xfailed=1)
    run(known, "--scenario-set", "agents.cuont=40s").assert_outcomes(failed=1)
    run({"known.scenario.yaml": HOLDS.replace("count: 10", "count: 0") + "xfail: true\n"}).assert_outcomes(failed=1)


def test_a_scenario_without_expectations_is_marked(run):
    without = HOLDS.partition("expect")[0]
    result = run({"without.scenario.yaml": without, "small.scenario.yaml": HOLDS})
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["1 scenario passed without expectations: only invariants were judged*"])
    run({}, "-m", "no_expectations").assert_outcomes(passed=1, deselected=1)


def test_autouse_fixtures_of_every_scope_apply(run, pytester):
    pytester.makeconftest(
        """
        import pytest
        @pytest.fixture(autouse=True, scope="session")
        def session(): print("session")
        @pytest.fixture(autouse=True, scope="module")
        def module(request): print("module", request.module)
        @pytest.fixture(autouse=True)
        def function(request): print("function", request.node.name)
        """
    )
    result = run({"small.scenario.yaml": HOLDS}, "-s")
    result.assert_outcomes(passed=1)
    assert re.search(r"session\n.*module None\n.*function small\[7/0\]", result.stdout.str(), re.DOTALL)


@pytest.mark.parametrize(
    ("arguments", "recorded"),
    [
        (["--scenario-seed", "x"], "--scenario-seed x: not a seed; valid:"),
        (["--scenario-replications", "0"], "--scenario-replications 0: not a number of items; valid:"),
        (["--scenario-replications", "9" * 20], f"--scenario-replications {'9' * 20}: not a number of items"),
        (["--scenario-seed", "7/3", "--scenario-replications", "2"], "--scenario-seed 7/3: is one replication"),
        (["--scenario-set", "agents.count"], "--scenario-set agents.count: valid: PATH=VALUE"),
        (["--scenario-set", "a=1", "--scenario-set", "a=2"], "--scenario-set a: is there twice"),
        (["--scenario-set", "seed=x"], "--scenario-set seed=x: not a seed"),
    ],
)
def test_invalid_options_are_rejected_in_one_line(run, arguments, recorded):
    result = run({"small.scenario.yaml": HOLDS}, *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in result.stderr.str().splitlines() if line]
    assert line.startswith(f"ERROR: {recorded}")


def test_without_scenarios_no_heavy_library_is_imported():
    script = (
        "import sys, pytest; before = set(sys.modules); import sim.pytest_plugin; print(*set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    light = {"contextvars", "_contextvars"}
    assert {name.partition(".")[0] for name in done.stdout.split()} - light == {"recovery", "sim"}


@pytest.mark.long
def test_the_shipped_scenarios_are_collected():
    command = [sys.executable, "-m", "pytest", *PLUGINS, "--collect-only", "-q", "scenarios"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "scenarios/documented/agent-failure.scenario.yaml::agent-failure[7/0]" in done.stdout.splitlines()
    assert "no:" not in done.stdout


def test_options_are_in_the_help(run):
    result = run({}, "--help")
    result.stdout.fnmatch_lines(["*--scenario-seed=N*", "*--scenario-replications=N*", "*--scenario-set=PATH=VALUE*"])


def test_a_repeated_test_has_its_properties_once(run, pytester):
    files = {"small.scenario.yaml": HOLDS, "conftest.py": "def pytest_runtest_call(item):\n    item.runtest()\n"}
    run(files, "--junitxml", "junit.xml").assert_outcomes(passed=1)
    assert pytester.path.joinpath("junit.xml").read_text().count('name="history_sha256"') == 1


def test_a_scenario_with_too_many_events_is_refused_in_a_line(run):
    huge = HOLDS.replace("count: 10,", "count: 100000000000000000000,")
    result = run({"huge.scenario.yaml": huge})
    result.assert_outcomes(failed=1)
    assert "small: agents.count: about 2e+22 events are expected in a run; valid: up to 1e+09, or --scenario-force" in (
        result.stdout.str()
    )
    assert "Traceback" not in result.stdout.str()
