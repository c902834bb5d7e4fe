"""The scripts of both frameworks on real images: the same batches and the same losses, step by step."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from resnet_dsl.backend.discovery import find_backend
from resnet_dsl.initial.seeded import initial_state
from resnet_dsl.recipe.compilation import compile_recipe
from resnet_dsl.recipe.recipe import Recipe
from resnet_dsl.verify.script_process import LeftByScript, started

FASHION = Path("/usr/share/datasets/fashion-mnist")
STEPS, FRAMEWORKS = 20, ("torch", "keras")
SPEC = f"""model little {{
    input: 1x28x28
    stem: conv(4, 3x3, stride=2) -> bn -> relu
    stages: [1, 1]  widths: [4, 8]  block: basic  classes: 10
}}

recipe fashion {{
    model: little
    data: images("{FASHION}", subset=2560)
    train: pad(2) -> crop(28) -> flip -> normalise
    batch: 128  epochs: 2  precision: float64
    optimiser: sgd(lr=0.1, momentum=0.9, weight_decay=1e-4)
    schedule: warmup(1) -> cosine
    loss: cross_entropy
    evaluate: top1
}}
"""


@pytest.mark.slow
@pytest.mark.skipif(not FASHION.is_dir(), reason="the Debian package dataset-fashion-mnist is not installed")
def test_both_frameworks_have_the_same_losses_on_fashion_mnist(tmp_path: Path) -> None:
    for name in ("torch", "tensorflow"):
        pytest.importorskip(name)
    (tmp_path / "fashion.resnet").write_text(SPEC)
    torch, keras = steps_of_both(compile_recipe(tmp_path / "fashion.resnet", "fashion", {}), tmp_path)
    assert [step.digest for step in torch] == [step.digest for step in keras]  # of images and labels
    losses = [step.loss for step in torch]
    assert np.abs(np.subtract(losses, [step.loss for step in keras])).max() < 1e-12
    assert losses[-1] < losses[0]
    first, second = torch[-1].state, keras[-1].state
    assert first.keys() == second.keys()
    assert max(np.abs(first[name] - second[name]).max() for name in first) < 1e-11


def steps_of_both(recipe: Recipe, folder: Path) -> list[list[LeftByScript]]:
    """Return the first steps of each script from the same weights, each in a process of its own."""
    state, found = initial_state(recipe.program.graph, recipe.seed), []
    for name in FRAMEWORKS:
        backend = find_backend(name)
        assert backend.recipe_script is not None
        text = backend.recipe_script.load()(recipe)
        with ExitStack() as stack:
            run = started(recipe, backend, text, state, folder / name, str(FASHION), (STEPS,))
            stack.callback(run.end)
            found.append([run.step(number)[0] for number in range(STEPS)])
    return found
