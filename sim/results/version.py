"""The version of Recovery Bench, which every result has."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """The version of Recovery Bench, for results."""
    try:
        return version("recovery-bench")
    except PackageNotFoundError:
        return "0+unknown"
