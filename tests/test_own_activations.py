"""Functions of values as steps: an activation or a gate of one's own is a block."""

from __future__ import annotations

import numpy as np
import pytest

from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.ir.ops import CATALOGUE, RESERVED
from resnet_dsl.reference import Array, evaluate
from tests.support.agreement import assert_agreement, compiled

X = np.random.default_rng(0).standard_normal((2, 4, 5, 5))


def net(result: str, before: str = "") -> str:
    return f"{before}\nblock own(limit = 0.5, low = -1) {{ return {result} }}\n" + (
        "model m { input: 4x5x5  stem: none  head: none  stages: [own] }"
    )


def value(result: str, before: str = "") -> Array:
    program = compiled(net(result, before))
    return evaluate(program.graph, {}, X)["output"]


def kinds(result: str, before: str = "") -> list[str]:
    return [node.op.kind for node in compiled(net(result, before)).graph.nodes]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("max(x, 0)", "relu"),
        ("x -> max(0)", "relu"),
        ("max(0, x)", "relu"),
        ("min(max(x, 0), 6)", "relu6"),
        ("x -> clip(0, 6)", "relu6"),
        ("max(x, 0.1 * x)", "leaky_relu(0.1)"),
        ("x * tanh(softplus(x))", "mish"),
        ("log(1 + exp(x))", "softplus"),
        ("x * sigmoid(x)", "silu"),
        ("1 / (1 + exp(-x))", "sigmoid"),
        ("(exp(x) - exp(-x)) / (exp(x) + exp(-x))", "tanh"),
        ("x * hard_sigmoid(x)", "hard_swish"),
        ("clip(x + 3, 0, 6) / 6", "hard_sigmoid"),
        ("max(x, 0) + limit * (exp(min(x, 0)) - 1)", "elu(0.5)"),
        ("sqrt(x ** 2)", "abs"),
        ("max(x, -x)", "abs"),
        ("max(x, -x, 0)", "abs"),
        ("-min(x, -x)", "abs"),
        ("x ** 3", "x * x * x"),
        ("2 / exp(x)", "2 * exp(-x)"),
        ("exp(x) / exp(x)", "0 * x + 1"),
        ("exp(log(abs(x)) / 2)", "abs(x) ** 0.5"),
        ("max(x, min(1, limit))", "clip(low=0.5)"),
        ("max(x, limit, low, 0.25)", "clip(low=0.5)"),
        ("min(x, 2 * limit)", "clip(high=1)"),
        ("x * (gap(exp(x)) ** -1)", "x / (x -> exp -> gap)"),
    ],
)
def test_two_ways_to_write_a_function_are_one(one: str, other: str) -> None:
    assert np.abs(value(one) - value(other)).max() < 1e-14


def test_numbers_are_still_numbers_where_no_tensor_is_among_them() -> None:
    assert kinds("x -> conv(max(2, 4, min(9, 3)), 1x1) -> conv(min(4, 2 ** 3), 1x1)") == ["conv", "conv"]
    assert kinds("if max(limit, 0) > min(1, low) then relu else tanh") == ["relu"]


@pytest.mark.parametrize(
    ("result", "wanted"),
    [
        ("max(x, x -> tanh, relu)", ["tanh", "relu", "max"]),
        ("x -> both: max(x -> tanh, 0) -> max(0.5)", ["tanh", "max", "clip", "clip"]),
        ("x -> clip(low=0) -> clip", ["clip"]),
        ("(x -> tanh) ** 1 + x", ["tanh", "add"]),
        ("x -> max", []),
    ],
)
def test_a_function_of_tensors_is_the_op_of_its_name(result: str, wanted: list[str]) -> None:
    if not wanted:
        with pytest.raises(CompileError, match="max takes two tensors or more, not 1"):
            kinds(result)
        return
    assert sorted(kinds(result)) == sorted(wanted)


def test_a_label_names_the_last_step_of_a_function() -> None:
    names = [node.name for node in compiled(net("x -> both: max(x -> tanh, 0)")).graph.nodes]
    assert names == ["layer1.0.tanh1", "layer1.0.max1", "layer1.0.both"]


@pytest.mark.parametrize("kind", sorted(CATALOGUE.keys() - RESERVED))
def test_a_block_of_the_text_is_meant_where_a_later_op_has_its_name(kind: str) -> None:
    """So a text that was written before the op came keeps its meaning."""
    block = f"block {kind}(k = 2) {{ return x -> conv(4, 1x1) -> relu }}"
    program = compiled(net(f"x -> {kind} -> {kind}(3) -> named: {kind}", block))
    assert [node.op.kind for node in program.graph.nodes] == ["conv", "relu"] * 3
    assert program.graph.nodes[-1].name == "layer1.0.named.relu1"
    assert kinds(f"x -> conv({kind}, 1x1)", f"const {kind} = 4") == ["conv"]


@pytest.mark.parametrize(
    ("result", "message"),
    [
        ("x ** x", "`**` of two tensors"),
        ("2 ** x", "the power of a number cannot be a tensor"),
        ("max(x, true)", "`max` takes tensors and numbers, not true"),
        ("max(x, conv(4, 3x3, stride=2))", "maximum of different shapes"),
        ("min(x, x -> gap)", "minimum of different shapes"),
        ("x / (x -> conv(3, 1x1))", "quotient of different shapes"),
        ("x / 0", "`/` by zero"),
        ("x -> clip(2, 1)", "`high` of clip must be no less than its `low`"),
        ("x -> clip(low=relu)", "`low` of clip must be a number"),
        ("x -> conv(4, 1x1, gamma=1)", "`gamma` of conv must be left out without `standardize`"),
        ("x -> conv(4, 1x1, standardize=0.1, gain=0)", "`gain` of conv must be left out without `gamma`"),
        ("x -> gem(0)", "`p` of gem must be positive"),
        ("x -> flatten -> gmp", "gmp takes a map"),
        ("x -> flatten -> grn", "grn takes a map"),
        ("round(x)", "`round` takes numbers"),
    ],
)
def test_what_makes_no_function_is_told(result: str, message: str) -> None:
    with pytest.raises(CompileError) as caught:
        compiled(net(result))
    assert message in str(caught.value)


def test_own_activations_and_gates_are_the_same_in_every_backend() -> None:
    program = compiled(
        """
        block smooth(bound = 0.9) { return x * min(sigmoid(x), bound) }
        block logs() { return log(1 + x ** 2) / (1 + abs(x)) }
        block mine(width, stride = 1, act = relu) {
            main = x -> conv(width, 3x3, stride=stride) -> bn -> act -> conv(width, 1x1) -> scale(0.5)
            gate = main -> gap -> conv(width, 1x1, bias=true) -> exp
            return max(main / (1 + gate), x -> downsample: B(width, stride), -0.25) -> act -> layer_bias: bias
        }
        model m {
            input: 3xHxW  stem: conv(4, 3x3) -> grn -> logs  stages: [1, 1]  widths: 4  block: mine
            act: smooth(0.8)  head: gem -> scale(per_channel=false) -> fc(3) -> elu(0.3)
        }"""
    )
    engines = (("torch", "float64"), ("keras", "float64"), ("onnx", "float32"), ("onnx", "float64"))
    assert_agreement(program, [(9, 12), (8, 8)], engines)
