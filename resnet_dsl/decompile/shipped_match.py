"""Files whose network is a shipped one, for those that the library's blocks do not restore."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from resnet_dsl.decompile.tensors import Shapes
from resnet_dsl.driver import compile_spec
from resnet_dsl.program import Program
from resnet_dsl.shipped import shipped

PARAMS = re.compile(r"\bparams == ([0-9_]+)")
STATISTICS = (".running_mean", ".running_var")


def with_tensors(shapes: Shapes) -> Iterator[Program]:
    """Yield the shipped networks that have exactly these tensors; what they expect says which to compile."""
    params = sum(math.prod(shape) for name, shape in shapes.items() if not name.endswith(STATISTICS))
    for name in shipped():
        if params not in map(int, PARAMS.findall(shipped_text(name))):
            continue
        program = compile_spec(name)
        if {name: parameter.shape for name, parameter in program.graph.parameters()} == shapes:
            yield program


def shipped_text(name: str) -> str:
    """Return the text of a shipped spec."""
    return shipped()[name].read_text(encoding="utf-8")
