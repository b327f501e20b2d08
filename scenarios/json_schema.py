"""The JSON Schema of scenario files, for editors and for programs that write scenarios.

It contains everything that JSON Schema can express: keys, types, bounds, units, forms and required keys. Only the
loader checks contradictions between keys (a warm-up longer than the run) and references to other parts of the file.
"""

from __future__ import annotations

import json
from typing import Any

from scenarios.fields.base import UNION
from scenarios.scenario import Scenario

DIALECT = "https://json-schema.org/draft/2020-12/schema"
ABOUT = ("title", "description")
_PART = "Part"
"""Suffix of definitions without required keys: a scenario that extends another inherits the rest."""


def json_schema() -> dict[str, Any]:
    """The schema as plain data. A scenario that `extends` another requires only a name; its mappings may be partial."""
    whole = Scenario.model_json_schema()
    definitions: dict[str, Any] = whole.pop("$defs")
    named: dict[str, Any] = {}
    definitions = {name: _with_unions_named(schema, named) for name, schema in definitions.items()}
    whole = _with_unions_named(whole, named)
    definitions |= named
    parts: dict[str, Any] = {}
    part = _part(whole, definitions, parts) | {"required": ["name"]}
    extends = {"required": ["extends"], "properties": {"extends": {"type": "string"}}}
    definitions |= parts | {"Whole": {key: value for key, value in whole.items() if key not in ABOUT}}
    return {"$schema": DIALECT, **part, "if": {"not": extends}, "then": {"$ref": "#/$defs/Whole"}, "$defs": definitions}


def _with_unions_named(schema: Any, named: dict[str, Any]) -> Any:
    """The schema with each union of forms replaced by a reference and added to `named`: many keys share one union."""
    if isinstance(schema, list):
        return [_with_unions_named(item, named) for item in schema]
    if not isinstance(schema, dict):
        return schema
    done = {key: _with_unions_named(value, named) for key, value in schema.items()}
    if UNION not in done:
        return done
    union = {"title": done.pop(UNION), "anyOf": done.pop("anyOf")}
    others = {key: value for key, value in done.items() if key in {"default", "description"}}
    return {"$ref": f"#/$defs/{_name(union, named)}", **others}


def _name(union: dict[str, Any], named: dict[str, Any]) -> str:
    """The name of a union: its title, with a number when another union has the same title."""
    title, text = str(union["title"]).capitalize(), json.dumps(union)
    numbered = [title, *(f"{title}{number}" for number in range(2, len(named) + 2))]
    return next(name for name in numbered if json.dumps(named.setdefault(name, union)) == text)


def _part(schema: Any, definitions: dict[str, Any], parts: dict[str, Any]) -> Any:
    """The schema without required keys, recursively through mappings; lists are inherited as a whole, so unchanged."""
    if isinstance(schema, list):
        return [_part(item, definitions, parts) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name + _PART not in parts:
            parts[name + _PART] = {}  # placeholder for recursive references
            parts[name + _PART] = _part(definitions[name], definitions, parts)
        return schema | {"$ref": f"#/$defs/{name}{_PART}"}
    if schema.get("type") == "array":
        return schema
    loose = {key: _part(value, definitions, parts) for key, value in schema.items() if key != "required"}
    return _without_choices_of_keys(loose)


def _without_choices_of_keys(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without an `anyOf` that has become empty: it listed alternative required keys."""
    choices = schema.get("anyOf")
    if isinstance(choices, list) and {} in choices:
        return {key: value for key, value in schema.items() if key != "anyOf"}
    return schema
