"""Draws of Hypothesis that do not depend on the loaded modules."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from hypothesis.internal.conjecture import providers

METHOD = "_maybe_draw_constant"
COLLECT = "_get_local_constants"


@contextmanager
def no_constants_of_modules() -> Iterator[None]:
    """Inside, Hypothesis draws no constants that it finds in the source of the loaded modules.

    With them, the examples of a seed would depend on what else a program has imported, and on changes anywhere in its
    source. Versions before 6.131 have no such draws. Nor does it read the source: that takes a second or two.
    """
    internal: Any = providers
    provider = internal.HypothesisProvider
    if not hasattr(provider, METHOD):
        yield
        return
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(provider, METHOD, _none))
        if hasattr(providers, COLLECT):
            none = internal.Constants()
            stack.enter_context(mock.patch.object(providers, COLLECT, return_value=none))
        yield


def _none(*_: object, **__: object) -> None:
    pass
