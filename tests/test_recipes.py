"""A recipe from its text: what each field comes to, and what they say together."""

from __future__ import annotations

import time
from math import isclose
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnet_dsl.backend.discovery import find_backend
from resnet_dsl.diagnostics.errors import CompileError, UsageError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_spec, declared
from resnet_dsl.elaborate.elaborator import Elaborator
from resnet_dsl.elaborate.expressions import evaluate
from resnet_dsl.ir.shapes import Extent
from resnet_dsl.recipe.compilation import check_recipes, compile_recipe_source
from resnet_dsl.recipe.image_steps import (
    CentreCropStep,
    CropStep,
    FlipStep,
    ImageStep,
    NormaliseStep,
    PadStep,
    ResizedCropStep,
    ResizeStep,
    ScaleJitterStep,
)
from resnet_dsl.recipe.inheritance import Lineage
from resnet_dsl.recipe.learning_parts import LearningParts
from resnet_dsl.recipe.losses import BinaryCrossEntropy, CrossEntropy, WeightedLoss
from resnet_dsl.recipe.mixing import CutMix, MixUp
from resnet_dsl.recipe.optimisers import LAMB, SGD, Adam
from resnet_dsl.recipe.reader import RecipeReader
from resnet_dsl.recipe.recipe import DropPathRamp, ImageData, Phase, Recipe
from resnet_dsl.recipe.schedules import ConstantRate, CosineRate, StepRate, WarmUp
from resnet_dsl.recipe.terms import Term
from resnet_dsl.recipe.vocabulary import FAMILIES, FIELDS, REQUIRED
from resnet_dsl.records import replace
from tests.support.strategies import NOWHERE

CIFAR = """
recipe cifar10 {
    model: cifar_resnet(n=3)
    data: images("data/cifar10")
    train: pad(4) -> crop(32) -> flip -> normalise
    batch: 128
    epochs: 164
    optimiser: sgd(lr=0.1, momentum=0.9, weight_decay=1e-4)
    schedule: steps(at=[82, 123], factor=0.1)
    loss: cross_entropy
    evaluate: top1
}
"""
REST = 'data: images("data")  batch: 128  epochs: 4  optimiser: adam'


def compiled(text: str, **overrides: object) -> Recipe:
    return compile_recipe_source(Source("t.resnet", text), overrides=overrides)


def recipe(fields: str = "", model: str = "cifar_resnet(n=3)") -> Recipe:
    return compiled(f"recipe tiny {{ model: {model}  {REST}  {fields} }}")


def codes(fields: str, model: str = "cifar_resnet(n=3)") -> list[str]:
    with pytest.raises(CompileError) as caught:
        recipe(fields, model)
    return [found.code for found in caught.value.diagnostics]


def test_the_recipe_of_the_paper() -> None:
    made = compiled(CIFAR)
    by_channel = NormaliseStep("channel", "channel", 1 / 255, "rgb")
    assert (made.name, made.batch, made.epochs) == ("cifar10", 128, 164)
    assert made.program.cost.params == 269_722
    assert made.program.network.settings == (("n", "3"),)
    assert made.data == ImageData("data/cifar10", 0, 0, ())
    assert made.train == (PadStep(4, "zeros"), CropStep((32, 32)), FlipStep(0.5), by_channel)
    assert made.test == (PadStep(4, "zeros"), CentreCropStep((32, 32)), by_channel)
    schedule = StepRate((82, 123), 0.1)
    assert made.phases == (Phase("", 164, SGD(0.1, 0.9, False, 1e-4), schedule),)
    assert made.losses == (WeightedLoss("output", CrossEntropy(0.0)),)
    assert (made.metrics, made.mixes, made.precision, made.seed) == (("top1",), (), "float32", 0)
    assert made.text == CIFAR.strip()
    assert not made.warnings


def test_a_network_of_a_recipe_is_the_one_that_is_compiled_by_itself() -> None:
    render = find_backend("torch").render
    alone = compile_spec("cifar_resnet", None, {"n": 3})
    assert render(compiled(CIFAR).program, None) == render(alone, None)
    assert render(recipe(model="resnet18").program, None) == render(compile_spec("resnet18"), None)


def test_every_field_is_read() -> None:
    made = recipe(
        "mix: [mixup(0.4), cutmix]  ema: 0.99  clip: 1  accumulate: 4  bn_batch: 16  seed: 7"
        '  precision: bfloat16  weights: "a.safetensors"  evaluate: [top5, top1]'
        "  schedule: warmup(1, start=0.1) -> cosine(0.01)  drop_path: ramp(0.5, 2)"
        "  loss: 2 * cross_entropy(smoothing=0.1)",
        "cifar_resnet(n=3, drop_path=0.1)",
    )
    assert made.mixes == (MixUp(0.4), CutMix(1.0))
    assert (made.ema, made.clip, made.accumulate, made.bn_batch, made.seed) == (0.99, 1.0, 4, 16, 7)
    assert (made.precision, made.weights, made.metrics) == ("bfloat16", "a.safetensors", ("top5", "top1"))
    (phase,) = made.phases
    assert (phase.schedule, phase.warmup) == (CosineRate(0.01), WarmUp(1, 0.1))
    assert made.drop_path == DropPathRamp(0.5, 2)
    assert made.losses == (WeightedLoss("output", CrossEntropy(0.1), 2.0),)
    assert not made.warnings


def test_constants_and_arithmetic_stand_for_numbers() -> None:
    made = compiled(
        f"const n = 2 + 1 const low = 1e-4 recipe tiny {{ model: cifar_resnet(n=n) {REST}"
        "  weights: none  clip: low * 10 }"
    )
    assert made.program.network.settings == (("n", "3"),)
    assert isclose(made.clip, 1e-3)


def test_overrides_are_fields_of_the_recipe_first_and_of_the_model_else() -> None:
    made = compiled(CIFAR, epochs=2, schedule="constant", optimizer="lamb", classes=7, batch=10)
    assert made.phases == (Phase("", 2, LAMB(1e-3, 0.9, 0.999, 1e-6, 1e-2), ConstantRate()),)
    assert (made.batch, made.program.cost.output) == (10, {"output": (7,)})
    assert made.text.startswith(CIFAR.strip())
    given = ("epochs = 2", "schedule = constant", "optimizer = lamb", "classes = 7", "batch = 10")
    assert made.text.endswith("".join(f"\n# with {each}" for each in given))
    with pytest.raises(CompileError) as caught:
        compiled(CIFAR, nothing=3)
    assert [found.code for found in caught.value.diagnostics] == ["E0205"]


def test_of_several_recipes_the_one_of_the_files_name_or_the_last_is_meant() -> None:
    text = "".join(f"recipe {name} {{ model: resnet18 {REST} }} " for name in ("a", "t", "b"))
    assert compiled(text).name == "t"
    assert compile_recipe_source(Source("x.resnet", text)).name == "b"
    assert compile_recipe_source(Source("x.resnet", text), name="a").name == "a"
    assert [each.name for each in check_recipes(Source("x.resnet", text))] == ["a", "t", "b"]
    with pytest.raises(UsageError, match="no recipe `c`"):
        compile_recipe_source(Source("x.resnet", text), name="c")


# --- a recipe on another -------------------------------------------------------------------------

LONGER = CIFAR + "recipe longer { base: cifar10  epochs: 200  optimiser: adam }"


def test_a_recipe_has_what_it_does_not_say_of_its_base() -> None:
    first, longer = check_recipes(Source("t.resnet", LONGER))
    phase = Phase("", 200, Adam(), StepRate((82, 123), 0.1))
    assert longer == replace(first, name="longer", program=longer.program, phases=(phase,), text=longer.text)
    assert longer.text.startswith("recipe longer {")
    assert longer.text.endswith(first.text)


def test_none_leaves_out_what_the_base_has() -> None:
    text = LONGER + "recipe plain { base: longer  schedule: none  train: none  evaluate: none }"
    plain = check_recipes(Source("t.resnet", text))[2]
    assert plain.phases == (Phase("", 200, Adam(), ConstantRate()),)
    assert [step.kind for step in plain.train] == ["normalise"]
    with pytest.raises(CompileError, match="has no `batch`"):
        compiled(LONGER + "recipe t { base: longer  batch: none }")


def test_phases_of_a_base_can_be_left_out() -> None:
    text = f"recipe two {{ model: resnet18 {REST}  phases: {{ a: {{ epochs: 1 }}  b: {{}} }} }}"
    made = compiled(text + "recipe t { base: two  phases: none }")
    assert [phase.epochs for phase in made.phases] == [4]
    assert not compiled(text + "recipe t { base: two  phases: { a: { epochs: 3 } } }").warnings


def test_a_base_of_another_file_means_what_it_says_there(tmp_path: Path) -> None:
    (tmp_path / "ours.resnet").write_text(
        f"const n = 2 const rate = 0.5 model net {{ stages: [n] block: basic head: gap -> fc(10) }}"
        f" recipe ours {{ model: net {REST.replace('adam', 'sgd(lr=rate)')} weights: none }}"
    )
    text = 'use "ours.resnet" const rate = 7 const n = 5 recipe t { base: ours  clip: rate }'
    made = compile_recipe_source(Source("t.resnet", text), tmp_path)
    assert made.phases[0].optimiser == SGD(0.5, 0.0, False, 0.0)
    assert made.clip == 7
    assert [node.name for node in made.program.graph.nodes if node.name.endswith("conv2")] == [
        "layer1.0.conv2", "layer1.1.conv2",
    ]  # fmt: skip
    assert compile_recipe_source(Source("t.resnet", text), tmp_path, None, {"clip": "2"}).clip == 2


def test_a_shipped_recipe_is_a_base_by_its_name() -> None:
    made = compiled("recipe t { base: cifar10_he2015  model: resnet56 }")
    assert (made.program.name, made.batch, made.epochs) == ("resnet56", 128, 164)
    with pytest.raises(CompileError, match="did you mean `cifar10_he2015`"):
        compiled("recipe t { base: cifar10_he2016 }")


def test_a_base_is_not_set_from_outside() -> None:
    with pytest.raises(CompileError, match="what the text says"):
        compiled(LONGER, base="cifar10")


def test_bases_follow_each_other_only_so_far() -> None:
    chain = "".join(f"recipe r{i + 1} {{ base: r{i} }} " for i in range(40))
    text = CIFAR.replace("recipe cifar10", "recipe r0") + chain
    assert compile_recipe_source(Source("t.resnet", text), name="r15").epochs == 164
    with pytest.raises(CompileError, match="more than 16 levels deep"):
        compile_recipe_source(Source("t.resnet", text), name="r16")


# --- phases and what learns in them --------------------------------------------------------------


def test_phases_take_what_they_do_not_say_from_the_recipe() -> None:
    made = recipe(
        "schedule: cosine  weights: none  phases: { head: { train: [fc]  optimiser: sgd(lr=1e-4) }"
        "  all: { epochs: 9  schedule: constant } }"
    )
    head, whole = made.phases
    frozen = ("conv1", "bn1", "layer1", "layer2", "layer3")
    assert head == Phase("head", 4, SGD(1e-4, 0.0, False, 0.0), CosineRate(0.0), None, frozen)
    assert whole == Phase("all", 9, Adam(1e-3, 0.9, 0.999, 1e-8, 0.0), ConstantRate())
    assert made.epochs == 13


@pytest.mark.parametrize(
    ("freeze", "paths"),
    [
        ("layer1", ("layer1",)),
        ("[layer1.0, layer1.1, layer1.2]", ("layer1",)),
        ("[stem]", ("conv1", "bn1")),
        ("head", ("fc",)),
        ("layer2.1.conv1", ("layer2.1.conv1",)),
        ("[layer2.1.conv1, layer2.1.conv2, layer2.1.bn1, layer2.1.bn2, layer2.0]", ("layer2.0", "layer2.1")),
        ("none", ()),
    ],
)
def test_what_is_frozen_has_the_highest_paths_that_are_frozen_as_a_whole(
    freeze: str, paths: tuple[str, ...]
) -> None:
    (phase,) = recipe(f"weights: none  freeze: {freeze}").phases
    assert phase.frozen == paths


PARTS = LearningParts(compile_spec("cifar_resnet"))
LAYERS = sorted(PARTS.layers)


@settings(max_examples=60, deadline=None)
@given(st.sets(st.sampled_from(LAYERS)))
def test_the_paths_of_frozen_layers_freeze_those_and_no_other(frozen: set[str]) -> None:
    paths = PARTS.paths(frozen)
    assert {layer for layer in LAYERS if any(f"{layer}.".startswith(f"{path}.") for path in paths)} == frozen


def test_norms_are_frozen_by_that_name() -> None:
    (phase,) = recipe("weights: none  freeze: [norms]").phases
    assert len(phase.frozen) == 19
    assert all("bn" in path for path in phase.frozen)


def test_what_the_model_freezes_does_not_count_as_learning() -> None:
    model = "model m { stages: [1]  block: basic  head: gap -> fc(10)  freeze: [stem, layer1] }"
    with pytest.raises(CompileError) as caught:
        compiled(f"{model} recipe r {{ model: m {REST} freeze: [head]  weights: none }}")
    assert [found.code for found in caught.value.diagnostics] == ["E0702"]
    assert compiled(f"{model} recipe r {{ model: m {REST} }}").phases[0].frozen == ()


# --- outputs -------------------------------------------------------------------------------------

TWO = """
block both() { return { main: x -> gap -> fc(10)  side: x -> gap -> other: fc(10) } }
model two { stages: [1]  block: basic  head: both  auxiliary: [side] }
"""


def test_one_loss_is_that_of_auxiliary_outputs_too() -> None:
    made = compiled(f"{TWO} recipe r {{ model: two {REST}  loss: binary_cross_entropy }}")
    loss = BinaryCrossEntropy(0.0)
    assert made.losses == (WeightedLoss("main", loss, 1.0), WeightedLoss("side", loss, 0.3))


def test_losses_by_output_have_weights() -> None:
    losses = "{ main: cross_entropy  side: cross_entropy(0.1) * 0.5 }"
    made = compiled(f"{TWO} recipe r {{ model: two {REST}  loss: {losses} }}")
    main, side = WeightedLoss("main", CrossEntropy(0.0)), WeightedLoss("side", CrossEntropy(0.1), 0.5)
    assert made.losses == (main, side)


# --- images --------------------------------------------------------------------------------------

GREY = "model grey { input: 1x28x28  stages: [1]  block: basic  head: gap -> fc(10)  preprocess: %s }"


def test_the_numbers_of_the_models_own_preprocess() -> None:
    said = "{ color: rgb  range: [-1, 1]  mean: 0.5  std: 0.25 }"
    made = compiled(f"{GREY % said} recipe r {{ model: grey {REST} }}")
    assert made.train == made.test == (NormaliseStep(1.5, 0.25, 2 / 255, "rgb"),)
    value = (100 * made.train[0].scale - made.train[0].mean) / made.train[0].std
    assert isclose(value, ((100 / 255 * 2 - 1) - 0.5) / 0.25)


def test_blue_first_is_an_order_of_channels() -> None:
    made = recipe(model="vgg16(preprocess={ color: bgr  range: [0, 255]  mean: [104, 117, 124] })")
    assert made.train == (NormaliseStep((104.0, 117.0, 124.0), 1.0, 1.0, "bgr"),)


@pytest.mark.parametrize(
    ("written", "mean", "std"),
    [
        ("normalise", "channel", "channel"),
        ("normalise(mean=channel)", "channel", "channel"),
        ("normalise(mean=pixel)", "pixel", 1.0),
        ("normalise(mean=0.5)", 0.5, 1.0),
        ("normalise(std=[0.5, 0.5, 0.25])", 0.0, (0.5, 0.5, 0.25)),
    ],
)
def test_what_is_left_out_of_normalise(written: str, mean: object, std: object) -> None:
    (step,) = recipe(f"train: {written}").train
    assert isinstance(step, NormaliseStep)
    assert (step.mean, step.std) == (mean, std)


def test_an_evaluation_takes_each_step_without_its_draws() -> None:
    made = recipe("train: resized_crop(32) -> flip -> colour_noise -> normalise")
    assert made.test[:2] == (ResizeStep(37, "bilinear"), CentreCropStep((32, 32)))
    assert len(made.test) == 3
    of_imagenet = ResizedCropStep((224, 224), (0.08, 1.0), (0.75, 4 / 3), "bicubic").without_draws()
    assert of_imagenet == (ResizeStep(256, "bicubic"), CentreCropStep((224, 224)))
    assert ScaleJitterStep(256, 480, "nearest").without_draws() == (ResizeStep(256, "nearest"),)


def test_a_network_of_any_size_takes_any() -> None:
    open_size = "model m { input: 3xHxW  stages: [1]  block: basic  head: gap -> fc(10) }"
    assert compiled(f"{open_size} recipe r {{ model: m {REST}  train: resize(40x48) -> normalise }}")
    assert compiled(f"{open_size} recipe r {{ model: m {REST}  test: scales([32, 64]) -> normalise }}")
    with pytest.raises(CompileError):
        compiled(f"{open_size} recipe r {{ model: m {REST}  train: resize(40) -> normalise }}")


def test_a_size_that_is_square_stays_so() -> None:
    assert recipe("train: resize(40x40) -> resize(32) -> normalise")
    assert codes("train: resize(40x48) -> resize(32) -> normalise") == ["E0704"]


# --- words ---------------------------------------------------------------------------------------


def samples(term: type[Term]) -> Term | None:
    """A term with its usual arguments, or a size, a number or a text where there are none."""
    tries = ({}, {"size": (32, 24)}, {"lr": 0.5}, {"amount": 3}, {"at": (2, 5)}, {"sizes": (8, 16)})
    more = ({"epochs": 3}, {"start": 0.0, "epochs": 3}, {"path": "a b"})
    for given_ in (*tries, *more):
        try:
            return term(**given_)
        except TypeError:
            continue
    return None


TERMS = [term for family in FAMILIES for term in family.terms.values()]


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term.kind)
def test_what_a_term_is_written_as_is_that_term(term: type[Term]) -> None:
    made = samples(term)
    assert made is not None
    family = next(family for family in FAMILIES if term.kind in family.terms)
    text = f"recipe r {{ model: m  {FIELD_OF[family.title].replace('TERM', made.written)} }}"
    source = Source("t.resnet", text)
    scope, findings = declared(source, None)
    (declaration,) = scope.recipes.values()
    alone = Lineage(((declaration, scope),))
    reader = RecipeReader(alone, findings, Elaborator(findings, Extent(), evaluate, NOWHERE))
    assert reader.term(declaration.fields[-1].value, family) == made
    assert not findings.shown


FIELD_OF = {
    "data": "data: TERM",
    "image step": "train: TERM",
    "optimiser": "optimiser: TERM",
    "schedule": "schedule: TERM",
    "loss": "loss: TERM",
    "mix": "mix: TERM",
    "ramp": "drop_path: TERM",
}


def test_each_required_field_is_asked_for() -> None:
    assert set(REQUIRED) <= set(FIELDS)
    with pytest.raises(CompileError) as caught:
        compiled("recipe r {}")
    hints = " ".join(found.hint for found in caught.value.diagnostics)
    assert all(f"{name}:" in hints for name in REQUIRED)


def test_all_that_is_wrong_is_said_at_once() -> None:
    wrong = "train: flip  schedule: steps(at=[9])  accumulate: 3  precision: half  loss: mse  evaluate: top3"
    assert sorted(codes(wrong)) == ["E0201", "E0204", "E0204", "E0701", "E0705", "E0707"]


def test_steps_say_what_becomes_of_a_size() -> None:
    draws = [t for t in FAMILIES[1].terms.values() if issubclass(t, ImageStep) and t.draws]
    assert {step.kind for step in draws} == {
        "crop", "flip", "scale_jitter", "resized_crop", "colour_noise", "shear", "zoom",
    }  # fmt: skip


# --- any recipe at all ---------------------------------------------------------------------------

SAMPLES = """
0 1 -1 0.5 1e9 32 3x3 none true "a" [] [1,2] {} fc layer1 [layer1] [fc,fc] n flip normalise sgd cosine
1/0 a.b nope x->flip
"""
VALUES = st.sampled_from(SAMPLES.split())
WORDS = st.sampled_from([term.kind for term in TERMS])
ARGUMENTS = st.sampled_from(sorted({name for term in TERMS for name, _, _ in term.arguments()}))
CALLS = st.builds(
    lambda word, given_: f"{word}({', '.join(f'{name}={value}' for name, value in given_)})",
    WORDS,
    st.lists(st.tuples(ARGUMENTS, VALUES), max_size=3),
)
STEPS = st.lists(CALLS | WORDS, min_size=1, max_size=4).map(" -> ".join)
TEXTS = VALUES | CALLS | STEPS | CALLS.map(lambda call: f"[{call}]")


@settings(max_examples=80, deadline=None)
@given(st.dictionaries(st.sampled_from([*FIELDS, "optimizer", "other"]), TEXTS, max_size=6))
def test_any_fields_are_a_recipe_or_errors_with_places(fields: dict[str, str]) -> None:
    usual = {
        "model": "cifar_resnet",
        "data": 'images("data")',
        "batch": "8",
        "epochs": "2",
        "optimiser": "adam",
    }
    lines = "\n".join(f"{name}: {value}" for name, value in {**usual, **fields}.items())
    text = f"const n = 3 recipe r {{ {lines} }}"
    try:
        made = compiled(text)
    except CompileError as error:
        failure = error
    else:
        assert made.epochs > 0
        assert made.losses
        return
    assert all(found.span is not None and found.message for found in failure.diagnostics)
    assert any(found.severity == "error" for found in failure.diagnostics)


def test_a_deep_network_is_divided_into_what_learns_in_no_time() -> None:
    start = time.process_time()
    made = recipe("weights: none  phases: { a: { train: [layer3, fc] } }", "cifar_resnet(n=200)")
    assert made.phases[0].frozen == ("conv1", "bn1", "layer1", "layer2")
    assert time.process_time() - start < 10  # about two seconds is what it takes
