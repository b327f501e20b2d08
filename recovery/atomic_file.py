"""Atomic writes: a file is written under a temporary name, and renamed when it is on the disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LEFT = ".*.tmp"
"""The pattern of temporary names. A killed program leaves such a file behind."""


@contextmanager
def whole_file(target: Path, *, private: bool = False) -> Iterator[Path]:
    """A path beside `target` to write to. It replaces `target` when the block ends, and is removed after an error.

    The name contains the process id: if two programs write the same file, the last one to end wins. `private`: the
    file exists from the start, readable by its owner only. Raises OSError.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        if private:
            temporary.unlink(missing_ok=True)
            os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR))
        yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
