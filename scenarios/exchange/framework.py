"""A framework that policies are exchanged with: what it can express, and how it is written and read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from scenarios.errors import ScenarioError, instead
from scenarios.exchange.portable import Portable
from scenarios.exchange.shapes import Difference, Fit, Shape, fit
from scenarios.exchange.surroundings import Surroundings
from scenarios.exchange.words import described
from scenarios.schema import ScenarioFields

WITHOUT = "not expressible"
NAME = "recovery"
"""The name of an exported policy, in frameworks that name their policies."""


@dataclass(frozen=True)
class Written:
    """How a policy is written: the framework's name for it, the language, and lines of comment."""

    name: str = NAME
    language: str = ""
    comments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Framework:
    """One framework.

    `title` names what is exchanged, `source` the project and document with its fields, defaults and formula. `hints`
    say where else the framework has what its policy does not, by group of keys (`scenarios.exchange.shapes.GROUPS`).
    `notes` say where the framework differs from what is simulated, by the group of keys that they are about. `around`
    reads what a file says of the queue, heartbeats and time limits; `settings` writes those of a scenario, with notes
    on what they cannot express.
    """

    name: str
    title: str
    source: str
    shapes: tuple[Shape, ...]
    write: Callable[[Portable, Written], str]
    read: Callable[[str, str], Portable]
    languages: tuple[str, ...] = ("python",)
    hints: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    around: Callable[[str, str], Surroundings] | None = None
    settings: Callable[[ScenarioFields], tuple[str, tuple[str, ...]]] | None = None

    def fit(self, wanted: Portable) -> Fit:
        """The nearest policy that the framework can express, and the differences."""
        return fit(wanted, self.shapes)

    def export(self, wanted: Portable, name: str = NAME, language: str | None = None) -> str:
        """The policy as text for the framework. What cannot be expressed is in a comment, where the language has one.

        Raises ValueError for an unknown language.
        """
        chosen = self.languages[0] if language is None else language
        if chosen not in self.languages:
            raise ValueError(f"{self.name} has no {chosen}; {instead(chosen, self.languages, 'valid')}")
        found = self.fit(wanted)
        comments = (self.title, *(f"{WITHOUT}: {self.said(each)}" for each in found.differences))
        return self.write(found.used, Written(name, chosen, comments))

    def said(self, difference: Difference) -> str:
        """A difference in words, with the hint if there is one."""
        hint = self.hints.get(difference.group)
        return f"{described(difference)} ({hint})" if hint else described(difference)

    def noted(self, used: Portable) -> list[str]:
        """The notes about groups of keys that a policy uses."""
        policy = used.policy
        in_use = {
            "jitter": policy.jitter != "none",
            "delays": policy.max_delay is not None,
            **{key: getattr(policy, key) is not None for key in ("deadline", "try_timeout", "budget", "breaker")},
        }
        return [note for group, note in self.notes.items() if in_use.get(group, True)]

    def load(self, text: str, source: str) -> Portable:
        """The policy of a file of the framework, in canonical form. Raises ScenarioError with line and key."""
        return self.read(text, source).canonical()

    def surroundings(self, text: str, source: str) -> Surroundings:
        """What a file of the framework says besides the policy. Raises ScenarioError with line and key."""
        return Surroundings() if self.around is None else self.around(text, source)


def unreadable(source: str, noun: str) -> ScenarioError:
    """The error for a file without a policy."""
    return ScenarioError(f"has no {noun}", source, 1)
