"""Files that are written whole or not at all: under another name until they are on the disk, then moved."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LEFT = ".*.tmp"
"""What the names match that files have until they are whole; a program that is killed leaves such a one behind."""


@contextmanager
def whole_file(target: Path, *, private: bool = False) -> Iterator[Path]:
    """A path beside `target` to write to, which takes its place when the block ends well, and is removed if not.

    The name has the process in it: two programs that write the same file do not meet, and the last one to end has
    written it. `private`: there is a file from the start, which its owner alone may read. Raises OSError.
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
