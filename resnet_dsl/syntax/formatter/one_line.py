"""One-line text of every node of a tree, where it has one: short enough and without comments."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from resnet_dsl.syntax import ast
from resnet_dsl.syntax.formatter.trivia import Trivia

WIDTH = 100

Texts = dict[int, str | None]


def flat_texts(tree: ast.File, trivia: Trivia) -> Texts:
    """Return the one-line text of each node by its `id`; None where it has to be broken."""
    texts: Texts = {}

    def flat(child: ast.Node) -> str:
        return texts[id(child)] or ""

    for node in _children_first(tree):
        span = node.span
        broken = isinstance(node, ast.File) or trivia.commented(span.start, span.end)
        broken = broken or any(texts[id(child)] is None for child in ast.children(node))
        text = "" if broken else one_line(node, flat)
        texts[id(node)] = None if broken or len(text) > WIDTH else text
    return texts


def _children_first(tree: ast.Node) -> Iterable[ast.Node]:
    # A stack instead of recursion: a tree may be deeper than Python's calls.
    order, stack = [], [tree]
    while stack:
        node = stack.pop()
        order.append(node)
        stack.extend(ast.children(node))
    return reversed(order)


def atom(node: ast.Node) -> str:
    """Return the text of a node without parts, as it was written; empty for any other."""
    match node:
        case ast.Name():
            return node.id
        case ast.Rest():
            return "..."
        case ast.Number() | ast.Dims() | ast.String() | ast.Constant():
            return node.span.source.text[node.span.start : node.span.end] or _spelled(node)
        case _:
            return ""


def _spelled(node: ast.Number | ast.Dims | ast.String | ast.Constant) -> str:
    """The text of a node that was made, not parsed."""
    match node:
        case ast.Number():
            return node.text
        case ast.Dims():
            return "x".join(map(str, node.parts))
        case ast.String():
            return f'"{node.value}"'
        case ast.Constant():
            return "none" if node.value is None else str(node.value).lower()


def whole_line(node: ast.Node) -> str:
    """Return a node on one line, however long."""
    return one_line(node, whole_line)


def dot(node: ast.Attribute) -> str:
    """Return `.name`; after a whole number `.0` needs a space, or the two would be one number."""
    glued = isinstance(node.value, ast.Number) and atom(node.value).replace("_", "").isdigit()
    return f" .{node.name}" if glued and node.name[0].isdigit() else f".{node.name}"


def prefix(node: ast.Argument) -> str:
    """Return `name=`; with blanks around the sign where the value has some that bind less."""
    if node.name is None:
        return ""
    loose = isinstance(node.value, ast.If | ast.Pipe | ast.Labelled)
    return f"{node.name} = " if loose else f"{node.name}="


def one_line(node: ast.Node, flat: Callable[[ast.Node], str]) -> str:
    """Return a node on one line, given how its children are written."""
    match node:
        case ast.List():
            return f"[{', '.join(map(flat, node.items))}]"
        case ast.Record():
            return f"{{ {'  '.join(map(flat, node.fields))} }}" if node.fields else "{}"
        case ast.Group():
            return f"({flat(node.value)})"
        case ast.Call():
            return f"{flat(node.callee)}({', '.join(map(flat, node.arguments))})"
        case ast.Argument():
            return f"{prefix(node)}{flat(node.value)}"
        case ast.Attribute():
            return f"{flat(node.value)}{dot(node)}"
        case ast.Index():
            return f"{flat(node.value)}[{flat(node.index)}]"
        case ast.Unary():
            return f"{sign(node)}{flat(node.value)}"
        case ast.Binary():
            return f"{flat(node.left)} {node.operator} {flat(node.right)}"
        case ast.If():
            return f"if {flat(node.condition)} then {flat(node.yes)} else {flat(node.no)}"
        case ast.Pipe():
            return " -> ".join(map(flat, (node.first, *node.steps)))
        case ast.Labelled():
            return f"{node.label}: {flat(node.value)}"
        case ast.Field():
            return f"{node.name}: {flat(node.value)}"
        case ast.Parameter():
            default = "" if node.default is None else f" = {flat(node.default)}"
            return f"{node.name}{default}{choices(node)}"
        case _:
            return atom(node)


def choices(node: ast.Parameter) -> str:
    """Return ` | b | c`: the choices of a parameter after its default."""
    return "".join(f" | {choice}" for choice in node.choices[1:])


def sign(node: ast.Unary) -> str:
    """Return a unary operator with the blank it needs."""
    return "not " if node.operator == "not" else node.operator
