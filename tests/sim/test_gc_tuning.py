"""How often garbage is collected while a run is simulated."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from sim.gc_tuning import NEW_OBJECTS, rare_collections


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


def test_within_the_block_collections_are_rare_and_afterwards_as_before() -> None:
    gc.set_threshold(700, 10, 10)
    with rare_collections():
        assert gc.get_threshold() == (NEW_OBJECTS, 10, 10)
    assert gc.get_threshold() == (700, 10, 10)


def test_an_error_leaves_nothing_changed() -> None:
    gc.set_threshold(700, 10, 10)
    with pytest.raises(KeyError), rare_collections():
        raise KeyError
    assert gc.get_threshold() == (700, 10, 10)


@pytest.mark.parametrize("chosen", [0, NEW_OBJECTS * 2])
def test_who_collects_never_or_more_rarely_still_does(chosen: int) -> None:
    gc.set_threshold(chosen, 10, 10)
    with rare_collections():
        assert gc.get_threshold() == (chosen, 10, 10)
    assert gc.get_threshold() == (chosen, 10, 10)


def test_of_runs_that_overlap_the_last_to_end_restores() -> None:
    gc.set_threshold(700, 10, 10)
    one, other = rare_collections(), rare_collections()
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    assert gc.get_threshold()[0] == NEW_OBJECTS
    other.__exit__(None, None, None)
    assert gc.get_threshold() == (700, 10, 10)
