"""The fixture and the marker `crash_sweep`, used by test files of an inner pytest."""

import re

import pytest

from tests.nested_pytest import PLUGINS

pytest_plugins = ["pytester"]
TEST = """
import pytest
from sim import Durable
from tests.sim.programs.crash_sweep.broken_programs import *

def test_sound(crash_sweep):
    report = crash_sweep(Durable, effect_with_a_key, None, each_is_charged_once)
    assert report.covered == COVERED

@pytest.mark.crash_sweep(cuts=2)
def test_default(crash_sweep):
    assert crash_sweep(Durable, effect_with_a_key, None, each_is_charged_once).covered == 2

def test_broken(crash_sweep):
    crash_sweep(Durable, effect_before_record, None, each_is_charged_once)

def test_other():
    pass
"""


@pytest.fixture
def run(pytester):
    def run(*options, covered=10):
        pytester.makepyfile(test_it=TEST.replace("COVERED", str(covered)))
        return pytester.runpytest_inprocess(*PLUGINS, "-p", "no:cacheprovider", *options)

    return run


def test_a_failure_has_the_smallest_failing_cut_and_the_command_that_repeats_it(run):
    result = run("--strict-markers", "-m", "crash_sweep")
    result.assert_outcomes(passed=2, failed=1, deselected=1)
    result.stdout.fnmatch_lines(
        [
            "*:effect_before_record: power cut at 10 of 10 awaits: 4 fail",
            '✗ cut 3: *broken_programs.py:* await durable.request("charged") *',
            "*check fails: AssertionError*",
            '*again: sim.crash_sweep(*, cuts="cut:3:0:*")',
            "*or: pytest test_it.py::test_broken --crash-sweep-cuts=cut:3:0:*",
        ]
    )
    option = re.search(r"--crash-sweep-cuts=\S+", result.stdout.str())[0]
    again = run(option, "-k", "broken")
    again.assert_outcomes(failed=1, deselected=3)
    again.stdout.fnmatch_lines(["*power cut at 1 of 10 awaits: 1 fail"])


def test_the_option_is_checked_and_replaces_the_cuts_of_the_test(run):
    run("--crash-sweep-cuts=3", "-k", "sound", covered=3).assert_outcomes(passed=1, deselected=3)
    result = run("--crash-sweep-cuts=most")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--crash-sweep-cuts*'most': is not a valid cut; valid: *"])
