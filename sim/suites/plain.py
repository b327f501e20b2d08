"""The results of a suite as plain data, for `suite --json`."""

from __future__ import annotations

from typing import Any

from sim.baselines import MetricJudgment
from sim.experiments.runs.provenance import installed_version
from sim.suites.suite import Case, Suite


def as_json(suite: Suite) -> dict[str, Any]:
    """The suite with its scenarios in order, without the runs' metrics, which `run --json` has."""
    return {
        "version": installed_version(),
        "holds": suite.holds,
        "interrupted": suite.interrupted,
        "absent": list(suite.absent),
        "scenarios": [_case(case) for case in suite.cases],
    }


def _case(case: Case) -> dict[str, Any]:
    found: dict[str, Any] = {
        "scenario": case.entry.name,
        "file": case.entry.file,
        "status": str(case.status),
        "problem": case.entry.problem or None,
        "line": case.entry.line if case.entry.problem else None,
    }
    result = case.result
    if result is not None:
        data = result.as_json()
        kept = ("seed", "replications", "interrupted", "metrics", "expectations")
        found |= {name: data[name] for name in kept}
        found["runs"] = [
            {name: run[name] for name in ("seed", "history_sha256", "events", "violations", "errors")}
            for run in data["runs"]
        ]
    judgment = case.judgment
    found["baseline"] = judgment and {
        "verdict": str(judgment.verdict),
        "identical": judgment.identical,
        "paired": judgment.paired,
        "changes": list(judgment.changes),
        "metrics": {each.metric: _metric(each) for each in judgment.metrics},
    }
    return found


def _metric(of: MetricJudgment) -> dict[str, Any]:
    change = of.difference.difference if of.difference is not None else None
    return {
        "verdict": str(of.verdict),
        "unit": of.before.unit,
        "baseline": of.before.mean,
        "now": None if of.now is None else of.now.mean,
        "difference": change and {"mean": change.mean, "ci95": change.ci95 and list(change.ci95), "n": change.n},
        "tolerance": {"relative": of.tolerance.relative, "absolute": of.tolerance.absolute, "margin": of.margin},
        "identical": of.identical,
        "improved": of.improved,
        "replications_needed": of.needed,
    }
