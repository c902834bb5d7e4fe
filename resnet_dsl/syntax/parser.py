"""Text to syntax tree: Lark's LALR(1) parser builds the nodes while it reads."""

from __future__ import annotations

import functools
import hashlib
import keyword
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedInput, UnexpectedToken
from lark.tree import Meta

from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Diagnostic, Source, Span
from resnet_dsl.limits import CHARACTERS, DIGITS, NAME, NESTING, PATH, STEPS, TEXT_BYTES, TOKENS
from resnet_dsl.syntax import ast
from resnet_dsl.syntax.words import FOREIGN, KEYWORDS, OPENING, UNSAFE, brackets

if TYPE_CHECKING:
    from resnet_dsl.syntax.mistakes.place import Stop

WORD = re.compile(r'"[^"\n]*"|#[^\n]*|\w+|[^\w\s]')


class SyntaxProblem(Exception):
    """A problem found while a node is built; the parser turns it into a diagnostic."""

    def __init__(self, code: str, message: str, span: Span, hint: str = "", write: str | None = None) -> None:
        self.write = write  # what the place should hold, if that can be told
        self.diagnostic = Diagnostic(code, message, span, hint=hint)
        super().__init__(message)


def parse(source: Source) -> ast.File:
    """Return the syntax tree of a whole spec; raises CompileError with a place."""
    return cast(ast.File, _run(source, "start"))


def parse_value(source: Source) -> ast.Expr:
    """Return the syntax tree of one expression, as `--set` takes it."""
    return cast(ast.Expr, _run(source, "value"))


def _run(source: Source, start: str) -> ast.Node:
    _check_limits(source)
    try:
        tree = _lark().parse(_without_mark(source.text), start=start)
        return _Builder(source).build(tree)
    except UnexpectedInput as error:
        from resnet_dsl.syntax.mistakes import explained

        raise CompileError([explained(_stop(source, error, start), _find_stop)]) from None
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
    try:
        _lark().parse(_without_mark(source.text), start=start)
    except UnexpectedInput as error:
        return _stop(source, error, start)
    return None


def _stop(source: Source, error: UnexpectedInput, start: str) -> Stop:
    from resnet_dsl.syntax.mistakes.place import Stop

    if not isinstance(error, UnexpectedToken):
        at = error.pos_in_stream or 0
        return Stop(source, at, at + 1, start=start)
    token, expected = error.token, frozenset(error.accepts or ())
    if token.type == "$END":
        return Stop(source, len(source.text), len(source.text), "$END", expected, start)
    at = token.start_pos or 0
    return Stop(source, at, at + len(token), token.type, expected, start)


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


@functools.cache
def _lark() -> Lark:
    """The parser, with its table kept in the user's cache folder between runs."""
    grammar = Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8")
    return Lark(
        grammar,
        parser="lalr",
        start=["start", "value"],
        propagate_positions=True,
        maybe_placeholders=False,
        cache=_table_cache(grammar),
    )


def _table_cache(grammar: str) -> str | bool:
    # Not Lark's default: that is a predictable name in the shared temporary folder, and a
    # pickle that another user of the machine could have put there.
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "resnet-dsl"
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(root, os.W_OK) or root.stat().st_uid != os.getuid():
            return False
    except (OSError, RuntimeError, AttributeError):
        return False
    return str(root / f"grammar-{hashlib.sha256(grammar.encode()).hexdigest()[:16]}.pickle")


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


class _Builder:
    """Turns Lark's tree into syntax nodes: one method a rule, children before parents."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.built: dict[int, tuple[object, int]] = {}

    def build(self, tree: Tree[Token]) -> ast.Node:
        for subtree in tree.iter_subtrees():
            items = [self._child(child) for child in subtree.children]
            depth = 1 + max((depth for _, depth in items), default=0)
            span = self._span(subtree.meta)
            if depth > STEPS.most:
                message = f"more than {STEPS.most} operations or steps in one expression"
                raise SyntaxProblem("E0105", message, span, "give its parts names of their own")
            node = getattr(self, subtree.data)(span, *(value for value, _ in items))
            self.built[id(subtree)] = node, depth
        return cast(ast.Node, self.built[id(tree)][0])

    def _child(self, child: Tree[Token] | Token) -> tuple[object, int]:
        return (child, 0) if isinstance(child, Token) else self.built[id(child)]

    def _span(self, meta: Meta) -> Span:
        if meta.empty:
            return Span(self.source, 0, 0)
        return Span(self.source, meta.start_pos, meta.end_pos)

    def _at(self, token: Token) -> Span:
        start = token.start_pos or 0
        return Span(self.source, start, start + len(token))

    def _name(self, token: Token) -> str:
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

    def use(self, span: Span, target: Token) -> ast.Use:
        shipped = target.type == "NAME"
        if len(target) - 2 > PATH.most:  # without its quotes
            raise SyntaxProblem("E0105", f"a path of more than {PATH.most} characters", span)
        return ast.Use(span, str(target) if shipped else target[1:-1], shipped)

    def const(self, span: Span, name: Token, value: ast.Expr) -> ast.Const:
        return ast.Const(span, self._name(name), value, name_span=self._at(name))

    def block(self, span: Span, name: Token, *rest: Any) -> ast.Block:
        *header, statements, result = rest
        *given, last = header[0] if header and header[0] else (None,)
        passes_on = last if isinstance(last, ast.Rest) else None
        if passes_on is None and last is not None:
            given.append(last)
        called = self._name(name)
        return ast.Block(span, called, tuple(given), statements, result, passes_on, name_span=self._at(name))

    def model(self, span: Span, name: Token, *rest: Any) -> ast.Model:
        *parameters, fields = rest
        given = parameters[0] if parameters else ()
        if given and isinstance(given[-1], ast.Rest):
            hint = "a model takes what its blocks take by itself; `base:` builds on another model"
            raise SyntaxProblem("E0104", "`...` is for the parameters of blocks", given[-1].span, hint)
        return ast.Model(span, self._name(name), given, fields, name_span=self._at(name))

    def row(self, span: Span, name: Token, base: ast.Expr) -> ast.Row:
        fields = (ast.Field(base.span, "base", base, name_span=base.span),)
        return ast.Row(span, self._name(name), (), fields, name_span=self._at(name))

    def parameters(self, span: Span, *items: ast.Parameter | Token) -> tuple[ast.Parameter | ast.Rest, ...]:
        return tuple(ast.Rest(self._at(i)) if isinstance(i, Token) else i for i in items)

    def parameter(
        self, span: Span, name: Token, default: ast.Expr | None = None, *more: Token
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

    def assign(self, span: Span, name: Token, value: ast.Expr) -> ast.Assign:
        return ast.Assign(span, self._name(name), value, name_span=self._at(name))

    def fields(self, span: Span, *items: ast.Field) -> tuple[ast.Field, ...]:
        return items

    def field(self, span: Span, name: Token, value: ast.Expr) -> ast.Field:
        own_word = name.type in ("BLOCK", "MODEL")
        called = str(name) if own_word else self._name(name)
        return ast.Field(span, called, value, name_span=self._at(name))

    def conditional(self, span: Span, condition: ast.Expr, yes: ast.Expr, no: ast.Expr) -> ast.If:
        return ast.If(span, condition, yes, no)

    def pipe(self, span: Span, first: ast.Expr, step: ast.Expr) -> ast.Pipe:
        if isinstance(first, ast.Pipe):
            return ast.Pipe(span, first.first, (*first.steps, step))
        return ast.Pipe(span, first, (step,))

    def labelled(self, span: Span, label: Token, value: ast.Expr) -> ast.Labelled:
        before = self.source.text[: span.start].rstrip() if label in KEYWORDS else ""
        if before.endswith("->"):  # the arrow is left over, and a field begins
            message = f"no step follows this `->`; `{label}` begins something else"
            arrow = Span(self.source, len(before) - 2, len(before))
            raise SyntaxProblem("E0101", message, arrow, write="")
        return ast.Labelled(span, self._name(label), value, name_span=self._at(label))

    def binary(self, span: Span, left: ast.Expr, operator: Token, right: ast.Expr) -> ast.Binary:
        return ast.Binary(span, str(operator), left, right, self._at(operator))

    def unary(self, span: Span, operator: Token, value: ast.Expr) -> ast.Unary:
        return ast.Unary(span, str(operator), value)

    def call(self, span: Span, callee: ast.Expr, *rest: tuple[ast.Argument, ...]) -> ast.Call:
        return ast.Call(span, callee, rest[0] if rest else ())

    def arguments(self, span: Span, *items: ast.Argument) -> tuple[ast.Argument, ...]:
        return items

    def keyword(self, span: Span, name: Token, value: ast.Expr) -> ast.Argument:
        return ast.Argument(span, str(name), value, name_span=self._at(name))

    def positional(self, span: Span, value: ast.Expr) -> ast.Argument:
        return ast.Argument(span, None, value)

    def rest(self, span: Span, token: Token) -> ast.Argument:
        return ast.Argument(span, None, ast.Rest(span))

    def attribute(self, span: Span, value: ast.Expr, name: Token) -> ast.Attribute:
        return ast.Attribute(span, value, str(name))

    def index(self, span: Span, value: ast.Expr, index: ast.Expr) -> ast.Index:
        if isinstance(value, ast.List):  # of two lists in a row more likely the comma is missing
            at = self.source.text.index("[", value.span.end)
            place = Span(self.source, value.span.end, at + 1)
            raise SyntaxProblem("E0101", "`,` is missing before `[`", place, write=", [")
        return ast.Index(span, value, index)

    def name(self, span: Span, token: Token) -> ast.Name:
        return ast.Name(span, self._name(token))

    def integer(self, span: Span, token: Token) -> ast.Number:
        if len(token) > DIGITS.most:
            raise SyntaxProblem("E0105", f"a number of more than {DIGITS.most} digits", span)
        return ast.Number(span, int(self._digits(token)), str(token))

    def real(self, span: Span, token: Token) -> ast.Number:
        if len(token) > CHARACTERS.most:
            raise SyntaxProblem("E0105", f"a number of more than {CHARACTERS.most} characters", span)
        value = float(self._digits(token))
        if value in (float("inf"), float("-inf")):
            raise SyntaxProblem("E0105", f"`{token}` is too large for a number", span)
        return ast.Number(span, value, str(token))

    def _digits(self, token: Token) -> Token:
        if re.search(r"__|_(?![0-9])", token):
            hint = "an underscore stands between two digits: `269_722`"
            raise SyntaxProblem("E0101", f"`{token}` is not a number", self._at(token), hint)
        return token

    def string(self, span: Span, token: Token) -> ast.String:
        return ast.String(span, token[1:-1])

    def dims(self, span: Span, token: Token) -> ast.Dims:
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
