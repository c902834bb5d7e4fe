"""How PyTorch gathers pixels by weights."""

from __future__ import annotations

from resnet_dsl.backend.ir import ops
from resnet_dsl.backend.python_source import Binary, Operand, Site, method, several
from resnet_dsl_torch.rules.lowering import TorchLowering, X, function, lower


@lower.register
def _(op: ops.WeightedSum, site: Site) -> TorchLowering:
    return function(method(Binary(X, "*", Operand(1)), "sum", several(2, 3), keepdim=True))
