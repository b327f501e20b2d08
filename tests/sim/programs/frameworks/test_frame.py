"""What the adapters have in common: frameworks that are not installed, and invalid arguments."""

import pytest

from sim.programs.frameworks.arguments import probability, seconds, seed_number
from sim.programs.frameworks.errors import FrameworkMissing, InvalidFault
from sim.programs.frameworks.installed import needs


def test_a_framework_that_is_not_installed_is_named_with_its_package():
    with (
        pytest.raises(FrameworkMissing, match=r"^needs no_such_framework: pip install no-such-package$"),
        needs("no_such_framework", "no-such-package"),
    ):
        import no_such_framework.graph  # noqa: F401


def test_another_missing_module_is_not_the_framework():
    with pytest.raises(ModuleNotFoundError, match="no_such_dependency"), needs("no_such_framework"):
        import no_such_dependency  # noqa: F401


@pytest.mark.parametrize(
    ("check", "value", "message"),
    [
        (probability, 1.5, "lost=1.5: must be a probability from 0 to 1"),
        (probability, -0.1, "lost=-0.1: must be a probability from 0 to 1"),
        (probability, float("nan"), "lost=nan: must be a probability from 0 to 1"),
        (probability, True, "lost=True: must be a probability from 0 to 1"),
        (probability, "10%", "lost='10%': must be a probability from 0 to 1"),
        (seconds, -1, "lost=-1: must be 0 seconds or more"),
        (seconds, float("inf"), "lost=inf: must be 0 seconds or more"),
        (seconds, None, "lost=None: must be 0 seconds or more"),
        (seed_number, -1, "lost=-1: must be a whole number from 0"),
        (seed_number, 1.0, "lost=1.0: must be a whole number from 0"),
    ],
)
def test_an_invalid_argument_is_named(check, value, message):
    with pytest.raises(InvalidFault) as raised:
        check("lost", value)
    assert str(raised.value) == message


def test_valid_arguments_are_numbers():
    assert (probability("lost", 1), seconds("latency", 0), seed_number("seed", 7)) == (1.0, 0.0, 7)
