"""The files of a compiled recipe: the network, the script that trains it, and its data."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from resnet_dsl.diagnostics.errors import UsageError

if TYPE_CHECKING:
    from resnet_dsl.backend.interface import Backend
    from resnet_dsl.recipe.recipe import Recipe


class RecipeFile(NamedTuple):
    """One of the files, with a word about it."""

    name: str
    content: str
    note: str


def check_recipe_options(options: Namespace) -> None:
    """Raise UsageError for options that are about a network alone."""
    instead = {"seed": "--set seed=N", "weights": "--set 'weights=\"FILE\"'"}
    for name in ("seed", "weights", "names", "optimize", "preprocess", "partial"):
        if getattr(options, name, None) not in (None, False):
            hint = f"; {instead[name]} is the recipe's own" if name in instead else ""
            raise UsageError(f"--{name} is about a network, and this is a recipe{hint}")


def recipe_files(recipe: Recipe, backends: Sequence[Backend]) -> Iterator[RecipeFile]:
    """Yield the files of a recipe for all backends that train; raises UsageError if none of them does."""
    from resnet_dsl.printing.headline import headline
    from resnet_dsl.recipe.files import data_file

    able = [backend for backend in backends if backend.recipe_script is not None]
    if not able:
        from resnet_dsl.backend.discovery import sound_backends

        names = ", ".join(each.name for each in sound_backends()[0] if each.recipe_script is not None)
        hint = f"; {names} can" if names else ""
        raise UsageError(f"the {backends[0].name} backend writes no training scripts{hint}")
    for backend in able:
        assert backend.recipe_script is not None
        network = backend.render(recipe.program, None)
        assert isinstance(network, str)
        yield _sealed(recipe.program.name + backend.suffix, network, headline(recipe.program))
        script = backend.recipe_script.load()(recipe)
        yield _sealed(script_name(recipe, backend), script, "training")
    yield _sealed(f"{recipe.name}_data.py", data_file(recipe), "data")


def script_name(recipe: Recipe, backend: Backend) -> str:
    """Return the name of the script."""
    return f"{recipe.name}_train_{backend.name}.py"


def _sealed(name: str, content: str, note: str) -> RecipeFile:
    """A file by which the compiler will know it again."""
    from resnet_dsl.codegen.seal import LINE, sealed

    with_seal = content if LINE in content else f"{content.rstrip()}\n\n# {LINE}\n"
    return RecipeFile(name, sealed(with_seal), note)


def write_recipe(recipe: Recipe, backend: Backend, folder: Path, force: bool) -> Path:
    """Write the files of a recipe into a folder, together or not at all; return the path of the script."""
    from resnet_dsl.backend.writing import Artefact, write_together
    from resnet_dsl.cli.output import check_targets, make_folder

    files = [Artefact(folder / name, content) for name, content, _ in recipe_files(recipe, [backend])]
    make_folder(folder)
    check_targets((file.path for file in files), force)
    write_together(files)
    return folder / script_name(recipe, backend)
