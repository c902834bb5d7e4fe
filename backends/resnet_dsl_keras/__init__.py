"""The Keras backend: one standalone file that builds a functional Keras 3 model, on any of its backends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from resnet_dsl.backend.interface import (
    Backend,
    Capability,
    Runtime,
    ScriptSteps,
    Trainer,
    WeightFile,
    WeightFormat,
)
from resnet_dsl.backend.ir import Array, Program
from resnet_dsl_keras.rules import lower
from resnet_dsl_keras.self_test import SELF_TEST

if TYPE_CHECKING:
    from resnet_dsl.backend.recipes import Recipe

PACKAGES = ("keras",)
ENGINES = ("tensorflow", "jax", "torch")
SUFFIX, RULES = "_keras.py", frozenset(lower.registry) - {object}
INSTALL = "resnet-dsl[keras]"


def _render(program: Program, state: Mapping[str, Array] | None) -> str:
    """Return the source of the model's file; weights are not part of it."""
    from resnet_dsl_keras.render import render

    return render(program)


def _runtime() -> Runtime:
    from resnet_dsl_keras import runtime

    return runtime


def _trainer() -> Trainer:
    from resnet_dsl_keras import trainer

    return trainer


def _recipe_script() -> Callable[[Recipe], str]:
    from resnet_dsl_keras.training_script import render_recipe

    return render_recipe


def _without_auxiliary() -> Callable[[Any], Any]:
    from resnet_dsl_keras.runtime import without_auxiliary

    return without_auxiliary


def _weight_files() -> WeightFile:
    from resnet_dsl_keras import weight_files

    return weight_files


def _hdf5(kind: str) -> WeightFormat:
    """Reading needs HDF5 alone; writing builds the model, whose layers have an order."""
    title = f"a file of Keras weights ({kind})"
    return WeightFormat(title, ("h5py", "numpy"), ("keras", "h5py"), _weight_files, INSTALL)


def _own_engine() -> str:
    from resnet_dsl_keras.engines import own_engine

    return own_engine()


def _on(engine: str) -> Backend:
    """Keras on one of its engines, in a process of its own: it runs, and does nothing else."""

    def runtime() -> Runtime:
        from resnet_dsl_keras.engines import runtime_on

        return runtime_on(engine)

    return Backend(
        name=f"keras:{engine}",
        suffix=SUFFIX,
        rules=RULES,
        render=_render,
        renames=True,
        runtime=Capability((*PACKAGES, engine), runtime),
        # On the others Keras has norms and means in single precision, whatever it is told.
        precisions=("float64", "float32") if engine == "tensorflow" else ("float32",),
    )


BACKEND = Backend(
    name="keras",
    suffix=SUFFIX,
    rules=RULES,
    render=_render,
    weights=".weights.h5",
    renames=True,
    install=INSTALL,
    runtime=Capability(PACKAGES, _runtime),
    trainer=Capability(PACKAGES, _trainer),
    without_auxiliary=Capability(PACKAGES, _without_auxiliary),
    weight_formats={".weights.h5": _hdf5(".weights.h5"), ".h5": _hdf5("legacy .h5")},
    recipe_script=Capability((), _recipe_script),
    script_steps=ScriptSteps("resnet_dsl_keras.script_steps", (*PACKAGES, "tensorflow", "numpy", "PIL")),
    self_test=SELF_TEST,
    engines={engine: _on(engine) for engine in ENGINES},
    engine=_own_engine,
)
