"""Runs the tests of `sim.loop` inside Pyodide, which is CPython compiled to WebAssembly.

The value of the last expression is pytest's exit status, which run.mjs reads. Each test that cannot run there is listed
with its reason. An entry that matches no test makes the run fail.
"""

import asyncio
import os
import sys

sys.dont_write_bytecode = True
sys.path[:0] = ["/repository", "/site-packages"]
os.chdir("/repository")
os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # most plugins of the environment need compiled libraries

import pytest  # noqa: E402 - from the folder above

NO_THREADS = "starts a thread, which WebAssembly does not have here"
NO_PROCESSES = "starts a process, which WebAssembly does not have"
NO_COMPILED_PACKAGES = "imports a package whose compiled parts are those of another machine"
NO_OTHER_LOOP = "runs asyncio's own loop, in place of which Pyodide has one that cannot block"
EXCLUDED = {
    "test_determinism.py::test_ten_processes_give_one_trace": NO_PROCESSES,
    "test_determinism.py::test_without_a_determinism_measure_traces_differ": NO_PROCESSES,
    "test_determinism.py::test_a_second_run_in_a_process_repeats_the_names": NO_OTHER_LOOP,
    "test_event_loop.py::TestPrograms::test_it_can_run_inside_a_wall_clock_loop": NO_OTHER_LOOP,
    "test_executor.py::TestThreads::test_a_deadlock_names_threads_of_the_program": NO_THREADS,
    "test_executor.py::TestThreads::test_an_inline_function_can_wait_for_other_threads": NO_THREADS,
    "test_order.py::test_order_is_the_same_in_every_process": NO_PROCESSES,
    "test_order.py::test_without_the_cure_every_order_varies": NO_PROCESSES,
    "test_order.py::test_other_loops_keep_their_hashes": NO_OTHER_LOOP,
    "test_executor.py::TestThreads::test_another_thread_is_rejected": NO_THREADS,
    "test_virtual_time.py::test_pandas_is_imported_in_virtual_time": NO_PROCESSES,
    "test_virtual_time.py::test_pydantic_defines_models_with_dates": NO_COMPILED_PACKAGES,
    "test_virtual_time.py::test_other_threads_have_the_machines_clock": NO_THREADS,
    "test_virtual_time.py::test_a_loop_of_another_kind_has_the_machines_clock": NO_OTHER_LOOP,
    "test_executor.py::TestThreads::test_a_loop_can_be_created_in_one_thread_and_run_in_another": NO_THREADS,
}


class Plugin:
    """Provides the fixture of tests/sim/conftest.py and skips the excluded tests."""

    unknown: frozenset[str] = frozenset()

    @pytest.fixture(autouse=True)
    def no_running_loop(self):
        """Hides Pyodide's own loop, which always runs: `asyncio.Runner` refuses to start inside another loop."""
        asyncio._set_running_loop(None)

    @pytest.fixture
    def loop(self):
        """A new loop, which is abandoned after the test."""
        from sim.loop import SimLoop

        loop = SimLoop()
        yield loop
        loop.abandon()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Skips the excluded tests and remembers the entries that match none."""
        names = {item.nodeid.removeprefix("tests/sim/loop/").split("[")[0] for item in items}
        self.unknown = frozenset(EXCLUDED) - names
        for item in items:
            reason = EXCLUDED.get(item.nodeid.removeprefix("tests/sim/loop/").split("[")[0])
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


print(f"Python {sys.version}")  # noqa: T201
plugin = Plugin()
disabled = ["-p", "no:cacheprovider", "-p", "no:faulthandler"]
status = int(pytest.main(["tests/sim/loop", "--noconftest", "-q", "-ra", "--color=no", *disabled], plugins=[plugin]))
if plugin.unknown:
    print("excluded, but there is no such test:", *sorted(plugin.unknown))  # noqa: T201
    status = status or 1
status  # noqa: B018 - the value of the program
