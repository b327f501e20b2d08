"""Named streams of random numbers.

Every draw comes from a stream that is named after its purpose (`tasks.arrivals`, `agent.3.crash`, `task.work`) and
keyed only by the run's seed and that name. Draws of one stream never affect another: a changed policy or one more agent
leaves all other draws unchanged (common random numbers). Streams about numbered objects are *indexed*: draw 172 of
`task.work` is the work of task 172, regardless of earlier draws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Protocol, cast

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import NDArray

BLOCK = 1024
FIRST_BLOCK = 16
"""The number of draws that a sequence makes at first: most are short. Longer ones draw in growing blocks."""
KEPT_STREAMS = 2048
"""The number of streams of uniform draws whose first block is kept: runs of one seed draw the same again."""
KEPT_BLOCKS = 8
_LOW_WORD = (1 << 64) - 1


class Samplable(Protocol):
    """A distribution: `constant` is its value when it has no randomness, else None."""

    @property
    def constant(self) -> float | None:
        """The value of every draw; None when draws differ."""

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
"""A function of a stream's name, a distribution and an age: a new draw above the age, None if none was found."""


class _Key(ISeedSequence):
    """The key of a Philox generator. `Philox(key=…)` is the same generator, and takes three times as long to create,
    because it also reads entropy from the operating system, which it does not use.
    """

    def __init__(self, key: int) -> None:
        self._key = key

    def generate_state(self, n_words: int, dtype: object = np.uint64) -> NDArray[np.uint64]:
        """The two words of the key."""
        return np.array([self._key & _LOW_WORD, self._key >> 64], dtype=np.uint64)


class Indexed:
    """A stream whose n-th draw can be requested in any order, at the cost of a list look-up.

    Draws are made in blocks; block b has its own generator (Philox with b in the high word of its counter).
    """

    def __init__(self, key: int, distribution: Samplable) -> None:
        self._key = key
        self._distribution = distribution
        self._blocks: dict[int, list[float]] = {}

    def __getitem__(self, index: int) -> float:
        if index < FIRST_BLOCK and self._distribution is STANDARD_UNIFORM:
            return _first_uniforms(self._key)[index]
        number, offset = divmod(index, BLOCK)
        block = self._blocks.get(number)
        if block is None:
            block = self._draw(number)
        return block[offset]

    def _draw(self, number: int) -> list[float]:
        generator = np.random.Generator(np.random.Philox(cast("Any", _Key(self._key)), counter=[0, 0, 0, number]))
        block: list[float] = self._distribution.sample(generator, BLOCK).tolist()
        if len(self._blocks) >= KEPT_BLOCKS:
            del self._blocks[next(iter(self._blocks))]
        self._blocks[number] = block
        return block


def _generator(key: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(cast("Any", _Key(key))))


class Streams:
    """All streams of one replication. `seed` is any string, by convention `"{seed}/{replication}"`.

    `branches` is whether the run has branches, at which pending draws are redrawn.
    """

    branches = False

    def __init__(self, seed: str) -> None:
        self.seed = seed

    def _key(self, name: str) -> int:
        return int.from_bytes(blake2b(f"{self.seed}/{name}".encode(), digest_size=16).digest(), "little")

    def generator(self, name: str) -> np.random.Generator:
        """A numpy generator for different kinds of draws under one name."""
        return _generator(self._key(name))

    def sequence(self, name: str, distribution: Samplable) -> Callable[[], float]:
        """A function that returns the stream's next draw."""
        constant = distribution.constant
        if constant is not None:
            return lambda: constant
        if distribution is STANDARD_UNIFORM:
            return _uniform_values(self._key(name)).__next__
        return values(self.generator(name), distribution).__next__

    def indexed(self, name: str, distribution: Samplable = STANDARD_UNIFORM) -> Indexed:
        """A stream with draws by number, for numbered objects."""
        return Indexed(self._key(name), distribution)

    def on_branch(self, redraw: Callable[[Residual], None]) -> None:
        """Register `redraw` for branches: these streams have none.

        `sim.randomness.branching` has streams for runs with branches.
        """


class Repeated:
    """A repeated decision about numbered objects: the n-th draw for object i is `draw(i, n)`."""

    def __init__(self, streams: Streams, name: str, distribution: Samplable = STANDARD_UNIFORM) -> None:
        self._streams = streams
        self._name = name
        self._distribution = distribution
        self._rounds: dict[int, Indexed] = {}

    def draw(self, index: int, nth: int) -> float:
        """The `nth` draw for object `index`."""
        stream = self._rounds.get(nth)
        if stream is None:
            stream = self._streams.indexed(f"{self._name}.{nth}", self._distribution)
            self._rounds[nth] = stream
        return stream[index]


def values(generator: np.random.Generator, distribution: Samplable, size: int = FIRST_BLOCK) -> Iterator[float]:
    """The draws of a stream in order, the first `size` of them at once."""
    while True:
        yield from distribution.sample(generator, size).tolist()
        size = min(2 * size, BLOCK)


@lru_cache(maxsize=KEPT_STREAMS)
def _first_uniforms(key: int) -> tuple[float, ...]:
    return tuple(_generator(key).random(FIRST_BLOCK).tolist())


def _uniform_values(key: int) -> Iterator[float]:
    """The draws of a stream of uniform ones. It needs no generator, which is slow to create, for the first block."""
    yield from _first_uniforms(key)
    generator = _generator(key)
    generator.random(FIRST_BLOCK)
    yield from values(generator, STANDARD_UNIFORM, 2 * FIRST_BLOCK)
