"""Functions of numbers, items of lists, and the running number of a block."""

from __future__ import annotations

import pytest

from resnet_dsl.api import loads
from resnet_dsl.diagnostics.errors import CompileError

NET = "model net {{ input: 8  stages: []  stem: none  head: fc({value}) }}"


def number(value: str, before: str = "") -> int:
    """What an expression gives, as the width of a layer."""
    width = loads(before + NET.format(value=value)).output[0]
    assert width is not None
    return width


@pytest.mark.parametrize(
    ("value", "is_"),
    [
        ("log2(8)", 3),
        ("log2(2 ** 59)", 59),
        ("floor(log2(8))", 3),
        ("floor(log2(7))", 2),
        ("ceil(log2(9))", 4),
        ("sqrt(49)", 7),
        ("sqrt(10 ** 18)", 10**9),
        ("round(10 * sqrt(2))", 14),
        ("round(-10 * log2(0.5))", 10),
        ("floor(3.999)", 3),
        ("-floor(-3.001)", 4),
        ("ceil(3.001)", 4),
        ("floor(7)", 7),
        ("ceil(7)", 7),
        ("floor(7 / 2) + ceil(7 / 2)", 7),
        ("-ceil(-2.5)", 2),
        ("[3, 4, 5][1]", None),
        ("([3, 4, 5])[1]", 4),
        ("sizes[0]", 16),
        ("sizes[3 - 1]", 64),
        ("sizes[1 if 1 else 2]", None),
        ("sizes[if sizes[0] == 16 then 1 else 2]", 32),
        ("table[1][0]", 3),
        ("sizes[log2(4)]", 64),
        ("sizes[4 / 2]", 64),
        ("sizes[2.0]", None),
        ("sizes[true]", None),
        ("sizes[none]", None),
        ("5[0]", None),
    ],
)
def test_a_number_is_whole_where_it_comes_out_whole(value: str, is_: int | None) -> None:
    before = "const sizes = [16, 32, 64]\nconst table = [[1, 2], [3]]\n"
    if is_ is None:
        with pytest.raises(CompileError):
            number(value, before)
    else:
        assert number(value, before) == is_


def test_functions_and_sizes_stand_in_lists() -> None:
    text = """
    const acts = [relu, tanh]
    const kernels = [1x1, 3x3]
    block mine(width, act = acts[0], kernel = kernels[1]) {
        return x -> conv(width, kernel) -> acts[1] -> act
    }
    model net { input: 3x8x8  stem: none  stages: [[mine], 2 * blocks_of[1]]  widths: [4, 5]  head: none }
    const blocks_of = [basic, mine]
    """
    kinds = [node.op.kind for node in loads(text).program.graph.nodes]
    assert kinds == ["conv", "tanh", "relu"] * 3


RATES = """
block mine(width, rate = 0.0) { return x -> conv(width, 1x1) -> dropout(rate) }
model net(most = 0.5) {
    input: 3x8x8
    stem: none
    stages: [1, late: 2, [mine, 2 * mine]]
    block: mine
    widths: 4
    rate: most * block_number / blocks
    head: none
}
"""


def rates(text: str) -> list[float]:
    nodes = loads(text).program.graph.nodes
    return [node.op.rate for node in nodes if node.op.kind == "dropout"]


def test_blocks_are_numbered_over_all_stages() -> None:
    assert rates(RATES) == [0.5 * number / 6 for number in range(1, 6)]
    assert rates(RATES.replace("block_number", "(blocks - 1 - block_number)"))[:3] == [
        0.5 * n / 6 for n in (5, 4, 3)
    ]


@pytest.mark.parametrize(
    ("before", "parameters"),
    [
        ("const blocks = 10\nconst block_number = 5\n", "most = 0.5"),
        ("", "most = 0.5, blocks = 10, block_number = 5"),
    ],
)
def test_names_of_ones_own_hide_the_numbers_of_blocks(before: str, parameters: str) -> None:
    assert rates(before + RATES.replace("most = 0.5", parameters)) == [0.25] * 6


def test_a_parameter_behind_a_function_is_structural() -> None:
    text = """
    model net(depth = 9, classes = 16, wide = 8) {
        stages: [sqrt(depth)]
        block: basic
        head: gap -> fc(wide) -> fc(log2(classes))
    }
    """
    found = loads(text).program.network
    assert [parameter.name for parameter in found.parameters] == ["wide", "in_channels"]
    assert len(found.stages[0].blocks) == 3
