"""How often the effects of a program happen under power cuts, in several settings, as one table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sim.programs.crash_sweep.report import CrashSweepReport

if TYPE_CHECKING:
    import pandas as pd


def effect_table(reports: Mapping[str, CrashSweepReport], *, name: str = "setting") -> pd.DataFrame:
    """The number of trials with a power cut in which each effect happened 0, 1, 2, … times.

    `reports` are sweeps of one program in several settings, by setting, and `name` names these. A row for each effect;
    a column for each setting and number of times.
    """
    import pandas as pd  # noqa: PLC0415 - pandas takes longer to load than most sweeps

    trials = {setting: [each for each in report.trials if each.points] for setting, report in reports.items()}
    effects = list(dict.fromkeys(effect for each in trials.values() for trial in each for effect in trial.effects))
    counts = {
        setting: {effect: Counter(trial.effects.get(effect, 0) for trial in each) for effect in effects}
        for setting, each in trials.items()
    }
    most = max((times for each in counts.values() for count in each.values() for times in count), default=1)
    columns = pd.MultiIndex.from_product([list(reports), range(most + 1)], names=[name, "times"])
    rows = [[counts[setting][effect][times] for setting, times in columns] for effect in effects]
    return pd.DataFrame(rows, index=pd.Index(effects, name="effect"), columns=columns)
