"""Files of traces: JSON, compressed if the name ends in `.gz`. Equal traces give equal bytes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

COMPRESSION = 6


def write_trace(trace: dict[str, Any], path: Path, *, compressed: bool) -> None:
    """Write a trace to a file. Raises OSError."""
    data = json.dumps(trace, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    path.write_bytes(gzip.compress(data, COMPRESSION, mtime=0) if compressed else data)
