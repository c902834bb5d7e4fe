"""Where the parser stopped: the text around, without comments, and what that stands in."""

from __future__ import annotations

import re
from functools import cached_property

from resnet_dsl.diagnostics.model import Source
from resnet_dsl.records import dataclass

MARK = "§"  # stands where the parser stopped; one that a text has itself is taken out first
BEFORE, AFTER = 600, 300

STRING_OR_COMMENT = re.compile(r'"[^"\n]*"|#[^\n]*')
TOKEN = re.compile(r'"[^"\n]*"|[\[({\])}]|\b(?:block|model|const|use|recipe(?=\s+\w+\s*\{))\b')
CALLED = re.compile(r"(?:\w|\))\s*\Z")
NOT_CALLED = re.compile(r"\b(?:return|if|then|else|and|or|not)\s*\Z")
CLOSERS = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True)
class Opening:
    """A bracket that is open: what it is, where it stands, and the letter of what is in it."""

    bracket: str
    offset: int
    kind: str


@dataclass(frozen=True)
class Stop:
    """Where a text ceases to be a spec: the offset, the terminal found and those that would do."""

    source: Source
    at: int
    end: int
    terminal: str = ""
    expected: frozenset[str] = frozenset()
    start: str = "start"  # the rule of the grammar that was to be parsed

    @cached_property
    def text(self) -> str:
        """The text with every comment made blanks, so that offsets stay."""
        return without_comments(self.source.text)

    @cached_property
    def open(self) -> tuple[Opening, ...]:
        """The brackets that are open here, from the outermost."""
        return tuple(_open(self.text[: self.at]))

    @cached_property
    def inside(self) -> str:
        """What is around, a letter a level, from the outermost.

        T the file, V a value alone, P parameters, M a model or recipe, B a block, R a record, C a call,
        L a list, G a group.
        """
        return ("T" if self.start == "start" else "V") + "".join(opening.kind for opening in self.open)

    @cached_property
    def window(self) -> str:
        """The text around with a mark where the parser stopped."""
        text = self.text.replace(MARK, "?")
        return f"{text[self._first : self.at]}{MARK}{text[self.at : self.at + AFTER]}"

    def offset(self, index: int) -> int:
        """Return the offset in the text of an index into the window."""
        offset = self._first + index
        return offset if offset <= self.at else offset - len(MARK)

    @property
    def _first(self) -> int:
        return max(self.at - BEFORE, 0)


def without_comments(text: str) -> str:
    """Return a text with blanks in place of its comments."""
    return STRING_OR_COMMENT.sub(lambda m: m[0] if m[0][0] == '"' else " " * len(m[0]), text)


def _open(text: str) -> list[Opening]:
    still: list[Opening] = []
    declared = ""
    for match in TOKEN.finditer(text):
        token, offset = match[0], match.start()
        if token in "([{":
            still.append(
                Opening(token, offset, _kind(token, declared, text[max(0, offset - 40) : offset], still))
            )
        elif token in ")]}":
            if still:
                still.pop()
        elif not still and token[0] != '"':
            declared = token
    return still


def _kind(bracket: str, declared: str, before: str, still: list[Opening]) -> str:
    if bracket == "[":
        return "L"
    if bracket == "{":
        return "R" if still else {"block": "B", "model": "M", "recipe": "M"}.get(declared, "R")
    if not still and declared in ("block", "model"):
        return "P"
    return "C" if CALLED.search(before) and not NOT_CALLED.search(before) else "G"
