"""What both benchmarks share: a figure with its bound and its goal, how two pieces of work are timed, and the table."""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

ROUNDS = 5


@dataclass(frozen=True)
class Row:
    """One figure; it holds when it is on the right side of its bound."""

    name: str
    measured: float
    bound: float
    goal: float
    at_least: bool = True

    @property
    def holds(self) -> bool:
        """Whether what must hold does."""
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of one call, which does not pay for the garbage of the one before."""
    gc.collect()
    began = time.process_time()
    work()
    return time.process_time() - began


def ratio(numerator: Callable[[], object], denominator: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Median of numerator times over median of denominator times, measured in turns after a warm-up of each."""
    numerator(), denominator()
    pairs = [(seconds(numerator), seconds(denominator)) for _ in range(rounds)]
    return statistics.median(pair[0] for pair in pairs) / statistics.median(pair[1] for pair in pairs)


def main(about: str, measure: Callable[[bool], list[Row]]) -> int:
    """Read the command line, measure, print, and say whether all holds."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--quick", action="store_true", help="leave out, or make smaller, what takes minutes")
    options = parser.parse_args()
    found = measure(options.quick)
    width = max(len(row.name) for row in found)
    print(f"{'figure':{width}} {'measured':>9} {'must hold':>10} {'goal':>7}")
    for row in found:
        sign = ">=" if row.at_least else "<="
        verdict = "" if row.holds else "  DOES NOT HOLD"
        print(f"{row.name:{width}} {row.measured:9.4g} {sign:>4} {row.bound:<5g} {row.goal:7g}{verdict}")
    if options.json is not None:
        options.json.write_text(json.dumps([asdict(row) | {"holds": row.holds} for row in found], indent=1) + "\n")
    return 0 if all(row.holds for row in found) else 1
