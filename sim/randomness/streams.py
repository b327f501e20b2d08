"""Named streams of random numbers.

Every draw comes from a stream that is named after what it decides (`tasks.arrivals`, `agent.3.crash`, `task.work`) and
keyed by the run's seed and that name alone. What is drawn by one stream never moves another: a changed policy or one
more agent leaves everybody else's luck as it was (common random numbers). Streams that decide something about a
numbered thing are *indexed*: draw 172 of `task.work` is task 172's work, whatever was drawn before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

BLOCK = 1024
KEPT_BLOCKS = 8


class Samplable(Protocol):
    """A distribution: `constant` is its value when it has no randomness, else None."""

    @property
    def constant(self) -> float | None:
        """The value that every draw has; None when draws differ."""

    def sample(self, generator: np.random.Generator, size: int) -> NDArray[np.float64]:
        """Draw `size` independent values."""


class StandardUniform:
    """Uniform over [0, 1)."""

    constant: float | None = None

    def sample(self, generator: np.random.Generator, size: int) -> NDArray[np.float64]:
        """Draw `size` independent values."""
        return generator.random(size)


STANDARD_UNIFORM = StandardUniform()
Residual = Callable[[str, Samplable, float], float | None]
"""Of a stream's name, a distribution and an age: another draw that is above the age; None where none was found."""


class Indexed:
    """A stream whose n-th draw can be asked for in any order, at a list look-up each.

    Draws are made in blocks; block b has a generator of its own (Philox with b in the high word of its counter).
    """

    def __init__(self, key: int, distribution: Samplable) -> None:
        self._key = key
        self._distribution = distribution
        self._blocks: dict[int, list[float]] = {}

    def __getitem__(self, index: int) -> float:
        number, offset = divmod(index, BLOCK)
        block = self._blocks.get(number)
        if block is None:
            block = self._draw(number)
        return block[offset]

    def _draw(self, number: int) -> list[float]:
        generator = np.random.Generator(np.random.Philox(key=self._key, counter=[0, 0, 0, number]))
        block: list[float] = self._distribution.sample(generator, BLOCK).tolist()
        if len(self._blocks) >= KEPT_BLOCKS:
            del self._blocks[next(iter(self._blocks))]
        self._blocks[number] = block
        return block


class Streams:
    """All streams of one replication. `seed` is any text, by convention `"{seed}/{replication}"`."""

    def __init__(self, seed: str) -> None:
        self.seed = seed

    def _key(self, name: str) -> int:
        return int.from_bytes(blake2b(f"{self.seed}/{name}".encode(), digest_size=16).digest(), "little")

    def generator(self, name: str) -> np.random.Generator:
        """A numpy generator for whoever draws in several ways under one name."""
        return np.random.Generator(np.random.Philox(key=self._key(name)))

    def sequence(self, name: str, distribution: Samplable) -> Callable[[], float]:
        """A function that returns the stream's next draw."""
        constant = distribution.constant
        if constant is not None:
            return lambda: constant
        return values(self.generator(name), distribution).__next__

    def indexed(self, name: str, distribution: Samplable = STANDARD_UNIFORM) -> Indexed:
        """A stream that is asked by number, for things that are numbered."""
        return Indexed(self._key(name), distribution)

    def on_branch(self, redraw: Callable[[Residual], None]) -> None:
        """Have `redraw` draw again what is waited for where the run goes on with other luck: nowhere, here.

        `sim.randomness.branching` has streams for runs that do.
        """


class Repeated:
    """One decision that is taken several times for each numbered thing: the n-th time for thing i is `draw(i, n)`."""

    def __init__(self, streams: Streams, name: str, distribution: Samplable = STANDARD_UNIFORM) -> None:
        self._streams = streams
        self._name = name
        self._distribution = distribution
        self._rounds: dict[int, Indexed] = {}

    def draw(self, index: int, nth: int) -> float:
        """The `nth` draw for thing `index`."""
        stream = self._rounds.get(nth)
        if stream is None:
            stream = self._streams.indexed(f"{self._name}.{nth}", self._distribution)
            self._rounds[nth] = stream
        return stream[index]


def values(generator: np.random.Generator, distribution: Samplable) -> Iterator[float]:
    """A stream's draws, one after another."""
    size = 16  # most streams are short; long ones soon draw in large blocks
    while True:
        yield from distribution.sample(generator, size).tolist()
        size = min(2 * size, BLOCK)
