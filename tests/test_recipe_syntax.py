"""`recipe` as a declaration, and as the name that it stays everywhere else."""

from __future__ import annotations

import pytest

from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source, declared
from resnet_dsl.syntax import ast, by_lark
from resnet_dsl.syntax.formatter.format import format_source
from resnet_dsl.syntax.parser import parse

NAMES = {
    "block": "block recipe(width) { return x -> conv(width, 3x3) } model m { stages: [1]  block: recipe }",
    "constant": "const n = 2 const recipe = n const b = recipe model m { stages: [recipe]  block: basic }",
    "parameter of a block": (
        "block mine(width, recipe = 1) { return x -> conv(width, 3x3, stride=recipe) }"
        " model m { stages: [1]  block: mine(recipe=2) }"
    ),
    "choice": (
        "block mine(width, how = plain | recipe) {"
        " return if how == recipe then x -> conv(width, 3x3) else x -> conv(width, 1x1) }"
        " model m { stages: [1]  block: mine(how=recipe) }"
    ),
    "step": "block mine(width) { a = x recipe = a -> conv(width, 3x3) return recipe -> relu }"
    " model m { stages: [1]  block: mine }",
    "first step": "block mine(width) { recipe = x -> conv(width, 3x3) return recipe }"
    " model m { stages: [1]  block: mine }",
    "label": "block mine(width) { return x -> recipe: conv(width, 3x3) -> relu }"
    " model m { stages: [1]  block: mine }",
    "stage": "model m { stages: [recipe: 1, 2]  block: basic  outputs: [recipe, layer2] }",
    "parameter and field": "block mine(width, recipe) { return x -> conv(width, 3x3, stride=recipe) }"
    " model m { stages: [1] recipe: 2 block: mine }",
    "parameter of a model": "model m(recipe = 2) { stages: [recipe]  block: basic }",
    "model": "model recipe { stages: [1]  block: basic } model m = recipe",
    "field of a record": "model m { stages: [1] block: basic head: gap -> both } "
    "block both() { return { recipe: x -> a: fc(2) recipe2: x -> b: fc(3) } }",
}


@pytest.mark.parametrize("text", NAMES.values(), ids=NAMES)
def test_recipe_stays_a_name(text: str) -> None:
    program = compile_source(Source("m.resnet", text))
    other = compile_source(Source("m.resnet", text.replace("recipe", "another")))
    assert program.cost.params == other.cost.params > 0
    source = Source("m.resnet", text)
    assert by_lark.node(source, text, "start") == parse(source)


RECIPE = """
# How it is trained.
recipe m { model: m   batch: 128 epochs: 4   # short
  train: pad(4) -> crop(32) loss: { logits: cross_entropy recipe: 0.4 * cross_entropy }
  phases: { head: { train: [fc] epochs: 5 optimiser: sgd(lr=0.1, momentum=0.9, nesterov=true) }
            last: { epochs: 4 } } }
"""


def test_a_recipe_is_a_declaration_with_fields() -> None:
    (recipe,) = parse(Source("m.resnet", RECIPE)).declarations
    assert isinstance(recipe, ast.Recipe)
    assert recipe.name == "m"
    names = ["model", "batch", "epochs", "train", "loss", "phases"]
    assert [field.name for field in recipe.fields] == names


def test_a_recipe_has_its_canonical_form() -> None:
    written = format_source(Source("m.resnet", RECIPE))
    assert written.splitlines()[:4] == [
        "# How it is trained.",
        "recipe m {",
        "    model: m",
        "    batch: 128",
    ]
    assert format_source(Source("m.resnet", written)) == written


def test_a_recipe_may_have_the_name_of_a_model_but_not_that_of_another_recipe() -> None:
    text = "model m { stages: [1] block: basic } recipe m { model: m } recipe n { model: m }"
    scope, findings = declared(Source("m.resnet", text), None)
    assert not findings.shown
    assert list(scope.recipes) == ["m", "n"]
    assert list(scope.models) == ["m"]
    _, findings = declared(Source("m.resnet", text + " recipe m { batch: 1 batch: 2 }"), None)
    assert [(found.code, found.message) for found in findings.shown] == [
        ("E0208", "`m` is declared twice"),
        ("E0208", "`batch` is given twice"),
    ]


@pytest.mark.parametrize("text", ["recipe = 3", "recipe m = 3", "recipe {}", "recipe m(n=2) {}", "recipe"])
def test_what_is_no_recipe_is_refused(text: str) -> None:
    with pytest.raises(CompileError) as caught:
        parse(Source("m.resnet", text))
    (found,) = caught.value.diagnostics
    assert found.code in ("E0101", "E0102")
