"""The notebooks in git: without outputs, and listed in notebooks/README.md with a picture each."""

import json
import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
PAGE = (FOLDER / "README.md").read_text(encoding="utf-8")
MOST_BYTES = 40_000
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def objections(book):
    """What a notebook in git must not have, by cell."""
    found = [] if book["metadata"] == METADATA else ["metadata of the notebook"]
    for cell in book["cells"]:
        if cell.get("outputs") or cell.get("execution_count") is not None:
            found.append(f"{cell['id']}: outputs")
        if cell["metadata"] not in ({}, {"tags": ["picture"]}):
            found.append(f"{cell['id']}: metadata")
    return found


def broken_links(book):
    """Links between the notebooks that lead nowhere."""
    texts = ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "markdown"]
    targets = re.findall(r"\]\(([^):]+)\)", "\n".join(texts))
    return [target for target in targets if not (FOLDER / target.partition("#")[0]).exists()]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_no_outputs_and_is_listed_with_its_picture(path):
    book = json.loads(path.read_text(encoding="utf-8"))
    assert objections(book) == []
    assert broken_links(book) == []
    assert "**Question:**" in "".join(book["cells"][0]["source"])
    assert sum("tags" in cell["metadata"] for cell in book["cells"]) == 1
    assert f"]({path.name})" in PAGE
    (picture,) = re.findall(rf"\((pictures/{path.stem}\.(?:svg|png))\)", PAGE)
    assert (FOLDER / picture).stat().st_size <= MOST_BYTES


def test_every_picture_belongs_to_a_notebook():
    stems = {path.stem for path in NOTEBOOKS}
    assert NOTEBOOKS
    assert {path.stem for path in (FOLDER / "pictures").iterdir()} == stems
    assert set(re.findall(r"\]\(([\w-]+)\.ipynb\)", PAGE)) == stems


def test_outputs_and_metadata_of_an_editor_are_found():
    cell = {"id": "a", "cell_type": "code", "metadata": {"collapsed": True}, "outputs": [{}], "execution_count": 1}
    assert objections({"metadata": {}, "cells": [cell]}) == ["metadata of the notebook", "a: outputs", "a: metadata"]
