"""`--scenario-save` and `--scenario-baseline`: a baseline of the collected scenarios, and a session judged by one."""

import json
from pathlib import Path

import pytest

import sim.reports.failure_message
import sim.suites.lines
from sim.baselines import read_baselines
from tests.nested_pytest import PLUGINS

pytestmark = pytest.mark.long

pytest_plugins = ["pytester"]
SMALL = """\
name: small
seed: 7
duration: 5m
tasks: {arrivals: {interval: {every: 2s}}, work: {exponential: {mean: 1s}}, failure_probability: 10%}
agents: {count: 3}
recovery: {conditions: {task_failure: {max_retries: 9, retry_delay: 1s}}}
expect: [tasks.lost == 0]
"""
SLOWER = "recovery.conditions.task_failure.retry_delay=3s"


@pytest.fixture
def run(pytester):
    def run(*arguments, files=None):
        for name, text in ({"small.scenario.yaml": SMALL} if files is None else files).items():
            pytester.path.joinpath(name).write_text(text)
        return pytester.runpytest_inprocess(*PLUGINS, "-p", "no:cacheprovider", *arguments)

    return run


def test_an_unchanged_system_passes_on_the_replications_of_its_baseline(run, pytester):
    saved = run("--scenario-save", "b.json", "--scenario-replications", "6")
    saved.assert_outcomes(passed=6)
    saved.stdout.fnmatch_lines(["baseline of 1 scenario: b.json"])
    (baseline,) = read_baselines(str(pytester.path / "b.json")).values()
    assert baseline.names == [f"7/{number}" for number in range(6)]
    judged = run("--scenario-baseline", "b.json")
    judged.assert_outcomes(passed=6)
    assert "INCONCLUSIVE" not in judged.stdout.str()


def test_a_metric_that_is_worse_fails_the_last_item_of_its_scenario(run):
    run("--scenario-save", "b.json", "--scenario-replications", "10")
    judged = run("--scenario-baseline", "b.json", "--scenario-set", SLOWER, "-rf")
    judged.assert_outcomes(passed=9, failed=1)
    judged.stdout.fnmatch_lines(
        [
            "✗ recovery.time.mean: REGRESSION: 1.00 s in the baseline, 3.00 s now*; a tolerance of 5 % (0.05*s)",
            "small.scenario.yaml: changed since the baseline: *retry_delay: 1.0 in the baseline, now 3.0",
            "FAILED small.scenario.yaml::small*7/9*",
        ]
    )


def test_a_scenario_that_is_expected_to_fail_may_not_become_worse(run):
    failing = {"small.scenario.yaml": SMALL.replace("tasks.lost == 0", "tasks.lost == 1") + "xfail: not mended yet\n"}
    saved = run("--scenario-save", "b.json", "--scenario-replications", "10", files=failing)
    saved.assert_outcomes(xfailed=10)
    judged = run("--scenario-baseline", "b.json", "--scenario-set", SLOWER, files=failing)
    judged.assert_outcomes(xfailed=9, failed=1)


def test_too_few_replications_are_inconclusive_and_do_not_fail(run):
    run("--scenario-save", "b.json", "--scenario-replications", "2")
    judged = run("--scenario-baseline", "b.json", "--scenario-set", SLOWER)
    judged.assert_outcomes(passed=2)
    judged.stdout.fnmatch_lines(["small.scenario.yaml: recovery.time.mean: INCONCLUSIVE: *replications are too few*"])


def test_a_baseline_is_not_written_when_a_test_fails_unless_it_is_forced(run, pytester):
    failing = {"small.scenario.yaml": SMALL.replace("tasks.lost == 0", "tasks.completed == 0")}
    options = ("--scenario-save", "b.json", "--scenario-replications", "2")
    refused = run(*options, files=failing)
    refused.stdout.fnmatch_lines(
        ["--scenario-save: b.json is not written: a test failed; valid: with --scenario-force"]
    )
    assert not pytester.path.joinpath("b.json").exists()
    run(*options, "--scenario-force", files=failing)
    assert pytester.path.joinpath("b.json").exists()


def test_a_new_baseline_has_twenty_replications(run):
    result = run("--scenario-save", "b.json", "--collect-only", "-q")
    assert result.stdout.str().count("small.scenario.yaml::small[7/") == 20


def test_a_file_that_is_not_a_baseline_is_refused_in_a_line(run, pytester):
    pytester.path.joinpath("b.json").write_text(json.dumps({"format": "other"}))
    for name in ("b.json", "missing.json"):
        result = run("--scenario-baseline", name)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        (line,) = [line for line in result.stderr.str().splitlines() if line]
        assert line.startswith(f"ERROR: --scenario-baseline {name}: ")


def test_two_files_with_one_name_are_refused(run):
    files = {"a.scenario.yaml": SMALL, "b.scenario.yaml": SMALL}
    result = run("--scenario-save", "baseline.json", "--scenario-replications", "2", files=files)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["b.scenario.yaml: has the name small, as a.scenario.yaml has; valid: different*"])


@pytest.mark.long  # two processes import everything
def test_several_processes_write_one_baseline(run, pytester, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(sim.__file__).parents[1]))
    files = {"a.scenario.yaml": SMALL, "b.scenario.yaml": SMALL.replace("name: small", "name: other")}
    run("--scenario-save", "b.json", "--scenario-replications", "3", "-n", "2", files=files).assert_outcomes(passed=6)
    assert [*read_baselines(str(pytester.path / "b.json"))] == ["other", "small"]
    run("--scenario-baseline", "b.json", "-n", "2", files=files).assert_outcomes(passed=6)
