"""What one replication observed of a duration: complete observations, and lower bounds of those that were cut off."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Truths = NDArray[np.bool_]

MOST = 20_000
"""Observations of one replication that are kept one by one. More are counted in buckets."""
RELATIVE_ERROR = 0.001
"""By how much, at most, an observation that was counted in a bucket differs from the bucket's value."""
_NONE: Floats = np.empty(0)


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """Distinct values in ascending order, and how often each was observed."""

    values: Floats
    counts: Counts

    @classmethod
    def of(cls, observations: Floats, most: int = MOST) -> Values:
        """Of observations of 0 or more, in any order; NaN, which stands for none, is left out.

        Of more than `most`, values are rounded to logarithmic buckets, each within `RELATIVE_ERROR`: the buckets of the
        mergeable sketch of C. Masson, J. E. Rim and H. K. Lee ("DDSketch", PVLDB 12, 2019). Every quantile is then
        within the same relative error.
        """
        if not len(observations):
            return cls(_NONE, np.empty(0, dtype=np.int64))
        seen = observations[~np.isnan(observations)]
        return cls._counted(seen, np.ones(len(seen), dtype=np.int64), most)

    @classmethod
    def _counted(cls, seen: Floats, counts: Counts, most: int) -> Values:
        if len(seen) > most:
            base = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
            positive = np.isfinite(seen) & (seen > 0)
            buckets = np.ceil(np.log(seen[positive]) / log(base))
            seen = seen.copy()
            seen[positive] = 2 * base**buckets / (base + 1)
        values, place = np.unique(seen, return_inverse=True)
        total: Counts = np.bincount(place, counts, len(values)).astype(np.int64)
        return cls(values, total)

    def sketched(self, most: int) -> Values:
        """The same in buckets when there are more than `most` distinct values."""
        return self if len(self.values) <= most else self._counted(self.values, self.counts, most)

    def texts(self) -> list[str]:
        """Values and counts as the compressed bytes of their arrays, in base64."""
        return [base64.b64encode(zlib.compress(each.tobytes())).decode() for each in (self.values, self.counts)]

    @classmethod
    def from_texts(cls, texts: Sequence[str]) -> Values:
        """What `texts` has written. Raises ValueError, TypeError and zlib.error for other texts."""
        values, counts = (zlib.decompress(base64.b64decode(each)) for each in texts)
        return cls(np.frombuffer(values, np.float64), np.frombuffer(counts, np.int64))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Values):
            return NotImplemented
        return np.array_equal(self.values, other.values) and np.array_equal(self.counts, other.counts)

    __hash__ = None  # type: ignore[assignment]

    @property
    def total(self) -> int:
        """How many observations there are."""
        return int(self.counts.sum())


@dataclass(frozen=True, slots=True, eq=False)
class Parts:
    """Parts of durations, such as a phase of recoveries, in seconds. The arrays have one entry for each duration.

    `wholes` are the durations, or how long they had lasted when the end of the run cut them off (`is_complete` false);
    `parts` had lasted so long by then. `are_over`: the parts had ended even where the durations had not.
    """

    parts: Floats
    wholes: Floats
    is_complete: Truths
    are_over: bool

    def texts(self) -> list[str]:
        """The arrays as compressed bytes, in base64, and `are_over` as 1 or 0."""
        arrays = (self.parts, self.wholes, self.is_complete)
        return [*(base64.b64encode(zlib.compress(each.tobytes())).decode() for each in arrays), str(int(self.are_over))]

    @classmethod
    def from_texts(cls, texts: Sequence[str]) -> Parts:
        """What `texts` has written. Raises ValueError, TypeError and zlib.error for other texts."""
        *arrays, are_over = texts
        parts, wholes, is_complete = (zlib.decompress(base64.b64decode(each)) for each in arrays)
        found = (
            np.frombuffer(parts, np.float64),
            np.frombuffer(wholes, np.float64),
            np.frombuffer(is_complete, np.bool_),
        )
        return cls(*found, are_over == "1")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Parts) and self.texts() == other.texts()

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Sample:
    """The observations of one replication, in seconds.

    `censored`: how long those had lasted that the end of the run cut off. `parts`: the durations that the observations
    are parts of, if they are.
    """

    observed: Values
    censored: Values
    parts: Parts | None = None

    @classmethod
    def of(cls, observed: Floats, censored: Floats = _NONE) -> Sample:
        """The sample of these observations. NaN stands for what was not observed."""
        return cls(Values.of(observed), Values.of(censored))

    @classmethod
    def of_parts(cls, parts: Floats, wholes: Floats, is_complete: Truths, *, are_over: bool = False) -> Sample:
        """The sample of parts of durations (`Parts`)."""
        ended = is_complete | are_over
        whole = Parts(parts, wholes, is_complete, are_over)
        return cls(Values.of(parts[ended]), Values.of(parts[~ended]), whole)

    def __len__(self) -> int:
        return self.observed.total + self.censored.total

    def text(self, most: int = MOST) -> str:
        """The sample as one line of text, with its values in buckets when there are more than `most` distinct ones."""
        texts = [text for part in (self.observed, self.censored) for text in part.sketched(most).texts()]
        return " ".join(texts if self.parts is None else [*texts, *self.parts.texts()])

    @classmethod
    def from_text(cls, text: str) -> Sample:
        """What `text` has written. Raises ValueError, TypeError and zlib.error for other texts."""
        values, counts, cut_off, cut_off_counts, *parts = text.split()
        whole = Parts.from_texts(parts) if parts else None
        return cls(Values.from_texts((values, counts)), Values.from_texts((cut_off, cut_off_counts)), whole)
