"""Shared test setup: Hypothesis draws the same examples in every CI run, and plots need no display."""

import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

from recovery.manual import operators
from sim.experiments.search.constants import no_constants_of_modules

os.environ.setdefault("MPLBACKEND", "Agg")

# Temporary files are in memory where there is room: a commit of a store takes less than 0.1 ms there, and milliseconds
# on a disk. Files of failed tests are kept. Processes that tests start have the same folder.
MEMORY = Path("/dev/shm")
if "TMPDIR" not in os.environ and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 2 * 2**30:
    os.environ["TMPDIR"] = str(MEMORY)
    tempfile.tempdir = None  # chosen anew

# jsonschema imports this where it is installed, which takes four seconds, for formats that no schema here has.
sys.modules.setdefault("rfc3987_syntax", None)

# No deadline: the time of an example depends on the machine. `make test` has the short profile, `make test-long` the
# full one; a test that sets a number of examples takes it from tests/examples.py.
# In CI the examples are the same in every run, whichever tests and modules a process has loaded before.
CI = {"derandomize": True, "print_blob": True} if os.environ.get("CI") else {}
settings.register_profile("full", deadline=None, **CI)
settings.register_profile("short", deadline=None, max_examples=15, **CI)
settings.load_profile("full")
if CI:
    no_constants_of_modules().__enter__()

VALIDATION = Path(__file__).parent / "validation"
PAGES = Path(__file__).parent / "test_readme.py"
SHIPPED = Path(__file__).parents[1] / "scenarios"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests first: a long test that starts last would delay the end of a parallel run.

    The shipped scenarios are slow: `make test` executes each of them once, with the same seed, for its golden row,
    which includes its verdicts. The validations are long.
    """
    validations = [item for item in items if VALIDATION in parents(item.path)]
    for item in validations:
        item.add_marker(pytest.mark.long)
    for item in items:
        if SHIPPED in parents(item.path):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: VALIDATION not in parents(item.path) and item.path != PAGES)


@cache
def parents(path: Path) -> frozenset[Path]:
    """The folders that contain a file."""
    return frozenset(path.parents)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Garbage collection leaves out what the collection of tests creates: a million objects, which last to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture
def quick_hashes(monkeypatch):
    """Hashes of tokens at the least cost: for tests that make and check many. `test_operators.py` has the real cost."""
    monkeypatch.setattr(operators, "_COST", 2)
