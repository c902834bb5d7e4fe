"""What the backends have to give for a random network, and how far rounding alone can move it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from fuzz.engines import Job, State, finite
from fuzz.random_network import RandomNetwork
from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source
from resnet_dsl.ir.arrays import Array
from resnet_dsl.ir.graph import INPUT, Graph, GraphNode
from resnet_dsl.ir.shapes import Extent
from resnet_dsl.program import Program
from resnet_dsl.reference import evaluate
from resnet_dsl.reference.evaluation import apply, as_batch, called, tensors_of
from resnet_dsl.verify.case import Subject, calibrated_state, images
from resnet_dsl.verify.forward import error_of

LARGEST = 1e6
SIZES = ((7, 9), (12, 8))  # where the text is all that is known of a network
UNIT = {"float64": 2.0**-53, "float32": 2.0**-24}
LARGEST_OF = {name: float(np.finfo(name).max) for name in UNIT}
SMALLEST_OF = {name: float(np.finfo(name).tiny) for name in UNIT}


class Unsuitable(Exception):
    """A network that compiles and of which nothing can be compared: its results are not finite, say."""


def job_of(network: RandomNetwork) -> tuple[Job, Counter[str]]:
    """Return a network with weights, inputs and true results, and the kinds of its ops; raises Unsuitable."""
    program = compile_source(Source("net.resnet", network.text))
    sizes = network.sizes or _sizes(program, network.text)
    subject = Subject(program, sizes, program.network.extent.height is not None)
    with np.errstate(all="ignore"):
        state = calibrated_state(subject, network.seed)
        batch = (2 if any(map(_torch_wants_two, program.graph.nodes)) else 1) + network.seed % 2
        inputs = tuple(images(subject, size, batch, network.seed + 1 + i) for i, size in enumerate(sizes))
        truths = tuple(evaluate(program.graph, state, x) for x in inputs)
    if not (finite(state) and all(map(finite, truths))):
        raise Unsuitable("not finite")
    if any(np.abs(value).max() > LARGEST for truth in truths for value in truth.values()):
        raise Unsuitable("too large")
    kinds = Counter(node.op.kind for node in program.graph.nodes)
    return Job(network.seed, network.text, state, inputs, truths), kinds


def _torch_wants_two(node: GraphNode) -> bool:
    """Whether torch refuses a batch of one: a group of one channel is one value where the map is a pixel."""
    x = node.input_shapes[0]
    return node.op.normalises and getattr(node.op, "groups", 0) == x.channels


def _sizes(program: Program, text: str) -> tuple[tuple[int, ...], ...]:
    channels, *own = program.network.input.at(program.network.extent)
    if not own:
        return ((),)
    if None not in own:
        return (tuple(n for n in own if n is not None),)
    return tuple(size for size in SIZES if _fits(text, channels, size)) or (SIZES[0],)


def _fits(text: str, channels: int | None, size: tuple[int, ...]) -> bool:
    try:
        override = {"input": f"{channels}x{size[0]}x{size[1]}"}
        compile_source(Source("net.resnet", text), overrides=override)
    except CompileError:
        return False
    return True


def noise(job: Job, dtype: str) -> float:
    """Return the largest relative change of the results when every op's result is rounded at random.

    Norms are computed as engines do it, so that what rounding leaves where exact values cancel out is seen.
    What is past the largest number of the precision is infinite, and so is the change then; what is below the
    smallest is nothing.
    A sum of a thousand terms is rounded more than once, hence the factor that callers take.
    """
    if dtype not in UNIT:
        return 0.0
    graph = compile_source(Source("net.resnet", job.text)).graph
    worst = 0.0
    for repeat in range(3):
        generator = np.random.default_rng(repeat)

        def moved(value: Array, generator: np.random.Generator = generator) -> Array:
            rounded = value * (1 + UNIT[dtype] * generator.uniform(-1, 1, value.shape))
            rounded = np.where(np.abs(rounded) < SMALLEST_OF[dtype], 0.0, rounded)
            return np.where(np.abs(rounded) > LARGEST_OF[dtype], np.copysign(np.inf, rounded), rounded)

        for x, truth in zip(job.inputs, job.truths, strict=True):
            with np.errstate(all="ignore"):
                results = _evaluated(graph, job.state, x, moved)
            for name, result in graph.inference.outputs:
                worst = max(worst, error_of(results[result], truth[name]))
    return worst


def _evaluated(graph: Graph, state: State, x: Array, moved: Callable[[Array], Array]) -> State:
    """Every value of a graph, each moved as it is made."""
    tensors = tensors_of(graph, {name: moved(value) for name, value in state.items()})
    values = {INPUT: moved(as_batch(graph, x))}
    for node in graph.nodes:
        standardise, add_channels = partial(_standardised, moved), partial(_added, moved)
        call = replace(called(node, tensors, values), standardise=standardise, add_channels=add_channels)
        values[node.name] = moved(apply(node, call, Extent(*x.shape[2:])))
    return values


def _standardised(
    moved: Callable[[Array], Array], x: Array, axes: tuple[int, ...], eps: float
) -> tuple[Array, Array]:
    """Standardise as engines do it: the variance by the mean of the squares, the result as scale and shift.

    Of one value, and of values that are nearly the same, both are differences of what nearly cancels out.
    """
    mean, squares = (moved(values.mean(axes, keepdims=True)) for values in (x, moved(x * x)))
    deviation = moved(np.sqrt(np.maximum(squares - moved(mean * mean), 0.0) + eps))
    return moved(x / deviation) - moved(mean / deviation), deviation


def _added(moved: Callable[[Array], Array], x: Array, size: int) -> Array:
    """Add neighbouring channels as engines do it, in a running sum: what has left it leaves its rounding."""
    ends = ((0, 0), (size // 2 + 1, size // 2), *((0, 0),) * (x.ndim - 2))
    total = moved(np.cumsum(np.pad(x, ends), axis=1))
    return total[:, size:] - total[:, :-size]
