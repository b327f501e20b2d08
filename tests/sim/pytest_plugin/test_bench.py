"""The fixture `bench`, used by test files of an inner pytest."""

import pytest

import sim.reports.failure_message
import sim.reports.page.parts  # noqa: F401 - as above
from tests.nested_pytest import PLUGINS
from tests.sim.pytest_plugin.test_items import HOLDS

pytest_plugins = ["pytester"]


@pytest.fixture
def run(pytester):
    def run(test):
        pytester.path.joinpath("small.scenario.yaml").write_text(HOLDS)
        pytester.makepyfile(test_it="import scenarios\nfrom recovery import RetryPolicy\n" + test)
        return pytester.runpytest_inprocess(*PLUGINS, "-p", "no:cacheprovider", "test_it.py")

    return run


def test_a_run_and_a_result_can_be_asserted(run):
    result = run("""
def test_one(bench):
    run = bench("small.scenario.yaml")
    run.assert_holds()
    assert (run.seed, run.holds) == ("7/0", True)
def test_several(bench):
    result = bench(scenarios.load("small.scenario.yaml"), replications=2, seed=9)
    result.assert_holds()
    assert [each.seed for each in result.runs] == ["9/0", "9/1"]
""")
    result.assert_outcomes(passed=2)


def test_a_failing_test_shows_how_to_repeat_what_it_ran(run):
    result = run("""
def test_changed(bench):
    slower = scenarios.load("small.scenario.yaml").with_values({"agents.restart_time": "40s"})
    bench(slower).assert_holds()
""")
    result.assert_outcomes(failed=1)
    replay = "replay: recovery-bench run small.scenario.yaml --seed 7/0 --set agents.restart_time.constant.value=40.0"
    result.stdout.fnmatch_lines(
        [
            "*DoesNotHold: small, seed 7/0: * events",
            "*recovery.time.max <= 35s: observed 54.3 s",
            f"*{replay}",
            "*scenarios that bench ran*",
            f"*{replay}",
            "*seed: 7/0  history_sha256: " + "?" * 64,
        ]
    )
    assert "assert_holds(self)" not in result.stdout.str()


def test_the_policies_of_a_failing_test_are_shown(run):
    result = run("""
def test_policy(bench):
    result = bench("small.scenario.yaml", policies={"agent_failure": RetryPolicy(max_retries=0, retry_delay="1s")})
    assert result.metrics["retries.count"] > 1000
""")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*replay: sim.run(scenarios.load('small.scenario.yaml'), seed='7/0', policies=…)",
            "*with policies: agent_failure: max_retries=0, retry_delay=1.0",
        ]
    )


def test_a_passing_test_shows_nothing(run):
    assert "scenarios that bench ran" not in run("def test_it(bench): bench('small.scenario.yaml')").stdout.str()


def test_a_failure_names_the_page_that_was_written_of_it(run, pytester):
    test = """
def test_changed(bench):
    bench("small.scenario.yaml")
    assert False
"""
    pytester.makeini(
        "[pytest]\naddopts = --scenario-html=pages --scenario-set=agents.restart_time=40s small.scenario.yaml"
    )
    result = run(test)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*page: pages/small.scenario.yaml-small-7-0.html"])
    result.stdout.fnmatch_lines(["*page: pages/test_it.py-test_changed.html"])
    pages = {page.name: page.read_text(encoding="utf-8") for page in (pytester.path / "pages").iterdir()}
    assert len(pages) == 2
    assert pages["test_it.py-test_changed.html"].count('type="application/json"') == 1
    assert "agents.restart_time=40s" in pages["small.scenario.yaml-small-7-0.html"]
