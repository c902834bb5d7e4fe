"""What a recipe amounts to, in a line."""

from __future__ import annotations

from resnet_dsl.codegen.printer import quoted
from resnet_dsl.diagnostics.wording import counted
from resnet_dsl.recipe.recipe import Recipe


def recipe_line(recipe: Recipe) -> str:
    """Return data, batch, epochs and optimisers; the steps too, where the number of images is known."""
    steps = steps_of(recipe)
    known = "" if steps is None else f" ({counted(steps, 'step')})"
    said = [quoted(recipe.data.path), f"batch {recipe.batch}", f"{counted(recipe.epochs, 'epoch')}{known}"]
    return f"recipe {recipe.name}: {', '.join([*said, *optimisers_of(recipe)])}"


def recipe_facts(recipe: Recipe) -> dict[str, object]:
    """Return the same as an object for machines; the steps are null where they are not known."""
    return {
        "name": recipe.name,
        "data": recipe.data.path,
        "batch": recipe.batch,
        "epochs": recipe.epochs,
        "steps": steps_of(recipe),
        "optimisers": optimisers_of(recipe),
    }


def steps_of(recipe: Recipe) -> int | None:
    """Return the steps of all epochs; the recipe tells them if it takes a part of the images."""
    return recipe.epochs * (recipe.data.subset // recipe.batch) if recipe.data.subset else None


def optimisers_of(recipe: Recipe) -> list[str]:
    """Return the optimisers of the phases as they are written, each once."""
    return list(dict.fromkeys(phase.optimiser.written for phase in recipe.phases))
