"""Maps at another height and width.

Runtimes find the nearest pixel by a scale in single precision, which takes a wrong one at some sizes. So
a Resize does it for whole factors alone; else pixels are gathered by places counted in whole numbers.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator

from resnet_dsl.backend.ir import Extent, GraphNode, Pair, ops
from resnet_dsl_onnx.nodes import NO_INPUT, Constant, OnnxNode, Steps, step
from resnet_dsl_onnx.rules.lowering import lower

ZERO, ONE = (Constant("int64", number, name=f"number/{number}") for number in (0, 1))


@lower.register
def upsample(op: ops.Upsample, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """Yield the nodes of a map made larger, or brought to a given size."""
    if any(op.size):
        yield from _to(op, node, extent, op.size)
    else:
        yield _scaled(op, node, op.factor)


@lower.register
def resized(op: ops.Resize, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """Yield the nodes of a map brought to the size of another."""
    height, width = (extent.of(size) for size in node.shape.spatial)
    yield from _to(op, node, extent, None if height is None or width is None else (height, width))


def _to(
    op: ops.Upsample | ops.Resize, node: GraphNode, extent: Extent, wanted: Pair | None
) -> Iterator[OnnxNode]:
    """Bring a map to a size: one that is known, or else that of the second input."""
    has = tuple(extent.of(size) for size in node.input_shapes[0].spatial)
    factor = _whole_factor(has, wanted)
    if factor is not None:
        yield _scaled(op, node, factor)
    elif op.mode == "nearest":
        yield from _nearest(node, has, wanted)
    else:
        pixels = yield from _size(node, wanted)
        batch = yield from step(node.name, "batch", "Shape", node.inputs[0], start=0, end=2)
        sizes = yield from step(node.name, "sizes", "Concat", batch, pixels, axis=0)
        yield OnnxNode("Resize", (node.inputs[0], NO_INPUT, NO_INPUT, sizes), _attributes(op))


def _whole_factor(has: tuple[int | None, ...], wanted: Pair | None) -> Pair | None:
    """How many times as large a map becomes, where that is a whole number along both axes."""
    if (
        wanted is None
        or None in has
        or any(want % (size or 1) for want, size in zip(wanted, has, strict=True))
    ):
        return None
    height, width = (want // (size or 1) for want, size in zip(wanted, has, strict=True))
    return height, width


def _scaled(op: ops.Upsample | ops.Resize, node: GraphNode, factor: Pair) -> OnnxNode:
    """The scales of a Resize are in single precision whatever the model is in."""
    factors = tuple(map(float, factor))
    scales = Constant("float32", (1.0, 1.0, *factors), (4,), f"scales/{factor[0]}x{factor[1]}")
    return OnnxNode("Resize", (node.inputs[0], NO_INPUT, scales), _attributes(op))


def _attributes(op: ops.Upsample | ops.Resize) -> dict[str, str | float | int]:
    nearest = op.mode == "nearest"
    between = "align_corners" if op.align_corners else "half_pixel"
    return {
        "mode": "nearest" if nearest else "linear",
        "coordinate_transformation_mode": "asymmetric" if nearest else between,
        "nearest_mode": "floor",
        "cubic_coeff_a": -0.75,
        "exclude_outside": 0,
        "extrapolation_value": 0.0,
    }


def _size(node: GraphNode, wanted: Pair | None) -> Generator[OnnxNode, None, str | Constant]:
    """The height and width of the result: a constant, or those of the second input."""
    if wanted is not None:
        return Constant("int64", wanted)
    return (yield from step(node.name, "size", "Shape", node.inputs[1], start=2, end=4))


def _nearest(node: GraphNode, has: tuple[int | None, ...], wanted: Pair | None) -> Iterator[OnnxNode]:
    places: list[str | Constant] = []
    for axis, what in enumerate(("rows", "columns")):
        size = has[axis]
        if size is not None and wanted is not None:
            count = wanted[axis]
            found = tuple(i * size // count for i in range(count))
            places.append(Constant("int64", found, (count,), f"nearest/{size}/{count}"))
        else:
            places.append((yield from _places(node, what, axis, wanted)))
    x = yield from step(node.name, "by_rows", "Gather", node.inputs[0], places[0], axis=2)
    yield OnnxNode("Gather", (x, places[1]), {"axis": 3})


def _places(node: GraphNode, what: str, axis: int, wanted: Pair | None) -> Steps:
    """The row or column that each of the result is taken from, as the model has the sizes when it runs."""
    end = {"start": 2 + axis, "end": 3 + axis}
    size = yield from step(node.name, f"{what}/size", "Shape", node.inputs[0], **end)
    count: str | Constant
    if wanted is None:
        count = yield from step(node.name, f"{what}/counts", "Shape", node.inputs[1], **end)
        count = yield from step(node.name, f"{what}/count", "Squeeze", count, Constant("int64", (0,)))
    else:
        count = Constant("int64", wanted[axis], name=f"number/{wanted[axis]}")
    steps = yield from step(node.name, f"{what}/steps", "Range", ZERO, count, ONE)
    scaled = yield from step(node.name, f"{what}/scaled", "Mul", steps, size)
    return (yield from step(node.name, what, "Div", scaled, count))


@lower.register
def cropped(op: ops.Crop, node: GraphNode, extent: Extent) -> Iterator[OnnxNode]:
    """Yield the nodes of the middle of a map."""
    has, wanted = (tuple(map(extent.of, shape.spatial)) for shape in (node.input_shapes[0], node.shape))
    known = [(a, b) for a, b in zip(has, wanted, strict=True) if a is not None and b is not None]
    axes = Constant("int64", (2, 3))
    if len(known) == 2:
        firsts = tuple((size - want) // 2 for size, want in known)
        ends = tuple(first + want for first, (_, want) in zip(firsts, known, strict=True))
        bounds = (Constant("int64", firsts), Constant("int64", ends))
        yield OnnxNode("Slice", (node.inputs[0], *bounds, axes), {})
        return
    size = yield from step(node.name, "extent", "Shape", node.inputs[0], start=2, end=4)
    want = yield from _size(node, op.size if any(op.size) else None)
    over = yield from step(node.name, "over", "Sub", size, want)
    first = yield from step(node.name, "first", "Div", over, Constant("int64", (2,)))
    end = yield from step(node.name, "end", "Add", first, want)
    yield OnnxNode("Slice", (node.inputs[0], first, end, axes), {})
