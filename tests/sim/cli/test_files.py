"""Files that commands write: whole or not at all, and JSON that every reader takes."""

import json
from math import inf, nan
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from sim.cli.errors import BadInput
from sim.cli.output.files import PICTURES, as_json, check_picture, check_writable, draw, write_json, written
from sim.presentation.figure_style import FORMATS


def test_json_has_no_bare_tokens_for_what_is_no_number():
    data = {"a": nan, "b": [inf, -inf, 1.5], "c": ("x", None, True), 3: 0}
    assert json.loads(as_json(data), parse_constant=pytest.fail) == {
        "a": None,
        "b": ["Infinity", "-Infinity", 1.5],
        "c": ["x", None, True],
        "3": 0,
    }


KINDS = {"one.png": b"\x89PNG", "one.svg": b"<?xml", "one.PDF": b"%PDF", "one": b"\x89PNG"}


@pytest.mark.parametrize("name", KINDS)
def test_a_picture_is_of_the_kind_that_its_name_says_and_the_same_each_time(name, tmp_path):
    drawn = []
    for _ in range(2):
        figure = Figure()
        figure.add_subplot().plot([1, 2])
        check_picture("--out", str(tmp_path / name))
        draw(figure, str(tmp_path / name))
        drawn.append((tmp_path / name).read_bytes())
    assert drawn[0].startswith(KINDS[name])
    assert drawn[0] == drawn[1]


def test_there_is_a_picture_of_each_kind_that_is_known():
    assert tuple(FORMATS) == PICTURES


def test_a_picture_of_no_kind_that_we_draw_is_refused():
    with pytest.raises(BadInput, match=r"^--out a\.txt: is no kind of picture; valid: .* ends in \.png, \.svg, \.pdf$"):
        check_picture("--out", "a.txt")
    check_picture("--out", "/dev/null")


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


def test_a_failed_write_leaves_only_the_old_file(tmp_path):
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
