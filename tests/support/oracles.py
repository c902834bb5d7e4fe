"""Models of others to compare with: torchvision's and timm's, importable beside any build of torch."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import pytest

LIBRARIES: list[Any] = []  # an operator is gone as soon as the library that defined it is


def torchvision_models() -> Any:
    """Return `torchvision.models`, or skip where it is not installed.

    torchvision's own operators are compiled for one build of torch, and importing it fails where
    they did not load. No model here uses them, so their names are enough.
    """
    torch = pytest.importorskip("torch")
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    if not LIBRARIES:
        library = torch.library.Library("torchvision", "DEF")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        LIBRARIES.append(library)
    return importlib.import_module("torchvision.models")


def torchvision_model(name: str) -> Any:
    """Return a fresh model of torchvision, in double precision and evaluation mode."""
    return getattr(torchvision_models(), name)(weights=None).double().eval()


def transformers() -> Any:
    """Return transformers, which imports torchvision; as `torchvision_model`, or skip."""
    torchvision_models()
    return pytest.importorskip("transformers")


def timm_model(name: str, **settings: Any) -> Any:
    """Return a fresh model of timm, which imports torchvision; as `torchvision_model`, or skip."""
    torchvision_models()
    timm = pytest.importorskip("timm")
    return timm.create_model(name, pretrained=False, **settings).double().eval()
