"""Reads a user's file: regular files only, up to a number of bytes. Both are checked before the content is read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from recovery.errors import RecoveryBenchError

_KINDS = {
    stat.S_IFDIR: "folder",
    stat.S_IFIFO: "named pipe",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
    stat.S_IFSOCK: "socket",
}
_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


class InputFileError(RecoveryBenchError, ValueError):
    """A file cannot be read. The message is the problem in words, without the name of the file.

    `is_missing`: there is no such file. `line`: the line, from 1, of the first byte that is not UTF-8, if any.
    """

    def __init__(self, problem: str, *, is_missing: bool = False, line: int | None = None) -> None:
        super().__init__(problem)
        self.is_missing = is_missing
        self.line = line


def check_regular(path: Path) -> os.stat_result:
    """The status of a regular file, or of one that a symbolic link leads to. Raises InputFileError."""
    try:
        status = path.stat()
    except FileNotFoundError:
        raise InputFileError("no such file", is_missing=True) from None
    except (OSError, ValueError) as error:  # ValueError: a name with a null byte
        raise _unreadable(error) from None
    _check_kind(status)
    return status


def read_bytes(path: Path, most: int) -> bytes:
    """The content of a regular file of at most so many bytes. Raises InputFileError."""
    check_regular(path)  # before it is opened: to open a device may have an effect
    try:
        descriptor = os.open(path, _FLAGS)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            _check_kind(status)
            if status.st_size > most:
                raise _too_large(status.st_size, most)
            content = file.read(most + 1)  # the size of a file in /proc is 0, and a file may grow
    except OSError as error:
        raise _unreadable(error) from None
    if len(content) > most:
        raise _too_large(len(content), most)
    return content


def read_text(path: Path, most: int) -> str:
    """The content of a regular UTF-8 file of at most so many bytes. Raises InputFileError."""
    content = read_bytes(path, most)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputFileError(f"is not UTF-8 text (byte {error.start})", line=line) from None


def _check_kind(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "special file")
        raise InputFileError("is a folder" if kind == "folder" else f"is a {kind}, and not a regular file")


def _unreadable(error: Exception) -> InputFileError:
    return InputFileError(f"cannot be read: {getattr(error, 'strerror', None) or error}")


def _too_large(size: int, most: int) -> InputFileError:
    return InputFileError(f"is too large: {size:,} bytes, where at most {most:,} are read")
