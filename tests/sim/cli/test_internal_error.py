"""What no command expects: one line, a file with the traceback, and an exit status of its own."""

import pytest

from recovery.errors import without_passwords
from recovery.stores.errors import StoreError
from recovery.stores.memory import IllegalTransition
from sim.cli import internal_error, main

URL = "postgresql://alice:secret@host/db"


@pytest.fixture
def failing(monkeypatch, tmp_path):
    """A folder in which `list` raises an error that no command expects."""
    monkeypatch.chdir(tmp_path)

    def fail(error):
        def names():
            raise error

        monkeypatch.setattr("scenarios.names", names)

    return fail


@pytest.mark.parametrize(
    "error", [KeyError("place"), ValueError("x" * 5000), RecursionError(), MemoryError(), Exception()]
)
def test_an_unexpected_error_is_a_line_and_a_file(failing, capsys, tmp_path, error):
    failing(error)
    assert main(["list"]) == internal_error.INTERNAL_ERROR == 70
    captured = capsys.readouterr()
    assert captured.err.startswith(f"internal error: {type(error).__name__}")
    assert captured.err.endswith("; please report it, with the file recovery-bench-error-1.txt\n")
    assert captured.err.count("\n") == 1
    assert len(captured.err) < 350
    assert "Traceback" not in captured.out + captured.err
    text = (tmp_path / "recovery-bench-error-1.txt").read_text()
    assert "arguments: ['list']" in text
    assert "Traceback (most recent call last)" in text
    assert type(error).__name__ in text


def test_each_error_has_a_file_that_only_its_owner_can_read(failing, capsys, tmp_path):
    failing(KeyError("place"))
    for number in (1, 2):
        assert main(["list"]) == 70
        assert f"recovery-bench-error-{number}.txt" in capsys.readouterr().err
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}


def test_without_a_folder_to_write_to_the_line_is_all(failing, capsys, monkeypatch, tmp_path):
    failing(KeyError("place"))
    monkeypatch.setattr(internal_error, "NAME", "nowhere/error")
    monkeypatch.setattr(internal_error.tempfile, "gettempdir", lambda: str(tmp_path / "nowhere"))
    assert main(["list"]) == 70
    assert capsys.readouterr().err == "internal error: KeyError: 'place'; please report it\n"


def test_passwords_are_left_out(failing, capsys, tmp_path):
    failing(RuntimeError(f"no answer of {URL}"))
    main(["list"])
    captured = capsys.readouterr().err
    text = (tmp_path / "recovery-bench-error-1.txt").read_text()
    assert "secret" not in captured + text
    assert "alice:***@host/db" in captured
    assert "alice:***@host/db" in text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (URL, "postgresql://alice:***@host/db"),
        ("a://u:p@ss/w@h:port/db b", "a://u:***@h:port/db b"),
        ("a://h/db?user=u&password=p&x=1", "a://h/db?user=u&password=***&x=1"),
        ("sqlite:///store.db", "sqlite:///store.db"),
        ("http://h:80/x", "http://h:80/x"),
    ],
)
def test_a_text_without_passwords(text, shown):
    assert without_passwords(text) == shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["run", "baseline", "--seed", "9" * 5000],
            f"--seed {'9' * 200}…: too long a number; valid: up to 4300 digits",
        ),
        (
            ["run", "baseline", "--jobs", "9" * 5000],
            f"--jobs {'9' * 200}…: too long a number; valid: up to 4300 digits",
        ),
        (
            ["run", "baseline", "--max-time", "x" * 5000],
            f"--max-time {'x' * 200}…: not a duration above 0; valid: such as",
        ),
        (["diff", "x" * 5000, "y"], f"{'x' * 200}…: cannot be read: "),
        (
            ["recover", "audit", "--store", "postgresql://u:secret@h:port/db"],
            "postgresql://u:***@h:port/db: is not the URL of a store; valid: ",
        ),
        (
            ["recover", "audit", "--store", "foo://u:secret@h/db"],
            "foo://u:***@h/db: is not the URL of a store; valid: ",
        ),
        (
            ["recover", "audit", "--store", "sqlite://u:secret@h"],
            "sqlite://u:***@h: has no file; valid: sqlite:///FILE",
        ),
    ],
)
def test_long_and_secret_words_are_not_repeated(arguments, message, capsys):
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith(message)
    assert said.count("\n") == 1


def test_an_error_of_the_package_is_a_line_and_no_internal_error(failing, capsys, tmp_path):
    failing(StoreError("store.db: is damaged;\nvalid: a copy from before"))
    assert main(["list"]) == 2
    assert capsys.readouterr().err == "store.db: is damaged;\\nvalid: a copy from before\n"
    assert not list(tmp_path.iterdir())


def test_a_defect_of_the_package_is_an_internal_error(failing, capsys):
    failing(IllegalTransition("completed to running"))
    assert main(["list"]) == 70
    assert "internal error: IllegalTransition: completed to running" in capsys.readouterr().err
