"""Shared test setup: Hypothesis draws the same examples in every CI run, and plots need no display."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.setdefault("MPLBACKEND", "Agg")

# jsonschema imports this where it is installed, which takes four seconds, for formats that no schema here has.
sys.modules.setdefault("rfc3987_syntax", None)

# No deadline: how long an example takes is the machine's matter.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")

VALIDATION = Path(__file__).parent / "validation"
SHIPPED = Path(__file__).parents[1] / "scenarios"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests first: a long test that starts last would delay the end of a parallel run.

    The shipped scenarios are long: `make test` runs each of them once, for its golden row, which includes its verdicts.
    """
    for item in items:
        if SHIPPED in item.path.parents:
            item.add_marker(pytest.mark.long)
    items.sort(key=lambda item: VALIDATION not in item.path.parents)
