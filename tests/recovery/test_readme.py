"""The page of the core does what it says."""

import re
import subprocess
import sys
from pathlib import Path

import recovery

PAGE = Path(recovery.__file__).parent / "README.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_its_python_prints_what_it_shows(tmp_path):
    (python,), (shown,) = (
        re.findall(rf"^```{kind}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL) for kind in ("python", "text")
    )
    environment = {"PYTHONPATH": str(PAGE.parents[1]), "PATH": ""}
    command = [sys.executable, "-c", python]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout) == ("", shown)
    assert (tmp_path / "store.db").exists()


def test_its_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#:]+)\)", TEXT)
    assert links
    assert [link for link in links if not (PAGE.parent / link).exists()] == []


def test_it_names_every_port():
    ports = (PAGE.parent / "ports.py").read_text(encoding="utf-8")
    named = re.findall(r"^class (\w+)\(Protocol\)", ports, re.MULTILINE)
    assert [name for name in (*named, "Journal") if f"`{name}`" not in TEXT] == []
