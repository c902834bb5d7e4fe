"""The rows of the table: a piece of work, what it is held against, and the ratio to reach.

A work is a `Command`, a process of its own from start to end; a `Piece` of Python within one, run twice, the
second run measured; or a `Turn` of two models (`benchmarks/turns.py`).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Literal

Measure = Literal["cpu", "wall", "peak"]


@dataclass(frozen=True)
class Command:
    """A command line of Python's, such as `-m resnet_dsl check resnet50`, perhaps in a home that is empty."""

    arguments: tuple[str, ...]
    empty_home: bool = False

    @property
    def line(self) -> list[str]:
        """What is run."""
        return [sys.executable, *self.arguments]


@dataclass(frozen=True)
class Piece:
    """Source that defines `work`."""

    source: str


@dataclass(frozen=True)
class Turn:
    """What two models do in one process: `benchmarks/turns.py` knows it by its name."""

    name: str


@dataclass(frozen=True)
class Row:
    """A line of the table; without `theirs`, the ratio is that of `ours` to a `unit` of its own."""

    name: str
    what: str
    against: str
    goal: float | None
    ours: Command | Piece | Turn
    theirs: Command | Piece | None = None
    measure: Measure = "cpu"
    unit: float = 1.0


# torchvision's operators are compiled for one build of torch; no model here uses them.
TORCHVISION = """
import torch
library = torch.library.Library("torchvision", "DEF")
for name in ("nms", "qnms"):
    library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
from torchvision.models import resnet50, resnet152
"""
KERAS = "import os\nos.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'\nimport keras\n"
RESNET_DSL = "import resnet_dsl\n"


def _cli(*arguments: str, empty_home: bool = False) -> Command:
    return Command(("-m", "resnet_dsl", *arguments), empty_home)


def _work(before: str, line: str) -> Piece:
    return Piece(f"{before}\ndef work():\n    {line}\n")


def _built(framework: str, spec: str, asked: str = "") -> Piece:
    before = f"{RESNET_DSL}import {framework}\n"
    return _work(before, f"resnet_dsl.load('{spec}').build('{framework}'{asked})")


RESNET50_MB = 4 * 25_610_152 / 2**20  # parameters and statistics in single precision

PASS = Command(("-c", "pass"))
CONSTRUCTOR = _work(TORCHVISION, "resnet50()")
APPLICATION = _work(KERAS, "keras.applications.ResNet50(weights=None)")
EXPORT = "torch.onnx.export(resnet50().eval(), torch.zeros(1, 3, 224, 224), 'theirs.onnx', dynamo={})"
EMIT = _work(
    RESNET_DSL
    + "from pathlib import Path\nfrom resnet_dsl.backend.artefacts import Artefact, sealed, write_together\n"
    "from resnet_dsl.backend.discovery import find_backend\n"
    "model = resnet_dsl.load('resnet50')\nstate = model.state(seed=0)\nonnx = find_backend('onnx')\n",
    "write_together([Artefact(Path('ours.onnx'), sealed(onnx.render(model.program, state)))])",
)
COPY = Command(
    (
        "-c",
        "from safetensors.numpy import load_file, save_file\n"
        "save_file(load_file('resnet152.safetensors'), 'theirs.safetensors')",
    )
)


def _converted(source: str, target: str) -> Command:
    return _cli("weights", "convert", "--spec", "resnet152", source, target, "--force")


DEEP = ("--set", "n=1000")

START = (
    Row("check", "`check resnet50`", "`python -c pass`", 7.2, _cli("check", "resnet50"), PASS),
    Row(
        "check/home",
        "the same in a home that is empty and read-only",
        "`python -c pass`",
        7.2,
        _cli("check", "resnet50", empty_home=True),
        PASS,
    ),
    Row(
        "check/n-orca",
        "`check resnet50`",
        "n-orca's `--help`",
        None,
        _cli("check", "resnet50"),
        Command(
            ("-c", "import sys\nsys.argv = ['n-orca', '--help']\nfrom n_orca.cli.main import main\nmain()")
        ),
    ),
    Row(
        "compile",
        "`compile resnet50 --backend torch -o -`",
        "`python -c pass`",
        12.0,
        _cli("compile", "resnet50", "--backend", "torch", "-o", "-"),
        PASS,
    ),
    Row(
        "deep/1202",
        "`check` of ResNet-1202",
        "of ResNet-20",
        1.15,
        _cli("check", "resnet1202"),
        _cli("check", "resnet20"),
    ),
    Row(
        "deep/6002",
        "`check` of n = 1000",
        "of ResNet-20",
        1.3,
        _cli("check", "resnet20", *DEEP),
        _cli("check", "resnet20"),
    ),
)

BUILDING = (
    Row(
        "torch/50",
        "text to live torch ResNet-50",
        "torchvision's constructor",
        0.65,
        _built("torch", "resnet50"),
        CONSTRUCTOR,
    ),
    Row(
        "torch/152",
        "ResNet-152",
        "torchvision's constructor",
        0.6,
        _built("torch", "resnet152"),
        _work(TORCHVISION, "resnet152()"),
    ),
    Row(
        "torch/file",
        "ResNet-50 with a file of weights",
        "torchvision's constructor",
        0.3,
        _built("torch", "resnet50", ", weights='resnet50.safetensors'"),
        CONSTRUCTOR,
    ),
    Row(
        "torch/seed",
        "ResNet-50 with `seed=0`",
        "torchvision's constructor",
        2.5,
        _built("torch", "resnet50", ", seed=0"),
        CONSTRUCTOR,
    ),
    Row(
        "keras/50",
        "text to live Keras ResNet-50",
        "keras.applications",
        0.95,
        _built("keras", "resnet50_keras"),
        APPLICATION,
    ),
    Row(
        "keras/file",
        "the same with a file of weights",
        "keras.applications",
        0.9,
        _built("keras", "resnet50_keras", ", weights='resnet50_keras.safetensors'"),
        APPLICATION,
    ),
)

FILES = (
    Row(
        "onnx/dynamo",
        "ResNet-50 with given weights to an ONNX file",
        "torch's exporter by dynamo",
        1 / 75,
        EMIT,
        _work(TORCHVISION, EXPORT.format(True)),
    ),
    Row(
        "onnx/torchscript",
        "the same",
        "torch's exporter by torchscript",
        1 / 16,
        EMIT,
        _work(TORCHVISION, EXPORT.format(False)),
    ),
    Row("onnx/memory", "its memory beside the weights, MB", "the file", 0.2, EMIT, None, "peak", RESNET50_MB),
    Row(
        "convert/safetensors",
        "`weights convert` of ResNet-152, safetensors to safetensors",
        "safetensors' load and save",
        1.3,
        _converted("resnet152.safetensors", "ours.safetensors"),
        COPY,
    ),
    *(
        Row(
            f"convert/{suffix}",
            f"the same to `.{suffix}`",
            "safetensors' load and save",
            2.0,
            _converted("resnet152.safetensors", f"ours.{suffix}"),
            COPY,
        )
        for suffix in ("pth", "h5", "onnx")
    ),
    Row(
        "verify",
        "`verify resnet50`, CPU seconds",
        "itself",
        9.0,
        _cli("verify", "resnet50"),
    ),
    Row(
        "verify/wall",
        "the same, seconds on two cores",
        "itself",
        6.0,
        _cli("verify", "resnet50"),
        None,
        "wall",
    ),
)

RUNNING = (
    Row("forward/torch", "torch ResNet-50, batch 8", "torchvision", 1.0, Turn("torch/resnet50/predict")),
    Row("forward/last", "the same, channels last", "torchvision", 1.0, Turn("torch/resnet50/predict-last")),
    Row(
        "inference/torch",
        "torch ResNet-50 by `--optimize inference`, batch 8",
        "torchvision",
        0.86,
        Turn("torch/resnet50/predict-optimised"),
    ),
    Row(
        "inference/onnx",
        "the ONNX file in onnxruntime",
        "torchvision",
        0.72,
        Turn("torch/resnet50/predict-onnx"),
    ),
    Row("train/torch", "a training step", "torchvision", 1.0, Turn("torch/resnet50/train")),
    Row(
        "train/torch-script",
        "a step of the training script",
        "torchvision's reference loop",
        1.02,
        Turn("torch/resnet50/script"),
    ),
    Row(
        "forward/efficientnet",
        "torch EfficientNet-B0, batch 8",
        "timm",
        1.05,
        Turn("timm/efficientnet_b0/predict"),
    ),
    Row(
        "kept/efficientnet",
        "the same, memory kept",
        "timm",
        1.05,
        Turn("timm/efficientnet_b0/predict-kept"),
    ),
    Row(
        "sizes/efficientnet",
        "16 images in batches of 1, 2, 4, 8 and 16",
        "timm",
        1.05,
        Turn("timm/efficientnet_b0/predict-sizes"),
    ),
    Row(
        "inference/efficientnet",
        "torch EfficientNet-B0 by `--optimize inference`, batch 8",
        "timm",
        1.05,
        Turn("timm/efficientnet_b0/predict-optimised"),
    ),
    Row("train/efficientnet", "a training step", "timm", 1.05, Turn("timm/efficientnet_b0/train")),
    Row(
        "forward/mobilenet", "torch MobileNetV2, batch 8", "timm", 1.05, Turn("timm/mobilenetv2_100/predict")
    ),
    Row(
        "kept/mobilenet",
        "the same, memory kept",
        "timm",
        1.05,
        Turn("timm/mobilenetv2_100/predict-kept"),
    ),
    Row(
        "sizes/mobilenet",
        "16 images in batches of 1, 2, 4, 8 and 16",
        "timm",
        1.05,
        Turn("timm/mobilenetv2_100/predict-sizes"),
    ),
    Row(
        "inference/mobilenet",
        "torch MobileNetV2 by `--optimize inference`, batch 8",
        "timm",
        1.05,
        Turn("timm/mobilenetv2_100/predict-optimised"),
    ),
    Row("train/mobilenet", "a training step", "timm", 1.05, Turn("timm/mobilenetv2_100/train")),
    Row(
        "forward/keras",
        "Keras ResNet-50, batch 8",
        "keras.applications",
        1.05,
        Turn("keras/resnet50_keras/predict"),
    ),
    Row("train/keras", "a training step", "keras.applications", 1.05, Turn("keras/resnet50_keras/train")),
    Row(
        "train/keras-script",
        "a step of the training script",
        "`fit` on keras.applications",
        1.0,
        Turn("keras/resnet50_keras/script"),
    ),
    Row(
        "forward/keras-efficientnet",
        "Keras EfficientNet-B0",
        "keras.applications",
        1.05,
        Turn("keras/tf_efficientnet_b0/predict"),
    ),
    Row(
        "train/keras-efficientnet",
        "a training step",
        "keras.applications",
        1.05,
        Turn("keras/tf_efficientnet_b0/train"),
    ),
    Row(
        "forward/keras-mobilenet",
        "Keras MobileNetV2",
        "keras.applications",
        1.05,
        Turn("keras/mobilenet_v2_keras/predict"),
    ),
    Row(
        "train/keras-mobilenet",
        "a training step",
        "keras.applications",
        1.05,
        Turn("keras/mobilenet_v2_keras/train"),
    ),
)

ROWS = (*START, *BUILDING, *FILES, *RUNNING)
