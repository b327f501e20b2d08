"""What commands have stored, for pages: a search, a suite, and the basis of a warm-up."""

import pandas as pd

HOSTILE = "<script>alert(1)</script>'\"&\x1b[31mred\u202egnp.\u2066\x00"
CELL = {"fault": "agent_crash", "step": "waiting", "outcome": "verified", "examples": 2}
FOUND = {
    "breaks": "no_lost_task",
    "messages": [HOSTILE],
    "example": 3,
    "scenario": "x",
    "values": {"seed": 5},
    "faults": [{"agent_crash": {"at": 60, "every": None}}],
}
SEARCH = {
    "scenario": HOSTILE,
    "seed": 7,
    "examples": 4,
    "found": FOUND,
    "saved": "found/x y.scenario.yaml",
    "coverage": {"marks": {"a": 4, "b": 0}, "cells": [CELL]},
    "not_reached": ["b"],
}
HELD = {"expression": "tasks.lost == 0", "observed": 0, "holds": True}
FAILED = {"expression": "retries.count <= 3", "observed": None, "holds": False}
METRIC = {
    "verdict": "REGRESSION",
    "unit": "s",
    "baseline": 3.0,
    "now": 4.5,
    "difference": {"mean": 1.5, "ci95": [1.0, 2.0], "n": 5},
}
SUITE = {
    "version": "0.1.0",
    "holds": False,
    "absent": ["gone"],
    "scenarios": [
        {"scenario": "good", "status": "passed", "seed": 7, "replications": 2, "expectations": [HELD]},
        {"scenario": "bad", "status": "failed", "expectations": [HELD, FAILED], "runs": [{"violations": [1]}]},
        {
            "scenario": "slower",
            "status": "regression",
            "baseline": {"verdict": "REGRESSION", "metrics": {"tasks.sojourn.mean": METRIC}},
        },
    ],
}
BASIS = pd.Series([0.0, 4.0, 3.0, 3.0], index=[60.0, 120.0, 180.0, 240.0])
