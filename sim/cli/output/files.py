"""Files that commands write: checked before the work starts, and written completely or not at all."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import isfinite, isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sim.cli.errors import BadInput

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STDOUT = "-"
PICTURES = (".png", ".svg", ".pdf")
"""The supported kinds of pictures: those of `sim.presentation.figure_style`, without importing it."""


def check_writable(option: str, file: str | None) -> None:
    """Raise `BadInput` when a file that an option names cannot be written."""
    if file is None or file == STDOUT:
        return
    target = Path(file)
    folder = target.parent
    if not folder.is_dir():
        raise BadInput(f"{option} {file}: there is no folder '{folder}'; valid: a file in a folder that exists")
    if target.is_dir():
        raise BadInput(f"{option} {file}: is a folder; valid: the name of a file")
    if not os.access(target if target.exists() else folder, os.W_OK):
        raise BadInput(f"{option} {file}: may not be written; valid: a file in a folder of yours")


@contextmanager
def _with_a_reader(stream: Path) -> Iterator[Path]:
    """A device or a pipe. Raises OSError for a named pipe that no process reads: opening it would wait for ever."""
    if not stream.is_fifo():
        yield stream
        return
    opened = os.open(stream, os.O_WRONLY | os.O_NONBLOCK)
    try:
        yield stream
    finally:
        os.close(opened)


def check_apart(files: Mapping[str, str | None]) -> None:
    """Raise `BadInput` when two options name the same file, which would be overwritten."""
    taken: dict[str, str] = {}
    for option, file in files.items():
        if file is None or file in (STDOUT, os.devnull):
            continue
        place = os.path.realpath(file)
        if place in taken:
            raise BadInput(f"{option} {file}: is the file of {taken[place]} as well; valid: two different files")
        taken[place] = option


def check_picture(option: str, file: str | None) -> None:
    """Raise `BadInput` when a picture that an option names cannot be written, or is of an unsupported kind."""
    if file == STDOUT:
        raise BadInput(f"{option} -: is a picture, which is kept in a file; valid: {option} FILE.png")
    if file is not None and Path(file).suffix.lower() not in {"", *PICTURES}:
        raise BadInput(f"{option} {file}: not a picture format; valid: a file that ends in {', '.join(PICTURES)}")
    check_writable(option, file)


def draw(figure: Figure, file: str) -> None:
    """Write a picture of the kind that its file name specifies, PNG by default. Raises BadInput."""
    from sim.presentation.figure_style import save

    with written(file) as path:
        save(figure, path, Path(file).suffix.lower() or PICTURES[0])


@contextmanager
def written(file: str) -> Iterator[Path]:
    """A path to write to: a temporary file that replaces `file`, or `file` itself if it is a device or pipe. Raises
    BadInput.
    """
    from recovery.atomic_file import link_target, whole_file

    try:
        target = link_target(Path(file)).resolve()
    except OSError as error:
        raise BadInput(f"{file}: cannot be written: {error.strerror or error}") from None
    is_stream = target.exists() and not target.is_file()  # a device or a pipe cannot be replaced
    try:
        with _with_a_reader(target) if is_stream else whole_file(target) as path:
            yield path
    except BrokenPipeError:
        raise
    except OSError as error:
        raise BadInput(f"{file}: cannot be written: {error.strerror or error}") from None


def write_json(file: str, data: Any) -> None:
    """Write plain data as JSON, to stdout when `file` is `-`."""
    write_text(file, as_json(data))


def write_text(file: str, text: str) -> None:
    """Write a text, to stdout when `file` is `-`."""
    if file == STDOUT:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    with written(file) as path:
        path.write_text(text, encoding="utf-8")


def as_json(data: Any) -> str:
    """JSON that every reader accepts: no observation is null, and infinity is the text `inf`."""
    return json.dumps(_finite(data), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _finite(data: Any) -> Any:
    if isinstance(data, dict):
        return {str(key): _finite(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(value) for value in data]
    if isinstance(data, float) and not isfinite(data):
        return None if isnan(data) else "inf" if data > 0 else "-inf"
    return data
