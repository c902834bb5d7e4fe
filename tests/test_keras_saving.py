"""Keras models saved, loaded and cloned: on every backend of Keras that is here, in both layouts."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnet_dsl import loads
from resnet_dsl.backend.discovery import find_backend, runtime_of
from resnet_dsl.initial.seeded import random_state
from tests.support.backends import UNOPTIMISED, in_full
from tests.support.op_cases import Case, cases_of, model_of

pytest.importorskip("keras")
pytestmark = pytest.mark.slow

EACH = 4  # cases of an op: in the first ones most values occur
BACKENDS = [
    ("tensorflow", "channels_last"),  # on CPUs it has no convolution in NCHW
    ("torch", "channels_last"),
    ("torch", "channels_first"),
    ("jax", "channels_first"),
]


def texts() -> dict[str, str]:
    """A model of the cases of all ops, those apart that need the input's size."""
    from resnet_dsl.ir.ops import CATALOGUE

    cases = [case for kind in CATALOGUE for case in _telling(cases_of(kind))]
    return {
        "open": model_of(tuple(case for case in cases if not case.needs_size), "HxW"),
        "sized": model_of(tuple(case for case in cases if case.needs_size), "12x12"),
    }


def _telling(cases: tuple[Case, ...]) -> tuple[Case, ...]:
    """The first cases, and with them all that have a pair of unlike numbers: JSON makes lists of pairs."""
    pairs = [case for case in cases if any(isinstance(v, tuple) and v[0] != v[1] for _, v in case.values)]
    return (*cases[:EACH], *[case for case in pairs if case not in cases[:EACH]][:EACH])


@pytest.mark.parametrize(("backend", "layout"), BACKENDS)
def test_a_model_of_all_ops_is_the_same_saved_loaded_and_cloned(backend: str, layout: str) -> None:
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    environment = {
        **os.environ,
        **UNOPTIMISED,
        "KERAS_BACKEND": backend,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    command = [sys.executable, "-c", f"from {__name__} import there; there({backend!r}, {layout!r})"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.split() == ["open", "sized", "resnet_d"], done.stdout


def there(backend: str, layout: str) -> None:
    """In the process of one backend: print the name of each model that has survived."""
    import tempfile

    from resnet_dsl.driver import compile_spec
    from tests.support.agreement import compiled

    ours = in_full("keras")
    import keras

    assert keras.backend.backend() == backend
    keras.config.set_image_data_format(layout)
    programs = {name: compiled(text) for name, text in texts().items()}
    programs["resnet_d"] = compile_spec("resnet50d", None, {"stages": "[1, 1]", "input": "3xHxW"})
    for name, program in programs.items():
        model = ours.load_state(ours.build(program), random_state(program.graph, 1))
        channels, *sizes = program.network.input.at(program.network.extent)
        shape = (2, channels, *(size or 13 + i for i, size in enumerate(sizes)))
        x = np.random.default_rng(0).standard_normal(shape).astype("float32")
        wanted = ours.run(model, x)["output"]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "m.keras")
            model.save(path)
            loaded = keras.models.load_model(path)
        cloned = keras.models.clone_model(model)
        cloned.set_weights(model.get_weights())
        for other in (loaded, cloned):
            assert np.array_equal(ours.run(other, x)["output"], wanted), name
        print(name, flush=True)


# Each layer that we write for Keras and that has tensors, behind what Keras believes to be sparse: a product.
OWN_LAYERS = """block own(n) {
    y = 2 * x -> conv(8, 3x3, standardize=1e-5, gamma=1.5, gain=2.0)
    biased = 2 * y -> conv(8, 3x3, standardize=1e-5, gamma=1.0, gain=2.0, bias=true)
    z = biased -> conv_transpose(8, 3x3, bias=true)
    scaled = (2 * z -> scale) + (2 * z -> scale(per_channel=false)) + (2 * z -> conv_transpose(8, 3x3))
    moved = (2 * scaled -> bias) + (2 * scaled -> bias(per_channel=false)) + (2 * scaled -> grn)
    placed = 2 * moved -> prelu(per_channel=true) -> positions(5x4)
    return 2 * (placed -> attention(placed, placed, heads=2, relative=5x4)) -> gem -> fc(3)
}
model net { input: 8x5x4  stem: none  stages: [own(1)]  head: none }
"""


def test_the_files_of_keras_keep_every_tensor_of_our_layers(tmp_path: Path) -> None:
    import keras

    model = loads(OWN_LAYERS)
    live = in_full("keras").load_state(model.build("keras"), random_state(model.program.graph, 1))
    state = in_full("keras").read_state(live)
    live.save(tmp_path / "m.keras")
    live.save_weights(tmp_path / "m.weights.h5")
    fresh = model.build("keras", seed=2)
    fresh.load_weights(tmp_path / "m.weights.h5")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    for found in (*map(in_full("keras").read_state, (fresh, loaded)), model.state(tmp_path / "m.weights.h5")):
        assert found.keys() == state.keys()
        assert all(np.array_equal(found[name], value) for name, value in state.items())


def test_a_model_made_with_weights_is_the_one_that_they_are_loaded_into() -> None:
    """The same layers, which would start as they should where one is made again; nothing is drawn twice."""
    keras = pytest.importorskip("keras")
    program = loads(texts()["open"]).program
    runtime: Any = runtime_of(find_backend("keras"))
    state = random_state(program.graph, 0)
    for dtype in ("float32", "float64"):
        made = runtime.build_with(program, state, dtype)
        loaded = runtime.load_state(runtime.build(program, dtype), state)
        for ours, theirs in zip(made.layers, loaded.layers, strict=True):
            for name, start in vars(theirs).items():
                if isinstance(start, keras.initializers.Initializer):
                    found = getattr(ours, name)
                    assert (type(found), found.get_config()) == (type(start), start.get_config())
        channels = program.network.input.channels
        x = np.random.default_rng(0).standard_normal((2, channels, 12, 12)).astype(dtype)
        wanted = runtime.run(loaded, x)
        assert all(np.array_equal(value, wanted[name]) for name, value in runtime.run(made, x).items())
    kernel = next(layer.kernel for layer in keras.models.clone_model(made).layers if hasattr(layer, "kernel"))
    assert keras.ops.std(kernel) > 0
