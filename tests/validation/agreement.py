"""The criteria of agreement with theory, shared by all of tests/validation.

A case passes when the 95 % interval's half-width is at most 1 % of the exact value (5 % of a probability below 0.01),
when the exact value lies within four standard errors of the mean, and when a wrong model's value does not.
The short form of a case, which `make test-long` runs, has few replications, and its interval may be five times as wide.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable

import numpy as np
from scipy.special import stdtrit

import scenarios
import sim

SHORT = 4
"""Replications of a short form."""
SEED = 20241  # of every case: fixed beforehand, never chosen by what it gives


def scenario(duration: float, **sections: str) -> scenarios.Scenario:
    """A scenario of the given sections, each as YAML; the first twentieth of the time is cut as warmup."""
    lines = ["name: theory", f"duration: {duration}", f"warmup: {duration / 20}"]
    lines += [f"{name}: {text}" for name, text in sections.items()]
    return scenarios.loads("\n".join(lines))


def replicate(work: scenarios.Scenario, replications: int) -> sim.Result:
    """The replications of a scenario, on two processes if there are many and pytest does not use several itself."""
    alone = "PYTEST_XDIST_WORKER" not in os.environ
    return sim.replicate(work, seed=SEED, replications=replications, jobs=2 if alone and replications >= 20 else 1)


def check(values: Iterable[float], exact: float, wrong: float, what: str = "value") -> None:
    """Assert that independent values have the exact mean, and not the wrong one."""
    found = np.array(list(values), dtype=float)
    mean, error = found.mean(), found.std(ddof=1) / math.sqrt(len(found))
    half_width = stdtrit(len(found) - 1, 0.975) * error
    allowed = (0.05 if exact < 0.01 else 0.01) * (5 if len(found) == SHORT else 1)
    told = f"{what}: {mean:.6g} +- {half_width:.2g}"
    assert half_width <= allowed * exact, f"{told} is too wide to tell anything about {exact:.6g}"
    assert abs(mean - exact) <= 4 * error, f"{told} is not {exact:.6g}"
    assert abs(mean - wrong) > 4 * error, f"{told} cannot be told from {wrong:.6g}"


def agrees(result: sim.Result, metric: str, exact: float, wrong: float) -> None:
    """`check` a metric, one value a replication."""
    frame = result.frame
    check(frame.loc[frame["metric"] == metric, "value"], exact, wrong, metric)


def ratio_agrees(result: sim.Result, part: str, whole: str, exact: float, wrong: float) -> None:
    """`check` one metric as a share of another."""
    frame = result.frame.pivot_table(index="replication", columns="metric", values="value")
    check(frame[part] / frame[whole], exact, wrong, f"{part} / {whole}")


def agrees_of_kind(result: sim.Result, metric: str, exact: float, wrong: float) -> None:
    """`check` a metric of one kind of tasks, which is not in the result's frame, one value a replication."""
    check([run.metrics[metric] or 0.0 for run in result.runs], exact, wrong, metric)
