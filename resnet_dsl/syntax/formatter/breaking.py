"""Syntax tree to lines: each construct on one line if it fits, else broken from the outside in."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from resnet_dsl.syntax import ast
from resnet_dsl.syntax.formatter.lines import INDENT, Lines
from resnet_dsl.syntax.formatter.one_line import WIDTH, Texts, atom, choices, dot, prefix, sign
from resnet_dsl.syntax.formatter.trivia import Trivia

HANG = 20  # how far from the indent an arrow may stand for the next ones to stand below it

PRECEDENCE = {"or": 0, "and": 1, "+": 3, "-": 3, "*": 4, "/": 4, "//": 4, "%": 4, "**": 5}
COMPARISON = 2


class Writer(Lines):
    """Writes a tree: a method a construct that may have to be broken.

    `indent` is that of the construct's first line, `tail` what has to fit behind its last one.
    """

    def __init__(self, trivia: Trivia, texts: Texts) -> None:
        super().__init__(trivia)
        self.texts = texts

    # --- declarations -----------------------------------------------------------------------

    def file(self, tree: ast.File) -> str:
        """Return the text of a whole file."""
        before: ast.Declaration | None = None
        for declaration in tree.declarations:
            self.begin(declaration.span.start, 0, forced=_apart(before, declaration))
            self._declaration(declaration)
            before = declaration
        self.flush(len(self.trivia.text), 0, spaced=True)
        self.newline(0)
        return "".join(f"{line}\n" for line in self.lines)

    def _declaration(self, node: ast.Declaration) -> None:
        match node:
            case ast.Use():
                self.line += f"use {node.target}" if node.shipped else f'use "{node.target}"'
            case ast.Const():
                self.line += f"const {node.name} = "
                self.write(node.value, 0)
            case ast.Row():
                self.line += f"model {node.name} = "
                self.write(node.fields[0].value, 0)
            case ast.Model():
                self.line += f"model {node.name}"
                self._parameters(node)
                self._fields(node, node.fields, 0)
            case ast.Recipe():
                self.line += f"recipe {node.name} "
                self._fields(node, node.fields, 0)
            case ast.Block():
                self.line += f"block {node.name}"
                self._block_body(node, self._parameters(node))

    def _parameters(self, node: ast.Block | ast.Model) -> int:
        """Write the parameters up to the body; returns the offset of the bracket that ends them."""
        parameters: tuple[ast.Node, ...] = node.parameters
        if isinstance(node, ast.Block) and node.rest is not None:
            parameters = (*parameters, node.rest)
        if not parameters:
            self.line += " "
            return node.span.start
        close = self.trivia.find(")", parameters[-1].span.end)
        texts = [self.texts[id(parameter)] for parameter in parameters]
        line = f"({', '.join(text or '' for text in texts)})"
        broken = None in texts or self.trivia.commented(node.span.start, close)
        if broken or len(self.line) + len(line) + len(" {") > WIDTH:
            self._brackets("()", parameters, node.span.start, close, 0, fill=True)
        else:
            self.line += line
        self.line += " "
        return close

    def _block_body(self, node: ast.Block, start: int) -> None:
        self.open("{")
        for statement in node.statements:
            self.begin(statement.span.start, INDENT)
            self.line += f"{statement.name} = "
            self.write(statement.value, INDENT)
            start = statement.span.end
        self.begin(self.trivia.find("return", start), INDENT)
        self.line += "return "
        self.write(node.result, INDENT)
        self._close(node, 0)

    def _fields(self, node: ast.Node, fields: Sequence[ast.Field], indent: int) -> None:
        """Write `{ … }` with a field a line."""
        if not fields and not self.trivia.commented(node.span.start, node.span.end):
            self.line += "{}"
            return
        self.open("{")
        for field in fields:
            self.begin(field.span.start, indent + INDENT)
            self.line += f"{field.name}: "
            self.write(field.value, indent + INDENT)
        self._close(node, indent)

    def _close(self, node: ast.Node, indent: int) -> None:
        self.flush(node.span.end - 1, indent + INDENT, spaced=True)
        self.newline(indent)
        self.line += "}"

    # --- expressions ------------------------------------------------------------------------

    def write(self, node: ast.Node, indent: int, tail: int = 0) -> None:
        """Write a node on the line if it fits there, else broken."""
        self.flush(node.span.start, indent + INDENT)
        self.put("", indent)
        text = self.texts[id(node)]
        if text is not None and len(self.line) + len(text) + tail <= WIDTH:
            self.line += text
            return
        # The cases stay here, not in a method of their own: every level of a spec costs calls.
        start, end = node.span.start, node.span.end - 1
        match node:
            case ast.List():
                self._brackets("[]", node.items, start, end, indent, fill=all(map(atom, node.items)))
            case ast.Record():
                self._fields(node, node.fields, indent)
            case ast.Group():
                self._brackets("()", (node.value,), start, end, indent)
            case ast.Call():
                self.write(node.callee, indent, 1)
                self._brackets("()", node.arguments, start, end, indent, fill=True)
            case ast.Attribute():
                self.write(node.value, indent, len(dot(node)) + tail)
                self.flush(end, indent + INDENT)
                self.put(dot(node), indent)
            case ast.Index():
                self.write(node.value, indent, 1)
                self._brackets("[]", (node.index,), start, end, indent)
            case ast.Argument():
                self.line += prefix(node)
                self.write(node.value, indent, tail)
            case ast.Unary():
                self.line += sign(node)
                self.write(node.value, indent, tail)
            case ast.Labelled():
                self.line += f"{node.label}: "
                self.write(node.value, indent, tail)
            case ast.Parameter():
                self._parameter(node, indent, tail)
            case ast.Binary():
                self._binary(node, indent, tail)
            case ast.If():
                self._conditional(node, indent, tail)
            case ast.Pipe():
                self._pipe(node, indent, tail)
            case _:
                self.line += atom(node)

    def _brackets(
        self,
        signs: str,
        items: Sequence[ast.Node],
        start: int,
        end: int,
        indent: int,
        fill: bool = False,
    ) -> None:
        """Write items between brackets: as many a line as fit, or one, and the end on its own line."""
        inner = indent + INDENT
        self.line += signs[0]
        if fill and self._fits_filled(items, inner) and not self.trivia.commented(start, end):
            self._filled([self.texts[id(item)] or "" for item in items], inner)
        else:
            comma = "," if len(items) > 1 else ""
            for item in items:
                self.flush(item.span.start, inner)
                self.newline(inner)
                self.write(item, inner, len(comma))
                self.line += comma
        self.flush(end, inner)
        self.newline(indent)
        self.line += signs[1]

    def _fits_filled(self, items: Sequence[ast.Node], indent: int) -> bool:
        texts = (self.texts[id(item)] for item in items)
        return all(text is not None and indent + len(text) < WIDTH for text in texts)

    def _filled(self, texts: Sequence[str], indent: int) -> None:
        self.newline(indent)
        for index, text in enumerate(texts):
            text += "," if index < len(texts) - 1 else ""
            if index and len(self.line) + 1 + len(text) > WIDTH:
                self.newline(indent)
            self.line += text if self.line.isspace() else f" {text}"

    def _parameter(self, node: ast.Parameter, indent: int, tail: int) -> None:
        self.line += node.name
        if node.default is None:
            return
        self.line += " = "
        self.write(node.default, indent, len(choices(node)) + tail)
        self.flush(node.span.end, indent + INDENT)
        self.put(choices(node), indent)

    def _binary(self, node: ast.Binary, indent: int, tail: int) -> None:
        """Break a chain of one precedence before each of its operators, or inside its last operand."""
        inner = indent + INDENT
        if self._ends_in_brackets(node, inner, tail):
            self.line += f"{self.texts[id(node.left)]} {node.operator} "
            self.write(node.right, indent, tail)
            return
        first, chain = _chain(node)
        self.write(first, indent)
        for operator, operand in chain:
            self.flush(operand.span.start, inner)
            self.newline(inner)
            self.line += f"{operator} "
            self.write(operand, inner, tail if operand is chain[-1][1] else 0)

    def _ends_in_brackets(self, node: ast.Binary, inner: int, tail: int) -> bool:
        """Whether only the last operand has to be broken, and has brackets to do it in."""
        left, right, sign = self.texts[id(node.left)], self.texts[id(node.right)], f" {node.operator} "
        if left is None or not isinstance(node.right, ast.Group | ast.Call | ast.List | ast.Record):
            return False
        fits_below = right is not None and inner + len(sign) - 1 + len(right) + tail <= WIDTH
        commented = self.trivia.commented(node.left.span.end, node.right.span.start)
        return not (fits_below or commented) and len(self.line) + len(left) + len(sign) < WIDTH

    def _conditional(self, node: ast.If, indent: int, tail: int) -> None:
        """Break before `then` and `else`; in a chain, an `if … then …` that fits stays together."""
        inner = indent + INDENT
        self.line += "if "
        self._branch(node, indent, isinstance(node.no, ast.If))
        while isinstance(node.no, ast.If):
            node = node.no
            self.flush(node.span.start, inner)
            self.newline(inner)
            self.line += "else if "
            self._branch(node, inner, True)
        self.flush(node.no.span.start, inner)
        self.newline(inner)
        self.line += "else "
        self.write(node.no, inner, tail)

    def _branch(self, node: ast.If, indent: int, together: bool) -> None:
        condition, yes = self.texts[id(node.condition)], self.texts[id(node.yes)]
        line = f"{condition} then {yes}"
        commented = self.trivia.commented(node.span.start, node.yes.span.end)
        if together and condition and yes and not commented and len(self.line) + len(line) <= WIDTH:
            self.line += line
            return
        self.write(node.condition, indent)
        self.flush(node.yes.span.start, indent + INDENT)
        self.newline(indent + INDENT)
        self.line += "then "
        self.write(node.yes, indent + INDENT)

    # --- pipelines --------------------------------------------------------------------------

    def _pipe(self, node: ast.Pipe, indent: int, tail: int) -> None:
        """Break where the author did if that fits, else before each arrow."""
        first = self.texts[id(node.first)]
        arrow = len(self.line) + len(first or "") + 1
        below = first is not None and arrow <= indent + HANG
        arrow = arrow if below else indent + INDENT
        rows = self._rows(node, below)
        if rows is not None and self._fit(rows, arrow, tail):
            self.line += rows[0]
            for row in rows[1:]:
                self.newline(arrow)
                self.line += f"-> {row}"
        else:
            self._steps(node, indent, arrow, below, tail)

    def _rows(self, node: ast.Pipe, below: bool) -> list[str] | None:
        """The pipeline in the author's lines, or None where a step has to be broken itself."""
        parts = (node.first, *node.steps)
        if self.trivia.commented(node.span.start, node.span.end):
            return None
        rows = [self.texts[id(node.first)]]
        for index, (before, step) in enumerate(pairwise(parts)):
            text = self.texts[id(step)]
            ended = self.trivia.breaks_between(before.span.end, step.span.start)
            if ended and not (below and index == 0):
                rows.append(text)
            elif rows[-1] is not None and text is not None:
                rows[-1] += f" -> {text}"
            else:
                return None
        return None if None in rows else [row for row in rows if row is not None]

    def _fit(self, rows: Sequence[str], arrow: int, tail: int) -> bool:
        ends = [len(self.line) + len(rows[0]), *(arrow + len(f"-> {row}") for row in rows[1:])]
        ends[-1] += tail
        return max(ends) <= WIDTH

    def _steps(self, node: ast.Pipe, indent: int, arrow: int, below: bool, tail: int) -> None:
        lines = len(self.lines)
        self.write(node.first, indent)
        if len(self.lines) > lines and self._follow(node, tail):
            return
        for index, step in enumerate(node.steps):
            self.flush(step.span.start, arrow)
            if index == 0 and below and not self.closed:
                self.line += " -> "
            else:
                self.newline(arrow)
                self.line += "-> "
            lone = below and len(node.steps) == 1  # `x -> f(…)` breaks as `f(…)` would
            self.write(step, indent if lone else arrow, tail if step is node.steps[-1] else 0)

    def _follow(self, node: ast.Pipe, tail: int) -> bool:
        """Write all steps behind the bracket that ends a broken first operand, if they fit there."""
        texts = [self.texts[id(step)] for step in node.steps]
        line = "".join(f" -> {text}" for text in texts)
        fits = None not in texts and len(self.line) + len(line) + tail <= WIDTH
        if not fits or self.trivia.commented(node.first.span.end, node.span.end):
            return False
        self.line += line
        return True


CLOSE = (ast.Use, ast.Const), (ast.Row,)  # those of one group may stand without a blank line between


def _apart(before: ast.Declaration | None, node: ast.Declaration) -> bool:
    """Whether a blank line goes between two declarations in any case."""
    if before is None:
        return False
    return not any(isinstance(before, group) and isinstance(node, group) for group in CLOSE)


def _chain(node: ast.Binary) -> tuple[ast.Expr, list[tuple[str, ast.Expr]]]:
    """The first operand of a chain of one precedence, and the others with their operators."""
    level = PRECEDENCE.get(node.operator, COMPARISON)
    chain = [(node.operator, node.right)]
    first = node.left
    while isinstance(first, ast.Binary) and PRECEDENCE.get(first.operator, COMPARISON) == level:
        chain.append((first.operator, first.right))
        first = first.left
    return first, chain[::-1]
