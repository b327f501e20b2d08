"""Members of a group: faults that their group schedules."""

from __future__ import annotations

from types import new_class
from typing import Any, ClassVar

from pydantic import ConfigDict, model_validator

from scenarios.faults.base import PLACED, Fault

BY_THE_GROUP = "the group sets this for all its faults; valid: omit it here"


def member(form: type[Fault]) -> type[Fault]:
    """The fault form without the scheduling keys and `for`, which its group has."""
    given = dict.fromkeys((*PLACED, "for_"))
    refused = dict.fromkeys((*PLACED, "for"), BY_THE_GROUP) | form.refused
    content: dict[str, Any] = {
        "__module__": __name__,
        "__doc__": form.__doc__,
        "__annotations__": dict.fromkeys(given, ClassVar[None]) | {"refused": ClassVar[dict[str, str]]},
        "model_config": ConfigDict(json_schema_extra={}),
        "refused": refused,
        "_placed_once": model_validator(mode="after")(lambda fault: fault),
        "lasts": classmethod(lambda cls: form.lasts()),
        **given,
    }
    return new_class(f"{form.__name__}OfGroup", (form,), exec_body=lambda body: body.update(content))
