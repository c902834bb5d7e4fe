"""Transposed convolution against torch's, and what `same` and `half` make of sizes."""

from __future__ import annotations

import numpy as np
import pytest

from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source
from resnet_dsl.ir.arguments import ArgumentError, Symbol
from resnet_dsl.ir.ops import CATALOGUE, ConvTranspose
from resnet_dsl.ir.shapes import Extent, Shape
from resnet_dsl.ir.sizes import Size
from resnet_dsl.program import Program
from resnet_dsl.reference import OpCall, backward, forward

MAP = Shape(4, (Size("H"), Size("W")))


def transposed(**values: object) -> ConvTranspose:
    op = CATALOGUE["conv_transpose"].make({"channels": 6, "kernel": 3, **values})
    assert isinstance(op, ConvTranspose)
    return op


def stem(text: str, size: str = "4x8x9") -> Program:
    return compile_source(Source("m", f"model m {{ input: {size}  stem: {text}  stages: []  head: none }}"))


@pytest.mark.parametrize(
    ("values", "sizes"),
    [
        ({"kernel": 2, "stride": 2}, "2*H x 2*W"),
        ({"kernel": 4, "stride": 2}, "2*H x 2*W"),
        ({"kernel": 3, "stride": 2}, "(2*H-1) x (2*W-1)"),
        ({"kernel": 3, "stride": 2, "output_padding": 1}, "2*H x 2*W"),
        ({"kernel": 3, "stride": 2, "pad": Symbol("valid")}, "(2*H+1) x (2*W+1)"),
        ({"kernel": (1, 5), "stride": (3, 2), "pad": Symbol("same")}, "3*H x 2*W"),
        ({"kernel": 3, "dilation": 2}, "H x W"),
    ],
)
def test_the_size_of_the_result_is_a_formula(values: dict[str, object], sizes: str) -> None:
    found = transposed(**values).shape(MAP, extent=Extent())
    assert " x ".join(size.formula for size in found.spatial) == sizes


@pytest.mark.parametrize(
    ("values", "more"),
    [
        ({"stride": 2, "output_padding": 1}, {}),
        ({"kernel": (2, 4), "stride": (2, 3), "groups": 2, "bias": True}, {}),
        ({"stride": 2, "dilation": (1, 2), "pad": 0, "bias": True}, {}),
    ],
)
def test_the_referee_is_torch_s_forward_and_backward(values: dict[str, object], more: object) -> None:
    torch = pytest.importorskip("torch")
    op, rng = transposed(**values), np.random.default_rng(0)
    x = rng.standard_normal((2, 4, 5, 6))
    own = {tensor.name: rng.standard_normal(tensor.shape) for tensor in op.parameters(MAP)}
    given = torch.tensor(x, requires_grad=True)
    theirs = {name: torch.tensor(value, requires_grad=True) for name, value in own.items()}
    settings = {"stride": op.stride, "padding": op.pad, "output_padding": op.output_padding}
    wanted = torch.nn.functional.conv_transpose2d(
        given, theirs["weight"], theirs.get("bias"), **settings, groups=op.groups, dilation=op.dilation
    )
    call = OpCall((x,), own)
    found = forward(op, call)
    assert np.abs(found - wanted.detach().numpy()).max() < 1e-12
    gradient = rng.standard_normal(found.shape)
    wanted.backward(torch.tensor(gradient))
    back = backward(op, call, found, gradient)
    assert np.abs(back.inputs[0] - given.grad.numpy()).max() < 1e-11
    for name, tensor in theirs.items():
        assert np.abs(back.tensors[name] - tensor.grad.numpy()).max() < 1e-11


def test_it_is_counted_by_the_pixels_that_it_takes() -> None:
    program = stem("conv_transpose(6, 4x4, stride=2, groups=2, bias=true)")
    assert (program.cost.params, program.cost.macs) == (4 * 3 * 16 + 6, 8 * 9 * 4 * 3 * 16)
    assert program.cost.depth == 1
    assert stem("conv_transpose(6, 3x3, stride=2, output_padding=1)").cost.macs == 8 * 9 * 4 * 6 * 9


@pytest.mark.parametrize("name", ["deconv", "ConvTranspose2d", "conv2d_transpose", "transposed_conv"])
def test_what_others_call_it_is_known(name: str) -> None:
    with pytest.raises(CompileError) as found:
        stem(f"{name}(4, 2x2)")
    assert "conv_transpose" in found.value.diagnostics[0].hint


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(ArgumentError, match="must be less than its stride"):
        transposed(output_padding=1)
    with pytest.raises(ArgumentError, match="`output_padding` of conv_transpose must be 0 with `same`"):
        transposed(stride=2, output_padding=1, pad=Symbol("same"))
    with pytest.raises(CompileError) as found:
        stem("conv_transpose(6, 2x2, pad=9)")
    assert "nothing is left of 4x8x9" in found.value.diagnostics[0].message
    with pytest.raises(CompileError) as found:
        stem("conv_transpose(6, 2x2, groups=4)")
    assert "6 output channels cannot be split into 4 groups" in found.value.diagnostics[0].message
