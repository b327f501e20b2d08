"""Shared fixtures of the tests of the simulator."""

import pytest

from sim.loop import SimLoop


@pytest.fixture
def loop():
    """A new loop, which is abandoned after the test."""
    loop = SimLoop()
    yield loop
    loop.abandon()


@pytest.fixture(params=["pickles", pytest.param("processes", marks=pytest.mark.long)])
def parallel(request, monkeypatch):
    """What `jobs=2` runs on: processes among the long tests, else this process, with pickles in between."""
    if request.param == "pickles":
        from sim.experiments.runs import backends
        from tests.sim.pickling_executor import PicklingExecutor

        monkeypatch.setattr(backends, "get_reusable_executor", lambda **options: PicklingExecutor())
