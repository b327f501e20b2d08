"""Reports an exception that no command expects: one line on the terminal, and the traceback in a file."""

from __future__ import annotations

import os
import platform
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

from recovery.errors import error_text, without_passwords
from sim.cli.output.console import say

INTERNAL_ERROR = 70
"""Exit status of a defect of the program; `EX_SOFTWARE` of sysexits.h."""
NAME = "recovery-bench-error"
MOST_FILES = 1000
LONGEST_TEXT = 200


def report(error: BaseException, arguments: Sequence[str]) -> int:
    """Write the traceback to a file in this folder, or else in that for temporary files. Returns the exit status.

    Passwords in URLs are left out.
    """
    from sim.experiments.runs.provenance import installed_version

    text = " ".join(error_text(error).split()).rstrip(": ")
    text = text if len(text) <= LONGEST_TEXT else text[: LONGEST_TEXT - 1] + "…"
    lines = [
        f"recovery-bench {installed_version()}, Python {platform.python_version()}, {platform.platform()}",
        f"arguments: {list(arguments)!r}",
        "",
        *traceback.format_exception(error),
    ]
    file = _written(without_passwords("\n".join(lines)))
    where = "; please report it" if file is None else f"; please report it, with the file {file}"
    say(f"internal error: {without_passwords(text)}{where}")
    return INTERNAL_ERROR


def _written(text: str) -> Path | None:
    """A new file with the text, readable by its owner only. None: no folder can be written to."""
    for folder in (Path(), Path(tempfile.gettempdir())):
        for number in range(1, MOST_FILES):
            file = folder / f"{NAME}-{number}.txt"
            try:
                descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                continue
            except OSError:
                break
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as written:
                written.write(text)
            return file
    return None
