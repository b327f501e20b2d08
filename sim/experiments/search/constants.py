"""Draws of Hypothesis that do not depend on the loaded modules."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from hypothesis.internal.conjecture import providers

METHOD = "_maybe_draw_constant"


@contextmanager
def no_constants_of_modules() -> Iterator[None]:
    """Inside, Hypothesis draws no constants that it finds in the source of the loaded modules.

    With them, the examples of a seed would depend on what else a program has imported, and on changes anywhere in its
    source. Versions before 6.131 have no such draws.
    """
    provider: Any = providers.HypothesisProvider
    if not hasattr(provider, METHOD):
        yield
        return
    with mock.patch.object(provider, METHOD, _none):
        yield


def _none(*_: object, **__: object) -> None:
    pass
