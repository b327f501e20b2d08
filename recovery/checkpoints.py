"""Checkpoints: a state under a checksum, and whether it still is what was written."""

from __future__ import annotations

import json
import zlib
from typing import Any

from recovery.model import Checkpoint

MOST_BYTES = 16 * 1024**2
"""Of a state as JSON."""


def sealed(task_id: str, sequence: int, epoch: int, progress: float, state: Any = None) -> Checkpoint:
    """A checkpoint with its checksum. Raises ValueError for a state that is no JSON, or too large."""
    text = None if state is None else written_state(task_id, state)
    progress = float(progress)  # which a whole number is when it is read again
    return Checkpoint(task_id, sequence, epoch, progress, _checksum(task_id, sequence, epoch, progress, text), state)


def is_intact(checkpoint: Checkpoint) -> bool:
    """Whether a checkpoint still says what was written."""
    text = None if checkpoint.state is None else _json(checkpoint.state)
    seen = checkpoint.task_id, checkpoint.sequence, checkpoint.epoch, checkpoint.progress
    return checkpoint.checksum == _checksum(*seen, text)


def written_state(task_id: str, state: Any) -> str:
    """A state as JSON. Raises ValueError for what is none, or too large."""
    return as_json(f"{task_id}: the state of a checkpoint", state)


def as_json(what: str, value: Any) -> str:
    """What a task is given, keeps or leaves, as JSON. Raises ValueError for what is none, or too large."""
    try:
        text = _json(value)
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{what} is no JSON: {error}") from None
    if size > MOST_BYTES:
        raise ValueError(
            f"{what} has {size:,} bytes; valid: up to {MOST_BYTES:,}, and for more the name of a file that has it"
        )
    return text


def read_state(text: str | None) -> Any:
    """The state that was written; None, which no checksum of another fits, for what is damaged."""
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return None


def _json(state: Any) -> str:
    return json.dumps(state, allow_nan=False, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _checksum(task_id: str, sequence: int, epoch: int, progress: float, state: str | None) -> int:
    """CRC-32 over everything that a checkpoint says."""
    said = f"{task_id}/{sequence}/{epoch}/{progress!r}"
    return zlib.crc32((said if state is None else f"{said}/{state}").encode())
