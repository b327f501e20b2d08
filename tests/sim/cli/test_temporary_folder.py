"""Temporary folders are removed by the next program if theirs was killed."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sim.cli.output import temporary_folder as module
from sim.cli.output.temporary_folder import OWNER, PREFIX, remove_abandoned, temporary_folder

ROOT = Path(module.__file__).parents[3]
PROGRAM = """
from sim.cli.output.temporary_folder import temporary_folder
with temporary_folder() as folder:
    (folder / "store.db").touch()
    print(folder, flush=True)
    input()
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def names(place):
    return sorted(each.name for each in place.iterdir())


def left_behind(place, name="left"):
    folder = place / f"{PREFIX}{name}"
    folder.mkdir()
    for file in (OWNER, "store.db"):
        (folder / file).touch()
    return folder


def test_a_folder_is_removed_at_the_end(place):
    with temporary_folder() as folder:
        (folder / "store.db").touch()
        assert names(folder) == [OWNER, "store.db"]
        assert folder.parent == place
    assert names(place) == []


def test_a_folder_of_a_killed_program_is_removed_by_the_next_one_and_one_in_use_is_not(place):
    environment = {**os.environ, "TMPDIR": str(place), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as program:
        theirs = Path(program.stdout.readline().strip())
        assert theirs.parent == place
        with temporary_folder():
            assert (theirs / "store.db").exists()
        program.send_signal(signal.SIGKILL)
    assert (theirs / "store.db").exists()
    with temporary_folder() as ours:
        assert names(place) == [ours.name]


def test_a_folder_in_use_by_this_program_is_kept(place):
    with temporary_folder() as one, temporary_folder() as other:
        assert names(place) == sorted([one.name, other.name])


def test_what_is_not_a_folder_of_a_program_is_kept(place):
    """Other names, folders without the file of their owner, files and links."""
    elsewhere = place / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / OWNER).touch()
    (place / f"{PREFIX}link").symlink_to(elsewhere)
    (place / f"{PREFIX}file").touch()
    (place / f"{PREFIX}other").mkdir()
    (place / f"{PREFIX}other" / "mine").touch()
    (place / f"{PREFIX}new").mkdir()
    linked = left_behind(place, "linked")
    (linked / OWNER).unlink()
    (linked / OWNER).symlink_to(elsewhere / OWNER)
    for folder in (place / f"{PREFIX}other", linked):
        os.utime(folder, (0, 0))
    before = names(place)
    remove_abandoned(place)
    assert names(place) == before
    os.utime(place / f"{PREFIX}new", (0, 0))  # empty, and old
    remove_abandoned(place)
    assert names(place) == [name for name in before if name != f"{PREFIX}new"]


def test_a_folder_of_another_user_is_kept(place, monkeypatch):
    left_behind(place)
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    remove_abandoned(place)
    assert names(place) == [f"{PREFIX}left"]
    monkeypatch.undo()
    remove_abandoned(place)
    assert names(place) == []


def test_a_folder_that_another_program_removes_before_it_is_locked_is_replaced(place, monkeypatch):
    lock, made = module._locks, []

    def removed_once(descriptor):
        if not made:
            made.extend(place.iterdir())
            (made[0] / OWNER).unlink()
            made[0].rmdir()
        return lock(descriptor)

    monkeypatch.setattr(module, "_locks", removed_once)
    with temporary_folder() as folder:
        assert (folder / OWNER).exists()
        assert folder != made[0]
