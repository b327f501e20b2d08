"""Operators files contain salted hashes of tokens, and no tokens."""

import stat

import pytest

from recovery.manual.operators import Operators, OperatorsError, Role, load_operators, save_operators

NOW = 1e9


@pytest.fixture
def alice():
    """With a token that is good for an hour."""
    operators, token = Operators().with_operator("alice", Role.ADMIN).with_token("alice", 3600, NOW)
    return operators, token


def test_a_token_matches_only_its_operator(alice):
    operators, token = alice
    operators, bobs = operators.with_operator("bob", Role.ADMIN).with_token("bob", 3600, NOW)
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
    operators, second = operators.with_token("alice", 3600, NOW)
    hashes = operators.operators["alice"].tokens
    assert len({first, second, *(each.salt for each in hashes), *(each.hash for each in hashes)}) == 6


def test_expired_tokens_are_removed_with_the_next_one(alice):
    operators, first = alice
    operators, second = operators.with_token("alice", 3600, NOW + 3601)
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
        (lambda known: known.with_token("bob", 1, NOW), "there is no operator bob; valid: alice"),
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
