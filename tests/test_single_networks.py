"""Networks that are no family of one of the shelf's folders: numbers and tensors of their sources."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest

from resnet_dsl.api import Model
from resnet_dsl.driver import compile_spec
from tests.support.backends import in_full
from tests.support.golden_weights import named_state
from tests.support.oracles import timm_model
from tests.support.timm_registry import COUNTER, preprocessing, shapes, tensors_there

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.timm, pytest.mark.slow]

BAR = 1e-11
BACKEND = in_full("torch")
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Case(NamedTuple):
    """A model of timm with settings that make it small, the same for ours, and the sizes of its images."""

    name: str
    theirs: Mapping[str, Any] = NOTHING
    ours: Mapping[str, Any] = NOTHING
    sizes: tuple[tuple[int, int], ...] = ((64, 64), (75, 97))


def one_module(stage: int, depth: int = 2) -> dict[str, Any]:
    """A stage of an HRNet with one module, its branches of two blocks."""
    widths = tuple(18 * 2**branch for branch in range(stage))
    return {
        "num_modules": 1,
        "num_branches": stage,
        "block_type": "BASIC",
        "num_blocks": (depth,) * stage,
        "num_channels": widths,
        "fuse_method": "SUM",
    }


HRNET = {f"stage{stage}": one_module(stage) | {"num_modules": 2} for stage in (3, 4)}
CASES = [
    Case(
        "hrnet_w18",
        HRNET | {"stage2": one_module(2)},
        {"depth": 2, "modules": [1, 2, 2]},
        ((64, 64), (32, 96)),
    ),
    Case("dm_nfnet_f0", {"depths": [1, 2, 1, 1]}, {"depths": [1, 2, 1, 1]}),
    Case("nfnet_f0", {"depths": [2, 1, 2, 1]}, {"depths": [2, 1, 2, 1]}),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_network_gives_timm_s_numbers_in_double_precision(case: Case) -> None:
    torch.set_num_threads(1)
    theirs = timm_model(case.name, **case.theirs)
    state = named_state((key, tuple(value.shape)) for key, value in theirs.state_dict().items())
    theirs.load_state_dict({key: torch.from_numpy(np.asarray(value)) for key, value in state.items()})
    program = compile_spec(case.name, None, {**case.ours, "input": "3xHxW"})
    learned = {key: value for key, value in state.items() if not key.endswith(COUNTER)}
    model = BACKEND.build(program, "float64").eval()
    BACKEND.load_state(model, Model(program).state(learned, names="timm"))
    for size in case.sizes:
        x = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 3, *size)))
        with torch.no_grad():
            wanted, result = theirs(x), model(x)
        assert (wanted[0] - wanted[1]).abs().max() > 1e-4 * wanted.abs().max()
        assert (result - wanted).abs().max() <= BAR * wanted.abs().max(), f"at {size}"


NAMED = ["hrnet_w18", "hrnet_w18_small", "dm_nfnet_f0", "nfnet_f0"]
OTHERS = [
    *(f"hrnet_w{width}" for width in (30, 32, 40, 44, 48, 64)),
    "hrnet_w18_small_v2",
    *(f"dm_nfnet_f{number}" for number in range(1, 7)),
]


@pytest.mark.parametrize("name", NAMED)
def test_names_and_shapes_are_timm_s(name: str) -> None:
    assert tensors_there(compile_spec(name), "timm") == shapes(name)


def test_preprocessing_is_timm_s() -> None:
    for name in (*NAMED, *OTHERS):
        assert dict(compile_spec(name).network.preprocess) == preprocessing(name), name
