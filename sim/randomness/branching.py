"""Trajectories that branch from another one: equal random draws up to an event, and new draws after it.

A trajectory is identified by its name. `7/3@1200:17` is replication 3 of seed 7 until its first 1,200 events are
recorded; then it continues with stream set 17: every stream restarts, and each pending time (to a crash, to the end of
a restart) is redrawn, conditional on its age. So the trajectory shares the past of the other one, and its future has
the correct conditional distribution. It can branch again: `7/3@1200:17@5000:4`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import simpy

from recovery.errors import RecoveryBenchError
from sim.history import History
from sim.loop.callbacks import after
from sim.randomness.streams import STANDARD_UNIFORM, Indexed, Residual, Samplable, Streams, values

TRIES = 64
"""Blocks of draws that are searched for a draw above an age."""
TRIES_SIZE = 1024


class BranchNotReached(RecoveryBenchError, ValueError):
    """A run has fewer events than the branch point. The message is one line with the valid alternatives."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch: the number of events before it, and the set of new draws after it."""

    events: int
    draw_set: int


@dataclass(frozen=True, slots=True)
class Trajectory:
    """A replication and its branches, in order. Its string is the name of the run."""

    root: str
    branches: tuple[Branch, ...] = ()

    @classmethod
    def parse(cls, name: str) -> Trajectory:
        """Parse the name of a trajectory. Raises ValueError for an invalid name."""
        root, *branches = name.split("@")
        found = [re.fullmatch(r"(\d+):(\d+)", text, re.ASCII) for text in branches]
        taken = tuple(Branch(int(match[1]), int(match[2])) for match in found if match is not None)
        places = [branch.events for branch in taken]
        if not root or len(taken) < len(branches) or 0 in places or sorted(set(places)) != places:
            raise ValueError(f"{name}: is not a trajectory; valid: as in 7/3@1200:17, branches in the order of events")
        return cls(root, taken)

    def branched(self, events: int, draw_set: int) -> Trajectory:
        """The trajectory that branches from this one after so many events."""
        before = tuple(branch for branch in self.branches if branch.events < events)
        return Trajectory(self.root, (*before, Branch(events, draw_set)))

    def __str__(self) -> str:
        return self.root + "".join(f"@{branch.events}:{branch.draw_set}" for branch in self.branches)


class BranchingStreams(Streams):
    """The streams of a trajectory: before its first branch, those of its replication."""

    branches = True

    def __init__(self, trajectory: Trajectory) -> None:
        super().__init__(trajectory.root)
        self._trajectory = trajectory
        self._left: list[int] = [branch.events for branch in reversed(trajectory.branches)]
        self._taken = 0
        self._generators: list[tuple[str, np.random.Generator]] = []
        self._sequences: list[tuple[str, _Sequence]] = []
        self._indexed: list[tuple[str, _Remembering]] = []
        self._redraw: list[Callable[[Residual], None]] = []

    def follow(self, history: History, env: simpy.Environment) -> None:
        """Take each branch right after its event, at the same instant."""
        due = self._left
        happened = len(history)

        def seen(*_: object) -> None:
            nonlocal happened
            happened += 1
            if happened == due[-1]:
                due.pop()
                after(env, 0.0, self._branch)
                if not due:
                    history.unwatch(seen)

        if due:
            history.watch(seen)

    def check_left(self, events: int) -> None:
        """Raise BranchNotReached when a run has ended before a branch."""
        if self._left:
            raise BranchNotReached(
                f"{self._trajectory}: branches after {self._left[-1]:,} events, but the run has {events:,}; valid: less"
            )

    def _branch(self, _: object) -> None:
        self._taken += 1
        self.seed = str(Trajectory(self._trajectory.root, self._trajectory.branches[: self._taken]))
        for name, generator in self._generators:
            generator.bit_generator.state = super().generator(name).bit_generator.state
        for name, sequence in self._sequences:
            sequence.begin(super().generator(name))
        for name, indexed in self._indexed:
            indexed.begin(self._key(name))
        for redraw in self._redraw:
            redraw(self._residual)

    def _residual(self, name: str, distribution: Samplable, age: float) -> float | None:
        if distribution.constant is not None:
            return None
        generator = super().generator(f"{name}.residual")
        for _ in range(TRIES):
            drawn = distribution.sample(generator, TRIES_SIZE)
            above = np.flatnonzero(drawn > age)
            if len(above):
                return float(drawn[above[0]])
        return None

    def generator(self, name: str) -> np.random.Generator:
        """A generator that restarts at each branch."""
        generator = super().generator(name)
        self._generators.append((name, generator))
        return generator

    def sequence(self, name: str, distribution: Samplable) -> Callable[[], float]:
        """A function that returns the next draw."""
        constant = distribution.constant
        if constant is not None:
            return lambda: constant
        sequence = _Sequence(distribution, super().generator(name))
        self._sequences.append((name, sequence))
        return sequence.draw

    def indexed(self, name: str, distribution: Samplable = STANDARD_UNIFORM) -> Indexed:
        """A stream that keeps draws that were requested before a branch."""
        indexed = _Remembering(self._key(name), distribution)
        self._indexed.append((name, indexed))
        return indexed

    def on_branch(self, redraw: Callable[[Residual], None]) -> None:
        """Register `redraw`, which is called at each branch after all streams have restarted."""
        self._redraw.append(redraw)


class _Sequence:
    def __init__(self, distribution: Samplable, generator: np.random.Generator) -> None:
        self._distribution = distribution
        self._values: Iterator[float]
        self.begin(generator)

    def begin(self, generator: np.random.Generator) -> None:
        self._values = values(generator, self._distribution)

    def draw(self) -> float:
        return next(self._values)


class _Remembering(Indexed):
    """Remembers requested draws, because they are part of the past."""

    def __init__(self, key: int, distribution: Samplable) -> None:
        super().__init__(key, distribution)
        self._known: dict[int, float] = {}

    def __getitem__(self, index: int) -> float:
        known = self._known.get(index)
        if known is None:
            known = self._known[index] = super().__getitem__(index)
        return known

    def begin(self, key: int) -> None:
        self._key = key
        self._blocks.clear()
