"""Files under names of nobody: layers found by kinds, shapes and order, and what is not taken for found."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import resnet_dsl
from resnet_dsl.decompile.pipeline import NotExpressibleError
from resnet_dsl.zoo.names_by_shape import names_by_shape
from tests.test_import import V15, compiled, expanded, from_shapes, shapes_of

BODY = "stages: [2, 1, 2]  block: basic  stem: imagenet_stem(8)  head: gap -> cls: fc(10)"
BASIC = f"{BODY}  widths: [8, 16, 24]"
BOTTLENECK = "stages: [2, 1, 2]  block: bottleneck  widths: [16, 24, 32]  stem: imagenet_stem(16)  head: none"
PRE = "stages: [1, 2]  block: basic  activation: pre"

# How somebody calls the layers of a block, and its stem; `{s}` and `{b}` are the numbers of stage and block.
STYLES = {
    "lists": ("body.{s}.{b}", {r"conv(\d)": r"convs.\1", r"bn(\d)": r"norms.\1", r"downsample": "skip"}),
    "letters": ("s{s}.b{b}.f", {r"conv1": "a", r"conv2": "b", r"conv3": "c", r"bn(\d)": r"n\1"}),
    "children": (
        "res{s}.{b}",
        {r"bn(\d)": r"conv\1.norm", r"downsample.0": "short", r"downsample.1": "short.norm"},
    ),
    "underscores": ("stage_{s}_{b}", {r"conv(\d)": r"c_\1", r"bn(\d)": r"n_\1"}),
    "deep": ("net.encoder.stages.{s}.blocks.{b}.op", {r"downsample": "project"}),
}


def renamed(shapes: dict[str, tuple[int, ...]], style: str) -> dict[str, tuple[int, ...]]:
    """The tensors of a network of ours as a file of that style has them, in the same order."""
    front, inside = STYLES[style]
    found = {}
    for name, shape in shapes.items():
        block = re.fullmatch(r"layer(\d)\.(\d)\.(.+)\.(\w+)", name)
        if block is None:
            found[re.sub(r"^(conv1|bn1)\.", r"entry_\1.", name)] = shape
            continue
        layer = block[3]
        for pattern, instead in inside.items():
            if re.fullmatch(f"{pattern}(.*)", layer):
                layer = re.sub(f"^{pattern}", instead, layer)
                break
        found[f"{front.format(s=int(block[1]) + 1, b=block[2])}.{layer}.{block[4]}"] = shape
    return found


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("text", [BASIC, BOTTLENECK, PRE])
@pytest.mark.parametrize("in_order", [True, False])
def test_a_network_under_names_of_nobody_is_restored(style: str, text: str, in_order: bool) -> None:
    original = compiled(f"model net {{ {text} }}")
    shapes = renamed(shapes_of(original), style)
    assert not any(name.startswith("layer") for name in shapes)
    if not in_order:
        shapes = dict(sorted(shapes.items()))
    restored = from_shapes(shapes, V15 if "bottleneck" in text else None)
    assert expanded(restored.program) == expanded(original)
    assert "its names are no library's" in restored.notes[-1]


def test_blocks_that_are_numbered_through_begin_a_stage_where_channels_change() -> None:
    original = compiled(f"model net {{ {BASIC} }}")
    blocks = {"1.0": 0, "1.1": 1, "2.0": 2, "3.0": 3, "3.1": 4}
    number = re.compile(r"^layer(\d\.\d)\.")
    shapes = shapes_of(original)
    flat = {number.sub(lambda found: f"blocks.{blocks[found[1]]}.", name): s for name, s in shapes.items()}
    assert expanded(from_shapes(flat).program) == expanded(original)


def test_layers_in_an_order_that_their_names_do_not_tell_are_not_guessed() -> None:
    """Sorted, `after` comes before `before`, and shapes cannot tell the two norms apart."""
    words = {"bn1": "before", "bn2": "after"}
    shapes = shapes_of(compiled(f"model net {{ {BASIC} }}"))
    odd = {re.sub(r"\.(bn\d)\.", lambda f: f".{words[f[1]]}.", f"x{name}"): s for name, s in shapes.items()}
    assert names_by_shape(odd) is not None
    assert names_by_shape(dict(sorted(odd.items()))) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda shapes: {**shapes, "xlayer1.0.extra.weight": (8, 8, 1, 1)},
        lambda shapes: {**shapes, "xlayer2.0.conv1.weight": (16, 9, 3, 3)},
        lambda shapes: {**shapes, "xlayer2.0.conv1.weight": (16, 8, 5, 5)},
        lambda shapes: {name: s for name, s in shapes.items() if "layer1.1.bn2" not in name},
        lambda shapes: {name: s for name, s in shapes.items() if "downsample.0" not in name},
        lambda shapes: {**shapes, "scale": (1,)},
        lambda shapes: {**shapes, "xlayer2.0.conv1.weight": (0, 0, 0, 0)},
        lambda shapes: {f"{'9' * 5000}.{name}": s for name, s in shapes.items() if "bn" not in name},
        lambda shapes: {"": ()},
        lambda shapes: {},
    ],
)
def test_what_has_no_place_leaves_nothing_found(change: Any) -> None:
    shapes = {f"x{name}": s for name, s in shapes_of(compiled(f"model net {{ {BASIC} }}")).items()}
    assert names_by_shape(shapes) is not None
    assert names_by_shape(change(shapes)) is None


def test_one_layer_under_another_name_is_no_other_naming() -> None:
    shapes = shapes_of(compiled(f"model net {{ {BASIC} }}"))
    for odd in ("conv1.", "layer2.0.conv1."):
        patched = {
            name.replace(odd, "begin.") if name.startswith(odd) else name: s for name, s in shapes.items()
        }
        with pytest.raises(NotExpressibleError):
            from_shapes(patched)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_are_found_as_the_spec_was(suffix: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    safetensors = pytest.importorskip("safetensors.torch")
    model = resnet_dsl.loads(f"model net {{ {BASIC}  input: 3x32x32 }}")
    state = model.state(seed=4)
    called = dict(zip(state, renamed({name: v.shape for name, v in state.items()}, "lists"), strict=True))
    tensors = {called[name]: torch.from_numpy(np.asarray(value).copy()) for name, value in state.items()}
    path = tmp_path / f"net{suffix}"
    if suffix == ".pth":
        torch.save(tensors, path)
    else:
        safetensors.save_file(tensors, path)
    found = model.state(path)
    assert all(np.array_equal(found[name], value) for name, value in state.items())
    other = resnet_dsl.loads(f"model net {{ {BODY}  widths: [8, 16, 25]  input: 3x32x32 }}")
    with pytest.raises(resnet_dsl.WeightsError):
        other.state(path)
