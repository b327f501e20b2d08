"""Temporary folders. The next program removes those of programs that were killed."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "recovery-bench-"
OWNER = "owner.lock"
"""The file in a folder that its program has locked. The system unlocks it when the program ends, however that is."""
EMPTY_SECONDS = 3600.0
"""The age from which an empty folder without that file is removed: its program was killed in between."""
_FLAGS = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A new folder, which is removed at the end, or by the next program that calls this if this one is killed.

    Folders of running programs and of other users, and folders that this function has not made, are left as they are.
    """
    remove_abandoned(Path(tempfile.gettempdir()))
    folder, owner = _owned_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(owner)


def _owned_folder() -> tuple[Path, int]:
    """A new folder, and its locked file. Another program may remove the folder before the file is locked."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        with suppress(FileNotFoundError):
            owner = os.open(folder / OWNER, _FLAGS | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
            if _locks(owner) is not False and (folder / OWNER).exists():
                return folder, owner
            os.close(owner)


def remove_abandoned(place: Path) -> None:
    """Remove the folders in `place` that programs of this user have left behind."""
    for folder in sorted(place.glob(f"{PREFIX}*")):
        with suppress(OSError):  # another program may remove it meanwhile
            if _is_mine(folder.lstat(), stat.S_IFDIR):
                _remove_if_abandoned(folder)


def _remove_if_abandoned(folder: Path) -> None:
    try:
        owner = os.open(folder / OWNER, _FLAGS)
    except FileNotFoundError:
        if time.time() - folder.lstat().st_mtime > EMPTY_SECONDS:  # noqa: TID251 - the age of a file
            folder.rmdir()  # raises an error if there is anything in it
        return
    try:
        if _is_mine(os.fstat(owner), stat.S_IFREG) and _locks(owner):
            shutil.rmtree(folder)
    finally:
        os.close(owner)


def _locks(descriptor: int) -> bool | None:
    """Lock the file. False: another program has locked it; None: this system has no locks."""
    from recovery.file_lock import LockUnavailable, try_lock

    try:
        return try_lock(descriptor)
    except LockUnavailable:
        return None


def _is_mine(status: os.stat_result, kind: int) -> bool:
    user = os.geteuid() if hasattr(os, "geteuid") else status.st_uid
    return stat.S_IFMT(status.st_mode) == kind and status.st_uid == user
