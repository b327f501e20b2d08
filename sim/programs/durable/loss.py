"""What becomes of writes that are not synced when the power goes off."""

from __future__ import annotations

import random  # noqa: TID251 - generators with a seed
from enum import StrEnum
from typing import Protocol


class Survives(StrEnum):
    """Which writes that are not synced survive a power cut."""

    LOST = "lost"
    """None of them."""
    TORN = "torn"
    """A part of them, drawn from the seed: the first few, the last of these in part."""
    KEPT = "kept"
    """All of them."""
    NAMES = "names"
    """New names of files, but not the content that was written before: a file system writes them independently."""


class Part(Protocol):
    """A part of a `Durable`."""

    def unsynced(self) -> frozenset[Survives]:
        """The ways in which a power cut may end that differ from `LOST` at this moment; none if all is synced."""

    def cut_power(self, survives: Survives, source: random.Random) -> None:
        """Continue with what survives."""
