"""Places as editors count them, by line and code unit, and offsets into a text."""

from __future__ import annotations

import bisect
import re
from functools import cached_property
from typing import NamedTuple

from resnet_dsl.records import dataclass

LINE_END = re.compile(r"\r\n|\n|\r")
UNITS = {"utf-8": ("utf-8", 1), "utf-16": ("utf-16-le", 2), "utf-32": ("utf-32-le", 4)}


class TextPosition(NamedTuple):
    """A line, and the code unit in it, both counted from 0."""

    line: int
    character: int


@dataclass(frozen=True)
class TextPositions:
    """The positions of a text; `encoding` is what its code units are, as the protocol calls it."""

    text: str
    encoding: str = "utf-16"

    @cached_property
    def starts(self) -> list[int]:
        """Where lines start; a line ends as the protocol has it, also at a carriage return alone."""
        return [0, *(match.end() for match in LINE_END.finditer(self.text))]

    def at(self, offset: int) -> TextPosition:
        """Return the position of an offset."""
        offset = min(max(offset, 0), len(self.text))
        line = bisect.bisect_right(self.starts, offset) - 1
        return TextPosition(line, self._units(self.text[self.starts[line] : offset]))

    def offset(self, line: int, character: int) -> int:
        """Return the offset of a position; one past the end of a line is that end."""
        if line >= len(self.starts):
            return len(self.text)
        start = self.starts[max(line, 0)]
        end = self.starts[line + 1] if line + 1 < len(self.starts) else len(self.text)
        written = self.text[start:end].rstrip("\r\n")
        if written.isascii():
            return start + min(character, len(written))
        codec, size = UNITS[self.encoding]
        units = written.encode(codec, "surrogatepass")[: character * size]
        return start + len(units.decode(codec, "ignore"))

    def _units(self, text: str) -> int:
        if text.isascii():
            return len(text)
        codec, size = UNITS[self.encoding]
        return len(text.encode(codec, "surrogatepass")) // size
