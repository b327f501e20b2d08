"""Files of commands are written atomically, and JSON is portable."""

import json
import os
from math import inf, nan
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from sim.cli.errors import BadInput
from sim.cli.output.files import PICTURES, as_json, check_picture, check_writable, draw, write_json, written
from sim.presentation.figure_style import FORMATS


def test_json_contains_no_nan_or_infinity():
    data = {"a": nan, "b": [inf, -inf, 1.5], "c": ("x", None, True), 3: 0}
    assert json.loads(as_json(data), parse_constant=pytest.fail) == {
        "a": None,
        "b": ["inf", "-inf", 1.5],
        "c": ["x", None, True],
        "3": 0,
    }


KINDS = {"one.png": b"\x89PNG", "one.svg": b"<?xml", "one.PDF": b"%PDF", "one": b"\x89PNG"}


@pytest.mark.parametrize("name", KINDS)
def test_the_picture_format_follows_the_suffix_and_bytes_are_reproducible(name, tmp_path):
    drawn = []
    for _ in range(2):
        figure = Figure()
        figure.add_subplot().plot([1, 2])
        check_picture("--out", str(tmp_path / name))
        draw(figure, str(tmp_path / name))
        drawn.append((tmp_path / name).read_bytes())
    assert drawn[0].startswith(KINDS[name])
    assert drawn[0] == drawn[1]


def test_every_known_picture_format_is_written():
    assert tuple(FORMATS) == PICTURES


def test_an_unknown_picture_format_is_rejected():
    with pytest.raises(BadInput, match=r"^--out a\.txt: not a picture format; valid: .* ends in \.png, \.svg, \.pdf$"):
        check_picture("--out", "a.txt")
    check_picture("--out", "/dev/null")


def begin_and_fail(target, error):
    with written(str(target)) as path:
        path.write_text("ne")
        raise error


def test_a_file_is_replaced_only_when_it_is_complete(tmp_path):
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


def test_a_symbolic_link_is_kept_and_its_target_written(tmp_path):
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


def test_a_pipe_needs_a_reader(tmp_path):
    """To open one without a reader would wait for ever."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(BadInput, match="pipe: cannot be written: No such device or address"):
        write_json(str(pipe), {"a": 1})
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_json(str(pipe), {"a": 1})
    assert json.loads(os.read(reader, 100)) == {"a": 1}
    os.close(reader)


def test_a_cycle_of_symbolic_links_is_one_line(tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(BadInput, match="loop: cannot be written: Too many levels of symbolic links"):
        write_json(str(loop), 1)


def test_a_writable_path_is_accepted(tmp_path):
    for file in (None, "-", str(tmp_path / "new.json")):
        check_writable("--json", file)
    with pytest.raises(BadInput, match="there is no folder"):
        check_writable("--json", str(tmp_path / "no" / "new.json"))
