"""A user's file: regular, and no larger than a limit."""

import os
import socket
from pathlib import Path

import pytest

from recovery.bounded_yaml import MOST_BYTES, MOST_NODES, TooLarge, compose
from recovery.input_file import InputFileError, check_regular, read_bytes, read_text


def test_a_file_up_to_the_limit_is_read(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"12345")
    assert read_bytes(file, 5) == b"12345"
    assert read_text(file, 5) == "12345"
    with pytest.raises(InputFileError, match=r"^is too large: 5 bytes, where at most 4 are read$"):
        read_bytes(file, 4)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux only")
def test_the_limit_holds_for_a_file_that_states_no_size():
    assert Path("/proc/self/status").stat().st_size == 0
    with pytest.raises(InputFileError, match=r"^is too large: 11 bytes, where at most 10 are read$"):
        read_bytes(Path("/proc/self/status"), 10)


def test_a_symbolic_link_to_a_file_is_read(tmp_path):
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("file")
    assert read_text(tmp_path / "link", 1) == "x"


def test_each_kind_of_special_file_is_refused_by_name(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    (tmp_path / "loop").symlink_to("loop")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        for name, problem in (
            (".", "is a folder"),
            ("pipe", "is a named pipe, and not a regular file"),
            ("link", "is a device, and not a regular file"),
            ("socket", "is a socket, and not a regular file"),
            ("loop", "cannot be read: Too many levels of symbolic links"),
            ("nowhere", "no such file"),
            ("a\0b", "cannot be read: embedded null byte"),
        ):
            for read in (check_regular, lambda path: read_text(path, 10)):
                with pytest.raises(InputFileError) as caught:
                    read(tmp_path / name)
                assert str(caught.value) == problem
                assert caught.value.is_missing == (name == "nowhere")


def test_text_that_is_not_utf_8_is_refused_with_byte_and_line(tmp_path):
    (tmp_path / "file").write_bytes(b"a\nb\xff")
    with pytest.raises(InputFileError, match=r"^is not UTF-8 text \(byte 3\)$") as caught:
        read_text(tmp_path / "file", 10)
    assert caught.value.line == 2


# ------------------------------------------------------------------------------------------------------- YAML
@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x" * (MOST_BYTES + 1), 1),
        ("a:\n" + "- 1\n" * MOST_NODES, MOST_NODES - 1),
        ("[" * 70, 1),
        ("{a: " * 70, 1),
        ("\n" + "{" * 100_000, 2),
    ],
)
def test_a_document_beyond_a_limit_is_refused_while_it_is_parsed(text, line):
    with pytest.raises(TooLarge, match=rf"^line {line}: too large or too deeply nested$"):
        compose(text)


def test_a_document_at_the_limit_is_parsed():
    node, _ = compose("\n".join(["- 1"] * (MOST_NODES - 1)))
    assert len(node.value) == MOST_NODES - 1
