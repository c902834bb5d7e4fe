"""Time generated models against the models of the library that they are, and print a table.

    python -m benchmarks.speed [--rounds N] [--images N] [NAME…]

Both predict and train on one CPU thread, in turns: what else the machine does meets both alike. A cell is the
median over the rounds of our time divided by theirs, of the CPU time that the process used; the second
figure is the wall clock's. `NAME` is a row's, such as `keras/mobilenet_v2`.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from typing import Any

Work = Callable[[], object]
SIZE = 224
BATCH = 8


@dataclass(frozen=True)
class Pair:
    """A shipped network, and how the library makes the same."""

    framework: str
    spec: str
    library: str
    theirs: Callable[[], Any]

    @property
    def name(self) -> str:
        """What the command line calls it."""
        return f"{self.framework}/{self.spec}"


def _applications(name: str, **settings: Any) -> Callable[[], Any]:
    def make() -> Any:
        import keras

        model = getattr(keras.applications, name)(weights=None, classifier_activation=None, **settings)
        for layer in model.layers:
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0.0  # the specs have none, as timm's models are made
        return model

    return make


def _timm(name: str) -> Callable[[], Any]:
    def make() -> Any:
        from tests.support.library_models import timm_model

        return timm_model(name)

    return make


PAIRS = (
    Pair("keras", "tf_efficientnet_b0", "keras.applications", _applications("EfficientNetB0")),
    Pair("keras", "mobilenet_v2_keras", "keras.applications", _applications("MobileNetV2")),
    Pair("keras", "resnet50_keras", "keras.applications", _applications("ResNet50")),
    Pair("torch", "efficientnet_b0", "timm", _timm("efficientnet_b0")),
    Pair("torch", "mobilenetv2_100", "timm", _timm("mobilenetv2_100")),
    Pair("torch", "resnet50", "timm", _timm("resnet50")),
)


# --- what is timed -------------------------------------------------------------------------------


def _keras(model: Any, images: int) -> tuple[Work, Work]:
    """Prediction and an epoch of training of a Keras model, as users run them."""
    import keras
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.standard_normal((images, SIZE, SIZE, 3), np.float32)
    y = rng.integers(0, 1000, images)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(1e-3), loss)
    return (
        lambda: model.predict(x, batch_size=BATCH, verbose=0),
        lambda: model.fit(x, y, batch_size=BATCH, verbose=0, shuffle=False),
    )


def _torch(model: Any, images: int) -> tuple[Work, Work]:
    """Inference and steps of training of a PyTorch model, on as many images."""
    import torch

    x = torch.randn(images, 3, SIZE, SIZE)
    y = torch.randint(0, 1000, (images,))
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)

    def predict() -> None:
        model.eval()
        with torch.inference_mode():
            for part in x.split(BATCH):
                model(part)

    def train() -> None:
        model.train()
        for part, labels in zip(x.split(BATCH), y.split(BATCH), strict=True):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(part), labels).backward()
            optimizer.step()

    return predict, train


RUNS: dict[str, Callable[[Any, int], tuple[Work, Work]]] = {"keras": _keras, "torch": _torch}


# --- timing --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Took:
    """Seconds of the process' CPU time and of the wall clock."""

    cpu: float
    wall: float


def timed(work: Work) -> Took:
    """Run once; return how long it took."""
    cpu, wall = time.process_time(), time.perf_counter()
    work()
    return Took(time.process_time() - cpu, time.perf_counter() - wall)


def ratios(ours: Work, theirs: Work, rounds: int) -> tuple[list[Took], list[Took]]:
    """Time both in turns, the first of a round in turns too; the first runs, which compile, do not count."""
    ours(), theirs()
    found: dict[Work, list[Took]] = {ours: [], theirs: []}
    for number in range(rounds):
        for work in (ours, theirs) if number % 2 == 0 else (theirs, ours):
            found[work].append(timed(work))
    return found[ours], found[theirs]


def cell(ours: list[Took], theirs: list[Took]) -> str:
    """The medians of a round's quotients."""
    cpu = median(a.cpu / b.cpu for a, b in zip(ours, theirs, strict=True))
    wall = median(a.wall / b.wall for a, b in zip(ours, theirs, strict=True))
    return f"{cpu:.3f} ({wall:.3f})"


def row(pair: Pair, rounds: int, images: int) -> str:
    """Return a row of the table; in this process, since frameworks keep what they have built."""
    import resnet_dsl

    models = resnet_dsl.load(pair.spec).build(pair.framework), pair.theirs()
    predict, train = zip(*(RUNS[pair.framework](model, images) for model in models), strict=True)
    cells = [cell(*ratios(*works, rounds)) for works in (predict, train)]
    return f"| {pair.framework} | {pair.spec} | {pair.library} | {' | '.join(cells)} |"


def rows(names: list[str], rounds: int, images: int) -> Iterator[str]:
    """Yield the rows asked for, each from a process of its own."""
    yield "| framework | spec | against | predict | train |"
    yield "|---|---|---|---|---|"
    for pair in PAIRS:
        if names and pair.name not in names:
            continue
        command = [sys.executable, "-m", "benchmarks.speed", "--row", pair.name]
        command += [f"--rounds={rounds}", f"--images={images}"]
        threads = dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1")
        environment = {**os.environ, **threads, "TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        yield done.stdout.strip().splitlines()[-1]


def main() -> None:
    """Print the table, or the row that the program asks itself for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--row", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row:
        pair = next(pair for pair in PAIRS if pair.name == options.row)
        print(row(pair, options.rounds, options.images))
        return
    for line in rows(options.names, options.rounds, options.images):
        print(line, flush=True)


if __name__ == "__main__":
    main()
