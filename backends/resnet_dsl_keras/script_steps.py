"""Steps by a script for Keras on TensorFlow, in double precision; run as a program with a folder."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from resnet_dsl.backend.ir import Array
from resnet_dsl.backend.script_steps import ScriptAsked, asked_in, batch_digest, leave, rate_of


def take_steps(asked: ScriptAsked) -> None:
    """Take all steps that are asked for; one that is computed in parts is so many calls."""
    script, file = asked.modules()
    script.set_precision("float64")
    data, parts = file.load(asked.data), getattr(script, "ACCUMULATE", 1)
    per_epoch = len(file.TrainBatches(data, 0))
    model = script.network()
    script.load_state(model, asked.state(), "the state to start from")
    phase = -1
    gradients: Callable[[], dict[str, Array]] = dict
    for step in asked.steps(per_epoch):
        if step.phase != phase:
            phase = step.phase
            gradients = watched_gradients(script, model, script.begin(model, script.PHASES[phase]))
        model.optimizer.learning_rate = rate_of(file, step, per_epoch)
        x, y = file.TrainBatches(data, step.epoch, dtype="float64")[step.batch]
        model.reset_metrics()
        for part in range(parts):
            some = slice(part * len(x) // parts, (part + 1) * len(x) // parts)
            found = model.train_on_batch(x[some], script.targets(y[some]), return_dict=True)
        loss = float(found["loss"])
        leave(asked, 0, step.number, batch_digest(x, y), loss, gradients(), script.state_of(model))


def watched_gradients(
    script: Any, model: keras.Model, optimiser: keras.optimizers.Optimizer
) -> Callable[[], dict[str, Array]]:
    """Have an optimiser keep the gradients that it moves weights by; return what reads them."""
    named = {id(variable): (name, shape) for name, variable, shape in script.named_variables(model)}
    learned = list(model.trainable_variables)
    kept = [keras.Variable(np.zeros(v.shape), dtype=v.dtype, trainable=False) for v in learned]
    move = optimiser.update_step

    def watched(gradient: Any, variable: keras.Variable, learning_rate: Any) -> None:
        # What comes here may be TensorFlow's variable of Keras' own.
        kept[optimiser._get_variable_index(variable)].assign(gradient)
        move(gradient, variable, learning_rate)

    optimiser.update_step = watched

    def read() -> dict[str, Array]:
        found = {}
        for variable, gradient in zip(learned, kept, strict=True):
            name, shape = named[id(variable)]
            value = keras.ops.convert_to_numpy(gradient).reshape(shape)
            found[name] = value.transpose(script.AXES.get(value.ndim, range(value.ndim)))
        return found

    return read


if __name__ == "__main__":
    take_steps(asked_in(Path(sys.argv[1])))
