"""The files of a compiled recipe: the one of its data, which scripts of all backends share."""

from __future__ import annotations

from resnet_dsl.codegen.printer import quoted
from resnet_dsl.codegen.provenance import plain, recipe_origin
from resnet_dsl.codegen.templates import template
from resnet_dsl.recipe.assembly import all_definitions, definitions_of, imports_of, names_in_text, needed
from resnet_dsl.recipe.pipeline_source import call, pipeline_source
from resnet_dsl.recipe.rate_source import rate_source
from resnet_dsl.recipe.recipe import ImageData, Recipe
from resnet_dsl.recipe.script_lines import fitted

IMPORTS = "from dataclasses import dataclass\nfrom functools import cached_property"


def data_file(recipe: Recipe) -> str:
    """Return the source of the module NAME_data.py: images, batches and rates of a recipe.

    It has the functions of `resnet_dsl.training` that the recipe uses, and the recipe's own at its end:
    `load`, `TrainBatches`, `TestBatches`, `rate`, and `plateau` where a phase follows its evaluations. Raises
    UsageError where a pipeline makes no sense.
    """
    own = filled(recipe, "", "")
    chosen = needed(name for name in names_in_text(own) if name in all_definitions())
    return filled(recipe, imports_of(chosen, IMPORTS), definitions_of(chosen))


def filled(recipe: Recipe, imports: str, definitions: str) -> str:
    """Return the module with these imports and definitions above the recipe's own."""
    source = pipeline_source(recipe)
    return template("resnet_dsl.recipe", "data_file.py.jinja").render(
        recipe=recipe,
        origin=recipe_origin(recipe.name),
        imports=imports,
        definitions=definitions,
        text=[plain(line.rstrip()) for line in recipe.text.strip("\n").split("\n")],
        quoted=quoted,
        channels=recipe.program.network.input.channels,
        classes=classes_of(recipe),
        size=size_of(recipe),
        epochs=repr(tuple(phase.epochs for phase in recipe.phases)),
        names=name_lines(recipe.data.classes),
        loading=loading_lines(recipe.data, source.statistics),
        pipelines=source,
        mixes=[call(mix, "images", "labels", "draw") for mix in recipe.mixes],
        rates=rate_source(recipe.phases),
    )


def loading_lines(data: ImageData, statistics: str) -> list[str]:
    """Return the lines that read, check and divide the images."""
    expected = ", NAMES" if data.classes else ""
    made = [f"expect_classes(read_data(where, CHANNELS), where, CLASSES{expected})"]
    given = {"validation": data.validation, "subset": data.subset}
    held_out = ", ".join(f"{name}={value!r}" for name, value in given.items() if value)
    if held_out:
        made.append(f"held_out(data, where, {held_out})")
    if statistics:
        made.append(f"with_statistics(data, {statistics}(data.train, prepared_image))")
    return [*(f"data = {text}" for text in made[:-1]), f"return {made[-1]}"]


def name_lines(classes: tuple[str, ...]) -> list[str]:
    """Return the lines of the constant of expected classes, if there are any."""
    items = [quoted(name) for name in classes]
    return fitted("NAMES = (", items, ",)" if len(items) == 1 else ")") if items else []


def size_of(recipe: Recipe) -> tuple[int | None, ...]:
    """Return height and width that the network takes, None for any; nothing for a vector."""
    network = recipe.program.network
    return tuple(network.input.at(network.extent)[1:])


def classes_of(recipe: Recipe) -> int:
    """Return how many classes the network's output tells that the first loss is of: two by one number."""
    graph = recipe.program.graph
    result = dict(graph.outputs)[recipe.losses[0].output]
    return max(next(node.shape.channels for node in graph.nodes if node.name == result), 2)
