"""The text of a fitted scenario: every key with a comment about where it comes from."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence

from sim.experiments.fitting.result import Entry

WIDTH = 110


def scenario_text(
    name: str,
    description: str,
    head: Iterable[str],
    entries: Sequence[Entry],
    notes: Sequence[str],
    unknown: Sequence[str],
) -> str:
    """The scenario file. Entries of one section stand together, in their order."""
    lines = [line for text in head for line in comment(text, "")]
    lines += ["", f"name: {name}", f"description: {_quoted(description)}", "seed: 0"]
    tree: dict[str, object] = {}
    for entry in entries:
        *above, key = entry.path.split(".")
        place = tree
        for step in above:
            place = place.setdefault(step, {})  # type: ignore[assignment]
        place[key] = entry
    lines += _lines(tree, "")
    for title, texts in (("About the log:", notes), ("What the log does not show:", unknown)):
        if texts:
            lines += ["", f"# {title}"]
            lines += [line for text in texts for line in comment(f"- {text}", "", "  ")]
    return "\n".join(lines) + "\n"


def _lines(tree: Mapping[str, object], indent: str) -> list[str]:
    lines: list[str] = []
    for key, value in tree.items():
        if isinstance(value, Entry):
            about = ". ".join(part.rstrip(".") for part in (value.basis, value.quality) if part)
            lines += comment(f"{about}.", indent)
            lines.append(f"{indent}{key}: {value.written}")
        elif isinstance(value, dict):
            lines += [f"{indent}{key}:", *_lines(value, indent + "  ")]
    return lines


def comment(text: str, indent: str, more: str = "") -> list[str]:
    """A text as lines of comment. Line ends and control characters of names in it are escaped."""
    start = f"{indent}# "
    return textwrap.wrap(
        printable(text), WIDTH, initial_indent=start, subsequent_indent=start + more, break_on_hyphens=False
    )


def printable(text: str) -> str:
    """The text on one line; what cannot be printed is escaped."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _quoted(text: str) -> str:
    plain = printable(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{plain}"'


def name_of(text: str) -> str:
    """A name of a scenario: letters, digits, - and _."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", text).strip("-_")[:60] or "fitted"
