"""`--scenario-baseline` and `--scenario-save`: the metrics of scenarios against a baseline, and a new baseline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sim.baselines import Judgment, ScenarioBaseline
    from sim.experiments.runs.replications import Result

FIRST = 20
"""Replications of a scenario in a new baseline, unless their number is given."""
WHOLE = "whole-"
"""The beginning of the names of files with whole results, which become a new baseline."""


class Gate:
    """The baselines of a session by the names of their scenarios, and the file to which new ones are written."""

    def __init__(self, before: Mapping[str, ScenarioBaseline], save: str | None, folder: Path | None) -> None:
        self._before = before
        self.save = save
        self._folder = folder
        self._whole: dict[str, Result] = {}

    @classmethod
    def of(cls, config: pytest.Config, folder: Path | None) -> Gate:
        """The gate of a session. Raises UsageError for a file that is not a baseline."""
        file = config.getoption("--scenario-baseline")
        save = config.getoption("--scenario-save")
        before: Mapping[str, ScenarioBaseline] = {}
        if file is not None:
            from sim.baselines import BaselineError, read_baselines  # noqa: PLC0415 - only with the option

            try:
                before = read_baselines(file)
            except BaselineError as error:
                raise pytest.UsageError(f"--scenario-baseline {error}") from None
        return cls(before, save, folder)

    @property
    def is_needed(self) -> bool:
        """Whether results of all replications are needed."""
        return bool(self._before) or self.save is not None

    def replications(self, name: str) -> tuple[str, int] | None:
        """Seed and number of the replications of a scenario's baseline; None without one."""
        found = self._before.get(name)
        return None if found is None else (str(found.seed), found.replications)

    def judge(self, result: Result) -> Judgment | None:
        """The verdict on a scenario; None without a baseline."""
        from sim.baselines import judge  # noqa: PLC0415 - only with the option

        before = self._before.get(result.scenario.name)
        return None if before is None else judge(before, result, scenarios=len(self._before))

    def keep(self, result: Result) -> None:
        """Keep a whole result for the new baseline, for another process if there is one."""
        if self.save is None:
            return
        self._whole[result.scenario.name] = result
        if self._folder is not None:
            result.save(self._folder / f"{WHOLE}{result.scenario.name}.json")

    def write(self) -> int:
        """Write the new baseline, and return the number of its scenarios. Raises BaselineError."""
        import sim  # noqa: PLC0415 - only with the option
        from sim.baselines import baseline_of, write_baselines  # noqa: PLC0415

        kept: list[Any] = [*self._whole.values()]
        if self._folder is not None:
            kept += [sim.load(file) for file in sorted(self._folder.glob(f"{WHOLE}*.json"))]
        whole = {each.scenario.name: baseline_of(each) for each in kept}
        write_baselines(dict(sorted({**self._before, **whole}.items())), self.save or "")
        return len(whole)


def lines(judgment: Judgment) -> Iterator[tuple[bool, str]]:
    """Whether each line about a judgment is a failure, and the line: regressions, then what is no failure."""
    from sim.baselines import Verdict  # noqa: PLC0415 - only with the option
    from sim.suites.lines import judged  # noqa: PLC0415

    for each in judgment.of(Verdict.REGRESSION):
        yield True, judged(each)
    for change in () if judgment.identical else judgment.changes:
        yield False, f"changed since the baseline: {change}"
    for each in (*judgment.of(Verdict.INCONCLUSIVE), *judgment.improved):
        yield False, judged(each)
