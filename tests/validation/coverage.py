"""How often intervals contain the truth, comparisons are right, and selections are right: measured, as a page.

`python -m tests.validation.coverage > sim/experiments/coverage.md` makes it, in some minutes.
"""

from __future__ import annotations

import sys
import textwrap
from dataclasses import dataclass

from tests.validation.coverage_cases import CASES, FAMILIES, SEED, SELECTIONS, SEQUENTIAL, Case

DRAWS = 2000
"""Draws of each figure."""


@dataclass(frozen=True)
class Table:
    """A part of the page: cases with the same columns."""

    title: str
    text: str
    columns: tuple[str, ...]
    cases: tuple[Case, ...]
    draws: int = DRAWS


TABLES = (
    Table(
        "Intervals",
        "How many of 100 intervals contain the truth, after n replications. The aim is 93 to 97, with heavy tails 90.",
        ("n = 2", "n = 5", "n = 10", "n = 20"),
        CASES,
    ),
    Table(
        "Precision",
        "How many of 100 intervals contain the truth when replications end at a relative precision (`--precision`).",
        ("20 %", "10 %", "5 %"),
        SEQUENTIAL,
    ),
    Table(
        "Comparison",
        "In how many of 100 comparisons of settings without a difference no metric differs, after n pairs. At least "
        "95, for all metrics of a row together (Holm).",
        ("n = 5", "n = 10", "n = 20"),
        FAMILIES,
    ),
    Table(
        "Selection",
        "In how many of 100 selections the best setting is selected, where it is ahead of all others by exactly the "
        "indifference: half a standard deviation. n₀ is the size of the first stage. At least 95.",
        ("n₀ = 5", "n₀ = 10", "n₀ = 20"),
        SELECTIONS,
        DRAWS // 2,
    ),
)
INTRODUCTION = f"""\
# Measured coverage

A 95 % interval is right if it contains the truth in 95 of 100 experiments. This page shows how often it does, for each
kind of estimate, with the functions that the commands use, on data from known distributions.

`python -m tests.validation.coverage > sim/experiments/coverage.md` makes this page in some minutes, with seed
{SEED}. Each figure is of {DRAWS:,} draws, and those of selections of {DRAWS // 2:,}: their standard errors are 0.5 and
0.7. Where no other number stands, a run of M/M/1 has 120 tasks, and other runs have 30 observations. cv is the
coefficient of variation.
"""
REMARKS = """\
## Where the figures are not 95

- **Heavy tails.** Of five lognormal values with cv 3, none is large in most cases, and nothing in them shows that
  larger ones exist. Intervals are widened for this (Hall's and Cox's methods), as far as light tails allow. `run` warns
  when one replication decides the mean. Counts that come in clusters need more replications than single events.
- **Counts and shares.** They are whole numbers, and an interval that covers at least 95 % for every mean covers more
  for some of them.
- **Two replications.** Only large differences show. Intervals are wide, and exact ones cover nearly 100 %.
- **Quantiles.** An upper bound is infinite where the observations do not reach far enough. A p95 needs about
  75 independent observations for a finite one, and a p99 about 370; waits of a busy queue depend on each other and
  need more. Percentiles are of all observations together, so that more replications do not add a bias.
- **Maxima.** The maximum is the mean of the maxima of the runs. It grows with the length of a run, and an estimate is
  of runs of this length only.
- **Restricted means.** Where observations are cut off, the mean is that of the shorter of an observation and the
  longest one that could be seen.
- **Comparisons.** With heavy tails the t-test is conservative, and a difference of sparse counts is rarely shown.
- **Selections.** The guarantee is for normal observations. The table shows others as well.
"""


def page() -> str:
    """The page, measured."""
    lines = [INTRODUCTION]
    for table in TABLES:
        lines += [f"## {table.title}", "", *textwrap.wrap(table.text, 120), ""]
        lines += ["| kind | data | " + " | ".join(table.columns) + " | remark |"]
        lines += ["| --- | --- |" + " ---: |" * len(table.columns) + " --- |"]
        for case in table.cases:
            shares = [f"{100 * case.measure(size, table.draws):.1f}" for size in case.sizes]
            lines.append(f"| {case.kind} | {case.of} | {' | '.join(shares)} | {case.remark} |")
        lines.append("")
    return "\n".join(lines) + "\n" + REMARKS


if __name__ == "__main__":
    sys.stdout.write(page())
