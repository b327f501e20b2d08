"""The parser of runbooks: YAML, or a Markdown guide with YAML blocks, with the line of every key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from recovery.bounded_yaml import DEEPEST, MOST_NODES, TooLarge, compose
from recovery.errors import RecoveryBenchError
from recovery.input_file import InputFileError, read_text

Place = tuple[str | int, ...]
"""The path of a value in a runbook: `("task_failures", "execution_failure", "recovery", 0)`."""

MARKDOWN = (".md", ".markdown")
LANGUAGES = ("yaml", "yml")
MOST_BYTES = 1024**2
"""Limit on the size of a file; a guide in Markdown is mostly text."""
VALID = "valid: a runbook in YAML, or a Markdown guide (*.md) with ```yaml blocks"

_NEWLINE = re.compile(r"\r\n|\n|\r")


class RunbookError(RecoveryBenchError, ValueError):
    """A runbook is not valid. The message is one line: file, line, key, the problem, and valid values.

    `every` has such a line for each problem, by line of the file; the message is one of them.
    """

    def __init__(self, message: str, every: Sequence[str] = ()) -> None:
        super().__init__(_in_one_line(message))
        self.every = tuple(map(_in_one_line, every or (message,)))


def _in_one_line(message: str) -> str:
    """The message with control characters escaped."""
    words = " ".join(message.split())
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in words)


@dataclass
class Source:
    """The data of a runbook, and the line (from 1) of each part."""

    name: str
    data: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    _nodes: int = 0

    def error(self, problem: str, place: Place = (), line: int | None = None) -> RunbookError:
        """The error for a part of the runbook; if it is missing, with the line of the part that contains it."""
        return RunbookError(self.message(problem, place, line))

    def message(self, problem: str, place: Place = (), line: int | None = None) -> str:
        """File, line, key and problem."""
        where = self.line_of(place) if line is None else line
        key = ".".join(str(part) for part in place) or "the runbook"
        return f"{self.name}:{where}: {key}: {problem}"

    def line_of(self, place: Place) -> int:
        """The line of a part, or of the part that contains it."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def take(self, text: str, above: int) -> None:
        """Add a YAML text that begins after `above` lines of the file."""
        try:
            node, reader = compose(text)
            if node is None:
                return
            self._note(node, (), above)
            data = reader.constructor.construct_document(node)
        except RunbookError:
            raise
        except TooLarge as error:
            raise RunbookError(
                f"{self.name}:{above + error.line}: too large or too deeply nested for a runbook; {VALID}"
            ) from None
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = above + 1 + (mark.line if mark is not None else 0)
            problem = str(error.problem or error.context)
            raise RunbookError(f"{self.name}:{line}: not valid YAML: {problem}") from None
        except (YAMLError, ValueError, TypeError, OverflowError) as error:
            # a character that YAML does not allow, a date that does not exist, a key that is a list
            raise RunbookError(f"{self.name}:{above + 1}: not valid YAML: {error}") from None
        except RecursionError:
            raise RunbookError(f"{self.name}:{above + 1}: too deeply nested for a runbook; {VALID}") from None
        if isinstance(data, dict) and isinstance(self.data, dict):
            self.data.update(data)
        else:
            self.data = data

    def _note(self, node: Node, place: Place, above: int) -> None:
        """Store the lines of a node and of its children. Raises RunbookError for a duplicate key."""
        line = above + node.start_mark.line + 1
        self.lines.setdefault(place, line)
        self._nodes += 1
        if self._nodes > MOST_NODES or len(place) > DEEPEST:
            raise self.error(f"too large or too deeply nested for a runbook; {VALID}", place[:1], line)
        if isinstance(node, SequenceNode):
            for number, item in enumerate(node.value):
                self._note(item, (*place, number), above)
        elif isinstance(node, MappingNode):
            for key, value in node.value:
                if isinstance(key, ScalarNode):
                    self._note_key(key, value, (*place, str(key.value)), above)

    def _note_key(self, key: ScalarNode, value: Node, place: Place, above: int) -> None:
        line = above + key.start_mark.line + 1
        if place in self.lines:
            first = self.lines[place]
            raise self.error(f"duplicate key; first defined on line {first}; valid: one of them", place, line)
        self.lines[place] = line
        self._note(value, place, above)


def text_of(path: Path) -> str:
    """The text of a file. Raises RunbookError."""
    try:
        return read_text(path, MOST_BYTES)
    except InputFileError as error:
        where = path if error.line is None else f"{path}:{error.line}"
        raise RunbookError(f"{where}: {error}; {VALID}") from None


def read(text: str, name: str) -> Source:
    """Parse a runbook, by its name as YAML or Markdown. Raises RunbookError if it is not valid YAML."""
    source = Source(name)
    text = text.removeprefix("\ufeff")
    if not name.lower().endswith(MARKDOWN):
        source.take(text, 0)
        return source
    for above, block in _blocks(text, name):
        before = source.data
        source.take(block, above)
        if not isinstance(source.data, dict) and source.data is not before:
            raise RunbookError(f"{name}:{above + 1}: the block: should be a mapping, `key: value`")
    if source.data is None:
        raise RunbookError(f"{name}:1: the runbook: has no ```yaml block; {VALID}")
    return source


def _blocks(text: str, name: str) -> Iterator[tuple[int, str]]:
    """The YAML blocks of a Markdown text, each with the number of lines above it.

    Fenced blocks are CommonMark's, except that they may be indented by any depth. Front matter is ignored.
    """
    lines = _NEWLINE.split(text)
    above = _after_front_matter(lines)
    markdown = MarkdownIt("commonmark").disable(["code", "html_block"])
    for token in markdown.parse("\n" * above + "\n".join(lines[above:])):
        if token.type != "fence" or token.map is None:
            continue
        language = token.info.split()[:1]
        if not language or language[0].lower() not in LANGUAGES:
            continue
        number, end = token.map
        if not _ends_with(lines[end - 1] if end - 1 > number else "", token.markup):
            raise RunbookError(
                f"{name}:{number + 1}: the block: does not end; valid: {token.markup} on a line of its own"
            )
        yield number + 1, token.content


def _ends_with(line: str, marks: str) -> bool:
    """Whether a line closes the block that `marks` opened; the parser itself accepts an open block at the end."""
    bare = line.strip().lstrip("> ")
    return len(bare) >= len(marks) and not bare.strip(marks[0])


def _after_front_matter(lines: list[str]) -> int:
    if lines[0].rstrip() != "---":
        return 0
    return next((number + 1 for number, line in enumerate(lines[1:], 1) if line.rstrip() in {"---", "..."}), 0)
