"""Characters that no spec has: those of word processors, web pages and other languages."""

from __future__ import annotations

import re
import unicodedata

from resnet_dsl.diagnostics.model import Source, Span
from resnet_dsl.syntax.mistakes.place import Stop
from resnet_dsl.syntax.mistakes.slip import Found

# What a character is called, and what is written in its stead.
CHARACTERS = {
    "→": ("an arrow sign", "->"),
    "⟶": ("an arrow sign", "->"),
    "➔": ("an arrow sign", "->"),
    "➜": ("an arrow sign", "->"),
    "⇒": ("an arrow sign", "->"),
    "×": ("a multiplication sign", "x"),
    "✕": ("a multiplication sign", "x"),
    "−": ("a minus sign of typesetting", "-"),
    "–": ("a dash", "-"),
    "—": ("a dash", "-"),
    "‐": ("a hyphen of typesetting", "-"),
    "\u2011": ("a hyphen of typesetting", "-"),
    "“": ("a typographic quote", '"'),
    "”": ("a typographic quote", '"'),
    "„": ("a typographic quote", '"'),
    "«": ("a typographic quote", '"'),
    "»": ("a typographic quote", '"'),
    "≤": ("a sign of mathematics", "<="),
    "≥": ("a sign of mathematics", ">="),
    "≠": ("a sign of mathematics", "!="),
    "÷": ("a sign of mathematics", "/"),
    "∗": ("a sign of mathematics", "*"),
    "·": ("a sign of mathematics", "*"),
    "…": ("an ellipsis in one character", "..."),
    "\u00a0": ("a non-breaking space", " "),
    "\u3000": ("a full-width space", " "),
    "\u200b": ("an invisible space", ""),
    "\u200c": ("an invisible character", ""),
    "\u200d": ("an invisible character", ""),
    "\u2060": ("an invisible character", ""),
    "\u00ad": ("an invisible hyphen", ""),
    "\ufeff": ("a byte order mark within the text", ""),
    "‘": ("a typographic quote", '"'),
    "’": ("a typographic quote", '"'),
}
ARROW = re.compile(r"[–—−-]\s*[>›»]")
QUOTED = re.compile(r"'([^'\n]*)'|‘([^’\n]*)’|`([^`\n]*)`|[“„”]([^“”\"\n]*)[“”\"]|«([^»\n]*)»")
DOUBLE = "a text stands in plain double quotes"


def character(stop: Stop) -> Found | None:
    """Return what a character that no token starts with stands for, or None where that is not known."""
    text, at = stop.source.text, stop.at
    char = text[at]
    if quoted := QUOTED.match(text, at):
        return _quoted(stop.source, quoted, text[:at])
    if char in "–—−" and (arrow := ARROW.match(text, at)):
        return _found(stop.source, at, arrow.end(), "an arrow is written `->`", "->")
    if char == '"':
        return _unfinished(stop)
    if char in CHARACTERS:
        called, write = CHARACTERS[char]
        return _found(stop.source, at, at + 1, f"{_shown(char)} is {called}", write)
    plain = unicodedata.normalize("NFKC", char)
    if plain != char and plain.isascii() and plain.isprintable():
        called = "a space of typesetting" if plain == " " else "a full-width or styled character"
        return _found(stop.source, at, at + 1, f"{_shown(char)} is {called}", plain)
    if char.isalpha():
        end = next((i for i in range(at, len(text)) if not (text[i].isalnum() or text[i] == "_")), len(text))
        start = next((i for i in range(at, 0, -1) if not (text[i - 1].isalnum() or text[i - 1] == "_")), 0)
        message = f"unexpected character {_shown(char)}: names are letters from `a` to `z`, digits and `_`"
        return Found(Span(stop.source, start, end), "E0101", message, None, "")
    return None


def _quoted(source: Source, quoted: re.Match[str], before: str) -> Found:
    """Quotes of another kind: a word alone needs none, the name of a file takes double ones."""
    inner = next(group for group in quoted.groups() if group is not None)
    is_name = re.fullmatch(r"[A-Za-z_]\w*", inner) is not None
    if is_name and not re.search(r"\buse\s+\Z", before):
        message, write = f"`{inner}` stands without quotes", inner
    else:
        message, write = DOUBLE, f'"{inner}"'
    return _found(source, quoted.start(), quoted.end(), message, write)


def _unfinished(stop: Stop) -> Found:
    text = stop.source.text
    end = text.find("\n", stop.at)
    line = text[stop.at : len(text) if end < 0 else end].rstrip()
    at = Span(stop.source, stop.at, stop.at + len(line))
    span, message = Span(stop.source, stop.at, stop.at + 1), "this string does not end on its line"
    return Found(span, "E0101", message, f'{line}"' if re.fullmatch(r'"[\w./-]+', line) else None, at=at)


def _found(source: Source, start: int, end: int, message: str, write: str | None) -> Found:
    return Found(Span(source, start, end), "E0101", message, write, "")


def _shown(char: str) -> str:
    return repr(char) if char.isprintable() else ascii(char)
