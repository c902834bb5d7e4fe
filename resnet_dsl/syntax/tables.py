"""What a parser has to know of the grammar, in plain values that a module can hold."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

GRAMMAR = Path(__file__).with_name("grammar.lark")
MADE = "resnet_dsl.syntax.generated_tables"

NAME = "NAME"  # the kind of words that may be keywords
END = "$END"

# The library is in the canonical form, in which a declaration starts with its word.
DECLARATION = r"(?m)^(block|model) (\w+)"

# What a declaration is derived by, from its start on: rules with where they start and end and what they are
# made of, and words with their kind and start.
Derived = tuple[str, int, str] | tuple[str, int, int, tuple[Any, ...]]

Rule = tuple[str, int, str, tuple[int, ...]]  # what it makes, of how many parts, its method, parts to keep


def declarations(text: str) -> Iterator[tuple[str, str, int, int]]:
    """Yield the word, the name, the start and the end of each declaration of a text of the library."""
    for match, following in pairwise((*re.finditer(DECLARATION, text), None)):
        assert match is not None
        yield match[1], match[2], match.start(), len(text) if following is None else following.start()


class Tables(NamedTuple):
    """What Lark knows of a grammar, in plain values.

    `actions` says for each state what follows on a word or a part: a state to go to, or the complement of
    the number of a rule that is complete. `starts` has the first and last state for each start.
    """

    grammar: str  # the text they are of
    pattern: str  # of words, a group for each kind
    ignored: tuple[str, ...]
    keywords: dict[str, str]
    starts: dict[str, tuple[int, int]]
    actions: tuple[dict[str, int], ...]
    rules: tuple[Rule, ...]
    library: dict[str, Derived]  # by the text of the declaration
    lark_version: str
    lark: bytes  # what Lark itself loads, in the version that made it
