"""What is verified: a program at several input sizes, with weights that make mistakes show."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from resnet_dsl.diagnostics.errors import CompileError, UsageError
from resnet_dsl.initial.seeded import random_state
from resnet_dsl.ir.arrays import Array
from resnet_dsl.ir.graph import INPUT
from resnet_dsl.ir.shapes import Extent
from resnet_dsl.limits import ACTIVATIONS
from resnet_dsl.program import Program
from resnet_dsl.reference.evaluation import apply, as_batch, called, tensors_of

InputSize = tuple[int, ...]  # height and width, or nothing where the input is a vector
Sizes = tuple[InputSize, ...]
SMALL = 64  # a large enough map for every stride of a usual network, and quick


@dataclass(frozen=True, eq=False)
class Subject:
    """A program (with free height and width, if it takes any) and the sizes to run it at."""

    program: Program
    sizes: Sizes
    fixed: bool


def subject_of(load: Callable[[Mapping[str, Any]], Program], sizes: Sizes = ()) -> Subject:
    """Return the subject for a way to load a program with more overrides.

    Sizes default to an even, an odd and a non-square one; a network that only takes its own size
    (it flattens a map, say) is run at that.
    """
    program = load({})
    channels, *own = program.network.input.at(program.network.extent)
    if not own:
        return Subject(program, ((),), True)
    try:
        free = load({"input": f"{channels}xHxW"})
    except CompileError:
        _check_activations(program)
        height, width = (SMALL if size is None else size for size in own)
        return Subject(program, ((height, width),), True)
    for candidate in [sizes] if sizes else _candidates(own):
        if all(_fits(load, channels, size) for size in candidate):
            return Subject(free, candidate, False)
    raise CompileError(program.warnings)


def _candidates(own: Sequence[int | None]) -> Iterator[Sizes]:
    """Even, odd and non-square sizes: small ones first, then about the network's own."""
    given = max(size or SMALL for size in own)
    for base in dict.fromkeys((min(SMALL, given), given, 2 * given)):
        even = base + base % 2
        yield ((even, even), (even + 1, even + 1), (even - even // 4 + 1, even + 6))


def _fits(load: Callable[[Mapping[str, Any]], Program], channels: int | None, size: InputSize) -> bool:
    try:
        program = load({"input": f"{channels}x{size[0]}x{size[1]}"})
    except CompileError:
        return False
    _check_activations(program)
    return True


def _check_activations(program: Program) -> None:
    """Raise UsageError where the results of all ops, which are compared one by one, would fill the memory."""
    values = program.cost.activations or 0
    if values > ACTIVATIONS.most:
        size = program.network.input.text(program.network.extent)
        message = f"at {size}, the ops of {program.name} have {values:,} results"
        raise UsageError(f"{message}; `verify` takes {ACTIVATIONS.most:,} at most: ask for a smaller --size")


def images(subject: Subject, size: InputSize, batch: int, seed: int) -> Array:
    """Return a batch of noisy images (N, C, H, W), or of vectors, float64 of single-precision values.

    Each image has a tint of its own, which makes whole maps negative: zeros in the padding of a
    max pool would hide in noise around zero.
    """
    shape = (batch, subject.program.network.input.channels, *size)
    generator = np.random.Generator(np.random.Philox(seed))
    tint = generator.standard_normal((*shape[:2], *(1 for _ in size)))
    return (generator.standard_normal(shape) + tint).astype(np.float32).astype(np.float64)


def calibrated_state(subject: Subject, seed: int) -> dict[str, Array]:
    """Return random weights whose batch norms nearly normalise: float64 of single-precision values.

    Scales, shifts and statistics all differ from their starting values and from each other, so
    that a swapped or forgotten one shows; and hundreds of blocks keep their values in range, as
    they do in a trained network.
    """
    graph = subject.program.graph
    state = {name: value.astype(np.float64) for name, value in random_state(graph, seed).items()}
    size = subject.sizes[0]
    x = images(subject, size, 4, seed)
    tensors, values = tensors_of(graph, state), {INPUT: as_batch(graph, x)}
    extent = Extent(*size)
    for node in graph.nodes:
        call = called(node, tensors, values)
        roles = {tensor.role: tensor.name for tensor in node.op.parameters(*node.input_shapes)}
        if {"mean", "variance"} <= roles.keys():
            # By the input as a whole: the statistics of each channel would blow up those that hardly
            # vary, a little more in every layer, until rounding errors are all that is left.
            own, deviation = tensors[node.name], call.x.std() + 1e-3
            mean, variance = roles["mean"], roles["variance"]
            own[mean] = _single(call.x.mean() + own[mean] * deviation)
            own[variance] = _single(deviation**2 * own[variance])
            state |= {f"{node.name}.{name}": own[name] for name in (mean, variance)}
        values[node.name] = apply(node, call, extent)
    return state


def _single(value: Array) -> Array:
    return value.astype(np.float32).astype(np.float64)
