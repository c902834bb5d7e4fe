"""Texts that are wrong, or nearly: Lark says where they cease to be a spec, and what was expected there."""

from __future__ import annotations

import functools
from io import BytesIO
from typing import cast

from lark import Lark, Token, Tree
from lark import __version__ as lark_version
from lark.exceptions import UnexpectedInput, UnexpectedToken

from resnet_dsl.diagnostics.model import Source
from resnet_dsl.syntax import ast
from resnet_dsl.syntax.builder import Builder, Item, word
from resnet_dsl.syntax.kept_tables import tables
from resnet_dsl.syntax.mistakes.place import Stop


@functools.cache
def _lark() -> Lark:
    known = tables()
    if known.lark_version == lark_version:
        return Lark.load(BytesIO(known.lark))
    from resnet_dsl.syntax.make_tables import lark_of

    return lark_of(known.grammar)


def stop_in(source: Source, text: str, start: str) -> Stop | None:
    """Return where a text ceases to be a spec, or None if it is one; nodes are not built."""
    try:
        _lark().parse(text, start=start)
    except UnexpectedInput as error:
        return _stop(source, error, start)
    return None


def node(source: Source, text: str, start: str) -> ast.Node:
    """Return the node of a text that is a spec; raises SyntaxProblem."""
    return _built(_lark().parse(text, start=start), Builder(source))


def _stop(source: Source, error: UnexpectedInput, start: str) -> Stop:
    if not isinstance(error, UnexpectedToken):
        at = error.pos_in_stream or 0
        return Stop(source, at, at + 1, start=start)
    token, expected = error.token, frozenset(error.accepts or ())
    if token.type == "$END":
        return Stop(source, len(source.text), len(source.text), "$END", expected, start)
    at = token.start_pos or 0
    return Stop(source, at, at + len(token), token.type, expected, start)


def _built(tree: Tree[Token], builder: Builder) -> ast.Node:
    """The node of Lark's tree, children before parents; of several problems the deepest is found first."""
    built: dict[int, Item] = {}
    for part in tree.iter_subtrees():
        items = [_word(child) if isinstance(child, Token) else built[id(child)] for child in part.children]
        start, end = (0, 0) if part.meta.empty else (part.meta.start_pos, part.meta.end_pos)
        built[id(part)] = builder.make(part.data, start, end, items)
    return cast(ast.Node, built[id(tree)][0])


def _word(token: Token) -> Item:
    return word(str(token), token.type, token.start_pos or 0), 0
