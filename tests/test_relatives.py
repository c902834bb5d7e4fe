"""Relatives and examples beside the models of torchvision and timm: the same numbers, the same weights."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from resnet_dsl.driver import compile_spec
from resnet_dsl.zoo.model_names import model_names
from tests.support.agreement import lively_state
from tests.support.backends import in_full
from tests.support.oracles import timm_model, torchvision_model, torchvision_models

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.torchvision, pytest.mark.slow]

BACKEND = in_full("torch")
SIZES = ((64, 64), (75, 97))


def assert_same(theirs: Any, spec: str, to_ours: Callable[[str], str] | None = None) -> None:
    """Both networks give the same for random weights; they are told apart by order, or by a map of names."""
    torch.set_num_threads(1)
    program = compile_spec(spec, None, {"input": "3xHxW"})
    state = {name: torch.from_numpy(value).double() for name, value in lively_state(program.graph).items()}
    model = BACKEND.build(program, "float64")
    model.load_state_dict(state, strict=False)
    keys = [key for key in theirs.state_dict() if not key.endswith("num_batches_tracked")]
    names = list(map(to_ours, keys)) if to_ours else list(state)
    assert sorted(names) == sorted(state)
    theirs.load_state_dict({k: state[n] for k, n in zip(keys, names, strict=True)}, strict=False)
    model.eval(), theirs.eval()
    for size in SIZES:
        x = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 3, *size)))
        with torch.no_grad():
            wanted, result = outputs(theirs(x)), outputs(model(x))
        assert len(wanted) == len(result)
        for a, b in zip(wanted, result, strict=True):
            assert a.abs().max() > 0
            assert (a - b).abs().max() <= 1e-12 * a.abs().max(), f"at {size}"


def outputs(result: Any) -> list[Any]:
    return list(result.values()) if isinstance(result, dict) else [result]


@pytest.mark.parametrize("name", ["densenet121", "regnet_x_400mf", "regnet_y_400mf"])
def test_relatives_are_torchvision_s(name: str) -> None:
    assert_same(torchvision_model(name), name)


def test_every_regnet_of_torchvision_is_shipped_with_its_names_and_shapes() -> None:
    """On no device: the largest has 645 million parameters."""
    torchvision_models()
    library = importlib.import_module("torchvision.models.regnet")
    members = [name for name in vars(library) if name.startswith("regnet_")]
    assert len(members) == 15
    for name in members:
        program = compile_spec(name)
        theirs = _on_no_device(library, name)
        names = model_names(program, "torchvision").tensors()
        shapes = {names[ours]: parameter.shape for ours, parameter in program.graph.parameters()}
        assert shapes == theirs, name


def _on_no_device(library: Any, name: str) -> dict[str, tuple[int, ...]]:
    """The tensors of a RegNet of torchvision, whose widths are computed by torch before it is built."""
    computed = library.BlockParams.from_init_params

    def there(**numbers: Any) -> Any:
        with torch.device("cpu"):
            return computed(**numbers)

    with pytest.MonkeyPatch.context() as patch, torch.device("meta"):
        patch.setattr(library.BlockParams, "from_init_params", there)
        state = getattr(library, name)(weights=None).state_dict()
    return {key: tuple(value.shape) for key, value in state.items() if "num_batches" not in key}


@pytest.mark.parametrize(("spec", "dilate"), [("resnet50_os16", (0, 0, 1)), ("resnet50_os8", (0, 1, 1))])
def test_dilated_backbones_are_torchvision_s(spec: str, dilate: tuple[int, ...]) -> None:
    models = torchvision_models()
    whole = models.resnet50(weights=None, replace_stride_with_dilation=list(map(bool, dilate))).double()
    utilities = pytest.importorskip("torchvision.models._utils")
    stages = {f"layer{i}": f"layer{i}" for i in (1, 2, 3, 4)}
    assert_same(utilities.IntermediateLayerGetter(whole, stages), spec, str)


def test_the_example_of_a_stem_is_timm_s_network() -> None:
    assert_same(timm_model("resnetrs50"), "resnet_rs50", str)


def test_the_example_of_split_channels_is_timm_s_network() -> None:
    assert_same(timm_model("res2net50_26w_4s"), "res2net50", _res2net)


def _res2net(key: str) -> str:
    """`convs.0` and `bns.0` to `.2` stand between conv1 and conv3 there; ours are numbered through."""
    key = re.sub(r"(layer\d\.\d)\.(conv|bn)3\.", r"\1.\g<2>5.", key)
    return re.sub(r"\.(conv|bn)s\.(\d)\.", lambda m: f".{m[1]}{int(m[2]) + 2}.", key)
