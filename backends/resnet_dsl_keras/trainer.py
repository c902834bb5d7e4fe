"""Steps of training of a live Keras model on TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import keras
import numpy as np

from resnet_dsl.backend.interface import Lesson, Sgd, Statistics, TrainedStep, TrainingState
from resnet_dsl.backend.ir import Array
from resnet_dsl.backend.refusals import UsageError
from resnet_dsl_keras.runtime import in_torch, load_state, named_variables, read_state, written

# Keras keeps the biased variance; the file gives it the weight of the old statistics, rounded.
STATISTICS = Statistics(unbiased=False, momentum=lambda m: 1 - round(1 - m, 12))

Gradients = tuple[keras.KerasTensor, list[keras.KerasTensor | None]]  # the loss, and for each variable


def steps(model: keras.Model, lessons: Iterable[Lesson], sgd: Sgd) -> Iterator[TrainedStep]:
    """Yield each step of Keras' own SGD on the cross-entropy.

    Weight decay is added to the gradient (torch's L2), since Keras' `weight_decay` is decoupled.
    """
    if keras.backend.backend() != "tensorflow":
        raise UsageError("training is compared on Keras' TensorFlow backend only")
    optimizer = keras.optimizers.SGD(learning_rate=sgd.lr, momentum=sgd.momentum)
    optimizer.build(model.trainable_variables)
    names = {id(named.variable): named for named in named_variables(model)}
    # Keras keeps -lr v; without momentum it keeps nothing.
    kept = [
        (names[id(v)], kept) for v, kept in zip(model.trainable_variables, optimizer.momentums, strict=False)
    ]
    with_gradients: Callable[[Array, Array], Gradients] | None = None
    for lesson in lessons:
        if lesson.start is not None:
            load_state(model, lesson.start.state)
            for named, moving in kept:
                value = lesson.start.velocity.get(named.name)
                moving.assign(np.zeros(moving.shape) if value is None else -sgd.lr * written(named, value))
        with_gradients = with_gradients or _gradients(model, lesson.auxiliary)
        loss, found = with_gradients(_nhwc(lesson.x), lesson.labels)
        pairs = [(g, v) for g, v in zip(found, model.trainable_variables, strict=True) if g is not None]
        gradients = {names[id(v)].name: in_torch(names[id(v)], g) for g, v in pairs}
        optimizer.apply([g + sgd.weight_decay * v for g, v in pairs], [v for _, v in pairs])
        velocity = {named.name: in_torch(named, moving) / -sgd.lr for named, moving in kept}
        yield TrainedStep(float(loss), gradients, TrainingState(read_state(model), velocity))


def _nhwc(x: Array) -> Array:
    last = keras.config.image_data_format() == "channels_last"
    return x.transpose(0, 2, 3, 1) if last and x.ndim == 4 else x


def _cross_entropy(labels: Array, logits: keras.KerasTensor) -> keras.KerasTensor:
    """The mean over images and pixels, of the output as it is: Keras' own loss takes a last softmax away."""
    chosen = keras.ops.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
    return -keras.ops.mean(keras.ops.sum(chosen * keras.ops.log_softmax(logits), axis=-1))


def _gradients(model: keras.Model, auxiliary: tuple[str, ...]) -> Callable[[Array, Array], Gradients]:
    """The loss and gradients of one batch in training mode."""
    import tensorflow as tf

    def compute(x: Array, labels: Array) -> Gradients:
        with tf.GradientTape() as tape:
            result = model(x, training=True)
            logits = next(iter(result.values())) if isinstance(result, dict) else result
            if len(logits.shape) == 4 and keras.config.image_data_format() == "channels_first":
                logits = keras.ops.moveaxis(logits, 1, -1)
            loss = _cross_entropy(labels, logits)
            for name in auxiliary:
                loss = loss + keras.ops.mean(keras.ops.square(result[name])) / 2
        return loss, tape.gradient(loss, model.trainable_variables)

    grouped = any(getattr(layer, "groups", 1) > 1 for layer in model.layers)
    # TensorFlow has no double-precision gradient of a grouped convolution on CPUs but through XLA.
    return tf.function(compute, jit_compile=True) if grouped else compute
