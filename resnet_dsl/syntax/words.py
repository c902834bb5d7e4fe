"""The words and brackets of a text, as far as they can be told before it is parsed."""

from __future__ import annotations

import re
from collections.abc import Iterator

KEYWORDS = frozenset((
    "use", "const", "block", "model", "return", "if",
    "then", "else", "and", "or", "not", "true", "false", "none",
))  # fmt: skip

# Other languages' words for values and branches, which are no names either.
FOREIGN = {
    "True": "true", "False": "false", "None": "none", "elif": "else if", "TRUE": "true", "FALSE": "false",
    "null": "none", "nil": "none", "NULL": "none", "nullptr": "none", "yes": "true", "no": "false",
    "on": "true", "off": "false",
}  # fmt: skip

OPENING = {"(": ")", "[": "]", "{": "}"}
BRACKET = re.compile(r'"[^"\n]*"|#[^\n]*|[\[({]|[\])}]')

# No text needs them, and a terminal, an editor or generated code may obey them: control
# characters, a lone carriage return, marks that reverse the order of what is read, half characters.
UNSAFE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]|\r(?!\n)")


def brackets(text: str) -> Iterator[tuple[str, int]]:
    """Yield every bracket of a text with its offset; those in strings and comments do not count."""
    for match in BRACKET.finditer(text):
        if match[0] in "()[]{}":
            yield match[0], match.start()
