"""Ops refuse by type and name: which argument, what was wanted, and for which sizes inputs disagree."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from resnet_dsl.ir.arguments import ArgumentError
from resnet_dsl.ir.ops import CATALOGUE, Join
from resnet_dsl.ir.shapes import Extent, Shape, ShapeError
from resnet_dsl.ir.sizes import Size
from resnet_dsl.reference import OpCall, forward

ANY = Extent()
MAP = Shape(4, (Size("H"), Size("W")))
HALF = Shape(4, tuple(size.ceil(2) for size in MAP.spatial))
FLOORED = Shape(4, tuple(size.window(2, 2, 0) for size in MAP.spatial))
PIXEL = Shape(4, (Size(None, 1), Size(None, 1)))


@pytest.mark.parametrize("kind", sorted(CATALOGUE))
def test_an_argument_of_a_wrong_kind_is_refused_by_name(kind: str) -> None:
    for name, rule, _ in CATALOGUE[kind].arguments():
        with pytest.raises(ArgumentError, match=f"^`{name}` of {kind} must be ") as found:
            CATALOGUE[kind].make({name: object()})
        assert (found.value.argument, found.value.wanted) == (name, rule.what)


@pytest.mark.parametrize(
    ("kind", "values", "argument"),
    [
        ("conv", {"channels": 1, "kernel": 1, "standardize": -1.0}, "standardize"),
        ("channel_conv", {"kernel": 2}, "kernel"),
        ("maxpool", {"kernel": 2, "pad": 2}, "pad"),
        ("maxpool", {"kernel": 2, "ceil": True, "pad": "same"}, "pad"),
        ("lrn", {"size": 4}, "size"),
        ("lrn", {"k": 0.0}, "k"),
        ("part", {"index": 2, "of": 2}, "index"),
        ("blurpool", {"kernel": 1}, "kernel"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused_by_name(
    kind: str, values: dict[str, Any], argument: str
) -> None:
    with pytest.raises(ArgumentError) as found:
        CATALOGUE[kind].make(values)
    assert found.value.argument == argument


@pytest.mark.parametrize(("kind", "code"), [("add", "E0301"), ("mul", "E0302"), ("concat", "E0303")])
def test_a_join_compares_sizes_itself(kind: str, code: str) -> None:
    op = CATALOGUE[kind].make({})
    with pytest.raises(ShapeError) as found:
        op.shape(MAP, HALF, extent=Extent(8, 8))
    assert found.value.code == code
    assert found.value.operands


@pytest.mark.parametrize("kind", ["add", "mul", "concat"])
def test_a_join_says_for_which_other_sizes_it_fails(kind: str) -> None:
    op = CATALOGUE[kind].make({})
    assert op.shape(HALF, FLOORED, extent=Extent(8, 8)).spatial == HALF.spatial
    assert op.fails_for(HALF, FLOORED, extent=Extent(8, 8)) == "fails for odd heights, first at 9"
    assert op.fails_for(MAP, MAP, extent=ANY) == ""


def test_a_gate_of_one_pixel_fits_a_map_of_every_size() -> None:
    assert CATALOGUE["mul"].make({}).fails_for(MAP, PIXEL, extent=ANY) == ""


HERE = Extent(8, 8)
AT_THIS_SIZE = tuple(size.ceil(8) for size in MAP.spatial)  # one pixel, of an input of 8x8
SPATIAL = [(), MAP.spatial, (AT_THIS_SIZE[0], MAP.spatial[1]), AT_THIS_SIZE, PIXEL.spatial]
SHAPES = [Shape(channels, spatial) for channels in (1, 2, 3) for spatial in SPATIAL]
JOINS = [kind for kind, op in CATALOGUE.items() if issubclass(op, Join)]


@pytest.mark.parametrize("kind", JOINS)
def test_what_a_join_accepts_is_computed_and_nothing_else_is_spread(kind: str) -> None:
    op = CATALOGUE[kind].make({})
    accepted = 0
    for pair in product(SHAPES, SHAPES):
        try:
            shape = op.shape(*pair, extent=HERE)
        except ShapeError:
            continue
        inputs = tuple(np.ones((2, *each.at(HERE))) for each in pair)
        assert forward(op, OpCall(inputs)).shape == (2, *shape.at(HERE)), pair
        accepted += 1
    assert len(SHAPES) <= accepted < len(SHAPES) ** 2


@pytest.mark.parametrize(
    ("kind", "values", "argument"),
    [
        ("conv", {"channels": 6, "kernel": 3, "groups": 3}, "groups"),
        ("conv", {"channels": 6, "kernel": 30, "pad": 0}, "kernel"),
        ("gn", {"groups": 3}, "groups"),
        ("part", {"index": 0, "of": 3}, "of"),
        ("pad_channels", {"channels": 2}, "channels"),
    ],
)
def test_a_shape_that_does_not_fit_names_the_argument(
    kind: str, values: dict[str, Any], argument: str
) -> None:
    with pytest.raises(ShapeError) as found:
        CATALOGUE[kind].make(values).shape(MAP, extent=Extent(8, 8))
    assert found.value.argument == argument
