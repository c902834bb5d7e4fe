"""Stages whose blocks differ, written out block by block; and blocks that pruning has narrowed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from resnet_dsl.decompile.block_numbers import BASE, EXPANSION, attentions, widths_of
from resnet_dsl.decompile.residual_blocks import BASIC, BOTTLENECK, ResidualBlock
from resnet_dsl.decompile.structure import Structure
from resnet_dsl.decompile.syntax_nodes import NOWHERE, Written, call, expression, others_than
from resnet_dsl.decompile.tensors import NotExpressibleError
from resnet_dsl.syntax import ast

NARROWED = {BASIC: "narrowed_basic", BOTTLENECK: "narrowed_bottleneck"}
BLOCKS = {
    NARROWED[BASIC]: """\
# `basic` with other channels between its convolutions, as pruning leaves them.
block narrowed_basic(
    width, inner, stride = 1, shortcut = B, dilation = 1, act = relu, norm = bn, attention = none,
    bias = false
) {
    main = x -> conv(inner, 3x3, stride=stride, dilation=dilation, bias=bias) -> bn1: norm -> act
             -> conv(width, 3x3, dilation=dilation, bias=bias) -> bn2: norm
             -> attend(attention)
    return act(main + (x -> downsample: shortcut(width, stride)))
}
""",
    NARROWED[BOTTLENECK]: """\
# `bottleneck` with channels of their own for the 1x1 and the 3x3, as pruning leaves them.
block narrowed_bottleneck(
    width, first, second, stride = 1, shortcut = B, stride_on = conv2 | conv1, dilation = 1,
    act = relu, norm = bn, attention = none, bias = false
) {
    early = if stride_on == conv1 then stride else 1
    main = x -> conv(first, 1x1, stride=early, bias=bias)
             -> bn1: norm
             -> act
             -> conv(second, 3x3, stride=stride // early, dilation=dilation, bias=bias)
             -> bn2: norm
             -> act
             -> conv(width, 1x1, bias=bias)
             -> bn3: norm
             -> attend(attention)
    return act(main + (x -> downsample: shortcut(width, stride)))
}
""",
}
"""Blocks that the library does not have, by name: those of it with inner channels of their own."""


def differ(structure: Structure) -> bool:
    """Whether no one value a stage says what its blocks are."""
    pairs = ((stage[0], block) for stage in structure.stages for block in stage)
    return any(_build(block) != _build(first) or block.is_narrowed for first, block in pairs)


def written_out(structure: Structure) -> dict[str, ast.Expr]:
    """Return `stages` with every block's own numbers."""
    if structure.pre and (odd := next((b for b in structure.blocks if b.is_narrowed), None)):
        channels = ", ".join(map(str, (*odd.inners, odd.after)))
        raise NotExpressibleError(
            f"{odd.path}: convolutions of {channels} channels, in no pre-activated block of the library"
        )
    calls = dict(zip((block.path for block in structure.blocks), _calls(structure), strict=True))
    stages = [[calls[block.path] for block in stage] for stage in structure.stages]
    items = [[_times(len(list(group)), step) for step, group in groupby(stage)] for stage in stages]
    found: dict[str, ast.Expr] = {
        "stages": expression([stage[0] if len(stage) == 1 else list(stage) for stage in items])
    }
    if len({block.bias for block in structure.blocks}) == 1 and structure.blocks[0].bias:
        found["bias"] = expression(True)
    return found


def narrowed_blocks(structure: Structure) -> list[str]:
    """Return the texts of the blocks that the spec needs beside the library's, in canonical form."""
    kinds = {block.kind for block in structure.blocks if block.is_narrowed}
    return [BLOCKS[NARROWED[kind]] for kind in sorted(kinds)]


def _build(block: ResidualBlock) -> tuple[Any, ...]:
    return block.kind, block.inners, block.after, block.groups, block.norm, block.gate, block.bias


def _times(count: int, step: ast.Expr) -> ast.Expr:
    return step if count == 1 else ast.Binary(NOWHERE, "*", expression(count), step, NOWHERE)


def _calls(structure: Structure) -> Iterator[ast.Expr]:
    """Yield the call of each block."""
    blocks = structure.blocks
    gates = attentions((block.after, block.gate) for block in blocks)
    mixed = len({block.bias for block in blocks}) > 1
    sizes = iter(_sizes([block for block in blocks if not block.is_narrowed]))
    for block, gate in zip(blocks, gates, strict=True):
        more: dict[str, Written] = {} if gate == expression("none") else {"attention": gate}
        if mixed and block.bias:
            more["bias"] = True
        if not block.is_narrowed:
            width, numbers = next(sizes)
            yield call(block.kind, width, **numbers, **more)
        elif block.groups > 1:
            raise NotExpressibleError(f"{block.path}: a grouped bottleneck with {block.inners[1]} channels")
        else:
            yield call(NARROWED[block.kind], block.after, *block.inners, **more)


def _sizes(blocks: list[ResidualBlock]) -> Iterator[tuple[int, Mapping[str, int]]]:
    """Yield the width of each block, and the other numbers of bottlenecks where they are not the usual."""
    if not blocks:
        return
    found = widths_of(blocks)
    usual = {"groups": 1, "base_width": BASE, "expansion": EXPANSION}
    for block, width, base, expansion in zip(
        blocks, found.widths, found.base_widths, found.expansions, strict=True
    ):
        numbers = {"groups": block.groups, "base_width": base, "expansion": expansion}
        yield width, others_than(usual, numbers) if block.kind == BOTTLENECK else {}
