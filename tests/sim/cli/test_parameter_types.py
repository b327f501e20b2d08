"""Option types: valid texts have a value, every other text is an error that names the option and valid values."""

from __future__ import annotations

from typing import Any

import pytest
from typer.main import get_command

from sim.cli import main
from sim.cli.app import app
from sim.cli.errors import BadInput
from sim.cli.options.parameter_types import (
    Change,
    Count,
    Duration,
    ParameterType,
    PathValue,
    Seed,
    SeedOrReplication,
    Share,
)


@pytest.mark.parametrize(
    ("parameter_type", "text", "value"),
    [
        (Count("--jobs"), "20", 20),
        (Count("--jobs"), " +3 ", 3),
        (Share("--precision"), "5%", 0.05),
        (Share("--precision"), ".5", 0.5),
        (Duration("--for"), "90", 90.0),
        (Duration("--for"), "8h", 28800.0),
        (Duration("--for"), "250ms", 0.25),
        (SeedOrReplication("--seed"), " 7 ", 7),
        (SeedOrReplication("--seed"), "7 / 03", "7/3"),
        (SeedOrReplication("--seed"), "7/3@1200:17", "7/3@1200:17"),
        (Seed("--seed"), "7", 7),
        (PathValue("--set"), "agents.count = 20", Change("agents.count", "20")),
        (PathValue("--set"), "a=b=c", Change("a", "b=c")),
        (PathValue("--set"), "a=", Change("a", "")),
    ],
)
def test_a_valid_text_has_a_value(parameter_type: ParameterType[Any], text: str, value: object) -> None:
    assert parameter_type(text) == value
    assert type(parameter_type(text)) is type(value)


@pytest.mark.parametrize(
    ("parameter_type", "texts", "message"),
    [
        (Count("--jobs"), ("0", "-2", "1.5", "many", ""), "not a number of jobs; valid: a whole number, 1 or more"),
        (
            Count("--most", 10, "replications"),
            ("x",),
            "not a number of replications; valid: a whole number, 10 or more",
        ),
        (
            Share("--precision"),
            ("0", "1", "100%", "150%", "-5%", "five", "", "1e-2"),
            "must be between 0 and 1, or a percentage; valid: such as 0.05 or 5%",
        ),
        (
            Duration("--for"),
            ("soon", "0s", "-1h", "8 hours", "", "inf", "nan"),
            "not a duration above 0; valid: such as 90s, 30m or 8h",
        ),
        (
            SeedOrReplication("--seed"),
            ("x", "-1", "1.5", "7/", "7/x", "7/1@5", "", "٧"),
            "not a seed; valid: a whole number such as 7, or 7/3 for its replication 3",
        ),
        (Seed("--seed"), ("7/3",), "is one replication; valid: --seed 7"),
        (Seed("--seed"), ("x",), "not a seed; valid: a whole number such as 7, or 7/3 for its replication 3"),
        (
            PathValue("--set"),
            ("agents.count", "=3", " = 3", ""),
            "not a change; valid: path=value, such as agents.count=20",
        ),
    ],
)
def test_an_invalid_text_is_an_error_with_valid_values(
    parameter_type: ParameterType[Any], texts: tuple[str, ...], message: str
) -> None:
    for text in texts:
        with pytest.raises(BadInput) as raised:
            parameter_type(text)
        assert str(raised.value) == f"{parameter_type.option} {text}: {message}"


@pytest.mark.parametrize("default", [8, 0.5, Change("a", "1")])
def test_a_default_value_is_not_parsed(default: object) -> None:
    assert Count("--jobs")(default) == default  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "baseline", "--precision", "half"],
        ["run", "baseline", "--most", "few", "--precision", "5%"],
        ["run", "baseline", "--particles", "few", "--rare", "queue.depth.max > 3"],
        ["demo", "--seed", "x"],
        ["sweep", "baseline", "--out", "x", "--vary", "agents.count=1..2", "--points", "few"],
        ["compare", "baseline", "--a", "agents.count"],
        ["recover", "operator", "token", "alice", "--for", "soon"],
        ["recover", "demo", "--tasks", "few"],
    ],
)
def test_invalid_input_is_one_line_with_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    option = next(argument for argument in reversed(arguments[:-1]) if argument.startswith("--"))
    assert "; valid: " in err
    assert any(err.startswith(f"{each} ") for each in arguments if each.startswith("--")), option


def test_help_names_the_kind_of_each_value() -> None:
    commands: Any = get_command(app)
    metavars = {
        (name, option): parameter.metavar
        for name in ("run", "compare", "sweep")
        for parameter in commands.commands[name].params
        for option in parameter.opts
    }
    assert metavars["run", "--precision"] == "SHARE"
    assert metavars["run", "--seed"] == "N[/R]"
    assert metavars["compare", "--seed"] == "N"
    assert metavars["sweep", "--points"] == "N"
    assert metavars["run", "--set"] == "PATH=VALUE"
    token = commands.commands["recover"].commands["operator"].commands["token"]
    assert [each.metavar for each in token.params if "--for" in each.opts] == ["DURATION"]
