"""What Lark knows of the grammar, as a module of plain values: `python -m resnet_dsl.syntax.make_tables`.

The build runs it, and so does the first run in a checkout. The module is never committed; it holds the
grammar that it is of, so that one of another grammar is not taken for it.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

from lark import Lark
from lark import __version__ as lark_version
from lark.grammar import Rule as LarkRule
from lark.lexer import PatternStr, TerminalDef

from resnet_dsl.syntax.builder import Item, Word
from resnet_dsl.syntax.lalr import DoesNotFit, Make, derive
from resnet_dsl.syntax.tables import GRAMMAR, MADE, Derived, Rule, Tables, declarations

LIBRARY = GRAMMAR.parents[1] / "library"
PLACE = GRAMMAR.with_name(f"{MADE.rpartition('.')[2]}.py")


def lark_of(grammar: str) -> Lark:
    """Return Lark's own parser of a grammar."""
    return Lark(
        grammar,
        parser="lalr",
        start=["start", "value"],
        propagate_positions=True,
        maybe_placeholders=False,
    )


def made_of(grammar: str) -> Tables:
    """Return the tables of a grammar."""
    lark = lark_of(grammar)
    kept = BytesIO()
    lark.save(kept)
    words = sorted((each for each in lark.terminals if _keyword(each) is None), key=_rank)
    starts, actions = _automaton(lark)
    made = Tables(
        grammar,
        "|".join(f"(?P<{each.name}>{each.pattern.to_regexp()})" for each in words),
        tuple(map(str, lark.lexer_conf.ignore)),
        {text: str(each.name) for each in lark.terminals if (text := _keyword(each)) is not None},
        starts,
        actions,
        tuple(map(_rule, lark.rules)),
        {},
        lark_version,
        kept.getvalue(),
    )
    return made._replace(library=_library(made))


def _library(known: Tables) -> dict[str, Derived]:
    """What the declarations of the library are derived by; none where they are of another grammar."""
    found: dict[str, Derived] = {}
    for path in sorted(LIBRARY.glob("*.resnet")):
        text = path.read_text(encoding="utf-8")
        for _, _, first, last in declarations(text):
            with suppress(DoesNotFit):
                found[text[first:last]], _ = derive(known, text, "start", _recorder(first), first, last)
    return found


def _recorder(first: int) -> Make:
    """What notes rules instead of making nodes, with places that count from `first`."""

    def noted(part: Any) -> Derived:
        return (part.kind, part.start - first, str(part)) if isinstance(part, Word) else part

    def made(rule: str, start: int, end: int, items: list[Item]) -> Item:
        return (rule, start - first, end - first, tuple(noted(part) for part, _ in items)), 0

    return made


def _automaton(lark: Lark) -> tuple[dict[str, tuple[int, int]], tuple[dict[str, int], ...]]:
    """The first and last state for each start, and what each state does on a word or a part."""
    found = lark.parser.parser._parse_table
    number = {state: place for place, state in enumerate(found.states)}
    rules = {rule: place for place, rule in enumerate(lark.rules)}
    starts = {
        str(start): (number[state], number[found.end_states[start]])
        for start, state in found.start_states.items()
    }

    def does(action: Any, to: Any) -> int:
        return number[to] if action.name == "Shift" else ~rules[to]

    rows = found.states.values()
    return starts, tuple({str(name): does(*what) for name, what in row.items()} for row in rows)


def _keyword(terminal: TerminalDef) -> str | None:
    """The text of a terminal that would be a name elsewhere."""
    fixed = isinstance(terminal.pattern, PatternStr)
    return str(terminal.pattern.value) if fixed and terminal.pattern.value.isidentifier() else None


def _rank(terminal: TerminalDef) -> tuple[int, int, int, str]:
    """Which of the terminals that fit a place is taken, as Lark has it."""
    pattern = terminal.pattern
    return -terminal.priority, -pattern.max_width, -len(pattern.value), terminal.name


def _rule(rule: LarkRule) -> Rule:
    """A rule as the parser needs it; what starts with an underscore or is but another name makes nothing."""
    kept = tuple(i for i, each in enumerate(rule.expansion) if not getattr(each, "filter_out", False))
    origin = rule.origin.name
    nameless = origin.startswith("_") or (rule.options.expand1 and len(kept) == 1)
    method = rule.alias or ("" if nameless else origin)
    return str(origin), len(rule.expansion), str(method), kept


def keep(tables: Tables) -> None:
    """Write the tables beside the grammar; where that may not be, every run makes its own."""
    with suppress(OSError):
        write(tables, PLACE)


def write(tables: Tables, place: Path) -> None:
    """Write the tables as a module, which is there as a whole or not at all."""
    descriptor, temporary = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(
                f'"""Tables of the grammar; `make_tables.py` writes them."""\n\nTABLES = {tuple(tables)!r}\n'
            )
        os.chmod(temporary, 0o644)
        os.replace(temporary, place)
    except OSError:
        os.unlink(temporary)
        raise


if __name__ == "__main__":
    write(made_of(GRAMMAR.read_text(encoding="utf-8")), PLACE)
