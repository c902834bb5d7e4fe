"""A step of a training script against one of the library's own loop, on the same network and batch."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

RATE, MOMENTUM, DECAY = 1e-3, 0.9, 1e-4
RECIPE = f"""\
use {{spec}}

recipe bench {{{{
    model: {{spec}}
    data: images("images")
    batch: {{batch}}
    epochs: 90
    optimiser: sgd(lr={RATE}, momentum={MOMENTUM}, weight_decay={DECAY})
    loss: cross_entropy
    evaluate: [top1, top5]
}}}}
"""


def script_of(framework: str, spec: str, batch: int) -> ModuleType:
    """Compile a recipe for a network and import its script."""
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder, "bench.resnet")
        text.write_text(RECIPE.format(spec=spec, batch=batch), encoding="utf-8")
        command = ["compile", str(text), "--backend", framework, "-o", folder]
        subprocess.run([sys.executable, "-m", "resnet_dsl", *command], check=True, capture_output=True)
        sys.path.insert(0, folder)
        try:
            return importlib.import_module(f"bench_train_{framework}")
        finally:
            sys.path.remove(folder)


def torch_script(spec: str, x: Any, y: Any) -> Callable[[], object]:
    """A step of ours as `train_epoch` takes it, with the sums that the progress bar shows."""
    import torch

    script = script_of("torch", spec, len(x))
    torch.manual_seed(0)
    model = script.network()
    optimiser = script.begin(model, script.PHASES[0])
    totals = torch.zeros(3, dtype=torch.float64)

    def step() -> list[float]:
        nonlocal totals
        loss, right = script.step(model, optimiser, x, y, RATE)
        totals += script.doubles(x.device, loss * len(y), right, len(y))
        return totals.tolist()

    return step


def torchvision_loop(model: Any, x: Any, y: Any) -> Callable[[], object]:
    """A step of `train_one_epoch` in torchvision's references/classification, with what it logs."""
    import torch

    optimiser = torch.optim.SGD(model.parameters(), RATE, MOMENTUM, weight_decay=DECAY)
    criterion = torch.nn.CrossEntropyLoss()
    model.train()

    def step() -> list[float]:
        with torch.amp.autocast("cpu", enabled=False):
            output = model(x)
            loss = criterion(output, y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        with torch.inference_mode():
            found = output.topk(5, 1, True, True).indices.t().eq(y[None])
            scores = [found[:k].flatten().sum(dtype=torch.float32) * (100 / len(y)) for k in (1, 5)]
        return [value.item() for value in (loss, *scores)]

    return step


def keras_script(spec: str, x: Any, y: Any, batch: int) -> Callable[[], object]:
    """Steps of `fit` as our script compiles the model: L2 in the gradient, variances without bias."""
    script = script_of("keras", spec, batch)
    script.set_precision("float32")
    model = script.network()
    script.begin(model, script.PHASES[0])
    return lambda: model.fit(x, y, batch_size=batch, verbose=0, shuffle=False)


def keras_fit(model: Any, x: Any, y: Any, batch: int) -> Callable[[], object]:
    """The same of a model of Keras' own with Keras' own optimiser, whose decay is taken off the weights."""
    import keras

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimiser = keras.optimizers.SGD(RATE, MOMENTUM, weight_decay=DECAY)
    metrics = [keras.metrics.SparseTopKCategoricalAccuracy(k, f"top{k}") for k in (1, 5)]
    model.compile(optimiser, loss, metrics=metrics)
    return lambda: model.fit(x, y, batch_size=batch, verbose=0, shuffle=False)
