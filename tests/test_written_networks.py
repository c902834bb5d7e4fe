"""Networks that no installed library has give the numbers of references written from their papers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest

from resnet_dsl.api import Model
from resnet_dsl.driver import compile_spec
from tests.support.backends import in_full
from tests.support.golden_weights import named_state
from tests.support.oracles import torchvision_model
from tests.support.timm_registry import COUNTER, tensors_there

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.torchvision, pytest.mark.slow]

BAR = 1e-11
BACKEND = in_full("torch")
NOTHING: Mapping[str, Any] = MappingProxyType({})


def written(name: str, *arguments: Any, **settings: Any) -> Callable[[], Any]:
    """A reference that is written in full, not yet made."""

    def make() -> Any:
        from tests.support import written_references

        return getattr(written_references, name)(*arguments, **settings)

    return make


def retrieval() -> Any:
    return written("Retrieval", torchvision_model("resnet50"))()


def attentive() -> Any:
    """A ResNet-50 whose last stage sees 4x4 pixels."""
    model = torchvision_model("resnet50")
    blocks = [written("Attentive", *given)() for given in ((1024, 2, 4), (2048, 1, 2), (2048, 1, 2))]
    model.layer4 = torch.nn.Sequential(*blocks)
    return model


class Case(NamedTuple):
    """A shipped model, its reference, whose names the tensors there have, settings, and sizes of images."""

    name: str
    reference: Callable[[], Any]
    names: str | None
    settings: Mapping[str, Any] = NOTHING
    sizes: tuple[tuple[int, int], ...] = ((64, 64),)


FACES = {"stages": [1, 2, 1, 1], "input": "3x48x48"}
CLIP = {"stages": [2, 1, 2, 1], "first": 16, "embed": 24, "input": "3x96x96"}
CASES = [
    Case("iresnet50", written("ImprovedResNet", [1, 2, 1, 1], 9), "insightface", FACES, ((48, 48),)),
    Case("pyramidnet110", written("PyramidNet", 3, 48), "dyhan0920", {"n": 3}, ((32, 32),)),
    Case("pyramidnet164_a270", written("PyramidNet", 2, 270, True), "dyhan0920", {"n": 2}, ((32, 32),)),
    Case("gem_resnet50", retrieval, "cirtorch", sizes=((64, 64), (75, 97))),
    Case("botnet50", attentive, None, {"input": "3x64x64"}),
    Case("clip_rn50", written("ClipTower", [2, 1, 2, 1], 16, 24, 96), "clip", CLIP, ((96, 96),)),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_network_takes_the_state_of_its_reference_and_gives_its_numbers(case: Case) -> None:
    torch.set_num_threads(1)
    reference = case.reference().double().eval()
    state = named_state((key, tuple(value.shape)) for key, value in reference.state_dict().items())
    if "pool.p" in state:
        state["pool.p"] = np.array([2.7], np.float32)  # the power of a mean, which is no weight
    reference.load_state_dict({key: torch.from_numpy(np.asarray(value)) for key, value in state.items()})
    program = compile_spec(case.name, None, dict(case.settings))
    front = "visual." if case.names == "clip" else ""
    learned = {front + key: value for key, value in state.items() if not key.endswith(COUNTER)}
    if case.names is not None:
        shapes = {key: tuple(value.shape) for key, value in learned.items()}
        assert tensors_there(program, case.names) == shapes
    model = BACKEND.build(program, "float64").eval()
    BACKEND.load_state(model, Model(program).state(learned, names=case.names))
    for size in case.sizes:
        x = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 3, *size)))
        with torch.no_grad():
            wanted, result = reference(x), model(x)
        assert (wanted[0] - wanted[1]).abs().max() > 1e-3 * wanted.abs().max()
        assert (result - wanted).abs().max() <= BAR * wanted.abs().max(), f"at {size}"
