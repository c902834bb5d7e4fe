"""The command `predict`: the classes of pictures, with probabilities."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_dsl.backend.discovery import missing_packages, needed
from resnet_dsl.cli.programs import STDOUT, one_program, say
from resnet_dsl.cli.progress_line import progress_shown
from resnet_dsl.cli.recipe_choice import chosen_recipe
from resnet_dsl.cli.weight_choice import asked, chosen_weights
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.wording import counted, printable

if TYPE_CHECKING:
    from resnet_dsl.backend.contents import Metadata


def predict(options: Namespace) -> int:
    """Say what pictures show; status 1 if one of them could not be read."""
    _check(options)
    from resnet_dsl.predict.answers import as_csv, as_json, as_text
    from resnet_dsl.predict.class_names import checked_names, class_names
    from resnet_dsl.predict.engines import engine_of
    from resnet_dsl.predict.picture_paths import pictures_meant
    from resnet_dsl.predict.prediction import classifier_of, classifier_of_recipe, predictions
    from resnet_dsl.predict.preparation import by_model, by_recipe

    paths = pictures_meant(options.pictures)
    recipe = chosen_recipe(options)
    if recipe is None and options.data is not None:
        raise UsageError("--data is where the images of a recipe are, and none is named with --recipe")
    program = one_program(options) if recipe is None else recipe.program
    metadata = _metadata(options.weights)
    preparation = by_model(program) if recipe is None else by_recipe(recipe, metadata, options.data)
    classifier = classifier_of(program.graph) if recipe is None else classifier_of_recipe(recipe)
    names, where = class_names(options.labels, options.weights, metadata, recipe, options.data)
    names = checked_names(names, classifier.classes, where)
    weights = chosen_weights(program, options, asked(options))
    assert weights is not None
    with progress_shown():
        engine = engine_of(options.backend, program, weights.state)
    _note(f"by {engine.name}" + (f"; {preparation.told}" if preparation.told else ""))
    top = min(options.top, classifier.classes)
    found = []
    for each in predictions(paths, preparation, engine, classifier, names, top):
        if each.problem:
            print(f"error: {printable(each.problem)}", file=sys.stderr)
        else:
            found.append(each)
    format = _format(options)
    text = {"json": lambda: as_json(found, engine.name), "csv": lambda: as_csv(found, top)}
    _give(options, text.get(format, lambda: as_text(found))(), len(found))
    return 0 if len(found) == len(paths) else 1


def _check(options: Namespace) -> None:
    if missing := missing_packages(("PIL", "numpy")):
        names = ["Pillow" if name == "PIL" else name for name in missing]
        raise UsageError(f"`predict` {needed(names, 'resnet-dsl[train]')}")
    if options.output not in (None, STDOUT):
        from resnet_dsl.cli.output import check_targets

        check_targets([Path(options.output)], options.force)


def _metadata(weights: str) -> Metadata:
    from resnet_dsl.weights.formats.registry import read_contents

    return read_contents(Path(weights)).metadata


def _format(options: Namespace) -> str:
    """A folder and a file get a table, pictures on the terminal lines."""
    table = options.output is not None or any(map(os.path.isdir, options.pictures))
    return options.format or ("csv" if table else "text")


def _note(words: str) -> None:
    print(f"note: {words}", file=sys.stderr)


def _give(options: Namespace, text: str, count: int) -> None:
    if options.output in (None, STDOUT):
        sys.stdout.write(text)
        return
    from resnet_dsl.backend.writing import Artefact, write_whole

    path = Path(options.output)
    write_whole(Artefact(path, text))
    say(options, f"wrote {printable(str(path))} ({counted(count, 'picture')})")
