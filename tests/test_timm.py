"""The networks of timm are timm's: state, numbers and start. Deep ones are compared with fewer blocks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source, compile_spec
from resnet_dsl.program import Program
from tests.support.backends import in_full
from tests.support.comparisons import COMPARISONS, in_our_names
from tests.support.golden_weights import named_state
from tests.support.oracles import timm_model

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.timm, pytest.mark.slow]

DEPTHS = (1, 2, 1, 1)  # a block with a projection in each stage, and one without
EVEN, ODD = (64, 64), (75, 97)
WHOLE = {"resnetv2_50x1_bit"}  # whose depths timm fixes
ROWS = {row.spec: row for row in COMPARISONS if row.table.startswith("timm/") and not row.settings}
# At odd sizes timm's average pool does not fit its shortcut, except in the stem.
SIZES = {"resnetaa50": (EVEN, (65, 97))}
OURS_IN_ORDER = (
    "resnet18d",
    "resnet14t",
    "resnet50s",
    "resnext50d_32x4d",
    "resnet50_gn",
    "resnetaa50",
    "resnetblur50",
    "seresnet34",
    "legacy_seresnet50",
    "skresnet50",
)
BY_A_MAP = ("resnetv2_18", "resnetv2_50", "resnetv2_50t", "resnetv2_50x1_bit")
BACKEND = in_full("torch")


@pytest.fixture(autouse=True)
def few_threads() -> None:
    torch.set_num_threads(1)


def shallow(name: str) -> tuple[Any, Program]:
    """timm's network and ours, both with few blocks."""
    if name in WHOLE:
        return timm_model(name), compile_spec(name)
    return timm_model(name, layers=list(DEPTHS)), compile_spec(name, None, {"stages": list(DEPTHS)})


@pytest.mark.parametrize("name", [*OURS_IN_ORDER, *BY_A_MAP])
def test_our_model_takes_timm_s_state_and_gives_its_numbers(name: str) -> None:
    theirs, program = shallow(name)
    model = BACKEND.build(program, "float64").eval()
    shapes = [(key, tuple(value.shape)) for key, value in theirs.state_dict().items()]
    state = named_state(shapes)
    theirs.load_state_dict({key: torch.from_numpy(np.asarray(value)) for key, value in state.items()})
    learned = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    BACKEND.load_state(model, in_our_names(ROWS[name], program, learned))
    for size in SIZES.get(name, (EVEN, ODD)):
        x = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 3, *size)))
        with torch.no_grad():
            wanted, result = theirs(x), model(x)
        assert (wanted[0] - wanted[1]).abs().max() > 1e-3 * wanted.abs().max()
        assert (result - wanted).abs().max() <= 1e-12 * wanted.abs().max(), f"at {size}"


@pytest.mark.parametrize("name", OURS_IN_ORDER)
def test_states_have_the_same_keys_in_the_same_order(name: str) -> None:
    theirs, program = shallow(name)
    found = {key: tuple(value.shape) for key, value in BACKEND.build(program).state_dict().items()}
    assert list(found.items()) == [(key, tuple(v.shape)) for key, v in theirs.state_dict().items()]


@pytest.mark.parametrize(
    "name", ["resnet18d", "resnet50_gn", "seresnet34", "skresnet50", "legacy_seresnet50"]
)
def test_branches_start_from_nothing_where_timm_s_do(name: str) -> None:
    theirs, program = shallow(name)
    for key, value in BACKEND.build(program).state_dict().items():
        if key.endswith(".weight") and value.ndim == 1:
            assert torch.equal(value.double(), theirs.state_dict()[key]), key


@pytest.mark.parametrize(
    ("step", "make"),
    [
        (
            "conv(8, 3x3, stride=2, groups=2, bias=true, standardize=1e-6, gamma=1.7881)",
            lambda layers: layers.std_conv.ScaledStdConv2d(6, 8, 3, stride=2, groups=2, gamma=1.7881),
        ),
        (
            "conv(8, 3x3, stride=2, pad=same, bias=true, standardize=1e-5, gamma=1.5, gain=0)",
            lambda layers: layers.std_conv.ScaledStdConv2dSame(
                6, 8, 3, stride=2, gamma=1.5, eps=1e-5, gain_init=0.0
            ),
        ),
        ("grn", lambda layers: layers.grn.GlobalResponseNorm(6, channels_last=False)),
        ("scale(0.01)", lambda layers: layers.LayerScale2d(6, 0.01)),
    ],
)
def test_a_layer_of_ours_is_timm_s_own(step: str, make: Any) -> None:
    """Its tensors have timm's names and shapes, and it starts where timm's does."""
    from timm import layers

    program = compile_source(
        Source("a", f"model a {{ input: 6xHxW  stages: []  head: none  stem: l: {step} }}")
    )
    model, theirs = BACKEND.build(program, "float64").eval(), make(layers).double().eval()
    ours = {"gamma": "weight"} if step.startswith("scale") else {}
    shapes = {f"l.{ours.get(name, name)}": tensor.shape for name, tensor in theirs.state_dict().items()}
    assert {name: tensor.shape for name, tensor in model.state_dict().items()} == shapes
    for name, tensor in theirs.named_parameters():
        start = model.state_dict()[f"l.{ours.get(name, name)}"]
        if name not in ("weight", "bias") or step == "grn":
            assert torch.equal(tensor.detach(), start), name
        torch.nn.init.uniform_(tensor, 0.5, 1.5)
    state = {f"l.{ours.get(name, name)}": tensor for name, tensor in theirs.state_dict().items()}
    model.load_state_dict(state)
    for size in ((8, 8), (9, 13)):
        x = torch.randn(2, 6, *size, dtype=torch.float64)
        wanted = theirs(x)
        assert (model(x) - wanted).abs().max() <= 1e-13 * wanted.abs().max()
