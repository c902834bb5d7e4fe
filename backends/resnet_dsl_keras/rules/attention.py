"""How Keras gathers pixels by weights."""

from __future__ import annotations

from resnet_dsl.backend.ir import ops
from resnet_dsl.backend.python_source import Operand, Site, call
from resnet_dsl_keras.rules.lowering import KerasLowering, X, lower


@lower.register
def _(op: ops.WeightedSum, site: Site) -> KerasLowering:
    code = call("weighted_sum", X, Operand(1))
    return KerasLowering(code, depth=2, operations=("multiply", "sum"), ending=None)
