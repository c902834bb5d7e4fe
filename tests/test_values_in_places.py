"""Every kind of value in every place of the language is a network or an error with a place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import pytest

from resnet_dsl.diagnostics.errors import CompileError, UsageError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source
from tests.support.agreement import assert_agreement, compiled

VALUES = (
    *("x", "-x", "x -> relu", "relu(x)", "x + x", "1 - x", "x * 2", "concat(x, x)", "x.channels", "x == x"),
    *("relu", "conv", "conv(4, 3x3)", "basic", "mine", "mine(other=x)", "-relu", "2 * mine", "a: mine(x)"),
    *("[]", "[1, 2]", "[x]", "[relu, [-x]]", '"text"', "3x3", "3xHxW", "nothing", "stem", "layer1", "stage"),
    *("true", "none", "{ a: 1 }", "{ a: -x }", "0", "-1", "1.5", "10 ** 17", "a: relu", "a: -x", "k"),
    *("if x then 1 else 2", "max(x, 1)", "x -> k", "x(1)", "not x", "x and true", "round(x)", "x ** 2"),
)
BLOCKS = """
block mine(other = 1, k = 1) { return x -> conv(4, 1x1) }
block takes(v, w = 1) { return x + (x -> conv(4, 1x1)) }
block uses(v) { y = v  return y }
block calls(v) { return x -> l: uses(v) }
block thru(v) { return x -> v }
block twice(v) { return x -> l: thru(v) -> m: thru(v) }
"""
FIELDS = (
    "input",
    "stem",
    "stages",
    "head",
    "block",
    "strides",
    "outputs",
    "auxiliary",
    "freeze",
    "preprocess",
    "expect",
)


def net(parameters: str = "", declared: str = "", **fields: str) -> str:
    given = {"input": "4x8x8", "stem": "none", "stages": "[1]", "block": "takes", "v": "1", "head": "none"}
    listed = "  ".join(f"{name}: {value}" for name, value in {**given, **fields}.items())
    return f"{BLOCKS}{declared}\nmodel m{parameters} {{ {listed} }}"


def places(value: str) -> Iterator[str]:
    """Yield a text for each place where an expression may stand."""
    for name in (*FIELDS, "base", "v", "w"):
        yield net(**{name: value})
        yield net(**{name: f"[{value}]"})
        yield net(f"(k = {value})", **{name: "k"})
        yield net(declared=f"const k = {value}", **{name: "k"})
    for block in ("uses", "calls", "thru", "twice"):
        yield net(block=block, v=value)
        yield net(stages=f"[[{block}({value})]]")
        yield net(stem=f"x -> q: {block}({value})")
        yield net(stem=f"x -> {block}(v=[{value}])")
        yield net(f"(k = {value})", stem=f"x -> q: {block}(k)")
    for text in ("k = {}\n return x + k", "k = {}\n return x -> k", "return {}", "return x + ({})"):
        yield net(declared=f"block d(j = 1) {{ {text.format(value)} }}", block="d")
    for text in ("x -> conv(k, 1x1)", "k", "x + k"):
        yield net(declared=f"block d(k = {value}) {{ return {text} }}", stem="x -> e: d -> d")
    for text in (
        "x -> ({})", "if {} then relu else relu", "x -> conv(({}).channels, 1x1)", "relu(x) + ({})", "-({})",
        "x -> ({})(1)", "x -> conv({}, {})", "x -> conv(4, 3x3, stride={})", "concat(x, {})",
        "({}) * relu(x)",
    ):  # fmt: skip
        yield net(stem=text.replace("{}", value))
    yield net(f"(k = {value})", head="x -> k -> conv(k, 1x1)")
    yield net(block="basic", shortcut=value, widths="8")


@pytest.mark.parametrize("value", VALUES)
def test_a_value_in_any_place_is_a_network_or_an_error(value: str) -> None:
    for text in places(value):
        with suppress(CompileError):  # anything else that is raised is a fault
            compile_source(Source("<text>", text))


@pytest.mark.parametrize("name", [*FIELDS, "base", "k", "v"])
def test_a_setting_from_outside_is_a_network_or_an_error(name: str) -> None:
    for value in VALUES:
        with suppress(CompileError, UsageError):
            compile_source(Source("<text>", net("(k = 1)", v="k")), overrides={name: value})


@pytest.mark.parametrize(
    ("steps", "sums"),
    [
        ("conv(4, 1x1) -> l: thru(pair(o=x))", "l.add1 = add(conv1, input)"),
        ("l: thru(pair(o=x)) -> conv(4, 1x1)", "l.add1 = add(input, input)"),
        ("conv(4, 1x1) -> l: twice(pair(o=x))", "l.m.add1 = add(l.l.add1, input)"),
        ("conv(4, 1x1) -> l: both(pair(o=x), x, pair(o=relu(x)))", "l.add2 = add(l.add1, relu1)"),
    ],
)
def test_a_tensor_that_a_block_was_given_stays_the_same_in_another_body(steps: str, sums: str) -> None:
    declared = """
block pair(o) { return x + o }
block both(v, v_1, w) { return x -> v -> w }
"""
    text = f"{BLOCKS}{declared}model m {{ input: 4x8x8  stem: x -> {steps}  stages: []  head: none }}"
    program = compiled(text)
    added = {n.name: f"{n.name} = {n.op.kind}({', '.join(n.inputs)})" for n in program.graph.nodes}
    assert sums in added.values()
    assert_agreement(program, [(8, 8)], (("torch", "float64"), ("keras", "float64")))
