"""`crash-sweep`: its output, files and exit status."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from sim.cli import main

PROGRAM = """
from sim import Durable

KEY = None

def setup():
    return Durable()

async def start(durable):
    if not await durable.store().get("charged"):
        await durable.request("charge", idempotency_key=KEY)
        await durable.store().put("charged", True)

def check(durable):
    return durable.effects["charge"] == 1

class Sound:
    setup, check = staticmethod(setup), staticmethod(check)

    async def start(self, durable):
        if not await durable.store().get("charged"):
            await durable.request("charge", idempotency_key="a")
            await durable.store().put("charged", True)
"""


PICTURES = ("--plot", "cuts.svg", "--html", "cuts.html")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "orders_program.py").write_text(PROGRAM)


def test_a_failing_cut_is_printed_with_the_command_that_repeats_it(capsys):
    assert main(["crash-sweep", "orders_program.py", "--json", "all.json", "--junit", "all.xml", *PICTURES]) == 1
    printed = capsys.readouterr().out
    assert printed.startswith("orders_program:start: power cut at 5 of 5 awaits: 2 fail\n✗ cut 3: orders_program.py:11")
    token = json.loads(Path("all.json").read_text())["token"]
    assert f"    again: recovery-bench crash-sweep orders_program.py --cuts {token}\n" in printed
    assert ET.parse("all.xml").getroot().get("failures") == "2"
    assert Path("cuts.svg").read_text().startswith("<?xml")
    assert token in Path("cuts.html").read_text()
    assert main(["report", "all.json", "--html", "again.html"]) == 0
    assert Path("again.html").read_text() == Path("cuts.html").read_text()
    capsys.readouterr()
    assert main(["crash-sweep", "orders_program.py", "--cuts", token]) == 1
    assert "power cut at 1 of 5 awaits: 1 fail" in capsys.readouterr().out


def test_a_sound_program_is_silent_when_quiet(capsys):
    assert main(["crash-sweep", "orders_program:Sound", "--cuts", "3", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("program", "options", "told"),
    [
        ("absent.py", [], "absent.py: there is no such file"),
        (".", [], ".: is not the name of a module; valid: FILE.py or MODULE"),
        ("absent", [], "absent: cannot be executed: ModuleNotFoundError: No module named 'absent'"),
        ("orders_program.py:Unsound", [], "orders_program.py has no Unsound"),
        ("orders_program.py:KEY", [], "has no function setup"),
        ("broken_program.py", [], "cannot be executed: ZeroDivisionError: division by zero (line 2)"),
        ("orders_program.py", ["--cuts", "most"], "'most': is not a valid cut"),
        ("endless_program.py", [], "start waits for ever without a power cut: nothing is scheduled"),
        ("orders_program.py", ["--seed", "x"], "--seed x: "),
        ("orders_program.py", ["--json", "no/where.json"], "there is no folder"),
    ],
)
def test_bad_input_is_one_line(program, options, told, tmp_path, capsys):
    (tmp_path / "broken_program.py").write_text("\n1 / 0\n")
    waits = "async def start(durable):\n    await asyncio.Event().wait()\n"
    (tmp_path / "endless_program.py").write_text(f"import asyncio\n{PROGRAM}\n{waits}")
    assert main(["crash-sweep", program, *options]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert len(error.splitlines()) == 1
