"""Run one of CPython's asyncio test modules on SimLoop and print the result as JSON.

    python suite.py MODULE "EXCLUDED …" "HANGING …"

A process of its own, because the suites replace policies, signal handlers and executors as they like. The loops that a
module makes are counted: a pass without one of ours would say nothing.
"""

import asyncio
import gc
import importlib
import json
import signal
import sys
import unittest
from itertools import chain
from pathlib import Path
from unittest import mock

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT))

from sim.loop import SimLoop  # noqa: E402

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it, and some tests send it


class CountedLoop(SimLoop):
    """A SimLoop that counts how many there are."""

    made = 0
    max_callbacks = 100_000  # a livelock is reported soon

    def __init__(self):
        CountedLoop.made += 1
        super().__init__()


class LoopInPlaceOfTestLoop(CountedLoop):
    """What stands in for the mock loop of the suites: its script of time steps is not needed, time is virtual."""

    def __init__(self, script=None):
        super().__init__()

    def advance_time(self, step):
        """The clock of the mock is advanced explicitly; virtual time advances by itself."""


def load(name):
    """The module's tests, with our loop wherever the module makes one."""
    from test.test_asyncio import utils

    asyncio.DefaultEventLoopPolicy._loop_factory = CountedLoop
    asyncio.BaseEventLoop = asyncio.base_events.BaseEventLoop = CountedLoop  # of which the suites mock the selector
    utils.TestLoop = LoopInPlaceOfTestLoop
    module = importlib.import_module(f"test.test_asyncio.test_{name}")
    if name == "events":
        tests = type("SimLoopTests", (module.EventLoopTestsMixin, utils.TestCase), {"create_event_loop": CountedLoop})
        return unittest.defaultTestLoader.loadTestsFromTestCase(tests)
    return unittest.defaultTestLoader.loadTestsFromModule(module)


def each(suite):
    """The single tests of a suite."""
    for test in suite:
        yield from each(test) if isinstance(test, unittest.TestSuite) else [test]


def short(test):
    """`Class.method`, of a subtest too."""
    return ".".join(getattr(test, "test_case", test).id().split(".")[-2:])


def run(tests):
    """The results of some tests, by name: failures with their traceback, skips with their reason."""
    result = unittest.TestResult()
    with mock.patch("sys.stderr"):
        unittest.TestSuite(tests).run(result)
    failed = {short(test): text for test, text in result.failures + result.errors}
    return result.testsRun, failed, {short(test): reason for test, reason in result.skipped}


def main(name, excluded, hanging):
    """Run the included tests, and separately the excluded ones: an exclusion that passes is unnecessary."""
    tests = {}
    for test in each(load(name)):
        tests.setdefault(short(test).split(".")[1], []).append(test)
    gc.freeze()  # some tests collect garbage hundreds of times: only their own objects are searched
    count, failed, skipped = run(chain(*(tests[method] for method in tests if method not in excluded + hanging)))
    passed_though_excluded = []
    for test in chain(*(tests.get(method, []) for method in excluded)):
        asyncio._set_running_loop(None)  # state left by the previous one
        if short(test) not in run([test])[1]:
            passed_though_excluded.append(short(test))
    told = {
        "run": count,
        "loops": CountedLoop.made,
        "failed": failed,
        "skipped": skipped,
        "passed_though_excluded": passed_though_excluded,
    }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2].split(), sys.argv[3].split())
