"""Files are written atomically."""

import os
import stat

import pytest

from recovery.atomic_file import LEFT, whole_file


def test_a_file_is_replaced_only_when_it_is_complete(tmp_path):
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


def test_a_failed_write_leaves_only_the_old_file(tmp_path):
    target = tmp_path / "result.json"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        begin_and_fail(target)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_data_is_on_disk_before_the_rename(tmp_path, monkeypatch):
    target, seen = tmp_path / "result.json", []
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append((os.fstat(descriptor).st_size, target.exists())))
    with whole_file(target) as path:
        path.write_text("new")
    assert seen == [(3, False)]


def test_concurrent_writers_of_a_file_do_not_interfere(tmp_path, monkeypatch):
    target = tmp_path / "result.json"
    with whole_file(target) as ours:
        ours.write_text("ours")
        with monkeypatch.context() as another:
            another.setattr(os, "getpid", lambda: -1)
            with whole_file(target) as theirs:
                theirs.write_text("theirs")
        assert target.read_text() == "theirs"
    assert target.read_text() == "ours"


def test_a_private_file_is_never_readable_by_others(tmp_path):
    with whole_file(tmp_path / "keys") as path:
        path.write_text("old")
    path.write_text("of a program that was killed")
    with whole_file(tmp_path / "keys", private=True) as path:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_text() == ""
        path.write_text("secret")
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o600


def test_a_missing_folder_raises_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError), whole_file(tmp_path / "no" / "file", private=True):
        pass


def test_a_link_remains_and_its_file_is_replaced(tmp_path):
    link, target = tmp_path / "link.json", tmp_path / "result.json"
    link.symlink_to(target.name)
    for text in ("new", "newer"):  # the first one creates the file
        with whole_file(link) as path:
            path.write_text(text)
        assert link.is_symlink()
        assert target.read_text() == text
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link.json", "result.json"]


def test_a_cycle_of_links_raises_an_os_error(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(OSError, match="symbolic links"), whole_file(tmp_path / "a"):
        pass
    assert (tmp_path / "a").is_symlink()


def test_a_replaced_file_keeps_its_permissions(tmp_path):
    target = tmp_path / "result.json"
    target.write_text("old")
    target.chmod(0o600)
    with whole_file(target) as path:
        path.write_text("new")
    assert (target.read_text(), stat.S_IMODE(target.stat().st_mode)) == ("new", 0o600)


def test_a_folder_and_a_device_are_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for target in (tmp_path, tmp_path / "pipe"):
        before = target.stat().st_ino
        with pytest.raises(OSError, match=r"Is a directory|not a regular file"), whole_file(target) as path:
            path.write_text("new")
        assert target.stat().st_ino == before
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]
