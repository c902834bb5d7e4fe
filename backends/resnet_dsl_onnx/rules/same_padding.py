"""`same` padding where the input's size is open and no `auto_pad` is read alike: the model computes it.

TensorFlow's rule: `ceil(n / stride)` windows, so `max((ceil(n / stride) - 1) * stride + span - n, 0)`
rows more, the odd one behind.
"""

from __future__ import annotations

from resnet_dsl.backend.ir import Pair
from resnet_dsl_onnx.nodes import Constant, Steps, step

NONE = Constant("int64", (0, 0), name="pair/0x0")


def computed_pads(name: str, x: str, spans: Pair, strides: Pair) -> Steps:
    """Yield the nodes that compute the padding of a map from its size, as `Pad` takes it."""

    def pair(values: Pair) -> Constant:
        return Constant("int64", values, name=f"pair/{values[0]}x{values[1]}")

    size = yield from step(name, "size", "Shape", x, start=2)
    rounded = yield from step(name, "rounded", "Add", size, pair((strides[0] - 1, strides[1] - 1)))
    count = yield from step(name, "count", "Div", rounded, pair(strides))
    steps = yield from step(name, "steps", "Sub", count, pair((1, 1)))
    reached = yield from step(name, "reached", "Mul", steps, pair(strides))
    needed = yield from step(name, "needed", "Add", reached, pair(spans))
    lacking = yield from step(name, "lacking", "Sub", needed, size)
    total = yield from step(name, "total", "Max", lacking, NONE)
    before = yield from step(name, "before", "Div", total, pair((2, 2)))
    behind = yield from step(name, "behind", "Sub", total, before)
    return (yield from step(name, "pads", "Concat", NONE, before, NONE, behind, axis=0))


def padded(name: str, suffix: str, x: str, pads: str, fill: float) -> Steps:
    """Yield a map with a computed padding around it."""
    return (yield from step(name, suffix, "Pad", x, pads, Constant("model", fill), mode="constant"))


def ones_like(name: str, x: str) -> Steps:
    """Yield a map of ones of the same size."""
    shape = yield from step(name, "shape", "Shape", x, start=0)
    return (yield from step(name, "ones", "Expand", Constant("model", 1.0), shape))
