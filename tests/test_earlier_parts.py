"""Stages and heads see the parts before them: what a stage starts from, and what its blocks are given."""

from __future__ import annotations

import numpy as np
import pytest

from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.printing.stages import print_network
from resnet_dsl.reference.training import backpropagate, record
from tests.support.agreement import assert_agreement, compiled, images, lively_state

BLOCKS = """
block down(width, stride = 1) { return x -> conv(width, 3x3, stride=stride) -> bn -> relu }
block lateral(width, other = none) {
    own = x -> conv(width, 1x1, bias=true)
    return if other == none then own else own + (other -> conv(width, 1x1))
}
block join(skip) { return relu(concat(x, skip)) -> conv(4, 3x3) }
block up(width, skip) { return concat(x -> upsample(2), skip) -> down(width) }
"""

# Starts, arguments by place and by name, in a list, repeated; the stem; a part used within itself.
ALL = (
    BLOCKS
    + """
model all {
    input: 3xHxW
    stem: conv(8, 3x3) -> bn -> relu
    stages: [2 * down(6), down(10, stride=2), p2: layer2 -> lateral(6), p3: layer2 -> lateral(7, other=p2)
             -> lateral(5, layer2), other: [stem -> down(3, 1), 2 * join(skip=layer1)], last: 3 * join(stem)]
    outputs: [layer1.0, p3.0, p3, last]
    head: none
}
"""
)
UNET = (
    BLOCKS
    + """
model unet {
    input: 3x24x16
    stem: down(4)
    stages: [down(6, stride=2), down(8, stride=2), up2: up(6, layer1), up1: up(4, skip=stem)]
    head: conv(2, 1x1)
}
"""
)


@pytest.mark.slow
def test_every_backend_hands_parts_to_parts() -> None:
    assert_agreement(compiled(ALL), [(16, 16), (13, 15)])
    assert_agreement(compiled(UNET), [(24, 16)])


def test_a_stage_starts_from_the_part_that_it_names() -> None:
    graph = compiled(ALL).graph
    takes = {node.name: node.inputs for node in graph.nodes}
    assert takes["p2.0.conv1"] == ("layer2.0.relu1",)
    assert takes["p3.0.conv1"] == ("layer2.0.relu1",)
    assert takes["p3.0.conv2"] == ("p2.0.conv1",)
    assert takes["p3.1.conv1"] == ("p3.0.add1",)
    assert takes["p3.1.conv2"] == ("layer2.0.relu1",)
    assert takes["other.0.conv1"] == ("relu1",)
    assert takes["other.1.concat1"] == ("other.0.relu1", "layer1.1.relu1")
    assert takes["last.0.concat1"] == ("other.2.conv1", "relu1")


def test_equal_blocks_on_equal_parts_are_one_body() -> None:
    stages = {stage.name: stage for stage in compiled(ALL).network.stages}
    assert [stages["last"].taken(i) for i in range(3)] == [("", "stem")] * 3
    assert len({id(body) for body in stages["last"].blocks[1:]}) == 1
    assert stages["layer1"].in_a_row


def test_a_field_gives_each_stage_a_part() -> None:
    text = BLOCKS + "model m { input: 3xHxW  stem: down(4)  stages: [1, 1, 1]  block: lateral  head: none"
    graph = compiled(text + "  widths: [4, 6, 8]  others: [none, stem, layer1] }").graph
    takes = {node.name: node.inputs for node in graph.nodes}
    assert takes["layer2.0.conv2"] == ("relu1",)
    assert takes["layer3.0.conv2"] == ("layer1.0.conv1",)
    assert "layer1.0.conv2" not in takes


def test_a_part_within_a_function_comes_along() -> None:
    text = BLOCKS + "block around(inner) { return x -> inner -> inner }  model m { input: 3xHxW  head: none"
    text += "  stem: down(4)  stages: [down(4), around(join(skip=stem))] }"
    takes = {node.name: node.inputs for node in compiled(text).graph.nodes}
    assert takes["layer2.0.concat1"] == ("layer1.0.relu1", "relu1")
    assert takes["layer2.0.concat2"] == ("layer2.0.conv1", "relu1")


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("model m(layer1 = 2) { stages: [layer1, layer1]  block: basic }", [2, 2]),
        ("const late = 3  model m { stages: [late, late: 2]  block: basic }", [3, 2]),
        ("model m { stages: [1, 1]  widths: stem_width * 2 ** stage  block: basic  stem_width: 8 }", [1, 1]),
    ],
)
def test_a_name_of_ones_own_comes_before_a_part(text: str, numbers: list[int]) -> None:
    assert [len(stage.blocks) for stage in compiled(text).network.stages] == numbers


def test_what_no_output_needs_is_left_out_wherever_it_stands() -> None:
    text = ALL.replace("[layer1.0, p3.0, p3, last]", "[p3.0]").replace("head: none", "head: gap -> fc(3)")
    program = compiled(text)
    assert [(stage.name, len(stage.blocks)) for stage in program.network.stages] == [
        ("layer1", 2), ("layer2", 1), ("p2", 1), ("p3", 1),
    ]  # fmt: skip
    assert program.warnings[0].message == "no output needs other, last, head: left out"


INPUT = (
    BLOCKS
    + """
block to(like) { return x -> resize(like=like) }
model m(given = input) {
    input: 3xHxW
    stem: conv(8, 3x3, stride=if input == 3xHxW then 2 else 1) -> resize(like=input)
    stages: [down(6, stride=2), big: [to(input), join(skip=input)], own: input -> join(big)]
    head: { out: layer1 -> resize(like=input) -> conv(if given == 3xHxW then 5 else 4, 1x1)
            same: input -> relu
            last: concat(own, input) }
}
"""
)


@pytest.mark.slow
def test_every_backend_takes_the_input_where_a_part_names_it() -> None:
    assert_agreement(compiled(INPUT), [(16, 16), (13, 18)])


def test_the_input_is_a_part_and_in_comparisons_its_size() -> None:
    graph = compiled(INPUT).graph
    takes = {node.name: node.inputs for node in graph.nodes}
    assert takes["resize1"] == ("conv1", "input")
    assert takes["big.0.resize1"] == ("layer1.0.relu1", "input")
    assert takes["big.1.concat1"] == ("big.0.resize1", "input")
    assert takes["own.0.concat1"] == ("input", "big.1.conv1")
    assert takes["out.resize"] == ("layer1.0.relu1", "input")
    assert takes["same.relu"] == ("input",)
    assert takes["last"] == ("own.0.conv1", "input")
    shapes = {node.name: node.shape.channels for node in graph.nodes}
    assert shapes["out.conv"] == 5
    other = compiled(INPUT.replace("input: 3xHxW", "input: 3x16x16")).graph
    assert next(node.shape.channels for node in other.nodes if node.name == "out.conv") == 4


@pytest.mark.parametrize("head", ["resize(like=layer1)", "layer2 -> resize(layer1)", "a: resize(x, layer1)"])
def test_a_part_in_a_head_stands_before_an_argument_with_choices(head: str) -> None:
    text = BLOCKS + "model m { input: 3xHxW  stages: [down(4), down(5, stride=2)]  head: %s }"
    takes = [node.inputs for node in compiled(text % head).graph.nodes]
    assert takes[-1] == ("layer2.0.relu1", "layer1.0.relu1")


def test_the_input_is_no_output() -> None:
    with pytest.raises(CompileError) as caught:
        compiled(BLOCKS + "model m { input: 3xHxW  stages: [down(4)]  head: none  outputs: [input, layer1] }")
    assert caught.value.diagnostics[0].message == "the model has no part `input`"


def test_a_stage_that_nothing_needs_is_an_error_where_no_outputs_are_said() -> None:
    with pytest.raises(CompileError) as caught:
        compiled(BLOCKS + "model m { input: 3xHxW  stages: [down(4), down(6), b: layer1 -> down(5)] }")
    assert [(found.code, found.message.split(":")[0]) for found in caught.value.diagnostics] == [
        ("E0213", "`layer2.0.conv1` in layer2 is not used")
    ]


def test_the_print_of_a_network_says_what_a_block_takes() -> None:
    text = print_network(compiled(ALL))
    assert "p3.0.conv1: 7x(H+1)//2x(W+1)//2 = conv(layer2, 7," in text
    assert "other.1.concat1: 9xHxW = concat(x, layer1)" in text


def test_a_part_can_be_trained_through_two_ways() -> None:
    program = compiled(UNET)
    state, x = lively_state(program.graph, size=(24, 16)), images(program, (24, 16))
    tape = record(program.graph, state, x)
    by_output = {"output": np.ones(tape.outputs()["output"].shape)}
    found = backpropagate(tape, by_output).parameters
    assert all(np.abs(found[name]).max() > 0 for name in ("conv1.weight", "layer1.0.conv1.weight"))
