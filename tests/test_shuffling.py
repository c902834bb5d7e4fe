"""Channels and pixels in torch's order."""

from __future__ import annotations

import numpy as np
import pytest

from resnet_dsl.ir.ops import CATALOGUE
from resnet_dsl.ir.shapes import Extent, Shape, ShapeError
from resnet_dsl.ir.sizes import Size
from resnet_dsl.reference import OpCall, forward


def test_the_orders_are_torch_s() -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).standard_normal((2, 18, 6, 9))
    for kind, value, theirs in (
        ("pixel_shuffle", 3, torch.nn.PixelShuffle(3)),
        ("pixel_unshuffle", 3, torch.nn.PixelUnshuffle(3)),
        ("channel_shuffle", 6, torch.nn.ChannelShuffle(6)),
    ):
        ((name, _, _),) = CATALOGUE[kind].arguments()
        found = forward(CATALOGUE[kind].make({name: value}), OpCall((x,)))
        assert (found == theirs(torch.from_numpy(x)).numpy()).all(), kind


def test_rows_that_make_no_square_are_left_out_and_said() -> None:
    op = CATALOGUE["pixel_unshuffle"].make({"factor": 2})
    shape = Shape(3, (Size("H"), Size("W")))
    assert [size.formula for size in op.shape(shape, extent=Extent()).spatial] == ["H//2", "W//2"]
    assert op.unread(shape, extent=Extent(7, 8)) == (1, 0)
    with pytest.raises(ShapeError, match="a map of 3x1x8 has no square of 2 pixels"):
        op.shape(shape, extent=Extent(1, 8))


@pytest.mark.parametrize("kind", ["pixel_shuffle", "channel_shuffle"])
def test_channels_that_cannot_be_split_are_refused(kind: str) -> None:
    ((name, _, _),) = CATALOGUE[kind].arguments()
    with pytest.raises(ShapeError, match="6 input channels cannot be split into"):
        CATALOGUE[kind].make({name: 4}).shape(Shape(6, (Size("H"), Size("W"))), extent=Extent())
