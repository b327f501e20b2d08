"""The page of the core does what it says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import recovery

PAGE = Path(recovery.__file__).parent / "README.md"
TEXT = PAGE.read_text(encoding="utf-8")


PROGRAMS = re.findall(r"^`(\w+\.py)`\n\n```python\n(.*?)^```$\n\n```text\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_all_its_python_is_in_programs():
    assert len(PROGRAMS) == TEXT.count("```python") > 0


@pytest.mark.parametrize(("file", "shown"), [(file, shown) for file, _, shown in PROGRAMS])
def test_its_programs_print_what_it_shows(tmp_path, file, shown):
    for name, python, _ in PROGRAMS:
        (tmp_path / name).write_text(python, encoding="utf-8")
    environment = {"PYTHONPATH": str(PAGE.parents[1]), "PATH": ""}
    command = [sys.executable, file]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout) == ("", shown)


def test_its_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#:]+)\)", TEXT)
    assert links
    assert [link for link in links if not (PAGE.parent / link).exists()] == []


def test_it_names_every_port():
    ports = (PAGE.parent / "ports.py").read_text(encoding="utf-8")
    named = re.findall(r"^class (\w+)\(Protocol\)", ports, re.MULTILINE)
    assert [name for name in (*named, "Journal") if f"`{name}`" not in TEXT] == []
