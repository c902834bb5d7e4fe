"""Every shipped spec, and random small ones, are one network in every backend: proven by numbers."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, Phase, given, reject, settings

from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.driver import compile_spec
from resnet_dsl.ir.graph import Graph, GraphNode
from resnet_dsl.ir.ops import Op
from resnet_dsl.program import Program
from resnet_dsl.records import fields
from tests.support.agreement import (
    ALL_ENGINES,
    ENGINES,
    ProvesNothing,
    Size,
    assert_agreement,
    compiled,
)
from tests.support.shelf import varieties
from tests.support.strategies import valid_specs

pytestmark = pytest.mark.slow

for framework in ("torch", "keras", "onnx", "onnxruntime"):
    pytest.importorskip(framework)

# Even, odd and not square: where an even map is halved, `same` padding is not symmetric.
SMALL: tuple[Size, ...] = ((32, 32), (33, 33), (28, 37))
LARGE: tuple[Size, ...] = ((64, 64), (65, 65), (49, 70))
LARGER: tuple[Size, ...] = ((96, 96), (97, 97), (89, 134))
LIMIT = 10**8  # elements of a network that a test builds in all precisions and backends


@pytest.fixture(autouse=True)
def forget_models() -> Iterator[None]:
    """Keras keeps what it has built: forty networks do not fit into memory."""
    yield
    import keras

    keras.backend.clear_session()
    gc.collect()


def _parts(graph: Graph) -> frozenset[object]:
    """What a network is made of: each op with the shapes it takes and the kinds of op they are from."""
    kinds = _kinds(graph)
    return frozenset((node.op, node.input_shapes, _sources(kinds, node)) for node in graph.nodes)


def _steps(graph: Graph) -> frozenset[object]:
    """Its parts whatever their numbers of channels are: one or many, none or some."""
    kinds = _kinds(graph)
    return frozenset((_told(node.op), _sources(kinds, node)) for node in graph.nodes)


def _kinds(graph: Graph) -> dict[str, str]:
    return {node.name: node.op.kind for node in graph.nodes}


def _sources(kinds: dict[str, str], node: GraphNode) -> tuple[str, ...]:
    return tuple(kinds.get(name, "input") for name in node.inputs)


def _told(op: Op) -> tuple[object, ...]:
    values = ((each.name, getattr(op, each.name)) for each in fields(op))
    return op.kind, *((name, min(value, 2) if type(value) is int else value) for name, value in values)


def _few() -> list[str]:
    """Few shipped networks that have every step which any has, of those that a test can hold.

    ResNet-152 is ResNet-50 with more of the same. What takes gigabytes is left out; `make verify-shelf` runs
    every network. The largest come first, so that parallel workers end together.
    """
    graphs = {name: compile_spec(name).graph for name in varieties()}
    held = {
        name: (_steps(graph), len(graph.nodes))
        for name, graph in graphs.items()
        if sum(parameter.size for _, parameter in graph.parameters()) < LIMIT
    }
    left = frozenset[object]().union(*(steps for steps, _ in held.values()))
    kept: list[str] = []
    while left:
        kept.append(max(held, key=lambda name: len(held[name][0] & left) / held[name][1]))
        left -= held[kept[-1]][0]
    return sorted(kept, key=lambda name: -held[name][1])


# Networks whose depth is a setting of their own, with few blocks.
FEW_MODULES, FEW_BLOCKS = {"depth": 2, "modules": [1, 1, 1]}, {"depths": [1, 1, 2, 1]}
SHORTER: dict[str, dict[str, object]] = {
    "hrnet_w18": {**FEW_MODULES},
    "hrnet_w18_small": {**FEW_MODULES},
    "dm_nfnet_f0": {**FEW_BLOCKS},
    "nfnet_f0": {**FEW_BLOCKS},
    "pyramidnet110": {"n": 2},
    "pyramidnet164_a270": {"n": 2},
    "pyramidnet272_a200": {"n": 2},
}


def _shortest(spec: str) -> dict[str, object]:
    """Settings that make a network as short as it can be and still have all its parts."""
    if spec in SHORTER:
        return SHORTER[spec]
    program = compile_spec(spec)
    wanted = _parts(program.graph)
    for longest in (1, 2, 3):
        stages = tuple(min(len(stage.blocks), longest) for stage in program.network.stages)
        with suppress(CompileError):
            if _parts(compile_spec(spec, None, {"stages": stages}).graph) == wanted:
                return {"stages": stages}
    return {}


def _at_some_sizes(spec: str) -> tuple[Program, tuple[Size, ...]]:
    """The program for any size and sizes to try; for one odd size if it takes only its own."""
    settings, wanted = _shortest(spec), compile_spec(spec).network.input

    def at(size: str) -> Program:
        return compile_spec(spec, None, settings | {"input": f"{wanted.channels}x{size}"})

    if wanted.is_vector:
        return compile_spec(spec, None, settings), ((),)
    small = compile_spec(spec).network.extent.height == 32
    for sizes in (SMALL, LARGE, LARGER) if small else (LARGE, LARGER):
        with suppress(CompileError):
            programs = [at(f"{height}x{width}") for height, width in sizes]
            try:
                return at("HxW"), sizes
            except CompileError:
                return programs[-1], sizes[-1:]
    return at("96x128"), ((96, 128),)


@pytest.mark.parametrize("spec", _few())
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
