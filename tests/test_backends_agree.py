"""Every shipped spec, and random small ones, are one network in every backend: proven by numbers."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, reject, settings

from resnet_dsl.diagnostics import CompileError
from resnet_dsl.driver import compile_spec
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


def _largest_first() -> list[str]:
    """Those that take long first, so that parallel workers end together."""
    graphs = {name: compile_spec(name).graph for name in shipped()}
    return sorted(graphs, key=lambda name: len(graphs[name].nodes), reverse=True)


@pytest.mark.parametrize("spec", _largest_first())
def test_a_shipped_network_is_the_same_in_every_backend(spec: str) -> None:
    program = compile_spec(spec)
    extent = program.network.extent
    sizes = SMALL if extent.height == 32 else LARGE
    channels = program.network.input.channels
    assert_agreement(compile_spec(spec, None, {"input": f"{channels}xHxW"}), sizes, ENGINES)


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
