"""Every model that timm registers in ten of its modules is written here: a shipped name, or one line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest

from resnet_dsl.api import Model
from resnet_dsl.shipped import models
from tests.support.backends import in_full
from tests.support.golden_weights import named_state
from tests.support.oracles import timm_model
from tests.support.timm_registry import (
    COUNTER,
    compiled,
    modules,
    preprocessing,
    registered,
    shapes,
    table,
    tensors_there,
)

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.timm, pytest.mark.slow]

AT_MOST = 8
"""Names that may be missing, each with its reason in the table."""
LEAST = 60
"""Models whose numbers are compared, at least."""


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_the_table_has_every_name_that_timm_registers_and_few_are_missing() -> None:
    found = table()
    given = {name: line.module for name, line in found.lines.items()}
    assert {name: module for name, module in registered().items() if name not in found.misses} == given
    assert set(found.misses) <= set(registered())
    assert len(found.misses) <= AT_MOST
    assert all(found.misses.values())


@pytest.mark.parametrize("module", modules())
def test_parameters_names_shapes_and_preprocessing_of_a_module_are_timm_s(module: str) -> None:
    wrong = [what for text, names in _lines_of(module).items() for what in _differences(text, names)]
    assert not wrong, "\n".join(wrong)


def _lines_of(module: str) -> dict[str, list[str]]:
    """The lines of a module, each with the names of timm that are written so; old names come last."""
    found: dict[str, list[str]] = {}
    for line in table().lines.values():
        if line.module == module:
            found.setdefault(line.text, []).append(line.name)
    return found


def _differences(text: str, names: list[str]) -> Iterator[str]:
    program = compiled(text)
    ours = tensors_there(program, "timm")
    for name in names:
        differ = sorted(ours.items() ^ shapes(name).items())
        if differ:
            yield f"{name}: {len(differ)} differ, such as {differ[:4]}"
    if text in models() and models()[text].path.parent.name == "timm":
        prepared, wanted = dict(program.network.preprocess), preprocessing(names[0])
        if prepared != wanted:
            yield f"{names[0]}: preprocess is {prepared}, not {wanted}"


# --- numbers -----------------------------------------------------------------------------------


NOTHING: Mapping[str, Any] = MappingProxyType({})


class Case(NamedTuple):
    """A model of timm with settings that make it small, the same for ours, and the sizes of its images."""

    name: str
    theirs: Mapping[str, Any] = NOTHING
    ours: Mapping[str, Any] = NOTHING
    sizes: tuple[tuple[int, int], ...] = ((64, 64), (75, 97))
    bar: float = 1e-11


FEW = [1, 2, 1, 1]  # a block with a projection in each stage, and one without
POOLED = ((64, 64), (65, 97))
"""Where timm's average pool fits its shortcut."""
SLIDING = ((256, 224),)
"""The first size at which VGG's 7x7 convolution slides."""


def few(names: str, there: str = "layers", here: str = "stages", **how: Any) -> list[Case]:
    """Models with few blocks."""
    return [Case(name, {there: FEW}, {here: FEW}, **how) for name in names.split()]


def whole(names: str, **how: Any) -> list[Case]:
    """Models as they are."""
    return [Case(name, **how) for name in names.split()]


THIN = "maxpool(2) -> pre_logits: sliding_layers(inner=64) -> gap -> fc(classes)"

CASES = [
    *few("resnet18 resnet26 resnet50_gn resnet50c resnet50s resnet18d resnet50d resnet50t resnet10t"),
    *few("resnetblur18 resnetblur50 resnetblur50d resnetrs50 resnext50_32x4d resnext50d_32x4d"),
    *few("resnetaa50 resnetaa34d resnetaa50d seresnextaa101d_32x8d", sizes=POOLED),
    *few("wide_resnet50_2 seresnet18 seresnet50 seresnet152d seresnext26t_32x4d senet154"),
    *few("ecaresnet50d ecaresnet26t ecaresnetlight ecaresnext50t_32x4d"),
    *whole("test_resnet ecaresnet50d_pruned"),
    *few("resnetv2_18 resnetv2_18d resnetv2_50 resnetv2_50d resnetv2_50t resnetv2_50d_gn"),
    *few("resnetv2_50d_frn", bar=1e-6),  # whose means timm takes in single precision
    *whole("resnetv2_50x1_bit", sizes=((48, 64),)),
    *few("res2net50_26w_4s res2net50_14w_8s res2net50_26w_6s res2net50_48w_2s res2net50d res2next50"),
    *few("resnest14d resnest101e resnest50d_1s4x24d resnest50d_4s2x40d"),
    *few("skresnet18 skresnet50 skresnet50d skresnext50_32x4d"),
    *few("legacy_seresnet18 legacy_seresnet50 legacy_seresnext50_32x4d legacy_senet154"),
    *whole("regnetx_002 regnetx_004_tv regnetx_006 regnety_002 regnety_004 regnety_008_tv regnetz_005"),
    *whole("regnetv_040 regnetv_064 regnety_040_sgn regnetz_040_h", sizes=((48, 64),)),
    *few("densenet161 densenet264d densenetblur121d", there="block_config", here="depths"),
    *few(
        "convnext_tiny convnext_nano convnext_nano_ols convnext_tiny_hnf convnext_large_mlp",
        there="depths",
    ),
    *few("convnextv2_tiny convnextv2_atto", there="depths"),
    *whole("test_convnext test_convnext2 test_convnext3"),
    *[Case(name, {"mlp_ratio": 1 / 64}, {"head": THIN}, SLIDING) for name in ("vgg11", "vgg13_bn")],
]


def test_models_of_every_module_are_compared() -> None:
    lines = table().lines
    assert {lines[case.name].module for case in CASES} == set(modules())
    assert len({case.name for case in CASES}) == len(CASES) >= LEAST


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_model_gives_timm_s_numbers_in_double_precision(case: Case) -> None:
    theirs = timm_model(case.name, **case.theirs)
    given = {key: tuple(value.shape) for key, value in theirs.state_dict().items()}
    state = named_state(given.items())
    theirs.load_state_dict({key: torch.from_numpy(np.asarray(value)) for key, value in state.items()})
    program = compiled(table().lines[case.name].text, **case.ours)
    learned = {key: value for key, value in state.items() if not key.endswith(COUNTER)}
    backend = in_full("torch")
    model = backend.build(program, "float64").eval()
    backend.load_state(model, Model(program).state(learned, names="timm"))
    for size in case.sizes:
        x = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 3, *size)))
        with torch.no_grad():
            wanted, result = theirs(x), model(x)
        assert (wanted[0] - wanted[1]).abs().max() > 1e-3 * wanted.abs().max()
        assert (result - wanted).abs().max() <= case.bar * wanted.abs().max(), f"at {size}"
