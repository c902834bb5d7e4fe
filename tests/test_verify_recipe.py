"""`verify` of a recipe: scripts of torch and Keras take the referee's steps, a planted fault is named."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from resnet_dsl.backend.discovery import find_backend
from resnet_dsl.backend.script_steps import steps_of
from resnet_dsl.cli.main import main
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.recipe.compilation import compile_recipe
from resnet_dsl.recipe.data_module import data_module
from resnet_dsl.recipe.recipe import Recipe
from resnet_dsl.reference import (
    AdaptiveMoments,
    HeavyBall,
    LayerwiseMoments,
    RootMeanSquare,
    UpdateRule,
)
from resnet_dsl.verify.recipe_causes import MovedWeights, cause_in_rule
from resnet_dsl.verify.recipe_report import fault_of, recipe_text
from resnet_dsl.verify.recipe_run import verify_recipe
from resnet_dsl.verify.recipe_truth import RecipeTruth, data_of, random_images, recipe_batches

SPEC = """model little {
    input: 1x8x8
    stem: conv(4, 3x3) -> bn -> relu
    stages: [1, 1]  widths: [4, 8]  block: basic  classes: 10
}

recipe digits {
    model: little
    data: images("digits.npz")
    train: pad(1) -> crop(8) -> flip -> normalise(0.5, 0.25)
    batch: 32  epochs: 2  bn_batch: 8
    optimiser: sgd(lr=0.05, momentum=0.9, weight_decay=1e-3)
    schedule: cosine
    loss: cross_entropy(smoothing=0.1)
    evaluate: top1
}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "digits.resnet"
    path.write_text(SPEC)
    return path


def write_digits(folder: Path) -> Path:
    """Scikit-learn's digits, 8x8 and 16 shades."""
    digits = pytest.importorskip("sklearn.datasets").load_digits()
    path = folder / "digits.npz"
    np.savez(path, x_train=(digits.images * 15.9375).astype(np.uint8), y_train=digits.target)
    return path


def recipe_in(spec: Path, **fields: str) -> Recipe:
    return compile_recipe(spec, "digits", fields)


# --- whole runs ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_script_takes_the_referees_steps_on_digits(spec, capsys):
    pytest.importorskip("torch")
    pytest.importorskip("tensorflow")
    data = write_digits(spec.parent)
    command = ["verify", str(spec), "--recipe", "digits", "--steps", "20", "--data", str(data)]
    assert main([*command, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [script["script"] for script in found["scripts"]] == ["keras", "torch", "torch, 2 processes"]
    for script in found["scripts"]:
        assert len(script["steps"]) == 20
        for step in script["steps"]:
            assert step["batch"]["error"] == 0
            assert max(each["error"] for each in step.values()) <= 1e-11


STEP = "    optimiser.step()"
FAULTS = {
    "the rate": ('group["lr"] = lr', 'group["lr"] = 2 * lr', "weights", 1, "the rate is 0.1 instead of 0.05"),
    "the momentum": ("momentum=0.9", "momentum=0.8", "weights", 2, "momentum is 0.8 instead of 0.9"),
    "the decay": (
        "weight_decay=0.001", "weight_decay=0.002", "weights", 1, "weight_decay is 0.002 instead of 0.001",
    ),
    "the gradients": (
        STEP, f"    [w.grad.mul_(2) for w in model.parameters()]\n{STEP}", "gradients", 1,
        "all gradients are 2 times what they should be",
    ),
    "the smoothing": ("label_smoothing=0.1", "label_smoothing=0.2", "loss", 1, ""),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_planted_in_the_script_for_torch_is_named(fault, spec):
    pytest.importorskip("torch")
    before, after, kind, first, cause = FAULTS[fault]
    recipe = recipe_in(spec)
    (script,) = faulty(recipe, "torch", {before: after}, 3)
    assert script.first_off == first - 1
    told = fault_of(script)
    assert told.startswith(f"torch: step {first} is the first that parts: ")
    assert script.steps[first - 1][kind][0] > script.bars[first - 1]
    assert kind in told
    assert cause in script.cause
    if kind == "weights":
        assert script.steps[first - 1]["gradients"][0] <= script.bars[first - 1]
        assert script.steps[first - 1]["weights"][1] in dict(recipe.program.graph.parameters())
        assert script.steps[first - 1]["weights"][1] in told


@pytest.mark.slow
def test_a_wrong_eps_in_the_script_for_keras_is_named(spec):
    pytest.importorskip("tensorflow")
    recipe = recipe_in(spec, optimiser="adam(lr=0.01, eps=1e-4)")
    (script,) = faulty(recipe, "keras", {"(root + self.eps)": "(root + 1e-3)"}, 3)
    assert script.first_off == 0
    assert script.cause == "eps is 0.001 instead of 0.0001"


def faulty(recipe: Recipe, backend: str, changes: Mapping[str, str], steps: int):
    part = find_backend(backend).recipe_script
    assert part is not None
    text = part.load()(recipe)
    for before, after in changes.items():
        assert before in text
        text = text.replace(before, after)
    report = verify_recipe(recipe, steps, [backend], random=True, scripts={backend: text}, several=False)
    assert not report.passed
    assert fault_of(report.scripts[0]) in recipe_text(report)
    return report.scripts


@pytest.mark.slow
def test_a_script_that_ends_is_said_with_its_last_words(spec):
    pytest.importorskip("torch")
    recipe = recipe_in(spec)
    (script,) = faulty(recipe, "torch", {STEP: "    raise RuntimeError('no more')"}, 2)
    assert fault_of(script) == "torch: its process ended with status 1: RuntimeError: no more"


@pytest.mark.slow
def test_phases_parts_and_mixed_labels_are_the_referees_too(spec):
    """Phases freeze, a batch is computed in parts, gradients are clipped, labels mixed."""
    pytest.importorskip("torch")
    phases = """{
        head: { train: [fc]  epochs: 1  optimiser: adamw(lr=1e-2) }
        all: { epochs: 2  optimiser: lamb(lr=1e-2) }
    }"""
    recipe = recipe_in(spec, phases=phases, accumulate="2", clip="0.5", mix="mixup(0.4)", bn_batch="4")
    report = verify_recipe(recipe, 4, ["torch"], random=True)
    assert report.phases == ("head",) * 4 + ("all",) * 4
    assert report.passed, recipe_text(report)
    assert (
        max(each[0] for script in report.scripts for step in script.steps for each in step.values()) <= 1e-10
    )


# --- what is refused -----------------------------------------------------------------------------


def test_data_that_is_not_there_is_said_before_anything_is_started(spec, capsys):
    assert main(["verify", str(spec), "--recipe", "digits"]) == 2
    told = capsys.readouterr().err
    assert "digits.npz: nothing is there" in told
    assert "--data" in told
    assert "--random" in told


def test_options_of_networks_and_of_recipes_are_told_apart(spec, capsys):
    assert main(["verify", str(spec), "--steps", "3"]) == 2
    assert "--steps is about a recipe" in capsys.readouterr().err
    assert main(["verify", str(spec), "--recipe", "digits", "--train-steps", "3"]) == 2
    assert "--train-steps is about a network" in capsys.readouterr().err
    assert main(["verify", str(spec), "--recipe", "digits", "--backends", "onnx", "--random"]) == 2
    assert "onnx: it writes no training scripts" in capsys.readouterr().err
    assert main(["verify", str(spec), "--recipe", "digits", "--steps", "0", "--random"]) == 2
    assert "1 to" in capsys.readouterr().err


def test_a_recipe_that_draws_at_random_is_refused(tmp_path):
    path = tmp_path / "dropping.resnet"
    path.write_text(SPEC.replace("classes: 10", "head: gap -> flatten -> dropout(0.5) -> fc(10)"))
    with pytest.raises(UsageError, match="random at dropout"):
        verify_recipe(recipe_in(path), 2, random=True)


# --- its parts -----------------------------------------------------------------------------------


def test_steps_are_those_of_the_epochs_that_a_phase_has():
    steps = list(steps_of((5, 5), (2, 1), 2))
    assert [(step.phase, step.step, step.epoch, step.batch) for step in steps] == [
        (0, 0, 0, 0), (0, 1, 0, 1), (0, 2, 1, 0), (0, 3, 1, 1), (1, 0, 2, 0), (1, 1, 2, 1),
    ]  # fmt: skip
    assert [step.number for step in steps] == list(range(6))


def test_random_images_are_enough_for_the_recipe(spec, tmp_path):
    recipe = recipe_in(spec, data='images("none", validation=7, subset=200)')
    module = data_module(recipe)
    random_images(recipe, module, tmp_path / "random.npz", 5)
    data = data_of(module, str(tmp_path / "random.npz"))
    assert (len(data.train), len(data.validation), len(data.classes)) == (200, 7, 10)
    batches = list(recipe_batches(module, data, (5,)))
    assert [batch.x.shape for batch in batches] == [(32, 8, 8, 1)] * 5
    assert batches[0].lr == 0.05
    assert batches[0].digest(1, 2) != batches[0].digest(0, 2)


def test_a_phase_begins_with_an_optimiser_that_knows_nothing(spec, tmp_path):
    phases = "{ one: { epochs: 1 }  two: { epochs: 1 } }"
    recipe = recipe_in(spec, phases=phases)
    module = data_module(recipe)
    random_images(recipe, module, tmp_path / "random.npz", 2)
    batches = recipe_batches(module, data_of(module, str(tmp_path / "random.npz")), (1, 1))
    start = {n: np.full(p.shape, 0.1) for n, p in recipe.program.graph.parameters()}
    truth = RecipeTruth(recipe, start)
    first, second = (truth.step(batch) for batch in batches)
    assert (first.optimiser.count, second.optimiser.count) == (1, 1)


RULES: tuple[tuple[UpdateRule, tuple[str, ...]], ...] = (
    (HeavyBall(0.9, False, 1e-3), ("momentum", "weight_decay")),
    (HeavyBall(0.9, True, 1e-3), ("momentum", "weight_decay")),
    (AdaptiveMoments(0.9, 0.99, 1e-3, 1e-2), ("beta1", "beta2", "eps", "weight_decay")),
    (AdaptiveMoments(0.9, 0.99, 1e-3, 1e-2, True), ("beta1", "beta2", "eps", "weight_decay")),
    (RootMeanSquare(0.99, 1e-3, 0.5, 1e-2), ("alpha", "eps", "momentum", "weight_decay")),
    (LayerwiseMoments(0.9, 0.99, 1e-3, 1e-2), ("beta1", "beta2", "eps", "weight_decay")),
)


def moved_by(rule: UpdateRule, factor: float = 1.0) -> MovedWeights:
    """Two tensors moved by a rule for three steps."""
    generator = np.random.default_rng(0)
    start = {"a": generator.standard_normal((4, 3)), "b": generator.standard_normal(5)}
    gradients = tuple({n: generator.standard_normal(w.shape) for n, w in start.items()} for _ in range(3))
    moved = MovedWeights(start, gradients, (0.1, 0.05, 0.02), start)
    row = moved.by(rule, factor)
    return replace(moved, left={"a": row[:12].reshape(4, 3), "b": row[12:]})


@pytest.mark.parametrize(("rule", "names"), RULES)
def test_the_number_that_is_wrong_is_named_with_its_value(rule, names):
    for name in names:
        right = getattr(rule, name)
        wrong = right / 2
        told = cause_in_rule(rule, moved_by(replace(rule, **{name: wrong})))
        assert told == f"{name} is {wrong:.6g} instead of {right:.6g}"
    assert cause_in_rule(rule, moved_by(rule, 1.5)) == "the rate is 0.03 instead of 0.02"


def test_a_form_that_is_wrong_is_named():
    heavy, adam = HeavyBall(0.9, False, 1e-3), AdaptiveMoments(0.9, 0.99, 1e-3, 1e-2)
    assert cause_in_rule(heavy, moved_by(replace(heavy, nesterov=True))) == "the momentum is Nesterov's"
    assert cause_in_rule(replace(heavy, nesterov=True), moved_by(heavy)) == "the momentum is not Nesterov's"
    decoupled = replace(adam, decoupled=True)
    assert cause_in_rule(adam, moved_by(decoupled)) == "the weight decay is decoupled from the gradient"


def test_what_no_single_number_explains_has_no_cause():
    moved = moved_by(HeavyBall(0.9, False, 1e-3))
    noise = {
        name: value + np.random.default_rng(5).standard_normal(value.shape)
        for name, value in moved.left.items()
    }
    assert cause_in_rule(HeavyBall(0.9, False, 1e-3), replace(moved, left=noise)) == ""
