"""The torchvision networks are torchvision's: state, numbers and start."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from resnet_dsl.driver import compile_spec
from tests.support.agreement import lively_state
from tests.support.backends import in_full
from tests.support.oracles import torchvision_model, torchvision_models

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.torchvision, pytest.mark.slow]

NETWORKS = (
    "resnext101_32x8d",
    "resnet152",
    "resnet101",
    "wide_resnet50_2",
    "resnet50",
    "resnext50_32x4d",
    "resnet34",
    "resnet18",
)
BACKEND = in_full("torch")


@pytest.fixture(autouse=True)
def few_threads() -> None:
    torch.set_num_threads(1)


def ours(name: str, dtype: str = "float64") -> Any:
    return BACKEND.build(compile_spec(name), dtype)


@pytest.mark.parametrize("name", NETWORKS)
def test_our_model_takes_torchvision_s_state_and_gives_its_numbers(name: str) -> None:
    """224x224 and a size that is odd, not square, and no multiple of anything."""
    theirs, model = torchvision_model(name), ours(name).eval()
    state = lively_state(compile_spec(name, None, {"input": "3xHxW"}).graph)
    counters = [key for key in theirs.state_dict() if key.endswith("num_batches_tracked")]
    tensors = {key: torch.from_numpy(value).double() for key, value in state.items()}
    theirs.load_state_dict({**tensors, **{key: torch.tensor(0) for key in counters}}, strict=True)
    model.load_state_dict(theirs.state_dict(), strict=True)
    count = 1 if "101" in name or "152" in name else 2
    for size in ((224, 224), (97, 129)):
        x = torch.from_numpy(np.random.default_rng(0).standard_normal((count, 3, *size)))
        with torch.no_grad():
            wanted, result = theirs(x), model(x)
        assert wanted.abs().max() > 0
        assert (result - wanted).abs().max() <= 1e-12 * wanted.abs().max(), f"at {size}"


@pytest.mark.parametrize("name", NETWORKS)
def test_states_have_the_same_keys_in_the_same_order(name: str) -> None:
    theirs = {key: tuple(value.shape) for key, value in torchvision_model(name).state_dict().items()}
    found = {key: tuple(value.shape) for key, value in ours(name).state_dict().items()}
    assert list(found.items()) == list(theirs.items())


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2"])
def test_convolutions_start_from_a_seed_as_torchvision_s_are_started(name: str) -> None:
    """Module by module, as torchvision starts them behind PyTorch's own start, which we leave out."""
    model = getattr(torchvision_models(), name)(weights=None)
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    theirs = model.state_dict()
    torch.manual_seed(0)
    found = ours(name, "float32").state_dict()
    kernels = [key for key, value in theirs.items() if value.ndim == 4]
    assert len(kernels) >= 20
    different = [key for key in kernels if not torch.equal(found[key], theirs[key])]
    assert not different


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_everything_else_starts_with_torchvision_s_distribution(name: str) -> None:
    theirs = getattr(torchvision_models(), name)(weights=None).state_dict()
    found = ours(name, "float32").state_dict()
    for key, value in theirs.items():
        if value.ndim == 4:
            continue
        if not key.startswith("fc."):
            assert torch.equal(found[key], value), key
            continue
        bound = theirs["fc.weight"].shape[1] ** -0.5
        for tensor in (found[key], value):  # uniform up to the bound: its end, its mean, its deviation
            assert 0.99 * bound < tensor.abs().max() <= bound
            assert tensor.mean().abs() < 4 * bound / (3 * tensor.numel()) ** 0.5
            assert tensor.std() == pytest.approx(bound / 3**0.5, rel=0.05)


def peak(model: Any, x: Any) -> int:
    """Bytes that a forward pass takes at most at once, by the allocator's own reports."""
    with torch.no_grad():
        model(x)
        activities = [torch.profiler.ProfilerActivity.CPU]
        with torch.profiler.profile(activities=activities, profile_memory=True) as profiler:
            model(x)
    events = profiler.profiler.kineto_results.events()
    taken = np.cumsum([event.nbytes() for event in events if event.name() == "[memory]"])
    assert taken[-1] == 0  # all was seen to be given back
    return int(taken.max())


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "resnext50_32x4d", "densenet121"])
def test_a_forward_pass_holds_no_more_at_once_than_torchvision_s(name: str) -> None:
    x = torch.randn(2, 3, 224, 224)  # a kernel of small maps takes most for its weights
    theirs = getattr(torchvision_models(), name)(weights=None).eval()
    found, wanted = peak(ours(name, "float32").eval(), x), peak(theirs, x)
    assert found <= wanted
