"""The message about a framework that is not installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sim.programs.frameworks.errors import FrameworkMissing


@contextmanager
def needs(module: str, package: str | None = None) -> Iterator[None]:
    """Around the imports of a framework. Raises FrameworkMissing, with the package to install, if it is absent.

    An import inside the framework that fails is raised as it is.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise
        raise FrameworkMissing(f"needs {module}: pip install {package or module}", name=error.name) from None
