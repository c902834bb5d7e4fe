"""Files whose network is a shipped one, for those that the library's blocks do not restore."""

from __future__ import annotations

import math
from collections.abc import Iterator

from resnet_dsl.decompile.tensors import Shapes
from resnet_dsl.driver import compile_spec
from resnet_dsl.program import Program
from resnet_dsl.shipped import models

STATISTICS = (".running_mean", ".running_var")


def with_tensors(shapes: Shapes) -> Iterator[Program]:
    """Yield the shipped networks that have exactly these tensors; what they expect says which to compile.

    Vectors may be of frozen norms, which count as no parameters: those are tried where nothing else fits.
    """
    sizes = {name: math.prod(shape) for name, shape in shapes.items() if not name.endswith(STATISTICS)}
    most = sum(sizes.values())
    least = most - sum(size for name, size in sizes.items() if len(shapes[name]) == 1)
    found = False
    for program in _having(shapes, range(most, most + 1)):
        found = True
        yield program
    if not found:
        yield from _having(shapes, range(least, most))


def _having(shapes: Shapes, params: range) -> Iterator[Program]:
    """Yield those with these tensors among the networks of so many parameters."""
    for model in models().values():
        if model.is_whole and model.expected("params") in params:
            program = compile_spec(model.name)
            if {name: parameter.shape for name, parameter in program.graph.parameters()} == shapes:
                yield program
