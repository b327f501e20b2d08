"""Pages of the runs of failing tests, beside which the failures name them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from sim.reports.failures.replay import Replay

MOST_LETTERS = 120
"""Length of the name of a page at most."""


def pages_of(item: pytest.Item, results: Sequence[Any], how: Replay | None = None) -> Iterator[str]:
    """Write a page of what a failing test has run, with `--scenario-html`, and yield the line that names it."""
    folder = item.config.getoption("--scenario-html")
    if folder is None or not results:
        return
    from recovery.atomic_file import whole_file  # noqa: PLC0415 - only where a test fails
    from recovery.errors import RecoveryBenchError  # noqa: PLC0415
    from sim.reports.page.parts import part_of  # noqa: PLC0415
    from sim.reports.page.render import page  # noqa: PLC0415

    file = Path(folder) / f"{_name(item.nodeid)}.html"
    try:
        text = page([part_of(each, how) for each in results])
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(file) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        yield f"  page: {file}: cannot be written: {error.strerror or error}"
    except RecoveryBenchError as error:
        yield f"  page: {file}: cannot be written: {error}"
    else:
        yield f"  page: {file}"


def _name(nodeid: str) -> str:
    """The id of a test as the name of a file: `scenarios-small.scenario.yaml-small-7-0`."""
    return re.sub(r"[^\w.]+", "-", nodeid).strip("-")[-MOST_LETTERS:].lstrip("-.")
