"""Images to the network's input: the nodes that come first in a model that takes bytes."""

from __future__ import annotations

from resnet_dsl.backend.ir import INPUT, PixelInput
from resnet_dsl_onnx.nodes import Constant, OnnxNode

NETWORK_INPUT = f"{INPUT}/shifted"
FLOAT = 1  # TensorProto.FLOAT


def preprocessing(pixels: PixelInput) -> list[OnnxNode]:
    """Return the nodes from bytes (N, H, W, C) to what the network takes, in order."""
    steps = [OnnxNode("Cast", (INPUT,), {"to": FLOAT}, "numbers")]
    if pixels.reversed:
        order = Constant("int64", tuple(reversed(range(len(pixels.scale)))), name="reversed")
        steps.append(OnnxNode("Gather", (f"{INPUT}/numbers", order), {"axis": 3}, "reversed"))
    scale, shift = (
        Constant("model", pixels.scale, name="scale"),
        Constant("model", pixels.shift, name="shift"),
    )
    return [
        *steps,
        OnnxNode("Mul", (steps[-1].result(INPUT), scale), {}, "scaled"),
        OnnxNode("Add", (f"{INPUT}/scaled", shift), {}, "added"),
        OnnxNode("Transpose", (f"{INPUT}/added",), {"perm": (0, 3, 1, 2)}, "shifted"),
    ]
