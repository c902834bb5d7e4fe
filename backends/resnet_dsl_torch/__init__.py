"""The PyTorch backend: one standalone, typed file whose model has torchvision's `state_dict` keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

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
from resnet_dsl_torch.rules import lower
from resnet_dsl_torch.self_test import SELF_TEST

if TYPE_CHECKING:
    from resnet_dsl.backend.recipes import Recipe

PACKAGES = ("torch",)
LAUNCHER = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node")


def _render(program: Program, state: Mapping[str, Array] | None) -> str:
    """Return the source of the model's file; weights are not part of it."""
    from resnet_dsl_torch.render import render

    return render(program)


def _runtime() -> Runtime:
    from resnet_dsl_torch import runtime

    return runtime


def _trainer() -> Trainer:
    from resnet_dsl_torch import trainer

    return trainer


def _recipe_script() -> Callable[[Recipe], str]:
    from resnet_dsl_torch.training_script import render_recipe

    return render_recipe


def _weight_files() -> WeightFile:
    from resnet_dsl_torch import weight_files

    return weight_files


INSTALL = "resnet-dsl[torch]"
NUMPY = ("numpy",)
_STATE_DICT = WeightFormat("a file of torch", NUMPY, NUMPY, _weight_files, INSTALL)

BACKEND = Backend(
    name="torch",
    suffix="_torch.py",
    rules=frozenset(lower.registry) - {object},
    render=_render,
    # The canonical file, whose names are torch's: it takes no unpickling.
    weights=".safetensors",
    install=INSTALL,
    runtime=Capability(PACKAGES, _runtime),
    trainer=Capability(PACKAGES, _trainer),
    weight_formats={".pth": _STATE_DICT, ".pt": _STATE_DICT},
    recipe_script=Capability((), _recipe_script),
    script_steps=ScriptSteps("resnet_dsl_torch.script_steps", (*PACKAGES, "numpy", "PIL"), LAUNCHER),
    self_test=SELF_TEST,
)
