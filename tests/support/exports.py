"""Small networks of torch, and what exporters make of them."""

from __future__ import annotations

import contextlib
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import resnet_dsl
from tests.support.oracles import torchvision_models

Array = np.ndarray[Any, Any]
SIZE = 64


def resnet(bottleneck: bool = False, depths: tuple[int, ...] = (2, 1, 1, 1), groups: int = 1) -> Any:
    """A network of torchvision's blocks with few channels, in evaluation mode, with statistics of its own."""
    import torch
    from torch import nn

    found = torchvision_models().resnet
    block = found.Bottleneck if bottleneck else found.BasicBlock
    torch.manual_seed(0)

    class Small(found.ResNet):
        def __init__(self) -> None:
            nn.Module.__init__(self)
            self._norm_layer, self.inplanes, self.dilation = nn.BatchNorm2d, 8, 1
            self.groups, self.base_width = groups, 64 if groups == 1 else 32
            self.conv1, self.bn1 = nn.Conv2d(3, 8, 7, 2, 3, bias=False), nn.BatchNorm2d(8)
            self.relu, self.maxpool = nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
            for stage, depth in enumerate(depths):
                layer = self._make_layer(block, 8 * 2**stage, depth, stride=1 + (stage > 0))
                setattr(self, f"layer{stage + 1}", layer)
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
            self.fc = nn.Linear(8 * 2 ** (len(depths) - 1) * block.expansion, 10)

    return trained(Small())


def trained(model: Any) -> Any:
    """The model with norms as after training, in evaluation mode."""
    import torch

    generator = torch.Generator().manual_seed(1)
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.weight.data = torch.rand(layer.weight.shape, generator=generator) + 0.5
            layer.bias.data = torch.randn(layer.bias.shape, generator=generator) * 0.1
            layer.running_mean.data = torch.randn(layer.bias.shape, generator=generator) * 0.1
            layer.running_var.data = torch.rand(layer.bias.shape, generator=generator) + 0.5
    return model.eval()


def kept() -> dict[str, Any]:
    """What torch's older exporter has to be told so that it keeps the norms."""
    import torch

    return {"training": torch.onnx.TrainingMode.PRESERVE, "do_constant_folding": False}


def exported(model: Any, path: Path, dynamo: bool = False, half: bool = False, **options: Any) -> Path:
    """Write a model by one of torch's exporters, or skip where it is not installed."""
    import torch

    if dynamo:
        pytest.importorskip("onnxscript")
        options = {"external_data": False, **options}
    x = torch.zeros(1, 3, SIZE, SIZE, dtype=torch.float16 if half else torch.float32)
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model.half() if half else model, (x,), path, dynamo=dynamo, **options)
    return path


def restored(path: Path, unfold: bool = False) -> tuple[str, dict[str, Array]]:
    """The spec of a file, and its weights under the names of that spec."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text = resnet_dsl.import_spec(path, name="net", unfold=unfold)
    return text, resnet_dsl.loads(text).state(path, unfold=unfold)


def difference(path: Path, unfold: bool = False, channels_last: bool = False) -> float:
    """How far what we restore of a file is from the file, by its largest output, in single precision."""
    import onnxruntime

    text, state = restored(path, unfold)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    kind = np.float16 if "float16" in given.type else np.float32
    x = np.random.default_rng(0).normal(size=(1, 3, SIZE, SIZE)).astype(kind)
    fed = x.transpose(0, 2, 3, 1) if channels_last else x
    expected = session.run(None, {given.name: fed})[0].astype(np.float64)
    found = next(iter(resnet_dsl.loads(text).run(x.astype(np.float64), state).values()))
    return float(abs(found - expected).max() / abs(expected).max())
