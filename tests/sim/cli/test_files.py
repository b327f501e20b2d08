"""Files that commands write: whole or not at all, and JSON that every reader takes."""

import json
from math import inf, nan
from pathlib import Path

import pytest

from sim.cli.errors import BadInput
from sim.cli.files import as_json, check_writable, write_json, written


def test_json_has_no_bare_tokens_for_what_is_no_number():
    data = {"a": nan, "b": [inf, -inf, 1.5], "c": ("x", None, True), 3: 0}
    assert json.loads(as_json(data), parse_constant=pytest.fail) == {
        "a": None,
        "b": ["Infinity", "-Infinity", 1.5],
        "c": ["x", None, True],
        "3": 0,
    }


def begin_and_fail(target, error):
    with written(str(target)) as path:
        path.write_text("ne")
        raise error


def test_a_file_takes_its_name_when_it_is_whole(tmp_path):
    target = tmp_path / "result.json"
    target.write_text("old")
    with written(str(target)) as path:
        path.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def test_what_fails_leaves_the_old_file_and_no_other(tmp_path):
    target = tmp_path / "result.json"
    target.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        begin_and_fail(target, KeyboardInterrupt())
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_link_stays_one_and_its_target_is_written(tmp_path):
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old")
    link.symlink_to(target)
    write_json(str(link), 1)
    assert link.is_symlink()
    assert target.read_text() == "1\n"


def test_a_device_is_written_to_and_not_replaced(tmp_path):
    write_json("/dev/null", 1)
    assert Path("/dev/null").is_char_device()


def test_a_full_disk_is_one_line(tmp_path):
    with pytest.raises(BadInput, match=r"result\.json: cannot be written: No space left"):
        begin_and_fail(tmp_path / "result.json", OSError(28, "No space left on device"))
    assert list(tmp_path.iterdir()) == []


def test_what_can_be_written_is_taken(tmp_path):
    for file in (None, "-", str(tmp_path / "new.json")):
        check_writable("--json", file)
    with pytest.raises(BadInput, match="there is no folder"):
        check_writable("--json", str(tmp_path / "no" / "new.json"))
