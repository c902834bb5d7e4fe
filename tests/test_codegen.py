"""Generated Python as a tree: what is printed is the tree, and what a class is written with."""

from __future__ import annotations

import ast
import operator
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnet_dsl.codegen.classes import classes_of
from resnet_dsl.codegen.names import camel
from resnet_dsl.codegen.printer import WIDTH, assignment, statement, text
from resnet_dsl.codegen.python import (
    Binary,
    Call,
    Conditional,
    Expression,
    Literal,
    Name,
    Negative,
    Sequence,
    Subscript,
    call,
    folded,
    method,
)
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source
from resnet_dsl.ir import formulas

names = st.sampled_from("abc").map(Name)
plain = st.integers(0, 9).map(Literal)


def grown(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    signs = st.sampled_from(["+", "-", "*", "//"])
    return st.one_of(
        st.builds(Binary, inner, signs, inner),
        st.builds(Negative, inner),
        st.builds(Conditional, inner, names, inner),
        st.builds(lambda x: method(x, "flatten", 1), inner),
        st.builds(lambda x, y: call("f", x, y, last=y), inner, inner),
        st.builds(lambda x: Subscript(x, (Literal(0),)), inner),
        st.builds(lambda x, y: Sequence("()", (x, y)), inner, inner),
        st.builds(lambda x: Sequence("()", (x,)), inner),
    )


trees = st.recursive(st.one_of(names, plain), grown, max_leaves=12)


def as_python(tree: Expression) -> str:
    """The tree by Python's own unparser, which owes ours nothing; `a + -b` is `a - b` in both."""

    def node(part: Expression) -> ast.expr:
        match part:
            case Name():
                return ast.Name(part.path)
            case Literal():
                return ast.Constant(part.value)
            case Negative():
                return ast.UnaryOp(ast.USub(), node(part.value))
            case Binary(left, "+", Negative(right)):
                return ast.BinOp(node(left), ast.Sub(), node(right))
            case Binary():
                signs = {"+": ast.Add, "-": ast.Sub, "*": ast.Mult, "//": ast.FloorDiv}
                return ast.BinOp(node(part.left), signs[part.sign](), node(part.right))
            case Conditional():
                return ast.IfExp(node(part.test), node(part.yes), node(part.no))
            case Call():
                keywords = [ast.keyword(name, node(value)) for name, value in part.keywords]
                return ast.Call(node(part.callee), list(map(node, part.arguments)), keywords)
            case Subscript():
                return ast.Subscript(node(part.value), node(part.index[0]))
            case Sequence():
                return ast.Tuple(list(map(node, part.items)))
            case _:
                return ast.Attribute(node(part.value), part.name)  # type: ignore[union-attr]

    return ast.unparse(node(tree))


@settings(max_examples=500, deadline=None, derandomize=True)
@given(trees)
def test_what_is_printed_is_the_tree(tree: Expression) -> None:
    assert ast.unparse(ast.parse(text(tree), mode="eval")) == as_python(tree)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(trees, st.sampled_from([0, 4, 8, 40]))
def test_breaking_lines_changes_nothing(tree: Expression, indent: int) -> None:
    lines = statement("result = ", tree, indent)
    flat = " " * indent + f"result = {text(tree)}"
    assert ast.unparse(ast.parse(lines.strip())) == ast.unparse(ast.parse(flat.strip()))
    assert lines == flat or len(flat) > WIDTH


def test_what_makes_a_layer_is_broken_before_what_it_is_applied_to() -> None:
    keywords = {f"setting_{i}": i for i in range(8)}
    made = call(call("layers.Something", **keywords, name="a"), Name("x"))
    lines = statement("x = ", made, 4).splitlines()
    assert lines[0] == "    x = layers.Something("
    assert lines[-1] == "    )(x)"


def test_a_chain_of_methods_is_broken_at_its_links() -> None:
    made = call("self.conv1", Name("x" * 40))
    tree = method(method(made, "transpose", 1, Name("y" * 20)), "flatten", 1, 2)
    links = [f"self.conv1({'x' * 40})", f".transpose(1, {'y' * 20})", ".flatten(1, 2)"]
    assert statement("x = ", tree, 0).splitlines() == ["x = (", *(f"    {link}" for link in links), ")"]
    assert statement("x = ", call("f", tree), 0).splitlines() == [
        "x = f(",
        *(f"    {link}" for link in links),
        ")",
    ]
    added = Binary(Name("x" * 30), "+", Name("y" * 30))
    lines = statement("x = ", method(method(added, "transpose", 1, 2), "flatten", 1, 2), 0).splitlines()
    assert lines[1:-1] == [f"    ({text(added)})", "    .transpose(1, 2)", "    .flatten(1, 2)"]
    short = method(method(method(Name("x"), "transpose", 1, 2), "flatten", 1, 2), "view_as", Name("y" * 41))
    assert statement("result = ", short, 0).splitlines() == ["result = (", f"    {text(short)}", ")"]


def test_targets_are_broken_as_ruff_breaks_them() -> None:
    made = [call("self.head", *(Name(f"part{i}") for i in range(count))) for count in (1, 30)]
    lines = [
        assignment([f"{'t' * length}{i}" for i in range(5)], each, 8)
        for length in range(4, 40)
        for each in made
    ]
    whole = "class A:\n    def f(self):\n" + "\n".join(lines) + "\n"
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "-"]
    done = subprocess.run(command, input=whole, capture_output=True, text=True, check=True)
    assert done.stdout == whole


@settings(max_examples=300, deadline=None, derandomize=True)
@given(trees.filter(lambda tree: "//" not in text(tree)))
def test_folding_computes_what_is_plain_and_nothing_else(tree: Expression) -> None:
    assert folded(folded(tree)) == folded(tree)


@pytest.mark.parametrize(
    ("tree", "wanted"),
    [
        (Binary(Binary(Literal(64), "-", Literal(16)), "//", Literal(2)), "24"),
        (Binary(Name("width"), "-", Literal(16)), "width - 16"),
        (call("float", Literal(2)), "2.0"),
        (call("float", Name("factor")), "float(factor)"),
        (Binary(Name("x"), "+", Literal(-0.5)), "x - 0.5"),
        (Binary(Literal(1.0), "-", Negative(Name("x"))), "1.0 - (-x)"),
        (Negative(Binary(Name("a"), "*", Name("b"))), "-(a * b)"),
        (Sequence("()", (Name("a"),)), "(a,)"),
        (Literal('a"b\\c\n'), '"a\\x22b\\\\c\\n"'),
    ],
)
def test_an_expression_reads_as_a_person_writes_it(tree: Expression, wanted: str) -> None:
    assert text(folded(tree)) == wanted


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("resnet50", "ResNet50"), ("resnext50_32x4d", "ResNeXt50_32x4d"), ("preresnet110", "PreResNet110"),
        ("densenet121", "DenseNet121"), ("googlenet", "GoogLeNet"), ("lenet5", "LeNet5"), ("vgg16", "VGG16"),
        ("seresnet50", "SEResNet50"), ("wrn28_10", "WRN28_10"), ("resnetv2_50", "ResNetV2_50"),
        ("unet_resnet34", "UNetResNet34"), ("my_block", "MyBlock"), ("bottleneck", "Bottleneck"),
        ("B", "B"), ("_1", "Block1"),
    ],
)  # fmt: skip
def test_classes_are_called_as_the_field_writes_the_names(name: str, wanted: str) -> None:
    assert camel(name) == wanted


# --- formulas ----------------------------------------------------------------------------------

NUMBERS = {"a": 12, "b": 8, "c": 3}
formula = st.recursive(
    st.one_of(st.sampled_from("abc").map(formulas.Named), st.integers(1, 9).map(formulas.Fixed)),
    lambda inner: st.builds(formulas.Operation, st.sampled_from(["+", "-", "*", "//", "max"]), inner, inner),
    max_leaves=8,
)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(formula, st.fixed_dictionaries({name: st.integers(1, 200) for name in "abc"}))
def test_a_simplified_formula_gives_the_same_number(tree: formulas.Formula, known: dict[str, int]) -> None:
    try:
        wanted = formulas.evaluated(tree, known)
    except ZeroDivisionError:
        return
    assert formulas.evaluated(formulas.simplified(tree), known) == wanted


# --- classes -----------------------------------------------------------------------------------


def parameters(text: str) -> dict[str, list[str]]:
    from resnet_dsl_torch.rules import lowered

    network = compile_source(Source("net", text)).network
    return {c.name: [p.name for p in c.parameters] for c in classes_of(network, lowered).classes}


MODEL = "model net { stages: [1, 1]  widths: [8, 16]  strides: [1, 2]  block: mine }"


def test_a_number_that_nothing_derived_is_a_parameter_and_no_formula_that_happens_to_fit() -> None:
    # 24 and 48 are three widths, but the text gives them.
    block = "block mine(width, stride = 1) { return x -> conv(if stride == 1 then 24 else 48, 3x3) }"
    assert parameters(f"{block} {MODEL}") == {"Mine": ["in_channels", "channels"]}


def test_a_number_that_was_derived_is_its_formula() -> None:
    block = "block mine(width, stride = 1) { return x -> conv(3 * width, 3x3) -> conv(width, 1x1) }"
    assert parameters(f"{block} {MODEL}") == {"Mine": ["in_channels", "width"]}


def test_what_a_rule_decides_by_a_number_makes_another_class() -> None:
    # torch pads a dilated kernel with `same` by a formula of its own, so dilation 1 is another text.
    block = "block mine(width, dilation = 1) { return x -> conv(width, 3x3, pad=same, dilation=dilation) }"
    model = MODEL.replace("strides: [1, 2]", "dilations: [1, 2]")
    assert len(parameters(f"{block} {model}")) == 2


def test_operators_mean_what_python_means_by_them() -> None:
    assert formulas.SIGNS["//"] is operator.floordiv


@pytest.mark.parametrize(
    ("above", "doc"),
    [
        ("# One line.\n", "One line."),
        ("# Two\n  ## lines.\n", "Two lines."),
        ("# Not this.\n\n# This.\n", "This."),
        ("# Not this.\n\n", ""),
        ("# This.\n# resnet-dsl: allow W0610\n", "This."),
        ("const n = 1  # no comment above\n", ""),
        ("", ""),
    ],
)
def test_the_comment_right_above_a_block_is_its_documentation(above: str, doc: str) -> None:
    text = (
        f"{above}block mine(width) {{ return x -> conv(width, 1x1) }}\nmodel m {{ stages: [1]  block: mine }}"
    )
    for before in ("", "\n"):
        (block,) = compile_source(Source("net.resnet", before + text)).network.stages[0].blocks
        assert block.doc == doc
