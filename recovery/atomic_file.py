"""Atomic writes: a file is written under a temporary name, and renamed when it is on the disk."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LEFT = ".*.tmp"
"""The pattern of temporary names. A killed program leaves such a file behind."""


@contextmanager
def whole_file(target: Path, *, private: bool = False) -> Iterator[Path]:
    """A path beside `target` to write to. It replaces `target` when the block ends, and is removed after an error.

    If `target` is a symbolic link, the file that it leads to is replaced, and the link remains. A file that is replaced
    keeps its permissions. The name contains the process id: if two programs write the same file, the last one to end
    wins. `private`: the file exists from the start, readable by its owner only. Raises OSError, also for a folder or
    device.
    """
    target = link_target(target)
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
    if target.exists() and not target.is_file():  # a rename would replace a device by a file
        raise OSError(errno.EINVAL, "not a regular file", str(target))
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        if private:
            temporary.unlink(missing_ok=True)
            os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR))
        yield temporary
        if not private and target.exists():
            with suppress(PermissionError):  # of another owner
                keep_permissions(temporary, target.stat())
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def link_target(path: Path) -> Path:
    """The file that a symbolic link leads to, whether it exists or not; `path` if it is none. Raises OSError."""
    try:
        found = path.resolve() if path.is_symlink() else path
    except RuntimeError:  # a cycle, before Python 3.13
        found = path
    if found.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    return found


def keep_permissions(path: Path, before: os.stat_result) -> None:
    """Give a file the permissions and the owner of the file that it replaces. Raises PermissionError."""
    if hasattr(os, "chown"):
        status = path.stat()
        if (status.st_uid, status.st_gid) != (before.st_uid, before.st_gid):
            os.chown(path, before.st_uid, before.st_gid)
    path.chmod(stat.S_IMODE(before.st_mode))
