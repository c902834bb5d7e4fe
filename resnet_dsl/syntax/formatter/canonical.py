"""Canonical text of a spec: one style, the same program, every comment kept in order."""

from __future__ import annotations

from dataclasses import fields

from resnet_dsl.diagnostics.model import Source
from resnet_dsl.syntax import ast
from resnet_dsl.syntax.formatter.breaking import Writer
from resnet_dsl.syntax.formatter.one_line import flat_texts
from resnet_dsl.syntax.formatter.trivia import Trivia, comments
from resnet_dsl.syntax.parser import parse


class FormatterError(AssertionError):
    """The formatter was about to change what a text means or to lose a comment."""


def format_source(source: Source) -> str:
    """Return the canonical text of a spec; raises CompileError if it cannot be parsed."""
    tree = parse(source)
    trivia = Trivia(source.text)
    text = Writer(trivia, flat_texts(tree, trivia)).file(tree)
    _check(source, tree, text)
    return text


def format_tree(tree: ast.File) -> str:
    """Return the canonical text of a tree that was made: its nodes are of no text, or of several."""
    trivia = Trivia("")
    text = Writer(trivia, flat_texts(tree, trivia)).file(tree)
    if not same_tree(tree, parse(Source("<made>", text))):
        raise FormatterError("a tree was made that no text is; please report it")
    return text


def _check(source: Source, tree: ast.File, text: str) -> None:
    if not same_tree(tree, parse(Source(source.name, text))):
        raise FormatterError(f"{source.name}: formatting would change the program; please report it")
    if comments(source.text) != comments(text):
        raise FormatterError(f"{source.name}: formatting would lose a comment; please report it")


def same_tree(a: ast.Node, b: ast.Node) -> bool:
    """Whether two trees are equal; unlike `==`, at any depth."""
    stack = [(a, b)]
    while stack:
        a, b = stack.pop()
        if _own(a) != _own(b):
            return False
        stack.extend(zip(ast.children(a), ast.children(b), strict=True))
    return True


def _own(node: ast.Node) -> tuple[object, ...]:
    """What a node says itself, and the kinds of its children; places do not count."""
    below = tuple(type(child) for child in ast.children(node))
    values = (getattr(node, spec.name) for spec in fields(node) if spec.compare)
    own = (v for v in values if not isinstance(v, ast.Node) and not _holds_nodes(v))
    return type(node), below, tuple((type(value), value) for value in own)


def _holds_nodes(value: object) -> bool:
    return isinstance(value, tuple) and any(isinstance(item, ast.Node) for item in value)
