"""The parser: the tree of a text, its limits, and what it says of a text that has none."""

# ruff: noqa: E501  (a row of the table of mistakes reads best on one line)

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Diagnostic, Source, Span
from resnet_dsl.limits import NESTING, STEPS, TEXT_BYTES
from resnet_dsl.syntax import ast
from resnet_dsl.syntax.parser import parse, parse_value
from tests.support.strategies import damaged, texts, valid_specs

quick = settings(max_examples=150, deadline=None, derandomize=True)
AT = Span(Source("", ""), 0, 0)


def name(text: str) -> ast.Name:
    return ast.Name(AT, text)


def number(value: float) -> ast.Number:
    return ast.Number(AT, value, str(value))


def positional(*values: ast.Expr) -> tuple[ast.Argument, ...]:
    return tuple(ast.Argument(AT, None, value) for value in values)


def tree(text: str) -> ast.File:
    return parse(Source("spec.resnet", text))


def value(text: str) -> ast.Expr:
    return parse_value(Source("value", text))


def problem(text: str) -> Diagnostic:
    with pytest.raises(CompileError) as caught:
        tree(text)
    (found,) = caught.value.diagnostics
    return found


# --- trees -------------------------------------------------------------------------------------

X, Y, Z = name("x"), name("y"), name("z")
ONE, TWO, THREE = number(1), number(2), number(3)


def binary(left: ast.Expr, operator: str, right: ast.Expr) -> ast.Binary:
    return ast.Binary(AT, operator, left, right, AT)


EXPRESSIONS = {
    "true": ast.Constant(AT, True),
    "none": ast.Constant(AT, None),
    '"a # b"': ast.String(AT, "a # b"),
    "1_000": number(1000),
    "1e-5": number(1e-5),
    "3x3": ast.Dims(AT, (3, 3)),
    "3xHxW": ast.Dims(AT, (3, "H", "W")),
    "[]": ast.List(AT, ()),
    "[1, 2,]": ast.List(AT, (ONE, TWO)),
    "{ x: 1 block: 2 }": ast.Record(AT, (ast.Field(AT, "x", ONE), ast.Field(AT, "block", TWO))),
    "1 - 2 - 3": binary(binary(ONE, "-", TWO), "-", THREE),
    "1 + 2 * 3": binary(ONE, "+", binary(TWO, "*", THREE)),
    "1 ** 2 ** 3": binary(ONE, "**", binary(TWO, "**", THREE)),
    "-1 ** 2": ast.Unary(AT, "-", binary(ONE, "**", TWO)),
    "2 ** -1": binary(TWO, "**", ast.Unary(AT, "-", ONE)),
    "x or y and not z": binary(X, "or", binary(Y, "and", ast.Unary(AT, "not", Z))),
    "x == 1 and y": binary(binary(X, "==", ONE), "and", Y),
    "(x)": ast.Group(AT, X),
    "x.y.0.1": ast.Attribute(AT, ast.Attribute(AT, ast.Attribute(AT, X, "y"), "0"), "1"),
    "x(1, y=2)": ast.Call(AT, X, (*positional(ONE), ast.Argument(AT, "y", TWO))),
    "x()": ast.Call(AT, X, ()),
    "x -> y(1) -> z": ast.Pipe(AT, X, (ast.Call(AT, Y, positional(ONE)), Z)),
    "x -> y: z -> 0: z": ast.Pipe(AT, X, (ast.Labelled(AT, "y", Z), ast.Labelled(AT, "0", Z))),
    "x: 3 * y": ast.Labelled(AT, "x", binary(THREE, "*", Y)),
    "x: y -> z": ast.Pipe(AT, ast.Labelled(AT, "x", Y), (Z,)),
    "x + y -> z": ast.Pipe(AT, binary(X, "+", Y), (Z,)),
    "if x then y else x -> z": ast.If(AT, X, Y, ast.Pipe(AT, X, (Z,))),
}


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_an_expression_has_its_tree(text):
    assert value(text) == EXPRESSIONS[text]


def test_a_file_has_its_declarations_in_order():
    text = 'use resnet50 use "a.resnet" const x = 1 block b(x, y = 1, z = x | y) { y = x return z } model m { x: y }'
    parameters = (
        ast.Parameter(AT, "x", None),
        ast.Parameter(AT, "y", ONE),
        ast.Parameter(AT, "z", X, ("x", "y")),
    )
    assert tree(text).declarations == (
        ast.Use(AT, "resnet50", True),
        ast.Use(AT, "a.resnet", False),
        ast.Const(AT, "x", ONE),
        ast.Block(AT, "b", parameters, (ast.Assign(AT, "y", X),), Z),
        ast.Model(AT, "m", (), (ast.Field(AT, "x", Y),)),
    )


def test_a_node_knows_its_place_in_the_text():
    text = "# top\nconst a = x ->\n  conv( 3 )"
    const = tree(text).declarations[0]
    call = const.value.steps[0]
    assert (const.span.place, call.span.place) == ((2, 1), (3, 3))
    assert text[call.span.start : call.span.end] == "conv( 3 )"


@pytest.mark.parametrize("text", ["", " \n", "# only a comment", "\ufeff", "\ufeff# mark\n", "# no end"])
def test_a_text_without_declarations_is_an_empty_file(text):
    assert tree(text).declarations == ()


def test_line_ends_of_windows_make_no_difference():
    text = "# top\nmodel m {\n  a: 1 # one\n  b: c -> d\n}\n"
    assert tree(text.replace("\n", "\r\n")) == tree(text)


# --- limits ------------------------------------------------------------------------------------


def test_a_text_of_a_megabyte_is_the_largest():
    text = "# " + "x" * (TEXT_BYTES.most - 2)
    assert tree(text).declarations == ()
    assert problem(text + "x").code == "E0105"
    assert problem("# " + "é" * (TEXT_BYTES.most // 2)).message == "the text has more than 1,000,000 bytes"


@pytest.mark.parametrize(("opening", "closing"), [("(", ")"), ("[", "]"), ("f(", ")"), ("{a: ", "}")])
def test_brackets_nest_64_deep(opening, closing):
    assert value(opening * NESTING.most + "1" + closing * NESTING.most)
    found = problem(f"const a = {opening * 65}1{closing * 65}")
    assert (found.code, found.message) == ("E0105", "nested more than 64 levels deep")
    assert found.span.place == (1, 10 + 65 * len(opening) if len(opening) < 3 else 10 + 64 * 4 + 1)


def test_brackets_in_strings_and_comments_do_not_nest():
    assert tree(f'const a = "{"(" * 100}" # {"[" * 100}\n')


@pytest.mark.parametrize(
    "part", ["not ", "x -> ", "1 + ", "2 ** ", "if a then 1 else ", "if a then 1 else if "]
)
def test_a_chain_has_an_end(part):
    found = problem(f"const a = {part * 300}x")
    assert found.code in ("E0105", "E0102")
    assert (
        found.code == "E0102"
        or found.message == f"more than {STEPS.most} operations or steps in one expression"
    )


@pytest.mark.parametrize(
    "text", ["9" * 19, "9" * 100_000, "9" * 5000 + "x3", "1e999", "0." + "0" * 5000 + "1"]
)
def test_numbers_have_a_largest_size(text):
    assert problem(f"const a = {text}").code == "E0105"


def test_a_number_of_18_digits_is_whole():
    assert value("9" * 18) == number(10**18 - 1)


@pytest.mark.parametrize("part", ["a: 1\n", "a: [1, 2]\n"])
def test_many_fields_are_read_in_reasonable_time(part):
    assert len(tree("model m {" + part * 3000 + "}").declarations[0].fields) == 3000


# --- errors ------------------------------------------------------------------------------------

WORD = "is a word of the language; take another name"

BAD = [
    # text, code, line, column, message, hint
    ("model", "E0102", 1, 5, "the text ends where a name should follow", ""),
    ("const if = 3", "E0103", 1, 7, "`if` is a reserved word", "take another name"),
    ("const class = 3", "E0103", 1, 7, "`class` is a reserved word", "take another name"),
    ("const a = __b", "E0103", 1, 11, "`__b` starts with two underscores", "Python keeps such names"),
    ("const a = f(if = 3)", "E0101", 1, 16, "unexpected `=`; a value should stand here", f"`if` {WORD}"),
    # models
    ("model m { a }", "E0101", 1, 13, "unexpected `}`; `:` should stand here", ""),
    ("model m { if: 1 }", "E0103", 1, 11, "`if` is a reserved word", "take another name"),
    ("model m(n = 3 | 4) { }", "E0101", 1, 17, "unexpected `4`; a name should stand here", ""),
    ("model m(n = 3 | b) { }", "E0104", 1, 13, "the choices of a parameter are names", ""),
    ("model m(n = a | if) { }", "E0103", 1, 17, "`if` is a reserved word", "take another name"),
    # blocks
    ("block b { return x -> y + z }", "E0101", 1, 25, "unexpected `+`; `}` should stand here",
     "a step is a name or a call; put the pipeline in parentheses: `(x -> a) + y`"),
    # expressions
    ("const a = 1__0", "E0101", 1, 11, "`1__0` is not a number", "an underscore stands between two digits: `269_722`"),
    ("const a = 1_.5", "E0101", 1, 11, "`1_.5` is not a number", "an underscore stands between two digits: `269_722`"),
    ("const a = ()", "E0101", 1, 12, "unexpected `)`; a value should stand here", ""),
    # characters
    ("const a =\tb\x00", "E0101", 1, 12, "unexpected character '\\x00'", ""),
    ("# \x1b[2J", "E0101", 1, 3, "unexpected character '\\x1b'", ""),
    ('const a = "\ud800"', "E0101", 1, 12, "unexpected character '\\ud800'", ""),
    ("# \u202e", "E0101", 1, 3, "unexpected character '\\u202e'", ""),
    ("# a\rconst b = 1", "E0101", 1, 4, "unexpected character '\\r'", "end the lines with a line feed"),
    ("model m {\r\n\r\n  a: 1;\r\n}", "E0101", 3, 7, "no `;` stands between fields and steps", "write `a: 1`"),
    ("\ufeffconst a = é", "E0101", 1, 12, "unexpected character 'é'", ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "code", "line", "column", "message", "hint"), BAD, ids=[ascii(bad[0]) for bad in BAD]
)
def test_a_mistake_is_named_with_its_place(text, code, line, column, message, hint):
    found = problem(text)
    assert (found.code, found.span.place) == (code, (line, column))
    assert found.message.startswith(message)
    assert found.hint == hint


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("model m { a: [3, 4 block: b }", 14),
        ("model m { a: f(3, (4) }", 15),
        ('model m { a: "(" # (', 9),
        ("model m { a: { b: 1", 14),
    ],
)
def test_a_bracket_that_is_not_closed_is_marked_where_it_was_opened(text, column):
    found = problem(text)
    assert found.span.place == (1, column)
    assert found.message.startswith(f"this `{text[column - 1]}` is not closed")


def test_a_bracket_that_another_closes_is_shown_with_it():
    found = problem("model m { a: (1] }")
    (label,) = found.labels
    assert (found.span.place, label.text, label.span.place) == ((1, 16), "opened here", (1, 14))


@pytest.mark.parametrize("text", ["model m { a: [1, ;] }", "model m { a 3 }", "block b { y: 1 }"])
def test_a_bracket_is_not_blamed_for_other_mistakes(text):
    assert "not closed" not in problem(text).message


# --- any text at all ---------------------------------------------------------------------------


TOKENS = (
    *(
        "use",
        "const",
        "block",
        "model",
        "recipe",
        "return",
        "if",
        "then",
        "else",
        "and",
        "or",
        "not",
        "true",
        "none",
    ),
    *("a", "b", "1", "2.5", "3x3", '"s"', "(", ")", "[", "]", "{", "}", "->", "=", "==", ":", ",", ".", "|"),
    *("+", "-", "*", "//", "**", "#c\n"),
)


def check_any(text: str) -> None:
    """A text parses, or the one error it gives has a place in it and can be shown."""
    try:
        tree(text)
    except CompileError as error:
        failure = error
    else:
        return
    (found,) = failure.diagnostics
    assert found.message
    assert 0 <= found.span.start <= found.span.end <= len(text)
    assert str(failure)


@quick
@given(st.text(st.characters(exclude_categories=()), max_size=80))
def test_any_text_is_a_tree_or_an_error_with_a_place(text):
    check_any(text)


@quick
@given(
    st.text(st.sampled_from('abx013_ .,:=|(){}[]<>!+-*/%"#\n\t'))
    | st.lists(st.sampled_from(TOKENS)).map(" ".join)
)
def test_any_row_of_tokens_is_a_tree_or_an_error_with_a_place(text):
    check_any(text)
    check_any(f"block b {{ y = {text} return y }}")
    check_any(f"model m {{ a: {text} }}")


@quick
@given(damaged(valid_specs()) | damaged(texts()))
def test_any_damaged_spec_is_a_tree_or_an_error_with_a_place(text):
    check_any(text)


@pytest.mark.parametrize("text", ["", " ", "1 2", "a: 1 b: 2", ")", "\x00", "\ud800", "1_", "x ->"])
def test_a_setting_that_is_no_value_is_an_error_with_a_place(text):
    with pytest.raises(CompileError) as caught:
        value(text)
    assert caught.value.diagnostics[0].span is not None
