"""The lines of a text being written, and the comments that wait for their place in it.

A comment is written as soon as the node after it is reached, behind the line or on its own: so
whatever an author puts wherever, each is written once and in order.
"""

from __future__ import annotations

from collections import deque

from resnet_dsl.syntax.formatter.trivia import Trivia

INDENT = 4


class Lines:
    """Lines written so far and the one being written, with the comments still to come."""

    def __init__(self, trivia: Trivia) -> None:
        self.trivia = trivia
        self.pending = deque(trivia.comments)
        self.lines: list[str] = []
        self.line = ""
        self.closed = False  # a comment ended the line
        self.fresh = True  # nothing stands before on this level, so no blank line does

    def newline(self, indent: int, blank: bool = False) -> None:
        """Begin a line, after a blank one if wanted and allowed."""
        if self.line or self.lines:
            self.lines.append(self.line.rstrip(" "))
        if blank and not self.fresh:
            self.lines.append("")
        self.line, self.closed, self.fresh = " " * indent, False, False

    def flush(self, offset: int, indent: int, spaced: bool = False, forced: bool = False) -> bool:
        """Write the comments before `offset`; `forced` asks for a blank line, given back if unmet."""
        while self.pending and self.pending[0].start < offset:
            comment = self.pending.popleft()
            if comment.inline and not self.closed and self.line.strip():
                self.line = self.line.rstrip(" ") + f"  {comment.text}"
            else:
                blank = forced or (spaced and self.trivia.blank_before(comment.start))
                self.newline(indent, blank)
                self.line += comment.text
                forced = False
            self.closed = True
        return forced

    def begin(self, offset: int, indent: int, forced: bool = False) -> None:
        """Begin the line of a declaration, field or statement, after the comments before it."""
        forced = self.flush(offset, indent, spaced=True, forced=forced)
        self.newline(indent, forced or self.trivia.blank_before(offset))

    def put(self, text: str, indent: int) -> None:
        """Continue the line, or the next one where a comment ended it."""
        if self.closed:
            self.newline(indent + INDENT)
            text = text.lstrip()
        self.line += text

    def open(self, bracket: str) -> None:
        """Open a body: no blank line comes next."""
        self.line += bracket
        self.fresh = True
