"""Reads JSON that is stored in a column."""

from __future__ import annotations

import json
from typing import Any

from recovery.stores.errors import StoreError

LONGEST = 40


def read_json(text: str) -> Any:
    """The value of a text. Raises StoreError if it is not JSON, or nested too deeply."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        part = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
        raise StoreError(f"the store is damaged: {part!r} is not JSON; valid: a copy from before") from None
