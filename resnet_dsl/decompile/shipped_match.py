"""Files whose network is a shipped one, for those that the library's blocks do not restore."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from resnet_dsl.decompile.tensors import Shapes
from resnet_dsl.driver import compile_spec
from resnet_dsl.program import Program
from resnet_dsl.shipped import models

PARAMS = re.compile(r"\bparams == ([0-9_]+)")
STATISTICS = (".running_mean", ".running_var")


def with_tensors(shapes: Shapes) -> Iterator[Program]:
    """Yield the shipped networks that have exactly these tensors; what they expect says which to compile."""
    params = sum(math.prod(shape) for name, shape in shapes.items() if not name.endswith(STATISTICS))
    for model in models().values():
        if not model.is_whole or params not in map(int, PARAMS.findall(model.text)):
            continue
        program = compile_spec(model.name)
        if {name: parameter.shape for name, parameter in program.graph.parameters()} == shapes:
            yield program
