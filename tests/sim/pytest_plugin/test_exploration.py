"""The fixture `explore`, used by test files of an inner pytest."""

import re

import pytest

from tests.nested_pytest import PLUGINS

pytest_plugins = ["pytester"]
TEST = """
from tests.sim.programs.exploration.racy_programs import LostUpdate, OrderOfMessages

def test_sound(explore):
    assert explore(LostUpdate.sound, LostUpdate.holds, strategy="pct", runs=20).runs == RUNS

def test_racy(explore):
    explore(OrderOfMessages.sound, OrderOfMessages.holds, runs=5)
    explore(LostUpdate.racy, LostUpdate.holds)
"""


@pytest.fixture
def run(pytester):
    def run(*options, runs=20):
        pytester.makepyfile(test_it=TEST.replace("RUNS", str(runs)))
        return pytester.runpytest_inprocess(*PLUGINS, "-p", "no:cacheprovider", *options)

    return run


def test_a_failure_has_the_interleaving_and_the_command_that_replays_it(run):
    result = run()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "LostUpdate.racy: * failed",
            "*check returned False for 1*",
            "time *deposit#2 *deposit#3*",
            '*replay: sim.replay(main, "order:*")',
            "*or: pytest test_it.py::test_racy --explore-replay=order:*",
        ]
    )
    option = re.search(r"--explore-replay=\S+", result.stdout.str())[0]
    again = run(option, "-k", "racy")
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(["*DoesNotHold: check returned False for 1*", "*ran before*"])


def test_options_are_checked_and_replace_the_number_of_runs(run):
    run("--explore-runs=3", "-k", "sound", runs=3).assert_outcomes(passed=1)
    for option, words in (("runs=0", "not a number of runs"), ("replay=order:x", "is damaged")):
        result = run(f"--explore-{option}")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"*--explore-*{words}*"])
