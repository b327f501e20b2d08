"""The pytest plugin, run by pytest on scenario files that hold, that do not, and that are not valid."""

import re
import shlex
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import sim.cli.app
import sim.experiments.runs.replications
import sim.reports.table
import sim.simulation
from sim.cli import main
from sim.invariants import Violation

pytest_plugins = ["pytester"]
# pytester forgets what an inner pytest has imported, and numpy cannot be imported twice: so all is imported above.

ROOT = Path(__file__).parents[2]
INSTALLED = bool(entry_points(group="pytest11", name="recovery-bench"))
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
        plugin = [] if INSTALLED else ["-p", "sim.pytest_plugin"]
        return pytester.runpytest_inprocess(*plugin, "-p", "no:nbmake", "-p", "no:cacheprovider", *arguments)

    return run


def test_a_scenario_that_holds_passes(run):
    result = run({"small.scenario.yaml": HOLDS, "other.yaml": "name: no scenario"}, "-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*small.scenario.yaml::small PASSED*"])
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


def test_an_invalid_file_is_a_one_line_error(run):
    result = run({"bad.scenario.yaml": HOLDS.replace("count", "cuont"), "small.scenario.yaml": HOLDS})
    result.assert_outcomes(errors=1)
    text = result.stdout.str()
    assert "bad.scenario.yaml:5: agents.cuont: unknown key; known: count" in text
    assert "Traceback" not in text
    assert "pytest_plugin.py" not in text
    assert result.ret == pytest.ExitCode.INTERRUPTED


def test_the_report_names_the_replications(run, pytester):
    result = run({"small.scenario.yaml": HOLDS}, "--scenario-replications", "2", "--junit-xml", "junit.xml")
    result.assert_outcomes(passed=1)
    junit = pytester.path.joinpath("junit.xml").read_text()
    assert re.findall(r'name="seed" value="([^"]+)"', junit) == ["7/0", "7/1"]
    assert len(re.findall(r'name="history_sha256" value="[0-9a-f]{64}"', junit)) == 2


def test_a_single_replication_can_be_selected(run):
    result = run({"strict.scenario.yaml": HOLDS.replace("35s", "5s")}, "--scenario-seed", "9/4")
    result.stdout.fnmatch_lines(["*replay: recovery-bench run strict.scenario.yaml --seed 9/4"])


@pytest.mark.parametrize(
    ("arguments", "recorded"),
    [
        (["--scenario-seed", "x"], "--scenario-seed x: not a seed; valid:"),
        (["--scenario-replications", "0"], "--scenario-replications 0: not a number of replications; valid:"),
        (["--scenario-seed", "7/3", "--scenario-replications", "2"], "--scenario-seed 7/3: is one replication"),
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
    assert {name.partition(".")[0] for name in done.stdout.split()} == {"recovery", "sim"}


def test_the_shipped_scenarios_are_collected():
    plugin = [] if INSTALLED else ["-p", "sim.pytest_plugin"]
    command = [sys.executable, "-m", "pytest", *plugin, "--collect-only", "-q", "scenarios"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "scenarios/documented/agent-failure.scenario.yaml::agent-failure" in done.stdout.splitlines()
    assert "no:" not in done.stdout


def test_options_are_in_the_help(run):
    result = run({}, "--help")
    result.stdout.fnmatch_lines(["*--scenario-seed=N*", "*--scenario-replications=N*"])


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
    result = run({"huge.scenario.yaml": HOLDS}, "--scenario-replications", "9" * 20)
    assert "small: --scenario-replications: about " in result.stdout.str()
