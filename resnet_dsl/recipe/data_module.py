"""The data file of a recipe as a module of this process: what a script that trains sees, seen here."""

from __future__ import annotations

import sys
from types import ModuleType

from resnet_dsl.recipe.files import data_file
from resnet_dsl.recipe.recipe import Recipe


def data_module(recipe: Recipe) -> ModuleType:
    """Return the module that `compile` writes for a recipe's data; needs NumPy and Pillow."""
    name = f"{recipe.name}_data"
    module = ModuleType(name)
    sys.modules[name] = module  # dataclasses look their module up
    exec(compile(data_file(recipe), f"{name}.py", "exec"), module.__dict__)
    return module
