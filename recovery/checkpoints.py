"""Checkpoints: their checksums, and their state as JSON."""

from __future__ import annotations

import json
import zlib
from typing import Any

from recovery.model import Checkpoint

MOST_BYTES = 16 * 1024**2
"""The maximum size of a state as JSON."""


def sealed(task_id: str, sequence: int, epoch: int, progress: float, state: Any = None) -> Checkpoint:
    """A checkpoint with its checksum. Raises ValueError if the state is not JSON, or too large."""
    text = None if state is None else written_state(task_id, state)
    progress = float(progress)  # as it is when it is read again
    return Checkpoint(task_id, sequence, epoch, progress, _checksum(task_id, sequence, epoch, progress, text), state)


def is_intact(checkpoint: Checkpoint) -> bool:
    """Whether the checksum of a checkpoint matches its content."""
    text = None if checkpoint.state is None else _json(checkpoint.state)
    fields = checkpoint.task_id, checkpoint.sequence, checkpoint.epoch, checkpoint.progress
    return checkpoint.checksum == _checksum(*fields, text)


def written_state(task_id: str, state: Any) -> str:
    """A state as JSON. Raises ValueError if it is not JSON, or too large."""
    return as_json(f"{task_id}: the state of a checkpoint", state)


def as_json(what: str, value: Any) -> str:
    """A payload, a state or an effect as JSON. Raises ValueError if it is not JSON, or too large."""
    try:
        text = _json(value)
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{what} is not JSON: {error}") from None
    if size > MOST_BYTES:
        raise ValueError(
            f"{what} has {size:,} bytes; valid: up to {MOST_BYTES:,}, and for more the name of a file that has it"
        )
    return text


def read_state(text: str | None) -> Any:
    """Read a state. None, which does not match the checksum, if it is damaged."""
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return None


def _json(state: Any) -> str:
    return json.dumps(state, allow_nan=False, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _checksum(task_id: str, sequence: int, epoch: int, progress: float, state: str | None) -> int:
    """CRC-32 of all fields of a checkpoint."""
    content = f"{task_id}/{sequence}/{epoch}/{progress!r}"
    return zlib.crc32((content if state is None else f"{content}/{state}").encode())
