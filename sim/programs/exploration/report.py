"""What an exploration found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any, Final

from sim.presentation.formatting import count
from sim.presentation.visible_text import visible
from sim.programs.exploration.interleaving import interleaving
from sim.programs.exploration.steps import AwaitPoint, Step
from sim.results.base import DoesNotHold, JudgedResult
from sim.results.version import installed_version

if TYPE_CHECKING:
    import pandas as pd

    from sim.programs.exploration.plot import ExplorationPictures

_NOT_STORED: Final = {"stored": False}


@dataclass(frozen=True)
class RunRow:
    """One run of an exploration."""

    run: int
    deviations: int  # from first in, first out
    verdict: str  # "holds", "check", "exception", "deadlock", "endless" or "background"
    message: str
    steps: int
    time: float  # virtual seconds


@dataclass(frozen=True)
class OrderFailure:
    """An order in which the program fails, shrunk."""

    verdict: str
    """`check`, `exception`, `deadlock`, `endless`, or `background`: an exception that no task retrieves."""
    message: str
    run: int
    """The first run that failed so; runs are numbered from 1."""
    token: str
    deviations: int
    found_with: int
    """Deviations before shrinking."""
    shrinking_runs: int
    fewest: bool
    """Every order with fewer deviations was run, and none fails so."""
    held_back: tuple[str, ...]
    """Tasks that run only when nothing else is ready, from a deviation on."""
    steps: tuple[Step, ...] = field(repr=False)
    canceled: AwaitPoint | None = None
    """The await at which the exploration canceled a task."""
    error: BaseException | None = field(default=None, repr=False, compare=False, metadata=_NOT_STORED)
    """What was raised; None in a report that was stored, copied or pickled: an exception refers to live objects."""

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "error": None}

    @property
    def interleaving(self) -> str:
        """Who ran when, as text."""
        return interleaving(self.steps)

    def __str__(self) -> str:
        return "\n".join([f"run {self.run}: {visible(self.message)}", *self.summary()])

    def summary(self) -> list[str]:
        """How the order differs from asyncio's own, in lines."""
        lines = []
        if self.canceled is not None:
            lines.append(visible(f"{self.canceled.who} was canceled at {self.canceled.place}"))
        elif not self.deviations:
            lines.append("It fails in asyncio's own order, first in, first out.")
        else:
            shrunk = f", shrunk from {self.found_with}" if self.found_with != self.deviations else ""
            least = "; no order with fewer fails so" if self.fewest else ""
            lines.append(f"{count(self.deviations, 'deviation')} from first in, first out{shrunk}{least}.")
            lines += [f"{visible(name)} is held back: it runs when nothing else is ready." for name in self.held_back]
        return lines


@dataclass(frozen=True, eq=False, repr=False)
class Exploration(JudgedResult):
    """The runs of a program in many orders. True in a condition if all hold."""

    name: str
    """The name of main."""
    strategy: str
    seed: int | str
    runs: int
    distinct: int
    """Different orders that were run."""
    failures: tuple[OrderFailure, ...]
    """One for each kind of failure, as verdict and place tell; the one with the fewest deviations first."""
    complete: bool
    """Every order that the strategy allows was run."""
    scope: str
    """What was covered, in words."""
    rows: tuple[RunRow, ...] = field(repr=False)

    @property
    def holds(self) -> bool:
        """Whether no run failed."""
        return not self.failures

    def __bool__(self) -> bool:
        return self.holds

    @property
    def verdicts(self) -> dict[str, int]:
        """How many runs have each verdict, `holds` among them."""
        return dict(Counter(row.verdict for row in self.rows))

    @property
    def token(self) -> str | None:
        """Replays the first failure: `sim.replay(main, report.token)`. None if there is none."""
        return self.failures[0].token if self.failures else None

    @property
    def interleaving(self) -> str | None:
        """The first failure as text. None if there is none."""
        return self.failures[0].interleaving if self.failures else None

    @property
    def frame(self) -> pd.DataFrame:
        """One row for each run: number, deviations, verdict, message, steps, virtual time."""
        import pandas as pd  # noqa: PLC0415 - not needed to explore

        names = list(RunRow.__dataclass_fields__)
        return pd.DataFrame([[getattr(row, name) for name in names] for row in self.rows], columns=names)

    def assert_holds(self) -> None:
        """Raise DoesNotHold, an AssertionError, if a run failed: what failed, interleaving, and how to replay it."""
        __tracebackhide__ = True  # pytest shows the caller
        if self.failures:
            raise DoesNotHold(str(self)) from self.failures[0].error

    @property
    def plot(self) -> ExplorationPictures:
        """Pictures, as matplotlib axes: `interleaving()` and `runs()`."""
        from sim.programs.exploration.plot import ExplorationPictures  # noqa: PLC0415 - only who draws needs matplotlib

        return ExplorationPictures(self)

    def as_json(self) -> dict[str, Any]:
        """Plain data: what was run, and the failures with their tokens and interleavings."""
        return {
            "explored": self.name,
            "version": installed_version(),
            "strategy": self.strategy,
            "seed": self.seed,
            "runs": self.runs,
            "distinct": self.distinct,
            "complete": self.complete,
            "scope": self.scope,
            "verdicts": self.verdicts,
            "failures": [
                {
                    "verdict": failure.verdict,
                    "message": failure.message,
                    "run": failure.run,
                    "deviations": failure.deviations,
                    "found_with": failure.found_with,
                    "fewest": failure.fewest,
                    "summary": failure.summary(),
                    "held_back": list(failure.held_back),
                    "canceled": None
                    if failure.canceled is None
                    else f"{failure.canceled.who} at {failure.canceled.place}",
                    "token": failure.token,
                    "interleaving": failure.interleaving,
                }
                for failure in self.failures
            ],
        }

    def title(self) -> str:
        """A one-line summary."""
        said = f"{self.name}: {count(self.runs, 'run')}, {count(self.distinct, 'order')}, strategy {self.strategy}"
        failed = sum(1 for row in self.rows if row.verdict != "holds")
        return visible(f"{said}: {f'{failed} failed' if failed else 'all hold'}")

    def __str__(self) -> str:
        lines = [self.title(), self.scope]
        for failure in self.failures:
            lines += ["", str(failure), "", failure.interleaving, "", f'replay: sim.replay(main, "{failure.token}")']
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        return f'<pre style="white-space: pre; line-height: normal; font-family: monospace">{escape(str(self))}</pre>'
