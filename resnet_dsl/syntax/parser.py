"""Text to syntax tree: tables that Lark made of the grammar say what a text is derived by.

Lark itself is asked, in `by_lark.py`, where a text does not fit them: for what is wrong with it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Diagnostic, Source, Span
from resnet_dsl.limits import NESTING, TEXT_BYTES, TOKENS
from resnet_dsl.syntax import ast
from resnet_dsl.syntax.builder import Builder, Item, SyntaxProblem
from resnet_dsl.syntax.kept_tables import tables
from resnet_dsl.syntax.lalr import DoesNotFit, derive
from resnet_dsl.syntax.words import OPENING, UNSAFE, brackets

if TYPE_CHECKING:
    from resnet_dsl.syntax.mistakes.place import Stop

WORD = re.compile(r'"[^"\n]*"|#[^\n]*|\w+|[^\w\s]')


def parse(source: Source) -> ast.File:
    """Return the syntax tree of a whole spec; raises CompileError with a place."""
    return cast(ast.File, _run(source, "start"))


def parse_value(source: Source) -> ast.Expr:
    """Return the syntax tree of one expression, as `--set` takes it."""
    return cast(ast.Expr, _run(source, "value"))


def parse_declaration(source: Source, first: int, last: int) -> ast.Declaration:
    """Return the only declaration in a stretch of a text of ours, which is known to be right."""
    builder = Builder(source)
    kept = tables().library.get(source.text[first:last])
    if kept is None:
        file, _ = derive(tables(), source.text, "start", builder.make, first, last)
    else:
        file, _ = builder.replay(kept, first)
    (declaration,) = cast(ast.File, file).declarations
    return declaration


def _run(source: Source, start: str) -> ast.Node:
    _check_limits(source)
    text = _without_mark(source.text)
    try:
        node, _ = derive(tables(), text, start, Builder(source).make)
    except (DoesNotFit, SyntaxProblem):
        node = _by_lark(source, text, start)
    return cast(ast.Node, node)


def _by_lark(source: Source, text: str, start: str) -> ast.Node:
    """The node of a text that the tables do not fit, or that has a problem; mostly it has none."""
    from resnet_dsl.syntax.by_lark import node, stop_in
    from resnet_dsl.syntax.mistakes import explained

    stop = stop_in(source, text, start)
    if stop is not None:
        raise CompileError([explained(stop, _find_stop)])
    try:
        return node(source, text, start)
    except SyntaxProblem as problem:
        raise CompileError([_put_right(source, problem, start)]) from None


def _put_right(source: Source, problem: SyntaxProblem, start: str) -> Diagnostic:
    """The diagnostic of a problem, with the line to write."""
    found = problem.diagnostic
    if found.span is None:
        return found
    from resnet_dsl.syntax.mistakes import put_right
    from resnet_dsl.syntax.mistakes.place import Stop

    stop = Stop(source, found.span.start, found.span.end, start=start)
    return put_right(stop, found, problem.write, _find_stop)


def _find_stop(source: Source, start: str) -> Stop | None:
    """Return where a text ceases to be a spec, or None if it is one; nodes are not built."""
    text = _without_mark(source.text)
    try:
        derive(tables(), text, start, _nothing)
    except DoesNotFit:
        from resnet_dsl.syntax.by_lark import stop_in

        return stop_in(source, text, start)
    return None


def _nothing(rule: str, start: int, end: int, items: list[Item]) -> Item:
    return None, 0


def _unsafe_character(source: Source) -> Diagnostic | None:
    """The error for the first character that no spec may hold, wherever it stands."""
    match = UNSAFE.search(source.text)
    if match is None:
        return None
    hint = "end the lines with a line feed" if match[0] == "\r" else ""
    span = Span(source, match.start(), match.start() + 1)
    return Diagnostic("E0101", f"unexpected character {match[0]!a}", span, hint=hint)


def _without_mark(text: str) -> str:
    """The text with a byte order mark made a space, so that every offset stays."""
    return f" {text[1:]}" if text.startswith("\ufeff") else text


def words_of(source: Source) -> int:
    """Return how many words and signs a text has: what parsing it costs."""
    return sum(1 for _ in WORD.finditer(source.text, 0, TEXT_BYTES.most))


def _check_limits(source: Source) -> None:
    """Refuse what is too large, unreadable or too deep before the parser sees it."""
    size = len(source.text.encode("utf-8", "surrogatepass"))
    if size > TEXT_BYTES.most:
        message = f"the text has more than {TEXT_BYTES.most:,} bytes"
        raise CompileError([Diagnostic("E0105", message, Span(source, 0, 0))])
    if (words := words_of(source)) > TOKENS.most:
        message = f"the text has {words:,} words and signs; the limit is {TOKENS.most:,}"
        raise CompileError([Diagnostic("E0105", message, Span(source, 0, 0))])
    if (unsafe := _unsafe_character(source)) is not None:
        raise CompileError([unsafe])
    depth = 0
    for bracket, offset in brackets(source.text):
        depth += 1 if bracket in OPENING else -1
        if depth > NESTING.most:
            raise CompileError([_too_deep(Span(source, offset, offset + 1))])


def _too_deep(span: Span) -> Diagnostic:
    return Diagnostic(
        "E0105",
        f"nested more than {NESTING.most} levels deep",
        span,
        hint="name the inner parts in a block of their own",
    )
