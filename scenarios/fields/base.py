"""Base classes of all parts of a scenario: frozen, no unknown keys, forms selected by their one key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from scenarios.errors import instead, invalid, shown

UNION = "x-union"
"""The JSON Schema key that holds the title of a union of forms."""


class Settings(BaseModel):
    """One mapping of a scenario file. Immutable; rejects keys that are unknown or not applicable."""

    # Most models are parts of another: only one that is validated by itself is compiled, which shortens the import.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    refused: ClassVar[dict[str, str]] = {}
    """Known keys that are not applicable here, each with its error message."""

    @classmethod
    @cache
    def keys(cls) -> tuple[str, ...]:
        """The keys in file notation, in the order of the reference."""
        return tuple(field.alias or name for name, field in cls.model_fields.items())

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, data: Any) -> Any:
        if isinstance(data, cls):
            return data
        keys = cls.keys()
        if not isinstance(data, Mapping):
            raise invalid(f"{shown(data)} is not valid; valid: a mapping with the keys {', '.join(keys)}")
        for key in data:
            if key in cls.refused:
                raise invalid(cls.refused[key], str(key))
            if key not in keys:
                raise invalid(f"unknown key; {instead(str(key), keys)}", str(key))
        return data


def core_field(core: type[BaseModel], name: str, description: str) -> Any:
    """A field that the recovery core declares; its default comes from the core, so that it is defined once.

    A section subclasses `core` and gives the field its type in file notation (`30s`, `20%`), with errors for files. A
    field that the core requires is required here.
    """
    declared = core.model_fields[name]
    if declared.is_required():
        return Field(description=description)
    return Field(default=declared.get_default(call_default_factory=True), description=description)


class Form(Settings):
    """One of several forms of a value. In a file: `{kind: {…its keys…}}`."""

    kind: ClassVar[str]


@dataclass(frozen=True, eq=False)
class OneOf:
    """Annotation of a union of forms: a mapping with exactly one key, which names the form.

    `bare`, if given, converts a value that is not a mapping to a form; `bare_schema` is its JSON Schema.
    """

    noun: str
    forms: tuple[type[Form], ...]
    bare: Callable[[Any], Form] | None = None
    bare_schema: Mapping[str, Any] | None = None

    @cached_property
    def kinds(self) -> list[str]:
        """The forms' names."""
        return [form.kind for form in self.forms]

    def _normalize(self, value: Any) -> Any:
        if not isinstance(value, Mapping):
            if isinstance(value, self.forms):
                return value
            if self.bare is not None:
                return self.bare(value)
            raise invalid(f"{shown(value)} is not a valid {self.noun}; {self._valid()}")
        for key in value:
            if key not in self.kinds:
                raise invalid(f"unknown {self.noun}; {instead(str(key), self.kinds)}", str(key))
        if len(value) != 1:
            given = ", ".join(str(key) for key in value) or "none"
            raise invalid(f"needs exactly one form of {self.noun}, not {len(value)} ({given}); {self._valid()}")
        return value

    def _valid(self) -> str:
        return f"valid: one of {', '.join(self.kinds)}, as in {{{self.kinds[0]}: {{…}}}}"

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        choices = {
            form.kind: core_schema.no_info_before_validator_function(_content, handler.generate_schema(form))
            for form in self.forms
        }
        return core_schema.no_info_before_validator_function(
            self._normalize,
            core_schema.tagged_union_schema(dict(choices), discriminator=_kind),
            serialization=core_schema.plain_serializer_function_ser_schema(_tagged, info_arg=True),
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        union: Any = schema
        while "choices" not in union:
            union = union["schema"]
        options: list[JsonSchemaValue] = [
            {
                "type": "object",
                "properties": {kind: handler(choice)},
                "required": [kind],
                "additionalProperties": False,
            }
            for kind, choice in union["choices"].items()
        ]
        if self.bare_schema is not None:
            options.insert(0, dict(self.bare_schema))
        return {UNION: self.noun, "anyOf": options}


def _kind(value: Any) -> str:
    return value.kind if isinstance(value, Form) else str(next(iter(value)))


def _content(value: Any) -> Any:
    return value if isinstance(value, Form) else next(iter(value.values()))


def _tagged(value: Form | None, info: core_schema.SerializationInfo[Any]) -> dict[str, Any] | None:
    if value is None:
        return None
    return {value.kind: value.model_dump(mode="json", by_alias=True, exclude_none=info.exclude_none)}
