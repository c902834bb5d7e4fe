"""Patterns of paths with numbers in them, and the names made of what they find.

`layer{s}.{b}.conv{j}` finds `layer2.0.conv1` with s = 2, b = 0, j = 1, and of that
`conv{s+1}_block{b+1}_{j}_conv` makes `conv3_block1_1_conv`. A `*` at the end is any rest. `{b:a}` is
a number as a letter, `{b+1:02}` one of two digits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property

from resnet_dsl.records import dataclass

HOLE = re.compile(r"\{([a-z]+)\}")
TERM = re.compile(r"\{([a-z]+)(?:([+-])(\d+))?(?::(a|02))?\}")
LAST = "last"
"""Finds a number after which there is no other: the last block of a stage."""
REST = "*"
LETTER = "a"
"""In a template: a number as a letter, `a` for 0."""
LETTERS = "abcdefghijklmnopqrstuvwxyz"
NUMBER = "[0-9]{1,9}"
"""No path has a longer one, and Python reads no number of thousands of digits."""


@dataclass(frozen=True)
class Pattern:
    """A pattern of paths."""

    text: str

    @property
    def is_plain(self) -> bool:
        """Whether it finds one path alone."""
        return not (HOLE.search(self.text) or self.text.endswith(REST))

    @cached_property
    def _expression(self) -> re.Pattern[str]:
        literals = [re.escape(part) for part in HOLE.split(self.text.removesuffix(REST))]
        literals[1::2] = [f"(?P<{name}>{NUMBER})" for name in HOLE.findall(self.text)]
        return re.compile("".join(literals) + ("(.*)" if self.text.endswith(REST) else ""))

    def find(self, path: str) -> dict[str, int] | None:
        """Return the numbers in a path, None if the pattern is not of such."""
        found = self._expression.fullmatch(path)
        return None if found is None else {name: int(value) for name, value in found.groupdict().items()}

    def within(self, path: str) -> tuple[dict[str, int], str] | None:
        """Return the numbers in the front of a path and what follows the dot after it."""
        found = self._expression.match(path)
        if found is None or path[found.end() : found.end() + 1] != ".":
            return None
        return {name: int(value) for name, value in found.groupdict().items()}, path[found.end() + 1 :]

    def rest(self, path: str) -> str:
        """Return what a `*` finds in a path that the pattern is of."""
        found = self._expression.fullmatch(path)
        return found[len(found.groups())] if found is not None and self.text.endswith(REST) else ""

    def before_last(self, path: str) -> str:
        """Return the path up to the number that `{last}` finds."""
        found = self._expression.fullmatch(path)
        assert found is not None
        return path[: found.start(LAST)]


def fill(template: str, numbers: Mapping[str, int], rest: str = "") -> str:
    """Return the name that a template makes of numbers, and of what a `*` found.

    Raises KeyError for a number that is not known.
    """

    def number(term: re.Match[str]) -> str:
        value = numbers[term[1]] + offset(term)
        if term[4] == LETTER:
            return LETTERS[value] if 0 <= value < len(LETTERS) else str(value)
        return f"{value:{term[4] or ''}}"

    name = TERM.sub(number, template)
    return name.removesuffix(REST) + rest if template.endswith(REST) else name


def offset(term: re.Match[str]) -> int:
    """Return what a term of a template adds to its number."""
    return int(f"{term[2]}{term[3]}") if term[3] else 0


def backwards(template: str) -> tuple[re.Pattern[str], dict[str, re.Match[str]]] | None:
    """Return what finds the names that a template makes, and the term of each number in them.

    None if a number is there twice in two ways, such as `{s}` and `{s+1}`.
    """
    terms: dict[str, re.Match[str]] = {}
    parts: list[str] = []
    place = 0
    for term in TERM.finditer(template):
        name = term[1]
        if name in terms and terms[name][0] != term[0]:
            return None
        digits = "[a-z]" if term[4] == LETTER else NUMBER
        parts += [re.escape(template[place : term.start()])]
        parts += [f"(?P={name})" if name in terms else f"(?P<{name}>{digits})"]
        terms.setdefault(name, term)
        place = term.end()
    return re.compile("".join([*parts, re.escape(template[place:])])), terms


def number_in(found: str, term: re.Match[str]) -> int:
    """Return the number of ours that a term has made the text of."""
    return (LETTERS.index(found) if term[4] == LETTER else int(found)) - offset(term)
