"""The style of all figures, and their file formats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from recovery.audit import RecoveryPhase

INK = "#1F2937"
FAINT = "#6B7280"
PALE = "#A9B4C2"
GRID = "#E5E7EB"
BLUE, GREEN, VERMILION = "#0072B2", "#009E73", "#D55E00"
"""Okabe and Ito's palette: distinguishable with any color vision, and in print by lightness."""
PHASE_COLORS: Mapping[str, str] = {
    RecoveryPhase.DETECT: "#E69F00",
    RecoveryPhase.WAIT: "#F2E26B",
    RecoveryPhase.ANALYZE: "#CC79A7",
    RecoveryPhase.EXECUTE: "#56B4E9",
    RecoveryPhase.VERIFY: GREEN,
}
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#C9CED6",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.hashsalt": "recovery-bench",
}


FORMATS: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}
"""The supported file formats, with the metadata to omit so that equal figures give equal bytes."""


def save(figure: Figure, path: Path, kind: str = ".png") -> None:
    """Write a figure in one of the FORMATS; equal figures give equal bytes."""
    with styled():
        figure.savefig(path, format=kind.removeprefix("."), metadata=FORMATS[kind])


@contextmanager
def styled() -> Iterator[None]:
    """The style of the bench, independent of the user's matplotlibrc."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield
