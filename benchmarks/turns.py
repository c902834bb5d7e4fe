"""Time a model that the compiler built, or the library's own, in a process of its own.

    python -m benchmarks.turns NAME ours|theirs

Two models in one process would not meet the same memory: what the first one left decides how often the second
one gets new pages. Names are those of `benchmarks/rows.py`; the cost of a run is printed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import astuple
from typing import Any

from benchmarks.measuring import repeated
from benchmarks.scripts import keras_fit, keras_script, torch_script, torchvision_loop
from resnet_dsl.training.process_memory import keep_memory

Work = Callable[[], object]
SIZE = 224
BATCH = 8
BATCHES = (1, 2, 4, 8, 16)  # each with as many images as the largest has


# --- models --------------------------------------------------------------------------------------


def _ours(framework: str, spec: str, what: str) -> Any:
    import resnet_dsl

    model = resnet_dsl.load(spec)
    return (model.for_inference() if what in OPTIMISED else model).build(framework)


def _torchvision(name: str) -> Any:
    from tests.support.library_models import torchvision_models

    return getattr(torchvision_models(), name)()


def _timm(name: str) -> Any:
    from tests.support.library_models import timm_model

    return timm_model(name)


def _application(spec: str) -> Any:
    """The model of keras.applications, without dropout: the specs have none."""
    import keras

    names = {
        "resnet50_keras": "ResNet50",
        "tf_efficientnet_b0": "EfficientNetB0",
        "mobilenet_v2_keras": "MobileNetV2",
    }
    model = getattr(keras.applications, names[spec])(weights=None, classifier_activation=None)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    return model


OPTIMISED = {"predict-optimised": "torch", "predict-onnx": "onnx"}
LIBRARIES: dict[str, tuple[str, Callable[[str], Any]]] = {
    "torch": ("torch", _torchvision),
    "timm": ("torch", _timm),
    "keras": ("keras", _application),
}


# --- what is timed -------------------------------------------------------------------------------


def _torch_batch() -> tuple[Any, Any]:
    import torch

    return torch.randn(BATCH, 3, SIZE, SIZE), torch.randint(0, 1000, (BATCH,))


def _keras_batches() -> tuple[Any, Any]:
    """Two batches of images and classes."""
    import numpy as np

    rng = np.random.default_rng(0)
    images = rng.standard_normal((2 * BATCH, SIZE, SIZE, 3), np.float32)
    return images, rng.integers(0, 1000, 2 * BATCH)


def _torch_predicts(model: Any, what: str) -> Work:
    """Inference by a PyTorch model: of a batch, or with `predict-sizes` in batches of many sizes.

    With `predict-kept` the C library keeps what is freed, so that no page is cleared anew.
    """
    import torch

    if what == "predict-kept":  # as `predict` and training scripts have it
        keep_memory()
    order = torch.channels_last if what == "predict-last" else torch.contiguous_format
    model = model.eval().to(memory_format=order)
    sizes = BATCHES if what == "predict-sizes" else (BATCH,)
    x = torch.randn(max(sizes), 3, SIZE, SIZE).to(memory_format=order)

    def predict() -> None:
        with torch.inference_mode():
            for size in sizes:
                for batch in x.split(size):
                    model(batch)

    return predict


def _onnx_predicts(model: Any) -> Work:
    """Inference of a batch by an ONNX model in onnxruntime."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    x = np.random.default_rng(0).standard_normal((BATCH, 3, SIZE, SIZE), np.float32)
    return lambda: session.run(None, {"input": x})


def _torch_trains(model: Any) -> Work:
    """A step of training of a PyTorch model."""
    import torch

    x, y = _torch_batch()
    optimizer = torch.optim.SGD(model.parameters(), 1e-3)
    model.train()

    def train() -> None:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()

    return train


def _keras_works(model: Any, what: str) -> Work:
    """Prediction or an epoch of training of a Keras model, on two batches, as users run them."""
    import keras

    x, y = _keras_batches()
    if what == "predict":
        return lambda: model.predict(x, batch_size=BATCH, verbose=0)
    model.compile(keras.optimizers.SGD(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return lambda: model.fit(x, y, batch_size=BATCH, verbose=0, shuffle=False)


def _work(framework: str, model: Any, what: str) -> Work:
    if framework == "keras":
        return _keras_works(model, what)
    return _torch_trains(model) if what == "train" else _torch_predicts(model, what)


def _script_step(framework: str, spec: str, theirs: Any) -> Work:
    """A step of the training script, or of the library's own loop on `theirs`."""
    if framework == "keras":
        images, classes = _keras_batches()
        if theirs is None:
            return keras_script(spec, images, classes, BATCH)
        return keras_fit(theirs, images, classes, BATCH)
    x, y = _torch_batch()
    return torch_script(spec, x, y) if theirs is None else torchvision_loop(theirs, x, y)


def work(name: str, side: str) -> Work:
    """Return what `ours` or `theirs` does."""
    library, spec, what = name.split("/")
    framework, theirs = LIBRARIES[library]
    if what == "script":
        return _script_step(framework, spec, theirs(spec) if side == "theirs" else None)
    if side == "theirs":
        return _work(framework, theirs(spec), what)
    built = _ours(OPTIMISED.get(what, framework), spec, what)
    return _onnx_predicts(built) if what == "predict-onnx" else _work(framework, built, what)


if __name__ == "__main__":
    print(json.dumps(astuple(repeated(work(sys.argv[1], sys.argv[2])))))
