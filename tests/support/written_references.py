"""Networks that no installed library has, written in torch as their papers and repositories have them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)


def projection(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))


class ImprovedBlock(nn.Module):
    """insightface, recognition/arcface_torch/backbones/iresnet.py."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = conv(inputs, outputs)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.prelu = nn.PReLU(outputs)
        self.conv2 = conv(outputs, outputs, 3, stride)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = projection(inputs, outputs, stride) if stride > 1 or inputs != outputs else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        main = self.bn3(self.conv2(self.prelu(self.bn2(self.conv1(self.bn1(x))))))
        return main + (x if self.downsample is None else self.downsample(x))


class ImprovedResNet(nn.Module):
    def __init__(self, depths: Sequence[int], pixels: int) -> None:
        super().__init__()
        self.conv1, self.bn1, self.prelu = conv(3, 64), nn.BatchNorm2d(64), nn.PReLU(64)
        inputs = 64
        for number, depth in enumerate(depths):
            width = 64 * 2**number
            blocks = [
                ImprovedBlock(inputs if i == 0 else width, width, 2 if i == 0 else 1) for i in range(depth)
            ]
            setattr(self, f"layer{number + 1}", nn.Sequential(*blocks))
            inputs = width
        self.bn2 = nn.BatchNorm2d(512)
        self.fc = nn.Linear(512 * pixels, 512)
        self.features = nn.BatchNorm1d(512)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.prelu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.features(self.fc(self.bn2(x).flatten(1)))


class PyramidalBlock(nn.Module):
    """Han et al. 2017, figure 6d; github.com/dyhan0920/PyramidNet-PyTorch."""

    def __init__(self, inputs: int, width: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        shapes = [(width, 1, 1), (width, 3, stride), (4 * width, 1, 1)]
        shapes = shapes if bottleneck else [(width, 3, stride), (width, 3, 1)]
        self.bn1 = nn.BatchNorm2d(inputs)
        for number, (outputs, kernel, step) in enumerate(shapes, 1):
            setattr(self, f"conv{number}", conv(inputs, outputs, kernel, step))
            setattr(self, f"bn{number + 1}", nn.BatchNorm2d(outputs))
            inputs = outputs
        self.count, self.stride, self.outputs = len(shapes), stride, inputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        main = self.bn1(x)
        for number in range(1, self.count + 1):
            main = getattr(self, f"bn{number + 1}")(getattr(self, f"conv{number}")(main))
            main = main.relu() if number < self.count else main
        short = F.avg_pool2d(x, 2) if self.stride > 1 else x
        return main + F.pad(short, (0, 0, 0, 0, 0, self.outputs - short.shape[1]))


class PyramidNet(nn.Module):
    def __init__(self, depth: int, alpha: int, bottleneck: bool = False) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(3, 16), nn.BatchNorm2d(16)
        inputs, width = 16, 16.0
        for number in range(3):
            blocks = []
            for index in range(depth):
                width += alpha / (3 * depth)
                stride = 2 if number and not index else 1
                blocks.append(PyramidalBlock(inputs, round(width), stride, bottleneck))
                inputs = blocks[-1].outputs
            setattr(self, f"layer{number + 1}", nn.Sequential(*blocks))
        self.bn_final, self.fc = nn.BatchNorm2d(inputs), nn.Linear(inputs, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layer3(self.layer2(self.layer1(self.bn1(self.conv1(x)))))
        return self.fc(self.bn_final(x).relu().mean((2, 3)))


class Retrieval(nn.Module):
    """Radenović et al. 2019: `features` of a classifier, a generalised mean, whitening; lengths of 1."""

    def __init__(self, classifier: Any) -> None:
        super().__init__()
        self.features = nn.Sequential(*list(classifier.children())[:-2])
        self.pool = nn.Module()
        self.pool.p = nn.Parameter(torch.full((1,), 3.0))
        self.whiten = nn.Linear(2048, 2048)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        p = self.pool.p
        x = self.features(x).clamp(min=1e-6).pow(p).mean((2, 3)).pow(1 / p)
        return F.normalize(self.whiten(F.normalize(x)))


class Attentive(nn.Module):
    """Srinivas et al. 2021, figure 1 right and appendix."""

    def __init__(self, inputs: int, stride: int, size: int, heads: int = 4, width: int = 512) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, width, 1), nn.BatchNorm2d(width)
        self.q, self.k, self.v = (conv(width, width, 1) for _ in range(3))
        self.mhsa = nn.Module()
        for name in ("height_rel", "width_rel"):
            self.mhsa.register_parameter(name, nn.Parameter(torch.zeros(2 * size - 1, width // heads)))
        self.bn2, self.conv2, self.bn3 = (
            nn.BatchNorm2d(width),
            conv(width, 4 * width, 1),
            nn.BatchNorm2d(4 * width),
        )
        self.downsample = projection(inputs, 4 * width, stride) if inputs != 4 * width else nn.Identity()
        self.heads, self.stride = heads, stride

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        near = self.bn1(self.conv1(x)).relu()
        main = self.attend(self.q(near), self.k(near), self.v(near))
        main = F.avg_pool2d(main, 2) if self.stride > 1 else main
        return (self.bn3(self.conv2(self.bn2(main).relu())) + self.downsample(x)).relu()

    def attend(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """The logit of two pixels: their product, and that of the first with where the second is from it."""
        n, channels, size, _ = q.shape
        q, k, v = (t.reshape(n, self.heads, -1, size, size) for t in (q, k, v))
        q = q / (channels // self.heads) ** 0.5
        away = torch.arange(size)[None, :] - torch.arange(size)[:, None] + size - 1
        logits = torch.einsum("nhcyx,nhcij->nhyxij", q, k)
        logits = logits + torch.einsum("nhcyx,yic->nhyxi", q, self.mhsa.height_rel[away])[..., None]
        logits = logits + torch.einsum("nhcyx,xjc->nhyxj", q, self.mhsa.width_rel[away])[..., None, :]
        weights = logits.flatten(4).softmax(-1).reshape(logits.shape)
        return torch.einsum("nhyxij,nhcij->nhcyx", weights, v).reshape(n, channels, size, size)


class ClipBlock(nn.Module):
    """openai/CLIP, clip/model.py: average pools have the strides."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, width, 1), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = conv(width, width), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = conv(width, 4 * width, 1), nn.BatchNorm2d(4 * width)
        self.pool, self.downsample = nn.AvgPool2d(stride), None
        if stride > 1 or inputs != 4 * width:
            layers = {"-1": nn.AvgPool2d(stride), **dict(projection(inputs, 4 * width, 1).named_children())}
            self.downsample = nn.Sequential(OrderedDict(layers))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        main = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu())).relu()
        main = self.bn3(self.conv3(self.pool(main)))
        return (main + (x if self.downsample is None else self.downsample(x))).relu()


class ClipPool(nn.Module):
    def __init__(self, pixels: int, channels: int, heads: int, outputs: int) -> None:
        super().__init__()
        self.positional_embedding = nn.Parameter(torch.zeros(pixels + 1, channels))
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(channels, channels) for _ in range(3))
        self.c_proj, self.heads = nn.Linear(channels, outputs), heads

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.flatten(2).transpose(1, 2)
        x = torch.cat([x.mean(1, keepdim=True), x], 1) + self.positional_embedding
        q, k, v = self.q_proj(x[:, :1]), self.k_proj(x), self.v_proj(x)
        q, k, v = (t.unflatten(2, (self.heads, -1)).transpose(1, 2) for t in (q, k, v))
        weights = (q @ k.transpose(2, 3) / q.shape[-1] ** 0.5).softmax(-1)
        return self.c_proj((weights @ v).transpose(1, 2).flatten(1))


class ClipTower(nn.Module):
    def __init__(self, depths: Sequence[int], width: int, outputs: int, size: int) -> None:
        super().__init__()
        shapes = [(3, width // 2, 2), (width // 2, width // 2, 1), (width // 2, width, 1)]
        for number, (inputs, channels, stride) in enumerate(shapes, 1):
            setattr(self, f"conv{number}", conv(inputs, channels, 3, stride))
            setattr(self, f"bn{number}", nn.BatchNorm2d(channels))
        inputs = width
        for number, depth in enumerate(depths):
            blocks = []
            for index in range(depth):
                blocks.append(ClipBlock(inputs, width * 2**number, 2 if number and not index else 1))
                inputs = 4 * width * 2**number
            setattr(self, f"layer{number + 1}", nn.Sequential(*blocks))
        self.attnpool = ClipPool((size // 32) ** 2, inputs, width // 2, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for number in (1, 2, 3):
            x = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(x)).relu()
        x = self.layer4(self.layer3(self.layer2(self.layer1(F.avg_pool2d(x, 2)))))
        return self.attnpool(x)
