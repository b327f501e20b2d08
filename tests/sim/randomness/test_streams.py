"""Random streams: keyed by name, indexed by number, independent of each other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenarios.fields.distributions import Constant, Exponential
from sim.randomness.streams import BLOCK, KEPT_BLOCKS, Repeated, Streams


def test_a_stream_does_not_depend_on_other_streams() -> None:
    """Names key streams, order does not."""
    alone = Streams("7/0").sequence("agent.3.crash", Exponential(mean=10.0))
    crowd = Streams("7/0")
    crowd.sequence("agent.2.crash", Exponential(mean=10.0))()
    other = crowd.sequence("agent.3.crash", Exponential(mean=10.0))
    assert [alone() for _ in range(100)] == [other() for _ in range(100)]


def test_seed_replication_and_name_each_select_another_stream() -> None:
    """Different keys give different streams."""
    draws = {
        Streams(seed).sequence(name, Exponential(mean=1.0))()
        for seed in ("7/0", "7/1", "8/0", "71/0")
        for name in ("a", "b", "ab")
    }
    assert len(draws) == 12


@given(st.lists(st.integers(0, BLOCK * (KEPT_BLOCKS + 3)), min_size=1, max_size=30))
def test_an_indexed_draw_depends_only_on_its_number(order: list[int]) -> None:
    """Requested in any order, over more blocks than are kept, draw n is always the same."""
    stream = Streams("7/0").indexed("task.work", Exponential(mean=3.0))
    asked = {index: stream[index] for index in order}
    fresh = Streams("7/0").indexed("task.work", Exponential(mean=3.0))
    assert {index: fresh[index] for index in sorted(asked)} == asked


def test_indexed_draws_follow_the_distribution_across_blocks() -> None:
    """Blocks are independent: mean and variance of many of them are the distribution's."""
    stream = Streams("7/0").indexed("task.work", Exponential(mean=3.0))
    draws = np.array([stream[index] for index in range(50 * BLOCK)])
    assert draws.mean() == pytest.approx(3.0, rel=4 / np.sqrt(len(draws)))
    assert draws.var() == pytest.approx(9.0, rel=4 * np.sqrt(8 / len(draws)))
    assert len(np.unique(draws)) == len(draws)


def test_each_repetition_of_a_decision_has_its_own_draw() -> None:
    """Attempt 2 of task 5 has its own draw."""
    failures = Repeated(Streams("7/0"), "task.failure")
    assert len({failures.draw(task, nth) for task in range(50) for nth in range(5)}) == 250
    assert failures.draw(5, 2) == Repeated(Streams("7/0"), "task.failure").draw(5, 2)


def test_a_constant_needs_no_stream() -> None:
    """It always has its value."""
    assert Streams("7/0").sequence("x", Constant(value=2.5))() == 2.5
