"""What the tests of the simulator share."""

import pytest

from sim.loop import SimLoop


@pytest.fixture
def loop():
    """A loop of its own, which is abandoned afterwards."""
    loop = SimLoop()
    yield loop
    loop.abandon()
