"""Results as plain data that JSON can hold, and back, by the types of their fields."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from math import isfinite
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import pandas as pd

from scenarios import Scenario
from scenarios.fields.csv_columns import files_sha256
from sim.history import History
from sim.history.storage import ROW
from sim.stats.samples import Parts, Values

FLOAT = "$float"
"""The key of an object that represents an infinite number or NaN, which JSON does not support."""
NOT_COMPARED = frozenset({"wall_seconds", "computed", "traceback"})
"""Fields about how and where a result was obtained, which are not compared."""
STORED = "stored"
"""The key of a field's metadata that says whether it is stored; True by default."""


def plain(value: Any) -> Any:
    """A result as plain data. Raises TypeError for a value that is not part of any result."""
    if isinstance(value, Scenario):
        return _scenario(value)
    if isinstance(value, History):
        return _history(value)
    if isinstance(value, Values | Parts):
        return value.texts()
    if isinstance(value, pd.DataFrame):
        dtypes = {str(name): str(dtype) for name, dtype in value.dtypes.items()}
        return {"dtypes": dtypes, "columns": _plain(value, plain, frozenset())}
    return _plain(value, plain, frozenset())


def content(value: Any) -> Any:
    """The compared content of a result: plain data without `NOT_COMPARED`, and histories by their hash."""
    if isinstance(value, Scenario):
        return {name: part for name, part in _scenario(value).items() if name != "source"}
    if isinstance(value, History):
        return value.sha256()
    if isinstance(value, Values | Parts):
        return value.texts()
    return _plain(value, content, NOT_COMPARED)


def _plain(value: Any, each: Any, left_out: frozenset[str]) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return float(value) if isfinite(value) else {FLOAT: str(float(value))}
    if isinstance(value, np.generic):
        return each(value.item())
    if isinstance(value, list | tuple):
        return [each(item) for item in value]
    if isinstance(value, Mapping):
        return {_name(key): each(item) for key, item in value.items()}
    if isinstance(value, pd.DataFrame):
        return {str(name): each(column.tolist()) for name, column in value.items()}
    if isinstance(value, pd.Series):
        return {"name": value.name, "index_name": value.index.name} | {
            "index": each(value.index.tolist()),
            "values": each(value.tolist()),
        }
    if is_dataclass(value):
        return {
            item.name: each(getattr(value, item.name))
            for item in fields(value)
            if item.name not in left_out and item.metadata.get(STORED, True)
        }
    raise TypeError(f"{type(value).__name__} is not part of a result")


def _name(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"{key!r} is not a name")
    return key


def _scenario(scenario: Scenario) -> dict[str, Any]:
    """The values, and for a scenario that uses other files, their paths and hashes."""
    files = files_sha256(scenario)
    if scenario.recovery.runbook is not None:
        files = {**files, scenario.recovery.runbook: str(scenario.recovery.runbook_sha256)}
    source = None if not files else str(Path(scenario.source or "scenario").absolute())
    return {"values": scenario.resolved(), "files_sha256": files, "source": source}


def _history(history: History) -> dict[str, Any]:
    """Rows as the compressed bytes of an array of dtype `ROW`, in base64; None when they were not kept."""
    meta, words, table, events, sha256 = history.parts()
    rows = None if table is None else base64.b64encode(zlib.compress(table.tobytes())).decode()
    return {"meta": plain(meta), "words": words, "events": events, "sha256": sha256, "rows": rows}


# ------------------------------------------------------------------------------- and back
def restored(kind: Any, data: Any) -> Any:
    """The value of type `kind` that `plain` has turned into `data`.

    Raises ValueError, TypeError, KeyError or ScenarioError for data that `plain` has not made.
    """
    if kind is Any:
        return _anything(data)
    if kind in _LEAVES:
        return _leaf(kind, data)
    if kind in _SPECIAL:
        return _SPECIAL[kind](data)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _one_of(arguments, data)
    if origin is Literal:
        return _checked(data in arguments, data)
    if origin is tuple:
        _checked(isinstance(data, list), data)
        kinds = [arguments[0]] * len(data) if arguments[-1] is Ellipsis else arguments
        return tuple(restored(each, item) for each, item in zip(kinds, data, strict=True))
    if origin in (dict, Mapping):
        return {name: restored(arguments[1], item) for name, item in data.items()}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(data)
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        present = [item for item in fields(kind) if item.name in data or not _has_default(item)]
        return kind(**{item.name: restored(hints[item.name], data[item.name]) for item in present})
    raise TypeError(f"{kind} is not part of a result")


def _has_default(item: Field[Any]) -> bool:
    """Whether a field may be absent: files of an earlier version lack the fields that were added since."""
    return item.default is not MISSING or item.default_factory is not MISSING


_LEAVES = (NoneType, bool, int, float, str)


def _leaf(kind: Any, data: Any) -> Any:
    if kind is float:
        data = _anything(data)
        return float(_checked(isinstance(data, int | float) and not isinstance(data, bool), data))
    return _checked(type(data) is kind, data)


def _checked(is_right: bool, data: Any) -> Any:
    if not is_right:
        raise ValueError(f"unexpected value {data!r}"[:80])
    return data


def _one_of(kinds: tuple[Any, ...], data: Any) -> Any:
    if data is None:
        return _checked(NoneType in kinds, data)
    others = [each for each in kinds if each is not NoneType]
    if len(others) == 1:
        return restored(others[0], data)
    return _checked(type(data) in others, data)


def _anything(data: Any) -> Any:
    if isinstance(data, list):
        return [_anything(item) for item in data]
    if isinstance(data, dict):
        return float(data[FLOAT]) if set(data) == {FLOAT} else {name: _anything(item) for name, item in data.items()}
    return data


def _restored_scenario(data: Any) -> Scenario:
    source = data["source"]
    folder = "." if source is None else str(Path(source).parent)
    scenario = Scenario.model_validate(data["values"], context={"folder": folder})
    if source is not None:
        scenario._source = source
    if _scenario(scenario)["files_sha256"] != data["files_sha256"]:
        raise ValueError(f"a file that the scenario uses has changed: {', '.join(data['files_sha256'])}")
    return scenario


def _restored_history(data: Any) -> History:
    rows = data["rows"]
    table = None if rows is None else np.frombuffer(zlib.decompress(base64.b64decode(rows)), ROW)
    return History.from_parts(_anything(data["meta"]), data["words"], table, data["events"], data["sha256"])


def _restored_series(data: Any) -> pd.Series:
    index = pd.Index(_anything(data["index"]), name=data["index_name"])
    return pd.Series(_anything(data["values"]), index=index, name=data["name"])


_SPECIAL: dict[Any, Any] = {
    Scenario: _restored_scenario,
    History: _restored_history,
    Values: Values.from_texts,
    Parts: Parts.from_texts,
    pd.DataFrame: lambda data: pd.DataFrame(_anything(data["columns"])).astype(data["dtypes"]),
    pd.Series: _restored_series,
}
