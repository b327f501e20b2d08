"""The result of a crash sweep."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recovery.atomic_file import whole_file
from sim.programs.crash_sweep.cuts import Token
from sim.programs.crash_sweep.points import Point
from sim.programs.crash_sweep.trials import Trial
from sim.results.base import DoesNotHold, JudgedResult
from sim.results.version import installed_version

if TYPE_CHECKING:
    import pandas as pd

    from sim.programs.crash_sweep.plot import CrashSweepPictures


TEXT, JUNIT = "sim.programs.crash_sweep.text", "sim.programs.crash_sweep.junit"
"""The modules that render a report, imported when it is shown."""


@dataclass(frozen=True, eq=False, repr=False)
class CrashSweepReport(JudgedResult):
    """What a program did after each power cut. It is true if every trial holds.

    `points` are the awaits of the program without a cut, `trials` what was tried: usually one for each cut, several
    where writes were not synced. The program without a cut is among them only if its check fails.
    """

    program: str
    seed: int
    fingerprint: str
    cuts: str
    points: tuple[Point, ...]
    trials: tuple[Trial, ...]

    @property
    def holds(self) -> bool:
        """Whether the program recovers from every cut."""
        return not self.failures

    def __bool__(self) -> bool:
        return self.holds

    @property
    def exit_status(self) -> int:
        """0 if everything holds, else 1."""
        return int(not self.holds)

    @cached_property
    def failures(self) -> tuple[Trial, ...]:
        """The trials that fail, the smallest first: fewer cuts, then earlier ones."""
        failed = [trial for trial in self.trials if not trial.holds]
        return tuple(sorted(failed, key=lambda trial: (len(trial.points), [point.number for point in trial.points])))

    @property
    def smallest(self) -> Trial | None:
        """The failing trial with the fewest and earliest cuts; None if everything holds."""
        return self.failures[0] if self.failures else None

    @property
    def token(self) -> str | None:
        """The token of the smallest failing trial: `crash_sweep(…, cuts=token)` runs it again. None if all hold."""
        return None if self.smallest is None else self.token_of(self.smallest)

    def token_of(self, trial: Trial) -> str:
        """The token of a trial."""
        return str(Token(trial.cuts, self.seed, self.fingerprint))

    @property
    def covered(self) -> int:
        """The number of the program's awaits at which its power was cut."""
        return len({trial.points[0].number for trial in self.trials if trial.points})

    @cached_property
    def effects(self) -> Mapping[str, Mapping[int, int]]:
        """By effect, in how many trials it happened so many times: `{"charged": {1: 10, 2: 4}}`."""
        names = sorted({name for trial in self.trials for name in trial.effects})
        return {
            name: dict(sorted(Counter(trial.effects.get(name, 0) for trial in self.trials).items())) for name in names
        }

    @property
    def frame(self) -> pd.DataFrame:
        """One row for each trial: its cut, file, line, what was awaited, verdict, message, token, and effects."""
        import pandas as pd  # noqa: PLC0415 - pandas takes longer to load than most sweeps

        rows = [
            {
                "cut": trial.points[0].number if trial.points else 0,
                "second_cut": trial.points[1].number if len(trial.points) > 1 else pd.NA,
                "file": trial.points[-1].file if trial.points else "",
                "line": trial.points[-1].line if trial.points else pd.NA,
                "awaited": trial.points[-1].awaited if trial.points else "",
                "task": trial.points[-1].task if trial.points else "",
                "time": trial.points[-1].time if trial.points else float("nan"),
                "unsynced": next((str(each) for each in reversed(trial.survives) if each is not None), ""),
                "verdict": str(trial.verdict),
                "message": trial.message,
                "token": self.token_of(trial),
                **{f"effects.{name}": trial.effects.get(name, 0) for name in self.effects},
            }
            for trial in self.trials
        ]
        frame = pd.DataFrame(rows)
        return frame.astype({"second_cut": "Int64", "line": "Int64"}) if rows else frame

    @property
    def plot(self) -> CrashSweepPictures:
        """Pictures, as matplotlib axes: `cuts()` and `effects()`."""
        from sim.programs.crash_sweep.plot import CrashSweepPictures  # noqa: PLC0415 - only who draws needs matplotlib

        return CrashSweepPictures(self)

    def as_json(self) -> dict[str, Any]:
        """Plain data: the program, what was covered, the trials with their tokens, and the effects."""
        return {
            "program": self.program,
            "version": installed_version(),
            "seed": self.seed,
            "cuts": self.cuts,
            "holds": self.holds,
            "covered": self.covered,
            "points": [asdict(point) for point in self.points],
            "trials": [
                {
                    "cuts": [str(cut) for cut in trial.cuts],
                    "points": [asdict(point) for point in trial.points],
                    "verdict": str(trial.verdict),
                    "message": trial.message,
                    "token": self.token_of(trial),
                    "effects": dict(trial.effects),
                }
                for trial in self.trials
            ],
            "token": self.token,
            "effects": {
                name: {str(often): count for often, count in times.items()} for name, times in self.effects.items()
            },
        }

    def assert_holds(self) -> None:
        """Raise DoesNotHold, an AssertionError, unless everything holds."""
        __tracebackhide__ = True  # pytest shows the caller
        if not self.holds:
            raise DoesNotHold(str(self))

    def junit(self, path: str | os.PathLike[str]) -> None:
        """Write a JUnit XML file with a test case for each trial. Raises OSError."""
        with whole_file(Path(path)) as temporary:
            temporary.write_text(import_module(JUNIT).document(self), encoding="utf-8")

    def __str__(self) -> str:
        return str(import_module(TEXT).text(self))

    def title(self) -> str:
        """One line: the program, how much was covered, and how much of it fails."""
        return str(import_module(TEXT).title(self))

    def _repr_html_(self) -> str:
        return str(import_module(TEXT).html(self))
