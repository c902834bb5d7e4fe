"""Where no mistake of the tables fits: what stands at a place, and what could."""

from __future__ import annotations

import re

from resnet_dsl.diagnostics.model import Diagnostic, Span
from resnet_dsl.diagnostics.suggest import did_you_mean
from resnet_dsl.syntax.mistakes.place import Stop
from resnet_dsl.syntax.words import KEYWORDS

# What a person calls a terminal of the grammar; anything else is shown as it is written.
TERMINALS = {
    "NAME": "a name",
    "INT": "a number",
    "FLOAT": "a number",
    "STRING": "a string",
    "DIMS": "a size such as `3x3`",
    "$END": "the end of the file",
    "COMPARE": "a comparison",
    "LBRACE": "`{`",
    "RBRACE": "`}`",
    "LPAR": "`(`",
    "RPAR": "`)`",
    "LSQB": "`[`",
    "RSQB": "`]`",
    "COLON": "`:`",
    "EQUAL": "`=`",
    "COMMA": "`,`",
    "VBAR": "`|`",
    "REST": "`...`",
    "DOT": "`.`",
    "__ANON_0": "`->`",
}
OPERATORS = frozenset(
    ("OR", "AND", "COMPARE", "PLUS", "MINUS", "TIMES", "DIVIDE", "POWER", "__ANON_0", "DOT", "LPAR", "LSQB")
)

# Terminals that can start the same thing are called by its name, once.
FIELD = frozenset({"NAME", "BLOCK", "MODEL", "RECIPE"})
DECLARATION = frozenset({"USE", "CONST", "BLOCK", "MODEL", "RECIPE"})
STEP = frozenset({"NAME", "RECIPE", "RETURN"})
GROUPS = (
    (DECLARATION, ("a declaration",)),
    (FIELD, ("a field",)),
    (STEP, ("a step", "`return`")),
)


def unexpected(stop: Stop) -> Diagnostic:
    """Return the diagnostic that says what stands at a place and what could."""
    source, text = stop.source, stop.source.text
    if stop.terminal == "$END":
        end = len(text.rstrip())
        message = f"the text ends where {_expectation(set(stop.expected))} should follow"
        return Diagnostic("E0102", message, Span(source, max(end - 1, 0), end))
    span = Span(source, stop.at, stop.end)
    if not stop.terminal:
        char = text[stop.at]
        shown = repr(char) if char.isprintable() else ascii(char)
        return Diagnostic("E0101", f"unexpected character {shown}", span)
    word = text[stop.at : stop.end]
    message = f"unexpected `{_short(word)}`; {_expectation(set(stop.expected))} should stand here"
    return Diagnostic("E0101", message, span, hint=_hint(stop, word))


def _hint(stop: Stop, word: str) -> str:
    """Guess what was meant; the empty string where nothing is likely."""
    if word in KEYWORDS and "NAME" in stop.expected:
        return f"`{word}` is a word of the language; take another name"
    before = re.search(r"([A-Za-z_]\w*)\s*\Z", stop.text[max(0, stop.at - 100) : stop.at])
    if word in ("=", ":") and before is not None and before[1] in KEYWORDS:
        return f"`{before[1]}` is a word of the language; take another name"
    if stop.expected >= DECLARATION:
        return did_you_mean(word, ("use", "const", "block", "model", "recipe"))
    if stop.terminal in ("PLUS", "MINUS", "TIMES", "DIVIDE") and "__ANON_0" in stop.expected:
        return "a step is a name or a call; put the pipeline in parentheses: `(x -> a) + y`"
    return ""


def _short(token: str) -> str:
    return token if len(token) <= 40 else f"{token[:40]}…"


def _expectation(expected: set[str]) -> str:
    """Say what could stand here; after a whole value, operators go without saying."""
    names = expected - OPERATORS or expected
    words: set[str] = set()
    for group, called in GROUPS:
        if group <= names:
            names, words = names - group, words | set(called)
    words |= {TERMINALS.get(name, f"`{name.lower()}`") for name in names}
    if len(words) > 6:
        return "a value"
    *front, last = sorted(words, key=lambda word: (word[0] == "`", word))
    return f"{', '.join(front)} or {last}" if front else last
