"""Wrong diagnoses as text for a terminal."""

from __future__ import annotations

import re
from collections.abc import Mapping

from rich.table import Table


def wrong_diagnoses(diagnosis: Mapping[str, Mapping[str, int]]) -> Table | None:
    """Each wrongly diagnosed fault, how often, and out of how many; None if all diagnoses are right.

    `diagnosis` counts recoveries by fault and diagnosis, as `sim.measures.metrics.diagnosis.diagnoses` does.
    """
    wrong = [(fault, taken_for) for fault, row in diagnosis.items() for taken_for in row if taken_for != fault]
    if not wrong:
        return None
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("diagnosed wrongly")
    table.add_column("as")
    table.add_column("times", justify="right")
    for fault, taken_for in wrong:
        row = diagnosis[fault]
        share = f"{row[taken_for]:,} of {sum(row.values()):,}"
        table.add_row(f"  {_short(fault)}", _short(taken_for), share, style="red")
    return table


def _short(name: str) -> str:
    """Runbook entries without their group: `agent_failure`."""
    return re.sub(r"\w+\.(?=\w)", "", name)
