"""What a parser has to know of the grammar, in plain values that a module can hold."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

GRAMMAR = Path(__file__).with_name("grammar.lark")
MADE = "resnet_dsl.syntax.generated_tables"

NAME = "NAME"  # the kind of words that may be keywords
END = "$END"

Rule = tuple[str, int, str, tuple[int, ...]]  # what it makes, of how many parts, its method, parts to keep


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
    lark_version: str
    lark: bytes  # what Lark itself loads, in the version that made it
