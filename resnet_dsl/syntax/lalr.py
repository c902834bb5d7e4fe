"""The parser of texts that are right: LALR(1) by tables that Lark made of the grammar.

A text that does not fit the tables is Lark's to explain, in `by_lark.py`: it knows what was expected.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator

from resnet_dsl.syntax.builder import Item, Word, word
from resnet_dsl.syntax.tables import END, NAME, Rule, Tables

Make = Callable[[str, int, int, list[Item]], Item]
Part = tuple[int, int, list[Item]]  # from where to where, and what it is made of

NOWHERE = -1  # where a part without words starts


class DoesNotFit(Exception):
    """The text is no spec, or has words that only Lark can tell apart."""


def derive(known: Tables, text: str, start: str, make: Make, first: int = 0, last: int | None = None) -> Item:
    """Return what `make` makes of a text, or of a stretch of it, rule by rule; raises DoesNotFit."""
    actions, rules = known.actions, known.rules
    begin, end = known.starts[start]
    states, parts = [begin], list[Part]()
    for token in _words(text, known, states, first, len(text) if last is None else last):
        while (action := actions[states[-1]].get(token.kind)) is None or action < 0:
            if action is None:
                raise DoesNotFit(text)
            origin, length, name, _ = rules[~action]
            if length != 1 or name:
                _reduce(rules[~action], states, parts, make)
            else:  # a name for the same part
                states.pop()
            states.append(actions[states[-1]][origin])
            if token.kind == END and states[-1] == end:
                return parts[-1][2][0]
        states.append(action)
        parts.append((token.start, token.start + len(token), [(token, 0)]))
    raise DoesNotFit(text)


def _words(text: str, known: Tables, states: list[int], at: int, last: int) -> Iterator[Word]:
    """Yield the words of a text; a keyword is a name where the grammar has no use for it."""
    match = _pattern(known.pattern).match
    while at < last:
        found = match(text, at, last)
        if found is None:
            raise DoesNotFit(text)
        kind, written = str(found.lastgroup), found[0]
        if kind == NAME and written in known.keywords:
            keyword = known.keywords[written]
            kind = keyword if keyword in known.actions[states[-1]] else NAME
        if kind not in known.ignored:
            yield word(written, kind, at)
        at = found.end()
    yield word("", END, last)


@functools.cache
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _reduce(rule: Rule, states: list[int], parts: list[Part], make: Make) -> None:
    """Replace the last parts by what a rule makes of them; a rule without a name strings them together."""
    _, length, name, kept = rule
    first = len(parts) - length
    taken = parts[first:]
    del parts[first:], states[len(states) - length :]
    items = [item for index in kept for item in taken[index][2]]
    placed = [part for part in taken if part[0] != NOWHERE]
    start, end = (placed[0][0], placed[-1][1]) if placed else (NOWHERE, NOWHERE)
    if name:
        items = [make(name, *((start, end) if placed else (0, 0)), items)]
    parts.append((start, end, items))
