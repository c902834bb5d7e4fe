"""Nodes of the syntax tree from what the grammar found: one method a rule."""

from __future__ import annotations

import keyword
import re
from typing import Any

from resnet_dsl.diagnostics.model import Diagnostic, Source, Span
from resnet_dsl.limits import CHARACTERS, DIGITS, NAME, PATH, STEPS
from resnet_dsl.syntax import ast
from resnet_dsl.syntax.tables import Derived
from resnet_dsl.syntax.words import FOREIGN, KEYWORDS

Item = tuple[Any, int]  # a word, a node or several nodes, and how deep nodes are nested in it


class Word(str):
    """A word or sign of a text: of which kind, and where it starts."""

    __slots__ = ("kind", "start")

    kind: str
    start: int


def word(text: str, kind: str, start: int) -> Word:
    """Return a word of a text."""
    made = Word(text)
    made.kind, made.start = kind, start
    return made


class SyntaxProblem(Exception):
    """A problem found while a node is built; the parser turns it into a diagnostic."""

    def __init__(self, code: str, message: str, span: Span, hint: str = "", write: str | None = None) -> None:
        self.write = write  # what the place should hold, if that can be told
        self.diagnostic = Diagnostic(code, message, span, hint=hint)
        super().__init__(message)


class Builder:
    """Makes the nodes of one text: a method for each rule of the grammar, children before parents."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def make(self, rule: str, start: int, end: int, items: list[Item]) -> Item:
        """Return what a rule makes of its parts; raises SyntaxProblem."""
        depth = 1 + max([depth for _, depth in items], default=0)
        span = Span(self.source, start, end)
        if depth > STEPS.most:
            message = f"more than {STEPS.most} operations or steps in one expression"
            raise SyntaxProblem("E0105", message, span, "give its parts names of their own")
        return getattr(self, rule)(span, *[value for value, _ in items]), depth

    def replay(self, kept: Derived, first: int) -> Item:
        """Return what a declaration that was derived before makes where it starts at `first`."""
        if len(kept) == 3:
            kind, start, text = kept
            return word(text, kind, first + start), 0
        rule, start, end, parts = kept
        return self.make(rule, first + start, first + end, [self.replay(part, first) for part in parts])

    def _at(self, token: Word) -> Span:
        return Span(self.source, token.start, token.start + len(token))

    def _name(self, token: Word) -> str:
        if len(token) > NAME.most:
            message = f"a name of more than {NAME.most} characters"
            raise SyntaxProblem("E0105", message, self._at(token), "files and layers are called after it")
        # Names become identifiers in generated Python, so its own words are refused too.
        if token in KEYWORDS or keyword.iskeyword(token):
            message = f"`{token}` is a reserved word"
            write = FOREIGN.get(token)
            raise SyntaxProblem("E0103", message, self._at(token), "take another name", write)
        if token.startswith("__"):
            message = f"`{token}` starts with two underscores"
            raise SyntaxProblem("E0103", message, self._at(token), "Python keeps such names")
        return str(token)

    def start(self, span: Span, *declarations: ast.Declaration) -> ast.File:
        return ast.File(span, declarations)

    def value(self, span: Span, value: ast.Expr) -> ast.Expr:
        return value

    def use(self, span: Span, target: Word) -> ast.Use:
        shipped = target.kind == "NAME"
        if len(target) - 2 > PATH.most:  # without its quotes
            raise SyntaxProblem("E0105", f"a path of more than {PATH.most} characters", span)
        return ast.Use(span, str(target) if shipped else target[1:-1], shipped)

    def const(self, span: Span, name: Word, value: ast.Expr) -> ast.Const:
        return ast.Const(span, self._name(name), value, name_span=self._at(name))

    def block(self, span: Span, name: Word, *rest: Any) -> ast.Block:
        *header, statements, result = rest
        *given, last = header[0] if header and header[0] else (None,)
        passes_on = last if isinstance(last, ast.Rest) else None
        if passes_on is None and last is not None:
            given.append(last)
        called = self._name(name)
        return ast.Block(span, called, tuple(given), statements, result, passes_on, name_span=self._at(name))

    def model(self, span: Span, name: Word, *rest: Any) -> ast.Model:
        *parameters, fields = rest
        given = parameters[0] if parameters else ()
        if given and isinstance(given[-1], ast.Rest):
            hint = "a model takes what its blocks take by itself; `base:` builds on another model"
            raise SyntaxProblem("E0104", "`...` is for the parameters of blocks", given[-1].span, hint)
        return ast.Model(span, self._name(name), given, fields, name_span=self._at(name))

    def row(self, span: Span, name: Word, base: ast.Expr) -> ast.Row:
        fields = (ast.Field(base.span, "base", base, name_span=base.span),)
        return ast.Row(span, self._name(name), (), fields, name_span=self._at(name))

    def recipe(self, span: Span, name: Word, fields: tuple[ast.Field, ...]) -> ast.Recipe:
        return ast.Recipe(span, self._name(name), fields, name_span=self._at(name))

    def parameters(self, span: Span, *items: ast.Parameter | Word) -> tuple[ast.Parameter | ast.Rest, ...]:
        return tuple(ast.Rest(self._at(i)) if isinstance(i, Word) else i for i in items)

    def parameter(
        self, span: Span, name: Word, default: ast.Expr | None = None, *more: Word
    ) -> ast.Parameter:
        choices: tuple[str, ...] = ()
        if more:
            if not isinstance(default, ast.Name):
                place = self._at(more[0]) if default is None else default.span
                raise SyntaxProblem("E0104", "the choices of a parameter are names", place)
            choices = (default.id, *(self._name(token) for token in more))
        return ast.Parameter(span, self._name(name), default, choices, name_span=self._at(name))

    def statements(self, span: Span, *items: ast.Assign) -> tuple[ast.Assign, ...]:
        return items

    def assign(self, span: Span, name: Word, value: ast.Expr) -> ast.Assign:
        return ast.Assign(span, self._name(name), value, name_span=self._at(name))

    def fields(self, span: Span, *items: ast.Field) -> tuple[ast.Field, ...]:
        return items

    def field(self, span: Span, name: Word, value: ast.Expr) -> ast.Field:
        own_word = name.kind in ("BLOCK", "MODEL")
        called = str(name) if own_word else self._name(name)
        return ast.Field(span, called, value, name_span=self._at(name))

    def conditional(self, span: Span, condition: ast.Expr, yes: ast.Expr, no: ast.Expr) -> ast.If:
        return ast.If(span, condition, yes, no)

    def pipe(self, span: Span, first: ast.Expr, step: ast.Expr) -> ast.Pipe:
        if isinstance(first, ast.Pipe):
            return ast.Pipe(span, first.first, (*first.steps, step))
        return ast.Pipe(span, first, (step,))

    def labelled(self, span: Span, label: Word, value: ast.Expr) -> ast.Labelled:
        before = self.source.text[: span.start].rstrip() if label in KEYWORDS else ""
        if before.endswith("->"):  # the arrow is left over, and a field begins
            message = f"no step follows this `->`; `{label}` begins something else"
            arrow = Span(self.source, len(before) - 2, len(before))
            raise SyntaxProblem("E0101", message, arrow, write="")
        return ast.Labelled(span, self._name(label), value, name_span=self._at(label))

    def binary(self, span: Span, left: ast.Expr, operator: Word, right: ast.Expr) -> ast.Binary:
        return ast.Binary(span, str(operator), left, right, self._at(operator))

    def unary(self, span: Span, operator: Word, value: ast.Expr) -> ast.Unary:
        return ast.Unary(span, str(operator), value)

    def call(self, span: Span, callee: ast.Expr, *rest: tuple[ast.Argument, ...]) -> ast.Call:
        return ast.Call(span, callee, rest[0] if rest else ())

    def arguments(self, span: Span, *items: ast.Argument) -> tuple[ast.Argument, ...]:
        return items

    def keyword(self, span: Span, name: Word, value: ast.Expr) -> ast.Argument:
        return ast.Argument(span, str(name), value, name_span=self._at(name))

    def positional(self, span: Span, value: ast.Expr) -> ast.Argument:
        return ast.Argument(span, None, value)

    def rest(self, span: Span, token: Word) -> ast.Argument:
        return ast.Argument(span, None, ast.Rest(span))

    def attribute(self, span: Span, value: ast.Expr, name: Word) -> ast.Attribute:
        return ast.Attribute(span, value, str(name))

    def index(self, span: Span, value: ast.Expr, index: ast.Expr) -> ast.Index:
        if isinstance(value, ast.List):  # of two lists in a row more likely the comma is missing
            at = self.source.text.index("[", value.span.end)
            place = Span(self.source, value.span.end, at + 1)
            raise SyntaxProblem("E0101", "`,` is missing before `[`", place, write=", [")
        return ast.Index(span, value, index)

    def name(self, span: Span, token: Word) -> ast.Name:
        return ast.Name(span, self._name(token))

    def integer(self, span: Span, token: Word) -> ast.Number:
        if len(token) > DIGITS.most:
            raise SyntaxProblem("E0105", f"a number of more than {DIGITS.most} digits", span)
        return ast.Number(span, int(self._digits(token)), str(token))

    def real(self, span: Span, token: Word) -> ast.Number:
        if len(token) > CHARACTERS.most:
            raise SyntaxProblem("E0105", f"a number of more than {CHARACTERS.most} characters", span)
        value = float(self._digits(token))
        if value in (float("inf"), float("-inf")):
            raise SyntaxProblem("E0105", f"`{token}` is too large for a number", span)
        return ast.Number(span, value, str(token))

    def _digits(self, token: Word) -> Word:
        if re.search(r"__|_(?![0-9])", token):
            hint = "an underscore stands between two digits: `269_722`"
            raise SyntaxProblem("E0101", f"`{token}` is not a number", self._at(token), hint)
        return token

    def string(self, span: Span, token: Word) -> ast.String:
        return ast.String(span, token[1:-1])

    def dims(self, span: Span, token: Word) -> ast.Dims:
        if len(token) > CHARACTERS.most:
            raise SyntaxProblem("E0105", f"a size of more than {CHARACTERS.most} characters", span)
        parts = token.split("x")
        return ast.Dims(span, tuple(int(p) if p.isdigit() else p for p in parts))

    def true(self, span: Span) -> ast.Constant:
        return ast.Constant(span, True)

    def false(self, span: Span) -> ast.Constant:
        return ast.Constant(span, False)

    def none(self, span: Span) -> ast.Constant:
        return ast.Constant(span, None)

    def list(self, span: Span, *items: ast.Expr) -> ast.List:
        return ast.List(span, items)

    def record(self, span: Span, fields: tuple[ast.Field, ...]) -> ast.Record:
        return ast.Record(span, fields)

    def group(self, span: Span, value: ast.Expr) -> ast.Group:
        return ast.Group(span, value)
