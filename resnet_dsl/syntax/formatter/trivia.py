"""Trivia: what a text holds beside its syntax tree: comments, blank lines, line breaks."""

from __future__ import annotations

import bisect
import re
from functools import cached_property

from resnet_dsl.records import dataclass

LEXEME = re.compile(r'"[^"\n]*"|#[^\n]*')


@dataclass(frozen=True)
class Comment:
    """`# …` without trailing blanks; `inline` when something stands before it on its line."""

    text: str
    start: int
    inline: bool


@dataclass(frozen=True)
class Trivia:
    """What the syntax tree of a text leaves out, found by offset."""

    text: str

    @cached_property
    def comments(self) -> tuple[Comment, ...]:
        """Every comment, in order."""
        found = (match for match in LEXEME.finditer(self.text) if match[0].startswith("#"))
        return tuple(self._comment(match[0], match.start()) for match in found)

    def _comment(self, text: str, start: int) -> Comment:
        line = self.text.rfind("\n", 0, start) + 1
        return Comment(text.rstrip(" \t\r"), start, bool(self.text[line:start].strip()))

    @cached_property
    def _starts(self) -> list[int]:
        return [comment.start for comment in self.comments]

    def commented(self, start: int, end: int) -> bool:
        """Whether a comment starts in this stretch."""
        index = bisect.bisect_left(self._starts, start)
        return index < len(self._starts) and self._starts[index] < end

    def blank_before(self, offset: int) -> bool:
        """Whether a blank line comes directly before `offset`."""
        end = len(self.text)
        offset = min(offset, end)  # a node may be from another text, in a tree that was made
        while offset > 0 and self.text[offset - 1] in " \t\r\n":
            offset -= 1
            if self.text[offset] == "\n":
                if end < len(self.text):
                    return True
                end = offset
        return False

    def breaks_between(self, start: int, end: int) -> bool:
        """Whether the author ended a line in this stretch."""
        return "\n" in self.text[start:end]

    def find(self, token: str, start: int) -> int:
        """Return the offset of the next `token` from `start` on that is not in a comment."""
        pattern = re.compile(rf"#[^\n]*|(?:{re.escape(token)})(?![A-Za-z0-9_])")
        return next(m.start() for m in pattern.finditer(self.text, start) if m[0] == token)


def comments(text: str) -> tuple[str, ...]:
    """Return the comments of a text in order, without the blanks at their ends."""
    return tuple(comment.text for comment in Trivia(text).comments)
