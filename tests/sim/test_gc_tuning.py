"""The frequency of garbage collection during a run."""

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


def test_collections_are_rare_within_the_block_and_restored_after() -> None:
    gc.set_threshold(700, 10, 10)
    with rare_collections():
        assert gc.get_threshold() == (NEW_OBJECTS, 10, 10)
    assert gc.get_threshold() == (700, 10, 10)


def test_an_error_restores_the_settings() -> None:
    gc.set_threshold(700, 10, 10)
    with pytest.raises(KeyError), rare_collections():
        raise KeyError
    assert gc.get_threshold() == (700, 10, 10)


@pytest.mark.parametrize("chosen", [0, NEW_OBJECTS * 2])
def test_rarer_or_disabled_collection_is_kept(chosen: int) -> None:
    gc.set_threshold(chosen, 10, 10)
    with rare_collections():
        assert gc.get_threshold() == (chosen, 10, 10)
    assert gc.get_threshold() == (chosen, 10, 10)


def test_of_overlapping_runs_the_last_restores_the_settings() -> None:
    gc.set_threshold(700, 10, 10)
    one, other = rare_collections(), rare_collections()
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    assert gc.get_threshold()[0] == NEW_OBJECTS
    other.__exit__(None, None, None)
    assert gc.get_threshold() == (700, 10, 10)
