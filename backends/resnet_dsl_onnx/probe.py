"""Looking into an ONNX model: the result of every op as an output of its own."""

from __future__ import annotations

from onnx import ModelProto

from resnet_dsl.ir.arrays import Array
from resnet_dsl.program import Program
from resnet_dsl_onnx.execute import execute


def trace(model: ModelProto, program: Program, x: Array) -> dict[str, Array]:
    """Return results by op, in the batch's precision."""
    copy = ModelProto()
    copy.CopyFrom(model)
    given = {output.name for output in copy.graph.output}
    inner = [value for value in copy.graph.value_info if value.name not in given]
    copy.graph.output.extend(inner)
    found = execute(copy, x)
    results = {name: found[name] for name in found if name not in given}
    results |= {result: found[output] for output, result in program.graph.outputs}
    return {name.removesuffix("/value"): value for name, value in results.items()}
