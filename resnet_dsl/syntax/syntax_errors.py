"""What a syntax error says: the place the parser stopped, what could stand there, what was meant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import cast

from lark import Token
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from resnet_dsl.diagnostics.model import Diagnostic, Label, Source, Span
from resnet_dsl.diagnostics.suggest import did_you_mean

KEYWORDS = frozenset((
    "use", "const", "block", "model", "return", "if",
    "then", "else", "and", "or", "not", "true", "false", "none",
))  # fmt: skip

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
    ("OR", "AND", "COMPARE", "PLUS", "MINUS", "TIMES", "DIVIDE", "POWER", "__ANON_0", "DOT", "LPAR")
)

# Terminals that can start the same thing are called by its name, once.
FIELD = frozenset({"NAME", "BLOCK", "MODEL"})
DECLARATION = frozenset({"USE", "CONST", "BLOCK", "MODEL"})
STEP = frozenset({"NAME", "RETURN"})
GROUPS = (
    (DECLARATION, ("a declaration",)),
    (FIELD, ("a field",)),
    (STEP, ("a step", "`return`")),
)

# Other languages' words and signs, and what they are here.
CHARACTERS = {
    "'": "strings take double quotes",
    "“": "strings take double quotes",
    "”": "strings take double quotes",
    ";": "nothing separates fields and steps; write one a line",
    "→": "write `->`",
    "×": "write a small `x`: `3x3`",
    "−": "write `-`",
    "!": "write `not`",
    "&": "write `and`",
    "^": "a power is written `**`",
    "\r": "end the lines with a line feed",
}
WORDS = {"True": "true", "False": "false", "None": "none", "elif": "else if"}

OPENING = {"(": ")", "[": "]", "{": "}"}
CLOSERS = {"RPAR": "(", "RSQB": "[", "RBRACE": "{"}
BRACKET = re.compile(r'"[^"\n]*"|#[^\n]*|[\[({]|[\])}]')

# No text needs them, and a terminal, an editor or generated code may obey them: control
# characters, a lone carriage return, marks that reverse the order of what is read, half characters.
UNSAFE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]|\r(?!\n)")


def brackets(text: str) -> Iterator[tuple[str, int]]:
    """Yield every bracket of a text with its offset; those in strings and comments do not count."""
    for match in BRACKET.finditer(text):
        if match[0] in "()[]{}":
            yield match[0], match.start()


def unsafe_character(source: Source) -> Diagnostic | None:
    """Return the error for the first character that no spec may hold, wherever it stands."""
    match = UNSAFE.search(source.text)
    return None if match is None else _character(source, match.start())


def syntax_error(source: Source, error: UnexpectedInput) -> Diagnostic:
    """Return the diagnostic for the place where the parser stopped."""
    if isinstance(error, UnexpectedCharacters):
        return _character(source, error.pos_in_stream or 0)
    token = cast(UnexpectedToken, error).token
    expected = set(cast(UnexpectedToken, error).accepts or ())
    if token.type == "$END":
        return _end(source, expected)
    start = token.start_pos or 0
    span = Span(source, start, start + len(token))
    message = f"unexpected `{_short(token)}`; {_expectation(expected)} should stand here"
    hint = _hint(source.text, token, expected)
    return Diagnostic("E0101", message, span, _unclosed(source, token, expected), hint=hint)


def _short(token: str) -> str:
    return token if len(token) <= 40 else f"{token[:40]}…"


def _character(source: Source, start: int) -> Diagnostic:
    char = source.text[start]
    span = Span(source, start, start + 1)
    if char == '"':
        return Diagnostic("E0101", "this string does not end on its line", span)
    shown = repr(char) if char.isprintable() else ascii(char)
    return Diagnostic("E0101", f"unexpected character {shown}", span, hint=CHARACTERS.get(char, ""))


def _end(source: Source, expected: set[str]) -> Diagnostic:
    end = len(source.text.rstrip())
    opened = _innermost(source.text, end)
    closing = "" if opened is None else OPENING[source.text[opened]]
    hint = f"close it with `{closing}`" if TERMINALS_OF.get(closing) in expected else ""
    return Diagnostic(
        "E0102",
        f"the text ends where {_expectation(expected)} should follow",
        Span(source, max(end - 1, 0), end),
        () if opened is None else (_opened(source, opened),),
        hint=hint,
    )


TERMINALS_OF = {OPENING[opening]: terminal for terminal, opening in CLOSERS.items()}


def _opened(source: Source, offset: int) -> Label:
    return Label(Span(source, offset, offset + 1), "opened here")


def _innermost(text: str, end: int) -> int | None:
    """The offset of the last bracket that is still open at `end`."""
    still: list[int] = []
    for bracket, offset in brackets(text[:end]):
        if bracket in OPENING:
            still.append(offset)
        elif still:
            still.pop()
    return still[-1] if still else None


def _unclosed(source: Source, token: Token, expected: set[str]) -> tuple[Label, ...]:
    """The bracket that was perhaps forgotten: another closes, or another field or step begins."""
    opened = _innermost(source.text, token.start_pos or 0)
    if opened is None or token.type not in (*CLOSERS, "NAME", *(w.upper() for w in KEYWORDS)):
        return ()
    closing = TERMINALS_OF[OPENING[source.text[opened]]]
    fits = closing in expected and (token.type in CLOSERS or closing != "RBRACE")
    return (_opened(source, opened),) if fits else ()


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


# --- hints ---------------------------------------------------------------------------------------


def _hint(text: str, token: Token, expected: set[str]) -> str:
    """Guess what was meant; the empty string where nothing is likely."""
    start = token.start_pos or 0
    before, after = text[:start], text[start + len(token) :]
    if str(token) in KEYWORDS and "NAME" in expected:
        return f"`{token}` is a word of the language; take another name"
    if token.type in ("EQUAL", "COLON") and (word := _last_word(before)) in KEYWORDS:
        return f"`{word}` is a word of the language; take another name"
    if before.rstrip(" ,\n").endswith("...") and "RPAR" in expected:
        return "`...` stands last: what a call gives by itself comes before it"
    if token.type == "NAME":
        return _hint_of_name(token, before, expected)
    if token.type == "COMMA" and expected >= FIELD:
        return _hint_of_comma(after)
    return next((hint for hint in _hints_of_sign(token, before, after, expected) if hint), "")


def _last_word(text: str) -> str:
    match = re.search(r"([A-Za-z_][A-Za-z0-9_]*)\s*\Z", text[-100:])
    return match[1] if match else ""


def _hint_of_name(token: Token, before: str, expected: set[str]) -> str:
    if before[-1:].isdigit():
        return "a size is whole numbers joined by a small `x`: `3x3`, `3xHxW`"
    if expected >= DECLARATION:
        return did_you_mean(str(token), ("use", "const", "block", "model"))
    if expected == {"COLON"} and (word := _last_word(before)) in ("block", "model"):
        return f"if a {word} begins here, close the declaration before it with `}}`"
    if expected == {"EQUAL"}:
        return "a block ends with `return` and its result"
    return ""


def _hint_of_comma(after: str) -> str:
    if re.match(r"\s*[A-Za-z_][A-Za-z0-9_]*\s*:", after):
        return "no commas between fields: `{ a: 1  b: 2 }`"
    return "a list takes brackets: `[3, 4, 6, 3]`"


def _hints_of_sign(token: Token, before: str, after: str, expected: set[str]) -> Iterator[str]:
    if token.type in ("PLUS", "MINUS", "TIMES", "DIVIDE") and "__ANON_0" in expected:
        yield "a step is a name or a call; put the pipeline in parentheses: `(x -> a) + y`"
    if token.type == "EQUAL" and "THEN" in expected:
        yield "equality is `==`"
    if token.type == "EQUAL" and "COLON" in expected:
        yield "fields of a model take a colon: `name: value`"
    if token.type == "COLON" and "EQUAL" in expected:
        yield "steps of a block take an equals sign: `name = value`"
    if token.type in ("__ANON_0", "LPAR") and expected == {"EQUAL"}:
        yield "name the step, `name = …`, or `return` it"
    if token.type == "COMPARE" and "AND" in expected:
        yield "comparisons do not chain: `a < b and b < c`"
    if token == "//":
        yield "comments start with `#`"
    if token.type == "VBAR" and after.startswith("|"):
        yield "write `or`"
    if token.type == "DOT" and re.search(r"\buse\s+\w+\Z", before[-100:]):
        yield 'a file is named in quotes: `use "name.resnet"`'
    if token.type == "DOT" and "FLOAT" in expected and after[:1].isdigit():
        yield "write `0.` in front of the digits"
    if token.type == "RBRACE" and "RETURN" in expected:
        yield "a block ends with `return` and its result"
