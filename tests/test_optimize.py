"""Programs for inference: what is folded and what is left, in numbers that are those of the referee."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from resnet_dsl.driver import compile_spec
from resnet_dsl.ir.graph import GraphNode
from resnet_dsl.ir.ops import CATALOGUE
from resnet_dsl.optimize import for_inference
from resnet_dsl.optimize.fold_numbers import folded
from resnet_dsl.program import Program
from resnet_dsl.reference import OpCall, evaluate, forward
from tests.support.agreement import State, compiled, images, lively_state
from tests.test_sharing import NET as SHARED

BAR = 1e-12


def net(stem: str, head: str = "gap -> fc(3)", **fields: str) -> Program:
    """A network of a stem and a head, without stages."""
    more = "  ".join(f"{name}: {value}" for name, value in fields.items())
    return compiled(f"model net {{ input: 4x12x11  stem: {stem}  stages: []  head: {head}  {more} }}")


def costs(program: Program, size: tuple[int, int] = (12, 11)) -> float:
    """How far the form for inference is from the program, by the referee: over the largest value."""
    after, state = for_inference(program), lively_state(program.graph, size=size)
    exact = {name: value.astype(np.float64) for name, value in state.items()}
    x = images(program, size)
    wanted, found = evaluate(program.graph, exact, x), evaluate(after.graph, folds_of(after, exact), x)
    kept = [name for name in wanted if name in found]
    assert kept
    return max(float(np.abs(found[name] - wanted[name]).max() / np.abs(wanted[name]).max()) for name in kept)


def folds_of(program: Program, state: State) -> State:
    """The state of a program for inference, from that of the program it was made of."""
    assert program.original is not None
    return folded(state, program.original.folds, program.graph)


def ops(program: Program) -> list[str]:
    """The ops of the form for inference, by kind."""
    return [node.op.kind for node in for_inference(program).graph.nodes]


def tensors(program: Program) -> list[str]:
    """The tensors of the form for inference."""
    return [name for name, _ in for_inference(program).graph.parameters()]


def first(program: Program) -> GraphNode:
    """The first op of the form for inference."""
    return for_inference(program).graph.nodes[0]


# --- what is folded -----------------------------------------------------------------------------

FOLDED = {
    "a norm": "conv(6, 3x3) -> bn -> relu",
    "a norm after a bias": "conv(6, 3x3, bias=true) -> bn -> relu",
    "another eps": "conv(6, 3x3) -> bn(eps=0.1) -> relu",
    "no eps": "conv(6, 3x3) -> bn(eps=0) -> relu",
    "a norm without a scale": "conv(6, 3x3) -> bn(scale=false) -> relu",
    "a norm without a shift": "conv(6, 3x3) -> bn(center=false) -> relu",
    "a norm of statistics alone": "conv(6, 3x3) -> bn(scale=false, center=false) -> relu",
    "a frozen norm": "conv(6, 3x3) -> bn(frozen=true) -> relu",
    "groups": "conv(8, 3x3, groups=2) -> bn -> relu",
    "depthwise": "conv(8, 3x3, groups=4) -> bn -> relu",
    "a scale": "conv(6, 3x3) -> scale(start=0.3) -> relu",
    "one scale for all": "conv(6, 3x3) -> scale(per_channel=false) -> relu",
    "a shift": "conv(6, 3x3) -> bias -> relu",
    "one shift for all": "conv(6, 3x3) -> bias(per_channel=false) -> relu",
    "several": "conv(6, 3x3) -> bn -> scale -> bias -> relu",
    "past a dropout": "conv(6, 3x3) -> dropout(0.5) -> bn -> stochastic_depth(0.2) -> relu",
    "a transposed convolution": "conv_transpose(6, 3x3, stride=2) -> bn -> relu",
    "its groups": "conv_transpose(8, 3x3, stride=2, groups=2) -> bn -> relu",
    "a norm before a convolution without padding": "relu -> bn -> conv(6, 3x3, pad=0) -> relu",
    "its groups and bias": "relu -> bn -> conv(6, 3x3, pad=0, groups=2, bias=true) -> relu",
    "a scale before padding": "relu -> scale -> conv(6, 3x3) -> relu",
    "a scale before a transposed convolution": "relu -> scale -> conv_transpose(6, 3x3, groups=2) -> relu",
    "several before": "relu -> bn -> scale(per_channel=false) -> conv(6, 1x1) -> relu",
    "standardised weights": "conv(6, 3x3, standardize=1e-5, bias=true) -> bn -> relu",
    "scaled standardised weights": "conv(6, 3x3, standardize=1e-5, gamma=1.7) -> relu",
    "same padding": "conv(6, 3x3, stride=2, pad=same) -> bn -> relu",
    "zeros around": "zeropad(1) -> conv(6, 3x3, pad=0) -> bn -> relu",
}  # fmt: skip
LAYERS = ("conv", "conv_transpose", "relu", "gap", "fc")


@pytest.mark.parametrize("case", FOLDED)
def test_layers_and_activations_are_all_that_is_left_and_compute_the_same(case: str) -> None:
    program = net(FOLDED[case])
    assert not set(ops(program)) - set(LAYERS)
    assert costs(program) < BAR


def test_numbers_of_arithmetic_are_folded_too() -> None:
    program = compiled("""
        block scaled(width) { y = conv(x, 4, 3x3) * 0.25 + 1  return relu(y) + x }
        model net { input: 4x12x11  stem: none  stages: [1]  widths: [4]  block: scaled  head: gap -> fc(3) }
    """)
    assert ops(program) == ["conv", "relu", "add", "gap", "fc"]
    assert costs(program) < BAR


def test_norms_around_a_fully_connected_layer_are_folded() -> None:
    program = net("conv(6, 3x3) -> relu", "gap -> bn -> fc(5, bias=false) -> bn")
    assert ops(program) == ["conv", "relu", "gap", "fc"]
    assert costs(program) < BAR


def test_a_norm_behind_a_block_goes_into_the_last_layer_of_that() -> None:
    program = compiled("""
        block two(c) { return x -> conv(c, 3x3) -> relu -> conv(c, 1x1) }
        model net { input: 4x12x11  stem: two(5) -> bn -> relu  stages: []  head: gap -> fc(3) }
    """)
    assert ops(program) == ["conv", "relu", "conv", "relu", "gap", "fc"]
    assert costs(program) < BAR


def test_a_stage_shares_a_body_after_folding_too() -> None:
    network = for_inference(compile_spec("resnet20")).network
    assert network.stages[0].blocks[1] is network.stages[0].blocks[2]


@pytest.mark.parametrize("spec", ["resnet18", "preresnet20", "resnet20", "seresnet18", "mobilenet_v2"])
def test_shipped_networks_compute_the_same(spec: str) -> None:
    assert costs(compile_spec(spec, None, {"input": "3x33x38"}), (33, 38)) < BAR


@pytest.mark.slow
@pytest.mark.parametrize(
    "spec",
    [
        "convnext_atto",
        "densenet121",
        "dm_nfnet_f0",
        "efficientnet_b0",
        "googlenet",
        "hrnet_w18_small",
        "mobilenetv3_large_100",
        "regnety_002",
        "res2net50d",
        "resnest14d",
        "resnetv2_50x1_bit",
        "retinanet_resnet50_fpn",
        "unet_resnet34",
        "googlenet_aux",
    ],
)
def test_networks_of_many_kinds_compute_the_same(spec: str) -> None:
    assert costs(compile_spec(spec, None, {"input": "3x96x128"}), (96, 128)) < BAR


@pytest.mark.parametrize("kind", [kind for kind, op in CATALOGUE.items() if op.random])
def test_what_draws_at_random_leaves_its_input_in_evaluation(kind: str) -> None:
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    assert np.array_equal(forward(CATALOGUE[kind](), OpCall((x,))), x)


# --- names --------------------------------------------------------------------------------------


def test_a_tensor_that_is_left_keeps_its_name_and_a_bias_is_the_layers() -> None:
    before = [name for name, _ in compile_spec("resnet18").graph.parameters()]
    after = tensors(compile_spec("resnet18"))
    assert {name for name in after if name not in before} == {
        name.replace("weight", "bias") for name in after if name.endswith("weight") and "fc" not in name
    }
    assert after[:2] == ["conv1.weight", "conv1.bias"]
    assert "layer2.0.downsample.0.bias" in after


def test_numbers_are_rounded_once_to_the_precision_of_the_layers_weight() -> None:
    program = net("conv(6, 3x3) -> bn -> relu")
    after = folds_of(for_inference(program), lively_state(program.graph))
    assert {value.dtype.name for value in after.values()} == {"float32"}


def test_a_folded_norm_has_the_values_that_its_definition_gives() -> None:
    program = compiled("""
        model net { input: 1x2x2  stem: conv(1, 1x1, bias=true) -> bn(eps=1)  stages: []  head: none }
    """)
    state = {name: np.zeros(spec.shape) for name, spec in program.graph.parameters()}
    state["conv1.weight"][:] = 8
    state |= {"conv1.bias": np.array([3.0]), "bn1.running_mean": np.array([1.0])}
    state |= {"bn1.running_var": np.array([3.0]), "bn1.weight": np.array([5.0]), "bn1.bias": np.array([7.0])}
    after = folds_of(for_inference(program), state)
    assert after["conv1.weight"].item() == 8 / 2 * 5
    assert after["conv1.bias"].item() == (3 - 1) / 2 * 5 + 7


# --- what is left -------------------------------------------------------------------------------

LEFT = {
    "past an activation": ("conv(6, 3x3) -> relu -> bn -> relu", "bn"),
    "a shift before padding": ("relu -> bn -> conv(6, 3x3) -> relu", "bn"),
    "a shift before a transposed convolution": ("relu -> bn -> conv_transpose(6, 3x3) -> relu", "bn"),
    "group norm": ("conv(6, 3x3) -> gn(2) -> relu", "gn"),
    "instance norm": ("conv(6, 3x3) -> instance_norm -> relu", "instance_norm"),
    "layer norm": ("conv(6, 3x3) -> ln -> relu", "ln"),
    "zeros before a pool": ("zeropad(1) -> maxpool(3x3, pad=0) -> relu", "zeropad"),
    "zeros before same padding": ("zeropad(1) -> conv(6, 3x3, stride=2, pad=same) -> relu", "zeropad"),
    "slopes of a prelu": ("conv(6, 3x3) -> prelu(per_channel=true)", "prelu"),
}


@pytest.mark.parametrize("case", LEFT)
def test_what_cannot_be_folded_stays_and_computes_the_same(case: str) -> None:
    stem, kind = LEFT[case]
    program = net(stem)
    assert kind in ops(program)
    assert costs(program) < BAR


def test_a_convolution_that_two_steps_take_keeps_its_norm() -> None:
    program = compiled("""
        block fork(width) { y = conv(x, width, 3x3)  return relu(bn(y)) + y }
        model net { input: 4x12x11  stem: none  stages: [2]  widths: [6]  block: fork  head: gap -> fc(3) }
    """)
    assert ops(program).count("bn") == 2
    assert costs(program) < BAR


def test_a_convolution_that_is_an_output_keeps_its_norm() -> None:
    program = net("conv(6, 3x3) -> bn -> relu", outputs="[conv1, head]")
    assert "bn" in ops(program)
    assert costs(program) < BAR


def test_a_norm_that_is_an_output_is_one_under_its_name() -> None:
    program = net("conv(6, 3x3) -> bn -> relu -> dropout(0.2)", outputs="[bn1, stem, head]")
    assert ops(program) == ["conv", "relu", "gap", "fc"]
    assert costs(program) < BAR


def test_a_dropout_that_is_an_output_beside_what_it_takes_is_one() -> None:
    program = net("conv(6, 3x3) -> relu -> dropout(0.2)", outputs="[relu1, dropout1, head]")
    assert costs(program) < BAR


def test_a_stem_that_is_a_dropout_compiles() -> None:
    assert costs(net("dropout(0.2)")) < BAR


def test_one_layer_that_is_applied_twice_is_not_folded_into() -> None:
    program = compiled("""
        block twice(width) { f = share(conv(width, 3x3))  return relu(bn(f(x))) + bn(f(relu(x))) }
        model net { input: 6x12x11  stem: none  stages: [1]  widths: [6]  block: twice  head: gap -> fc(3) }
    """)
    assert ops(program).count("bn") == 2
    assert costs(program) < BAR


def test_a_shared_block_is_folded_once() -> None:
    program = compiled("""
        block unit(c) { return x -> conv(c, 3x3) -> bn -> relu }
        block twice(width) { f = share(unit(width))  return (x -> f: f -> f) + f(relu(x)) }
        model net { input: 6x12x11  stem: none  stages: [1]  widths: [6]  block: twice  head: gap -> fc(3) }
    """)
    assert ops(program).count("bn") == 0
    assert tensors(program)[:2] == ["layer1.0.f.conv1.weight", "layer1.0.f.conv1.bias"]
    assert costs(program) < BAR


def test_shared_functions_and_blocks_of_all_kinds_compute_the_same() -> None:
    program = compiled(SHARED)
    assert ops(program).count("bn") == 2  # a shared norm, applied to two maps
    assert costs(program, (9, 9)) < BAR


def test_what_auxiliary_outputs_alone_need_is_gone() -> None:
    program = compiled("""
        model net {
            input: 3x16x16  stem: conv(4, 3x3) -> bn -> relu  stages: [1, 1]  widths: [4, 8]  block: basic
            head: { main: gap -> fc(3)  side: layer1 -> gap -> fc(3) }
            outputs: [main, side]  auxiliary: [side]
        }
    """)
    after = for_inference(program)
    assert [name for name, _ in after.graph.outputs] == ["main"]
    assert not [name for name, _ in after.graph.parameters() if "side" in name]
    assert costs(program, (16, 16)) < BAR


def test_sizes_that_are_open_stay_so() -> None:
    program = compile_spec("resnet18", None, {"input": "3xHxW"})
    assert for_inference(program).graph.shape_of("layer1.0.conv1").text(program.network.extent) == (
        program.graph.shape_of("layer1.0.bn1").text(program.network.extent)
    )
    assert costs(program, (37, 41)) < BAR


def test_a_program_for_inference_is_that_already() -> None:
    program = for_inference(compile_spec("resnet20"))
    assert for_inference(program) is program


def test_zeros_around_a_map_are_added_to_those_of_each_side() -> None:
    program = net("zeropad([[0, 1], [2, 0]]) -> conv(6, 3x3, pad=1) -> relu")
    op: Any = first(program).op
    assert op.pad == ((1, 2), (3, 1))
    assert costs(program) < BAR


def test_even_zeros_stay_even() -> None:
    op: Any = first(net("zeropad(2) -> conv(6, 3x3, pad=1) -> relu")).op
    assert op.pad == (3, 3)
