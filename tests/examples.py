"""How many examples a test that sets a number itself gets from Hypothesis."""

from hypothesis import settings

WITHOUT_A_NUMBER = 100  # Hypothesis' own default


def examples(count: int) -> int:
    """So many, and 15 % of them under the profile `short`, which `make test` uses."""
    return count * settings.default.max_examples // WITHOUT_A_NUMBER
