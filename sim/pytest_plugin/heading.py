"""What the collection of a scenario file needs of it, read without its validation.

A thousand files are collected in seconds because only the lines with these keys are read, as long as each is a plain
value on one line of its own. A file in any other form is loaded as a whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from recovery.errors import RecoveryBenchError

KEY = re.compile(r"""^(['"]?)(name|seed|tags|xfail|expect|extends)\1[ \t]*:(.*)$""", re.MULTILINE)
"""A key at the top level of a mapping in block style: nothing else begins in the first column of a line."""
IN_BLOCK_STYLE = re.compile(r"\A(?:---[ \t]*\n|[ \t]*(?:#.*)?\n)*[A-Za-z]")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*", re.ASCII)
WHOLE = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)
COMMENT = re.compile(r"(^|\s)#.*$")
MOST_BYTES = 256 * 1024


@dataclass(frozen=True)
class Heading:
    """Name, seed, tags, the reason of an expected failure (None: it is expected to hold), and whether the scenario
    states expectations.
    """

    name: str
    seed: int = 0
    tags: tuple[str, ...] = ()
    xfail: str | None = None
    has_expectations: bool = True


def read_heading(file: Path) -> Heading:
    """The heading of a scenario file. Raises ScenarioError for a file that has to be loaded, and cannot be."""
    found = _at_a_glance(file)
    if found is not None:
        return found
    import scenarios  # noqa: PLC0415 - most files are read without it

    loaded = scenarios.load(str(file))
    return Heading(loaded.name, loaded.seed, loaded.tags, loaded.xfail, bool(loaded.expect))


def _at_a_glance(file: Path) -> Heading | None:
    """The heading from single lines; None unless each of its keys is there once, with a plain value."""
    try:
        if not file.is_file() or file.stat().st_size > MOST_BYTES:
            return None
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    if IN_BLOCK_STYLE.match(text) is None:
        return None
    values: dict[str, str] = {}
    for quote, key, rest in KEY.findall(text):
        if quote or key in values:
            return None
        values[key] = COMMENT.sub("", rest).strip()
    if values.keys() & {"extends", "xfail"} or not NAME.fullmatch(values.get("name", "")):
        return None
    if values["name"].lower() in {"true", "false", "null"} or values["name"].isdecimal():
        return None
    seed, tags = values.get("seed", "0"), _tags(values.get("tags", "[]"))
    if not WHOLE.fullmatch(seed) or tags is None:
        return None
    return Heading(values["name"], int(seed), tags, None, values.get("expect", "[]") not in ("[]", "null", "~"))


def _tags(text: str) -> tuple[str, ...] | None:
    """The tags of a list on one line; None if it is anything else."""
    if not (text.startswith("[") and text.endswith("]")):
        return None
    tags = tuple(tag.strip() for tag in text[1:-1].split(",") if tag.strip())
    return tags if all(map(NAME.fullmatch, tags)) else None


def heading_of(file: Path) -> tuple[Heading, RecoveryBenchError | None]:
    """The heading, or for a file that cannot be loaded a heading with the name of the file, and the error."""
    try:
        return read_heading(file), None
    except RecoveryBenchError as error:
        return Heading(file.name.partition(".scenario.")[0] or file.name), error
