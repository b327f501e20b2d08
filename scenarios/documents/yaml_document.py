"""Parses YAML 1.2 into plain data with the line of every key. Nothing in a document is executed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from recovery.bounded_yaml import DEEPEST, MOST_NODES, TooLarge, compose
from scenarios.errors import Path, ScenarioError, shown, written

TOO_LARGE = "too large or too deeply nested for a scenario"
_TAG = "tag:yaml.org,2002:"


@dataclass
class Document:
    """Plain data (mappings, lists, strings, numbers, booleans, nulls) and the line, from 1, of each key path."""

    source: str
    data: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    sources: dict[Path, str] = field(default_factory=dict)
    """The source file of each inherited path."""
    _nodes: int = 0

    def read(self, node: Node, path: Path) -> Any:
        """The data of a node."""
        self.lines.setdefault(path, _line(node))
        self._nodes += 1
        if self._nodes > MOST_NODES or len(path) > DEEPEST:
            raise self.error(TOO_LARGE, _line(node), path[:1])
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode) and node.tag == f"{_TAG}seq":
            return [self.read(item, (*path, place)) for place, item in enumerate(node.value)]
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        raise self.error(f"{shown(node.tag)} is not supported; valid: plain YAML values", _line(node), path)

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        if node.tag != f"{_TAG}map":
            raise self.error(f"{shown(node.tag)} is not supported; valid: plain YAML values", _line(node), path)
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = _line(key_node)
            if key_node.tag == f"{_TAG}merge":
                raise self.error("<<: merge keys are not part of YAML 1.2; valid: the keys, or `extends`", line, path)
            if key_node.tag != f"{_TAG}str":
                raise self.error(f"{shown(key_node.value)} is not a key; valid: a string", line, path)
            key = self._text(key_node, path)
            here = (*path, key)
            if key in data:
                raise self.error(f"duplicate key; first defined on line {self.lines[here]}", line, here)
            self.lines[here] = line
            data[key] = self.read(value_node, here)
        return data

    def _scalar(self, node: ScalarNode, path: Path) -> str | int | float | bool | None:
        text: str = node.value
        kind = str(node.tag).removeprefix(_TAG)
        if kind in {"str", "timestamp"}:
            return self._text(node, path)
        if kind in {"int", "float"} and "_" in text:
            raise self.error(f"{shown(text)} is not a number in YAML 1.2; valid: without _", _line(node), path)
        try:
            if kind == "null":
                return None
            if kind == "bool":
                return {"true": True, "false": False}[text.lower()]
            if kind == "int":
                whole = int(text, 0) if text.lower().startswith(("0x", "0o")) else int(text)
                float(whole)  # raises OverflowError when the number exceeds the range of floats
                return whole
            if kind == "float":
                return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        except OverflowError:
            raise self.error(f"{shown(text)} is too large a number", _line(node), path) from None
        except (ValueError, KeyError):
            raise self.error(f"{shown(text)} is not a valid {kind}", _line(node), path) from None
        raise self.error(f"{shown(node.tag)} is not supported; valid: plain YAML values", _line(node), path)

    def _text(self, node: ScalarNode, path: Path) -> str:
        text: str = node.value
        if not text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in text):
            raise self.error(f"{shown(text)} is not text: half a surrogate pair", _line(node), path)
        return text

    def source_of(self, path: Path) -> str:
        """The source file of a value, or of the innermost enclosing key with a line."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.sources.get(path, self.source)

    def error(self, problem: str, line: int, path: Path = ()) -> ScenarioError:
        """The error for a line of this document."""
        return ScenarioError(problem, self.source, line, written(path))


def read(text: str, source: str) -> Document:
    """Read one YAML document. Raises `ScenarioError` with the line of the error."""
    document = Document(source)
    try:
        node, _ = compose(text)
        if node is not None:
            document.data = document.read(node, ())
    except ScenarioError:
        raise
    except TooLarge as error:
        raise document.error(TOO_LARGE, error.line) from None
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        raise document.error(f"invalid YAML: {error.problem or error.context}", line) from None
    except YAMLError as error:
        raise document.error(f"invalid YAML: {str(error).splitlines()[0]}", 1) from None
    except RecursionError:
        raise document.error("too deeply nested for a scenario", 1) from None
    except (ValueError, OverflowError):  # as ruamel.yaml fails on "\UFFFFFFFF"
        raise document.error("invalid YAML: an escape sequence that is not a character", 1) from None
    return document


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1
