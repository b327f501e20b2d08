"""Files with their SHA-256 beside them, so that a change of a single bit is found when they are read.

`results.parquet.sha256` has the format of `sha256sum`. While a file is replaced, it has two lines, the digests of the
old and of the new file: after a crash at any point the file is the old or the new one, and agrees with a line.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from recovery.atomic_file import whole_file
from recovery.errors import RecoveryBenchError
from recovery.input_file import InputFileError, read_bytes, read_text

SUFFIX = ".sha256"
_MOST_BYTES = 4096


class WrongDigest(RecoveryBenchError):
    """A file does not agree with its digest. The message is the problem in words, without the name of the file."""


def digest_file(target: Path) -> Path:
    """The file with the digest of another one."""
    return target.with_name(target.name + SUFFIX)


def write_with_digest(target: Path, content: bytes) -> None:
    """Replace a file and its digest atomically. Raises OSError."""
    beside = digest_file(target)
    before = beside.read_text(encoding="ascii").splitlines()[-1:] if target.exists() and beside.exists() else []
    line = f"{sha256(content).hexdigest()}  {target.name}"
    _write(beside, "".join(f"{each}\n" for each in (*before, line)).encode("ascii"))
    _write(target, content)
    if before:
        _write(beside, f"{line}\n".encode("ascii"))


def read_with_digest(target: Path, most: int) -> bytes:
    """The content of a file of at most so many bytes. Raises InputFileError, and WrongDigest."""
    content = read_bytes(target, most)
    beside = digest_file(target)
    try:
        lines = read_text(beside, _MOST_BYTES).splitlines()
    except InputFileError as error:
        raise WrongDigest(f"{beside.name} {'is missing' if error.is_missing else error}") from None
    found = f"{sha256(content).hexdigest()}  {target.name}"
    if found not in lines:
        raise WrongDigest(f"its SHA-256 is not that in {beside.name}")
    return content


def remove_with_digest(target: Path) -> None:
    """Remove a file, then its digest. Raises OSError."""
    target.unlink()
    digest_file(target).unlink(missing_ok=True)


def _write(target: Path, content: bytes) -> None:
    with whole_file(target) as path:
        path.write_bytes(content)
