"""Every shipped spec, and random small ones, are one network in every backend: proven by numbers."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, Phase, given, reject, settings

from resnet_dsl.diagnostics import CompileError
from resnet_dsl.driver import compile_spec
from resnet_dsl.ir.graph import Graph
from resnet_dsl.program import Program
from resnet_dsl.shelf import shipped
from tests.agreement import (
    ALL_ENGINES,
    ENGINES,
    ProvesNothing,
    Size,
    assert_agreement,
    compiled,
)
from tests.strategies import valid_specs

for framework in ("torch", "keras", "onnx", "onnxruntime"):
    pytest.importorskip(framework)

# Even, odd and not square: where an even map is halved, `same` padding is not symmetric.
SMALL: tuple[Size, ...] = ((32, 32), (33, 33), (28, 37))
LARGE: tuple[Size, ...] = ((64, 64), (65, 65), (49, 70))


@pytest.fixture(autouse=True)
def forget_models() -> Iterator[None]:
    """Keras keeps what it has built: forty networks do not fit into memory."""
    yield
    import keras

    keras.backend.clear_session()
    gc.collect()


def _parts(graph: Graph) -> frozenset[object]:
    """What a network is made of: each op with the shapes it takes and the kinds of op they are from."""
    kinds = {node.name: node.op.kind for node in graph.nodes}
    return frozenset(
        (node.op, node.input_shapes, tuple(kinds.get(name, "input") for name in node.inputs))
        for node in graph.nodes
    )


def _distinct() -> list[str]:
    """The shipped specs, without those that are made of nothing that a smaller one is not made of.

    ResNet-152 is ResNet-50 with more of the same blocks. `benchmarks/exactness.py` runs them all.
    The largest come first, so that parallel workers end together.
    """
    graphs = {name: compile_spec(name).graph for name in shipped()}
    parts = {name: _parts(graph) for name, graph in graphs.items()}
    kept: list[str] = []
    for name in sorted(graphs, key=lambda name: len(graphs[name].nodes)):
        if not any(parts[name] <= parts[other] for other in kept):
            kept.append(name)
    return kept[::-1]


def _at_some_sizes(spec: str) -> tuple[Program, tuple[Size, ...]]:
    """The program for any size and sizes to try; for one odd size if it takes only its own."""
    wanted = compile_spec(spec).network.input
    if wanted.is_vector:
        return compile_spec(spec), ((),)
    sizes = SMALL if compile_spec(spec).network.extent.height == 32 else LARGE
    with suppress(CompileError):
        return compile_spec(spec, None, {"input": f"{wanted.channels}xHxW"}), sizes
    for height, width in (sizes[-1], sizes[0], (97, 134), (96, 128)):
        with suppress(CompileError):
            return compile_spec(spec, None, {"input": f"{wanted.channels}x{height}x{width}"}), (
                (height, width),
            )
    raise AssertionError(f"{spec} takes none of these sizes")


@pytest.mark.parametrize("spec", _distinct())
def test_a_shipped_network_is_the_same_in_every_backend(spec: str) -> None:
    program, sizes = _at_some_sizes(spec)
    assert_agreement(program, sizes, ENGINES)


@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # shrinking builds hundreds of models
    suppress_health_check=list(HealthCheck),
)
@given(valid_specs())
def test_a_random_network_is_the_same_in_every_backend(text: str) -> None:
    program = compiled(text)
    height, width = program.network.extent.height, program.network.extent.width
    sizes = SMALL if height is None or width is None else ((height, width),)
    try:
        assert_agreement(program, sizes, ALL_ENGINES, {"float64": 1e-11, "float32": 1e-4})
    except ProvesNothing:
        reject()
    except CompileError as error:  # ONNX has no `same` whose amounts depend on a size that is open
        if height is not None or {found.code for found in error.diagnostics} != {"E0307"}:
            raise
        reject()
