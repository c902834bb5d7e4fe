"""What is verified: a program at several input sizes, with weights that make mistakes show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from resnet_dsl.analysis.input_sizes import InputSizes, input_sizes
from resnet_dsl.diagnostics.errors import CompileError, UsageError
from resnet_dsl.initial.seeded import random_state
from resnet_dsl.ir.arrays import Array
from resnet_dsl.ir.graph import INPUT
from resnet_dsl.ir.shapes import Extent
from resnet_dsl.limits import ACTIVATIONS
from resnet_dsl.program import Program
from resnet_dsl.records import dataclass
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
    (it flattens a map, say) is run at that. Raises UsageError for a size that the network does not take.
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
        others = [size for size in sizes if size != (height, width)]
        _refuse(others, f"it is proved for {height}x{width} only")
        return Subject(program, ((height, width),), True)
    taken = input_sizes(free.graph)
    if taken is None:
        raise UsageError("the network takes no input that is small enough to try")
    _refuse([size for size in sizes if not taken.take(*size)], f"it needs {taken.needs}")
    for height, width in sizes:
        _check_activations(load({"input": f"{channels}x{height}x{width}"}))
    return Subject(free, sizes or usual_sizes(own, taken), False)


def _refuse(sizes: Sequence[InputSize], reason: str) -> None:
    if sizes:
        asked = "x".join(map(str, sizes[0]))
        raise UsageError(f"the network takes no input of {asked}: {reason}; `--set input=…` gives it another")


def usual_sizes(own: Sequence[int | None], taken: InputSizes) -> Sizes:
    """An even, an odd and a non-square size: small ones, but not too small for the network."""
    base = max(min(SMALL, *(size or SMALL for size in own)), _roomy(taken.height), _roomy(taken.width))
    even = base + base % 2
    return ((even, even), (even + 1, even + 1), (even - even // 4 + 1, even + 6))


def _roomy(smallest: int) -> int:
    """A size of which three quarters are not less than the smallest that fits."""
    return -(-4 * smallest // 3)


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
    # Twice as strong as any that are compared: an image stronger than those that statistics are of opens
    # gates further than they do, is made stronger still by each block, and rounding errors grow with it.
    x = 2 * images(subject, size, 4, seed)
    tensors, values = tensors_of(graph, state), {INPUT: as_batch(graph, x)}
    extent = Extent(*size)
    for node in graph.nodes:
        call = called(node, tensors, values)
        roles = {tensor.role: tensor.name for tensor in node.op.parameters(*node.input_shapes)}
        if {"mean", "variance"} <= roles.keys() and node.owner is None:
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
