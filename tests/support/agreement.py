"""Whether the backends compute what the referee computes: one network, one state, several sizes."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source
from resnet_dsl.initial.seeded import random_state
from resnet_dsl.ir.graph import INPUT, Graph
from resnet_dsl.ir.ops import RunningNorm
from resnet_dsl.program import Program
from resnet_dsl.reference import OpCall, evaluate, forward
from tests.support.backends import in_full

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow speaks

Array = np.ndarray[Any, Any]
State = dict[str, Array]
Size = tuple[int, ...]  # height and width, or nothing where the input is a vector
Engine = tuple[str, str]

ENGINES: tuple[Engine, ...] = (
    ("torch", "float64"),
    ("keras", "float64"),
    ("torch", "float32"),
    ("keras", "float32"),
    ("onnx", "float32"),
)
ALL_ENGINES: tuple[Engine, ...] = (*ENGINES, ("onnx", "float64"))  # the last is slow: it is in Python
BARS = {"float64": 1e-12, "float32": 1e-4}


class ProvesNothing(AssertionError):
    """The referee's own result is such that agreement with it would mean little."""


@dataclass(frozen=True)
class Measured:
    """The largest difference of two results, relative to the largest value of the referee's."""

    engines: str
    output: str
    size: Size
    error: float
    bar: float

    def __str__(self) -> str:
        where = f"{self.engines}: `{self.output}` at {'x'.join(map(str, self.size))}"
        return f"{where} differs by {self.error:.1e}, more than {self.bar:.0e}"


def assert_agreement(
    program: Program,
    sizes: Iterable[Size],
    engines: Iterable[Engine] = ENGINES,
    bars: Mapping[str, float] = BARS,
    state: State | None = None,
) -> list[Measured]:
    """Fail with every comparison past its bar; returns them all."""
    found = list(measure(program, sizes, engines, bars, state))
    assert found, "nothing was compared"
    apart = [one for one in found if not one.error <= one.bar]  # NaN is apart
    assert not apart, f"{program.name}\n  " + "\n  ".join(map(str, apart))
    return found


def measure(
    program: Program,
    sizes: Iterable[Size],
    engines: Iterable[Engine] = ENGINES,
    bars: Mapping[str, float] = BARS,
    state: State | None = None,
) -> Iterator[Measured]:
    """Compare every engine with the referee at every size, and those in double with each other."""
    sizes = tuple(sizes)
    state = lively_state(program.graph, size=sizes[0]) if state is None else state
    inputs = [images(program, size) for size in sizes]
    wanted = [evaluate(program.graph, state, x) for x in inputs]
    for x, truth in zip(inputs, wanted, strict=True):
        _check_lively(x.shape[2:], truth)
    exact: dict[str, list[State]] = {"referee": wanted}
    for name, dtype in engines:
        results = results_of(program, state, inputs, name, dtype)
        for x, result, truth in zip(inputs, results, wanted, strict=True):
            yield from _compared(f"{name} {dtype}", x, result, truth, truth, bars[dtype])
        if dtype == "float64":
            exact[name] = results
    for one, other in combinations([name for name in exact if name != "referee"], 2):
        for x, a, b, truth in zip(inputs, exact[one], exact[other], wanted, strict=True):
            yield from _compared(f"{one} and {other}", x, a, b, truth, BARS["float64"])


def images(program: Program, size: Size, count: int = 2, seed: int = 0) -> Array:
    """Return a batch (N, C, H, W) in double whose values single precision holds too."""
    shape = (count, program.network.input.channels, *size)
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32).astype(np.float64)


def compiled(text: str) -> Program:
    """Return the program of a text."""
    return compile_source(Source("<text>", text))


def lively_state(graph: Graph, seed: int = 0, size: Size = (33, 33)) -> State:
    """Return random weights under which no value grows or dies out, however deep the network.

    Under weights that are random alone the values of a residual network double with each block:
    ResNet-1202 ends at 1e117, past single precision, and long before that the means and biases,
    being of order 1, no longer matter. So each batch norm is given random statistics of the order
    of its input as a whole. The true ones of each channel would make a plain network chaotic, as
    they blow up those channels in which the pixels hardly differ: by a fifth a layer (Yang et al.
    2019), which turns the rounding errors of plain110 into as much as the result.
    """
    state = random_state(graph, seed)
    wanted = graph.network.input.at(graph.network.extent)[1:]
    shape = (2, graph.network.input.channels, *(known or size[i] for i, known in enumerate(wanted)))
    values = {INPUT: np.random.default_rng(seed + 1).standard_normal(shape)}
    uses = Counter(name for node in graph.nodes for name in node.inputs)
    for node in graph.nodes:
        if isinstance(node.op, RunningNorm) and node.owner is None:
            _fit(state, node.name, values[node.inputs[0]])
        own = {p.name: state[name].astype(np.float64) for name, p in node.parameters()}
        values[node.name] = forward(node.op, OpCall(tuple(values[name] for name in node.inputs), own))
        for name in node.inputs:
            uses[name] -= 1
            if not uses[name]:
                del values[name]
    return state


def _fit(state: State, name: str, x: Array) -> None:
    """Stretch random statistics, of mean 0 and variance 1, to the order of the input."""
    square = (x**2).mean()
    for tensor, scale in (("running_mean", np.sqrt(square)), ("running_var", square)):
        state[f"{name}.{tensor}"] = (state[f"{name}.{tensor}"] * scale).astype(np.float32)


def results_of(program: Program, state: State, inputs: list[Array], name: str, dtype: str) -> list[State]:
    """What a backend's model in a precision gives for each input."""
    _few_threads()
    backend = in_full(name)
    model = backend.load_state(backend.build(program, dtype), state)
    results = [backend.run(model, x.astype(dtype)) for x in inputs]
    for result in results:
        for output, value in result.items():
            assert value.dtype == dtype, f"{name}: `{output}` is {value.dtype}, not {dtype}"
    return results


def _few_threads() -> None:
    """Tests run in parallel: more threads than cores only wait for each other."""
    import torch

    torch.set_num_threads(1)


def _compared(
    engines: str, x: Array, result: State, other: State, truth: State, bar: float
) -> Iterator[Measured]:
    assert list(result) == list(truth), f"{engines}: outputs are {', '.join(result)}"
    for output, wanted in truth.items():
        size = x.shape[2:]
        shapes = {result[output].shape, other[output].shape, wanted.shape}
        assert len(shapes) == 1, f"{engines}: `{output}` at {size} has shapes {shapes}"
        difference = result[output].astype(np.float64) - other[output].astype(np.float64)
        yield Measured(engines, output, size, float(np.abs(difference).max() / np.abs(wanted).max()), bar)


def _check_lively(size: tuple[int, ...], truth: State) -> None:
    """Refuse results that are not finite, or that hardly depend on the image."""
    for output, value in truth.items():
        largest = np.abs(value).max()
        if not np.isfinite(largest):
            raise ProvesNothing(f"`{output}` at {size} is not finite")
        if not np.abs(value[0] - value[-1]).max() > 1e-4 * largest:
            raise ProvesNothing(f"`{output}` at {size} is nearly the same for other images")
