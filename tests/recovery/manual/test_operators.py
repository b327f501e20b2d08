"""Operators files contain salted hashes of tokens, and no tokens."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from recovery import file_lock
from recovery.manual.operators import (
    Operators,
    OperatorsError,
    Role,
    change_operators,
    load_operators,
    save_operators,
)

NOW = 1e9
STORE = "5a"


@pytest.fixture
def alice():
    """With a token that is good for an hour."""
    operators, token = Operators().with_operator("alice", Role.ADMIN).with_token("alice", 3600, NOW, STORE)
    return operators, token


def test_a_token_matches_only_its_operator(alice):
    operators, token = alice
    operators, bobs = operators.with_operator("bob", Role.ADMIN).with_token("bob", 3600, NOW, STORE)
    assert operators.found("alice", token, NOW).key == token.partition(".")[0]
    assert operators.found("bob", bobs, NOW) is not None
    for name, other in (("alice", bobs), ("bob", token), ("nobody", token)):
        assert operators.found(name, other, NOW) is None


@pytest.mark.parametrize(
    "forge",
    [
        lambda t: t[:-1] + ("A" if t[-1] != "A" else "B"),
        lambda t: t.partition(".")[0],
        lambda t: "",
        lambda t: "." + t,
        str.upper,
    ],
)
def test_a_forged_token_matches_no_operator(alice, forge):
    operators, token = alice
    assert operators.found("alice", forge(token), NOW) is None


def test_the_file_contains_no_token(alice, tmp_path):
    operators, token = alice
    path = tmp_path / "operators.json"
    save_operators(path, operators)
    key, _, secret = token.partition(".")
    text = path.read_text()
    assert key in text
    assert secret not in text
    assert load_operators(path) == operators
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_tokens_are_independent(alice):
    operators, first = alice
    operators, second = operators.with_token("alice", 3600, NOW, STORE)
    hashes = operators.operators["alice"].tokens
    assert len({first, second, *(each.salt for each in hashes), *(each.hash for each in hashes)}) == 6


def test_expired_tokens_are_removed_with_the_next_one(alice):
    operators, first = alice
    operators, second = operators.with_token("alice", 3600, NOW + 3601, STORE)
    assert [token.key for token in operators.operators["alice"].tokens] == [second.partition(".")[0]]
    assert operators.found("alice", first, NOW) is None


def test_a_removed_operator_has_no_tokens(alice):
    operators, token = alice
    assert operators.without_operator("alice").found("alice", token, NOW) is None


@pytest.mark.parametrize(
    ("do", "message"),
    [
        (lambda known: known.with_operator("alice", Role.VIEWER), "there is already an operator alice"),
        (lambda known: known.with_operator("a b", Role.VIEWER), "'a b' is not a valid name; valid: up to 64 letters"),
        (lambda known: known.with_token("bob", 1, NOW, STORE), "there is no operator bob; valid: alice"),
        (lambda known: known.without_operator("bob"), "there is no operator bob; valid: alice"),
        (lambda _: Operators().operator("bob"), "there is no operator bob; valid: none"),
    ],
)
def test_invalid_arguments_are_refused(alice, do, message):
    with pytest.raises(OperatorsError, match=message):
        do(alice[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Invalid JSON"),
        ('{"version": 2}', "version: Input should be 1"),
        ('{"operators": {"alice": {"role": "king"}}}', r"operators\.alice\.role: Input should be 'admin' or 'viewer'"),
        ('{"operators": {"alice": {"role": "admin", "password": "x"}}}', r"operators\.alice\.password: Extra inputs"),
        ("\xff", "Invalid JSON"),
        (
            '{"operators": {"a": {"role": "admin", "tokens": [{"key": "0", "salt": "", "hash": ""}]}}}',
            r"operators\.a\.tokens\.0\.key: String should match pattern",
        ),
    ],
)
def test_an_invalid_file_is_refused_with_the_position(tmp_path, text, message):
    path = tmp_path / "operators.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(OperatorsError, match=rf"operators\.json: {message}"):
        load_operators(path)


def test_a_file_writable_by_others_is_refused(tmp_path):
    path = tmp_path / "operators.json"
    save_operators(path, Operators())
    path.chmod(0o622)
    with pytest.raises(OperatorsError, match="others may write to it; valid: after chmod go-w"):
        load_operators(path)


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(OperatorsError, match="there is no such file; valid: a file from recover operator add"):
        load_operators(tmp_path / "operators.json")
    with pytest.raises(OperatorsError, match="is a folder; valid: a file from"):
        load_operators(tmp_path)
    with pytest.raises(OperatorsError, match="cannot be written: No such file"):
        save_operators(tmp_path / "nowhere" / "operators.json", Operators())


# --------------------------------------------------------------------------------------------- changes of the file
def add(path, name):
    return change_operators(path, lambda known: known.with_operator(name, Role.ADMIN), create=True)


def test_concurrent_changes_are_all_kept(tmp_path):
    """Locks exclude threads as they do processes: each opens the lock file itself."""
    path, names = tmp_path / "operators.json", [f"operator.{number}" for number in range(24)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: add(path, name), names))
    assert sorted(load_operators(path).operators) == sorted(names)


def test_a_change_waits_for_the_lock_of_another_process(tmp_path, monkeypatch):
    monkeypatch.setattr(file_lock, "PATIENCE", 0.0)
    path = tmp_path / "operators.json"
    add(path, "alice")
    monkeypatch.setattr("recovery.manual.operators.locked", lambda target: file_lock.locked(target, patience=0.0))
    with (
        file_lock.locked(path),
        pytest.raises(OperatorsError, match="cannot be written: another program is changing it; valid: after"),
    ):
        add(path, "bob")
    assert list(load_operators(path).operators) == ["alice"]


def test_the_next_change_removes_what_a_killed_program_has_left(tmp_path):
    left, other = tmp_path / ".operators.json.4711.tmp", tmp_path / ".other.json.4711.tmp"
    for each in (left, other):
        each.write_text("{")
    add(tmp_path / "operators.json", "alice")
    assert not left.exists()
    assert other.exists()


def test_the_identity_of_a_file_remains(tmp_path):
    path = tmp_path / "operators.json"
    identity = add(path, "alice").identity
    assert identity
    assert add(path, "bob").identity == identity
    assert add(tmp_path / "other.json", "bob").identity != identity


def test_a_change_through_a_link_keeps_the_link_and_the_permissions(tmp_path):
    path, link = tmp_path / "operators.json", tmp_path / "link.json"
    add(path, "alice")
    path.chmod(0o640)
    link.symlink_to(path.name)
    add(link, "bob")
    assert link.is_symlink()
    assert list(load_operators(path).operators) == ["alice", "bob"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_links_without_a_file_are_refused(tmp_path):
    dangling, one, other = (tmp_path / name for name in ("dangling.json", "one.json", "other.json"))
    dangling.symlink_to("nowhere.json")
    one.symlink_to(other)
    other.symlink_to(one)
    for link, problem in ((dangling, "is a link to nowhere.json"), (one, "is a link to .*other.json")):
        for do in (load_operators, lambda path: add(path, "alice")):
            with pytest.raises(OperatorsError, match=f"{problem}, where there is no file; valid: a link to a file"):
                do(link)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["dangling.json", "one.json", "other.json"]


def test_a_file_of_another_user_is_refused(tmp_path, monkeypatch):
    path, link = tmp_path / "operators.json", tmp_path / "link.json"
    add(path, "alice")
    link.symlink_to(path)
    if os.geteuid() == 0:
        os.chown(path, 12345, 12345)
    monkeypatch.setattr(os, "geteuid", lambda: 4711)
    for place in (path, link):
        for do in (load_operators, lambda path: add(path, "bob")):
            with pytest.raises(OperatorsError, match="belongs to another user; valid: a file of yours, or of root"):
                do(place)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert list(load_operators(link).operators) == ["alice"]


def test_a_token_is_not_expired_at_the_instant_of_its_expiry(alice):
    (token,) = alice[0].operators["alice"].tokens
    assert not token.is_expired(NOW + 3600)
    assert token.is_expired(NOW + 3600.001)
    kept, _ = alice[0].with_token("alice", 1, NOW + 3600, STORE)
    assert token in kept.operators["alice"].tokens
