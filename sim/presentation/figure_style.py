"""How all pictures look, and how they are written."""

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
"""Okabe and Ito's palette: told apart with any kind of color vision, and in print by its lightness."""
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
"""The kinds of picture that are written, and what is left out of each so that the same figure gives the same bytes."""


def save(figure: Figure, path: Path, kind: str = ".png") -> None:
    """Write a figure as one of the FORMATS; the same figure gives the same bytes."""
    with styled():
        figure.savefig(path, format=kind.removeprefix("."), metadata=FORMATS[kind])


@contextmanager
def styled() -> Iterator[None]:
    """Our look, whatever the user's matplotlibrc says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        yield
