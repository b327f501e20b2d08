"""Draws the pictures of README.md: `python notebooks/draw_pictures.py [NOTEBOOK…]`.

Each notebook is executed up to the cell with the tag `picture`, whose figure is the picture: an SVG file, or a PNG
file where the SVG would be larger than `MOST_BYTES`. Equal notebooks give equal files.
"""

from __future__ import annotations

import base64
import sys
from io import BytesIO
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

FOLDER = Path(__file__).parent
MOST_BYTES = 40_000
TAG = "picture"
SETTINGS = """
%config InlineBackend.figure_formats = ["svg", "png"]
%config InlineBackend.print_figure_kwargs = {"metadata": {}, "bbox_inches": "tight"}
import matplotlib
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "recovery-bench", "figure.dpi": 100})
"""


def pictures(path: Path) -> dict[str, str]:
    """The figure of the tagged cell, by media type. Raises StopIteration if there is none."""
    book = nbformat.read(path, as_version=4)
    last = next(place for place, cell in enumerate(book.cells) if TAG in cell.metadata.get("tags", ()))
    first = next(place for place, cell in enumerate(book.cells) if cell.cell_type == "code")
    book.cells = [*book.cells[: first + 1], nbformat.v4.new_code_cell(SETTINGS), *book.cells[first + 1 : last + 1]]
    NotebookClient(book, resources={"metadata": {"path": str(FOLDER)}}).execute()
    return next(each.data for each in book.cells[-1].outputs if "image/svg+xml" in each.get("data", {}))


def written(name: str, found: dict[str, str]) -> Path:
    """Write the picture of a notebook, and remove its picture in the other format."""
    svg = "\n".join(line.rstrip() for line in found["image/svg+xml"].splitlines() if "<dc:date>" not in line) + "\n"
    as_svg, as_png = (FOLDER / "pictures" / f"{name}.{ending}" for ending in ("svg", "png"))
    if len(svg.encode()) <= MOST_BYTES:
        as_svg.write_text(svg, encoding="utf-8")
        as_png.unlink(missing_ok=True)
        return as_svg
    image = Image.open(BytesIO(base64.b64decode(found["image/png"]))).convert("RGB")
    image.quantize(64).save(as_png, optimize=True)
    as_svg.unlink(missing_ok=True)
    return as_png


def main(names: list[str]) -> None:
    """Draw the pictures of notebooks, by default of all."""
    for name in names or sorted(path.stem for path in FOLDER.glob("*.ipynb")):
        path = written(name, pictures(FOLDER / f"{name}.ipynb"))
        print(f"{path.relative_to(FOLDER)}  {path.stat().st_size:,} bytes")  # noqa: T201 - a program


if __name__ == "__main__":
    main(sys.argv[1:])
