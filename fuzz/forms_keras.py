"""The forms that a Keras model is carried in: each has to give the model's own results, to the last bit."""

from __future__ import annotations

import tempfile
from pathlib import Path

import keras

from fuzz.engines import Check, Subject


def _saved(name: str, subject: Subject) -> Check:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        subject.model.save(path)
        loaded = keras.models.load_model(path)
    found = subject.runtime.run(loaded, subject.x)
    auxiliary = [found.pop(output, None) for output in subject.program.network.auxiliary]
    if any(value is None for value in auxiliary):
        return Check(name, message="an auxiliary output is not in the file")
    return subject.same(name, found)


def _weights(name: str, subject: Subject) -> Check:
    fresh = subject.runtime.build(subject.program, "float64")
    if not fresh.weights:
        return Check(name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.weights.h5")
        subject.model.save_weights(path)
        fresh.load_weights(path)
    return subject.same(name, subject.runtime.run(fresh, subject.x))


def _cleared(name: str, subject: Subject) -> Check:
    keras.backend.clear_session()  # thousands of models would stay
    return subject.same(name, subject.runtime.run(subject.model, subject.x))


FORMS = {".keras": _saved, "weights.h5": _weights, "clear_session": _cleared}
RARELY: dict[str, int] = {}
