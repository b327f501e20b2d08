"""Every file that a user names has to be a regular one: no pipe is waited for, no device is read without end."""

import os
from pathlib import Path

import pytest

import scenarios
import sim
from recovery.errors import RecoveryBenchError
from recovery.manual.operators import load_operators
from recovery.manual.plan_file import read_plan
from recovery.runbook import catalogue
from recovery.stores.database import Database
from sim.cli import main
from sim.experiments.sweeps.sweep import load_sweep

STORY = """\
name: story
duration: 1h
tasks: {arrivals: {poisson: {rate: 2/s}}, work: 3s}
agents: {count: 10}
"""


def extends(file):
    scenarios.loads(f"name: child\nextends: {file.name}\n")


def trace(file):
    scenarios.loads(STORY.replace("{poisson: {rate: 2/s}}", f"{{trace: {{file: {file}}}}}"))


def empirical(file):
    scenarios.loads(STORY.replace("3s", f"{{empirical: {{file: {file}}}}}"))


def runbook_of_a_scenario(file):
    scenarios.loads(f"{STORY}recovery: {{runbook: {file}}}\n")


def definition_of_a_sweep(file):
    (file.parent / "sweep.json").symlink_to(file)
    load_sweep(file.parent)


def store(file):
    Database(f"sqlite:///{file}")


def existing_store(file):
    Database(f"sqlite:///{file}", create=False)


READERS = [
    scenarios.load,
    extends,
    trace,
    empirical,
    runbook_of_a_scenario,
    catalogue.load,
    read_plan,
    load_operators,
    definition_of_a_sweep,
    store,
    existing_store,
    sim.load,
]


@pytest.fixture(params=["pipe", "/dev/zero", "/dev/urandom", "folder"])
def special(request, tmp_path):
    """A file of another kind, and the words for it."""
    file = tmp_path / "special"
    if request.param == "pipe":
        os.mkfifo(file)
        return file, "is a named pipe, and not a regular file"
    if request.param == "folder":
        file.mkdir()
        return file, "is a folder"
    file.symlink_to(request.param)
    return file, "is a device, and not a regular file"


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
def test_only_regular_files_are_read(read, special, monkeypatch):
    file, problem = special
    monkeypatch.chdir(file.parent)
    monkeypatch.setattr("recovery.manual.operators._SHARED", 0)  # devices may be written to by others
    with pytest.raises(RecoveryBenchError) as caught:
        read(file)
    message = str(caught.value)
    assert problem in message
    assert "; valid: " in message
    assert file.name in message or "sweep.json" in message
    assert "\n" not in message


def test_only_regular_files_are_compared(special, capsys):
    file, problem = special
    assert main(["diff", str(file), str(file)]) == 2
    assert capsys.readouterr().err == f"{file}: {problem}; valid: FILE.parquet of --history\n"


@pytest.mark.parametrize("read", [scenarios.load, extends, runbook_of_a_scenario, catalogue.load, trace])
def test_the_size_is_checked_before_the_content(read, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "large"
    with file.open("wb") as sparse:
        sparse.truncate(10**12)
    with pytest.raises(
        RecoveryBenchError, match=r"is too large: 1,000,000,000,000 bytes, where at most [\d,]+ are read"
    ):
        read(Path(file))
