"""Parses YAML into nodes, with limits that hold during the parsing: its time and memory are bounded."""

from __future__ import annotations

from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.nodes import Node

from recovery.errors import RecoveryBenchError

MOST_BYTES = 256 * 1024
"""Limit on the size of a file of YAML. The largest shipped scenario has 4 KB."""
MOST_NODES = 10_000
"""Limit on the values of a document. Nested aliases count each time where they are expanded."""
DEEPEST = 64


class TooLarge(RecoveryBenchError, ValueError):
    """A document exceeds a limit. `line` (from 1) is the line at which it does."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line}: too large or too deeply nested")
        self.line = line


class _BoundedComposer(Composer):
    """Composes nodes up to the limits."""

    nodes = 0
    nested = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.nodes += 1
        self.nested += 1
        if self.nodes > MOST_NODES or self.nested > DEEPEST + 1:
            raise TooLarge(self.parser.peek_event().start_mark.line + 1)
        node = super().compose_node(parent, index)
        self.nested -= 1
        return node


def compose(text: str) -> tuple[Node | None, YAML]:
    """The root node of one document (None: it is empty), and the reader that has parsed it.

    Raises TooLarge, and the errors of ruamel.yaml.
    """
    if len(text) > MOST_BYTES:
        raise TooLarge(1)
    reader = YAML(typ="safe", pure=True)
    reader.Composer = _BoundedComposer
    return reader.compose(text), reader
