"""Files are written whole or not at all."""

import os
import stat

import pytest

from recovery.atomic_file import LEFT, whole_file


def test_a_file_takes_its_place_when_it_is_whole(tmp_path):
    target = tmp_path / "result.json"
    target.write_text("old")
    with whole_file(target) as path:
        path.write_text("new")
        assert target.read_text() == "old"
        assert path in tmp_path.glob(LEFT)
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def begin_and_fail(target):
    with whole_file(target) as path:
        path.write_text("ne")
        raise KeyboardInterrupt


def test_what_fails_leaves_the_old_file_and_no_other(tmp_path):
    target = tmp_path / "result.json"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        begin_and_fail(target)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_it_is_on_the_disk_before_it_takes_its_place(tmp_path, monkeypatch):
    target, seen = tmp_path / "result.json", []
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append((os.fstat(descriptor).st_size, target.exists())))
    with whole_file(target) as path:
        path.write_text("new")
    assert seen == [(3, False)]


def test_two_programs_that_write_the_same_file_do_not_meet(tmp_path, monkeypatch):
    target = tmp_path / "result.json"
    with whole_file(target) as ours:
        ours.write_text("ours")
        with monkeypatch.context() as another:
            another.setattr(os, "getpid", lambda: -1)
            with whole_file(target) as theirs:
                theirs.write_text("theirs")
        assert target.read_text() == "theirs"
    assert target.read_text() == "ours"


def test_a_private_file_is_its_owners_alone_from_the_start(tmp_path):
    with whole_file(tmp_path / "keys") as path:
        path.write_text("old")
    path.write_text("of a program that was killed")
    with whole_file(tmp_path / "keys", private=True) as path:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_text() == ""
        path.write_text("secret")
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o600


def test_a_folder_that_is_not_there_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "no" / "file", private=True):
        pass
