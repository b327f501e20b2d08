"""The history of a run from the rows of a Parquet file."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sim.history import Event, History
from sim.history.storage import NAMES, ROW

MISSING = {name: np.nan if ROW[name].kind == "f" else -1 for name in NAMES}
"""What a history records in place of a missing value."""
_EVENTS = {event.label: int(event) for event in Event}


def history_of(frame: pd.DataFrame, meta: dict[str, Any]) -> History:
    """The history of one replication, given its rows in order and the constants of the run.

    Its hash is that of the run, because words are numbered by their first appearance, as in the run. Raises ValueError
    for an event that this version does not define.
    """
    labels = frame["event"].astype(str)
    unknown = sorted(set(labels.unique()) - _EVENTS.keys())
    if unknown:
        raise ValueError(f"has the unknown event {unknown[0]}")
    words, numbers = _interned(frame["detail"].astype(str).to_numpy(), frame["about"].astype(str).to_numpy())
    table = np.empty(len(frame), dtype=ROW)
    columns = {"event": labels.map(_EVENTS).to_numpy(), "detail": numbers[:, 0], "about": numbers[:, 1]}
    for name in NAMES:
        table[name] = columns[name] if name in columns else frame[name].to_numpy(ROW[name], na_value=MISSING[name])
    return History.from_parts(meta, words, table, len(table), None)


def _interned(details: NDArray[Any], subjects: NDArray[Any]) -> tuple[list[str], NDArray[np.int32]]:
    """The words by number, with the empty one first, and the numbers of each row's two words."""
    both = np.empty(2 * len(details) + 1, dtype=object)
    both[0] = ""
    both[1::2], both[2::2] = details, subjects
    codes, words = pd.factorize(both)
    return [str(word) for word in words], codes[1:].reshape(-1, 2).astype(np.int32)
