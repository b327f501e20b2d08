"""A search finds every defect of the gallery, and nothing in the sound core."""

from __future__ import annotations

import pytest

import scenarios
import sim
from sim.core.build import build_core
from tests.gallery.defects import GALLERY, MOST_FAULTS, QUICK, Defect

QUICKLY = [pytest.param(each, id=each.name, marks=() if each.name in QUICK else pytest.mark.long) for each in GALLERY]


@pytest.mark.parametrize("defect", QUICKLY)
def test_a_search_finds_the_defect_and_shrinks_it_to_few_faults(defect: Defect) -> None:
    """The saved scenario shows the defect again, and the sound core does not have it."""
    result = defect.search(defect.core, defect.examples)
    found = result.found
    assert found is not None
    assert found.name == defect.breaks
    assert len(found.faults) <= MOST_FAULTS
    again = scenarios.loads(found.yaml())
    assert again == found.scenario
    assert not sim.replicate(again, core=defect.core).holds
    assert sim.replicate(again).holds


@pytest.mark.long
@pytest.mark.parametrize("defect", [pytest.param(each, id=each.name) for each in GALLERY])
def test_the_sound_core_survives_the_same_search(defect: Defect) -> None:
    """Otherwise the search would find something else than the defect."""
    assert defect.search(build_core, 60).found is None


def test_the_gallery_has_at_least_twelve_different_defects() -> None:
    assert len({each.name for each in GALLERY}) >= 12
