"""Task logs of known processes, as text and as files."""

import numpy as np
import pandas as pd

import scenarios
import sim

TEXT = """\
name: known
seed: 3
duration: %s
tasks:
  arrivals: {poisson: {rate: 2/s}}
  work: {lognormal: {mean: 3s, cv: 1.5}}
  failure_probability: 0.2
agents: {count: 12, mtbf: 5m, restart_time: {exponential: {mean: 20s}}}
recovery:
  detection: {detector: perfect}
  conditions: {task_failure: {max_retries: 2, retry_delay: 10s, backoff: exponential, multiplier: 3}}
"""


def known_run(duration="15m", seed=3, **values):
    """A run whose parameters are known."""
    scenario = scenarios.loads(TEXT % duration)
    return sim.run(scenario.with_values(values) if values else scenario, seed)


def contains(fit, path, value):
    """Whether a figure's interval contains a value."""
    figure = next(each for each in fit.figures if each.path == path)
    return figure.low - 1e-9 <= value <= figure.high + 1e-9


def rows(size, seed=0, mean=2.0):
    """Attempts without waiting, one a second on average, as a data frame with seconds."""
    draws = np.random.default_rng(seed)
    submitted = np.cumsum(draws.exponential(1.0, size))
    return pd.DataFrame(
        {"submitted": submitted, "started": submitted, "ended": submitted + draws.exponential(mean, size)}
    )
