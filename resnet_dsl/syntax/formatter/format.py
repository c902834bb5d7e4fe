"""Canonical text of a spec: one style, the same program, every comment kept in order."""

from __future__ import annotations

from resnet_dsl.diagnostics.model import Source
from resnet_dsl.records import fields
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
    text = _written(tree, Trivia(source.text), source.name)
    if comments(source.text) != comments(text):
        raise FormatterError(f"{source.name}: formatting would lose a comment; please report it")
    return text


def format_tree(tree: ast.File) -> str:
    """Return the canonical text of a tree that was made: its nodes are of no text, or of several."""
    return _written(tree, Trivia(""), "<made>")


def _written(tree: ast.File, trivia: Trivia, name: str) -> str:
    text = Writer(trivia, flat_texts(tree, trivia)).file(tree)
    # A text that reads as another program may never leave: what is formatted is also what is compiled.
    if not same_tree(tree, parse(Source(name, text))):
        raise FormatterError(f"{name}: formatting would change the program; please report it")
    return text


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
    own = []
    for spec in fields(node):
        value = getattr(node, spec.name)
        parts = value if isinstance(value, tuple) else (value,)
        if spec.compare and not any(isinstance(part, ast.Node) for part in parts):
            own.append((type(value), value))  # with its type: 1, 1.0 and true are equal in Python
    return type(node), below, tuple(own)
