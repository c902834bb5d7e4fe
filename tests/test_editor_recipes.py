"""Recipes in an editor: what is underlined, completed, shown, outlined and renamed."""

from __future__ import annotations

from pathlib import Path

import pytest

from resnet_dsl.diagnostics.model import Source
from resnet_dsl.editor.analysis import analysis
from resnet_dsl.editor.buffers import Buffers
from resnet_dsl.editor.completion import completions
from resnet_dsl.editor.hover import hover
from resnet_dsl.editor.name_uses import occurrences
from resnet_dsl.editor.outline import outline
from resnet_dsl.recipe.vocabulary import FIELDS

HERE = Path("/somewhere/net.resnet")
TEXT = """const rate = 0.1

model small(n = 1) {
    stages: [n]
    block: basic
    head: gap -> fc(10)
}

recipe short {
    model: small(n=2)
    data: images("data")
    batch: 8
    epochs: 2
    optimiser: sgd(lr=rate)
    train: flip -> normalise
    precision: float32
    phases: { head: { train: [fc] } }
    weights: none
}

recipe long {
    base: short
    epochs: 20
}
"""


def labels(old: str, typed: str) -> list[str]:
    at = TEXT.index(old)
    text = TEXT.replace(old, typed, 1)
    scope = analysis(Source("net.resnet", TEXT, path=HERE), Buffers()).scope
    assert scope is not None
    return [each.label for each in completions(text, at + len(typed), scope, None)]


@pytest.mark.parametrize(
    ("old", "typed", "first"),
    [
        ("model: small(n=2)", "", ["base", "model", "test"]),
        ("model: small(n=2)", "base: ", ["long", "cats_and_dogs", "cifar10_article"]),
        ("model: small", "model: ", ["small"]),
        ("model: small(n=2)", "model: small(", ["n"]),
        ("optimiser: sgd(lr=rate)", "optimiser: ", ["sgd", "adam", "adamw", "rmsprop", "lamb", "rate"]),
        ("sgd(lr=rate)", "sgd(lr=rate, ", ["momentum", "nesterov", "weight_decay"]),
        ("train: flip -> normalise", "train: flip -> ", ["pad", "crop", "flip"]),
        ("train: flip -> normalise", "train: normalise(mean=", ["channel", "pixel", "preprocess"]),
        ("precision: float32", "precision: ", ["float32", "bfloat16", "float64"]),
        ("train: [fc]", "", ["train", "epochs", "optimiser", "schedule", "freeze"]),
    ],
)
def test_what_fits_a_place_of_a_recipe_comes_first(old: str, typed: str, first: list[str]) -> None:
    assert labels(old, typed)[: len(first)] == first


def test_every_field_that_is_not_given_is_offered() -> None:
    given = {"model", "data", "batch", "epochs", "optimiser", "train", "precision", "phases", "weights"}
    assert set(labels("    weights: none", "    weights: none\n    ")) == set(FIELDS) - given


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("recipe short", "how a network is trained"),
        ("batch:", "The images of a step"),
        ("sgd(", "`sgd(lr, momentum=0.0, nesterov=False, weight_decay=0.0)` *optimiser*"),
        ("flip ->", "Left and right exchanged"),
        ("small(n=2)", "parameters"),
        ("rate)", "constant"),
        ("base:", "whose fields are those that this one does not have"),
    ],
)
def test_hovering_says_what_a_word_of_a_recipe_is(word: str, shown: str) -> None:
    found = hover(analysis(Source("net.resnet", TEXT, path=HERE), Buffers()), TEXT, TEXT.index(word))
    assert found is not None
    assert shown in found.text


def test_what_is_wrong_with_a_recipe_is_underlined() -> None:
    for text in (TEXT, TEXT[TEXT.index("recipe") :].replace("small(n=2)", "resnet18").replace("rate", "1")):
        assert analysis(Source("net.resnet", text, path=HERE), Buffers()).diagnostics == ()
        wrong = text.replace("flip", "flop")
        (found,) = analysis(Source("net.resnet", wrong, path=HERE), Buffers()).diagnostics
        assert (found.code, found.message) == ("E0201", "there is no image step `flop`")


def test_a_recipe_is_in_the_outline_and_its_names_are_known() -> None:
    found = analysis(Source("net.resnet", TEXT, path=HERE), Buffers())
    assert found.tree is not None
    assert found.scope is not None
    entry = outline(found.tree)[-2]
    assert (entry.name, entry.kind, entry.entries[0].name) == ("short", "recipe", "model")
    start = TEXT.index("recipe")
    names = [
        (each.entity.kind, each.entity.name)
        for each in occurrences(found.tree, found.scope)
        if each.span.start > start
    ]
    assert names == [
        ("recipe", "short"), ("model", "small"), ("parameter", "n"), ("constant", "rate"),
        ("recipe", "long"), ("recipe", "short"),
    ]  # fmt: skip
