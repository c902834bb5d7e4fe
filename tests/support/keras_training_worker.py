"""A process of Keras for the tests of its training scripts: steps of several recipes, in double precision."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np


def steps(folder: Path, name: str, count: int) -> None:
    """Take steps of a recipe from its start, and write losses and weights."""
    script: Any = importlib.import_module(f"{name}_train_keras")
    script.set_precision("float64")
    model = script.network()
    with np.load(folder / f"{name}_start.npz") as start:
        script.load_state(model, dict(start), "the start")
    optimiser = script.begin(model, script.PHASES[0])
    images = script.load(str(folder / f"{name}.npz"))
    options = script.parse([])
    losses = []
    for epoch in range(-(-count // 5)):
        of_epoch = script.Steps(images, options, epoch)
        parts = len(of_epoch) // len(of_epoch.batches)
        for step in range(len(of_epoch.batches)):
            optimiser.learning_rate = script.rate(0, epoch * len(of_epoch.batches) + step, len(of_epoch.batches))
            found = []
            for part in range(parts):
                model.reset_metrics()
                found.append(float(model.train_on_batch(*of_epoch[step * parts + part], return_dict=True)["loss"]))
            losses.append(sum(found) / parts)
    np.savez(folder / f"{name}_end.npz", losses=losses, **script.state_of(model))


if __name__ == "__main__":
    place = Path(sys.argv[1])
    sys.path.insert(0, str(place))
    for recipe in sys.argv[3:]:
        steps(place, recipe, int(sys.argv[2]))
