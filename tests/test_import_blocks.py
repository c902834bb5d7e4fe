"""Blocks and heads from names and shapes: with biases, folded, narrowed, differing; any classifier."""

from __future__ import annotations

import pytest

from resnet_dsl.decompile.facts import Hints
from resnet_dsl.decompile.pipeline import NotExpressibleError
from resnet_dsl.decompile.written_out import BLOCKS
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.syntax.formatter.format import format_source
from tests.test_import import V15, compiled, expanded, from_shapes, has_bottlenecks, shapes_of

Shapes = dict[str, tuple[int, ...]]
FOLDED = "bias: true  norm: identity  shortcut: B(norm=identity, bias=true)"
SMALL = "stages: [1, 1]  block: basic  widths: [8, 16]  stem: imagenet_stem(8)"


@pytest.mark.parametrize(
    "text",
    [
        "stages: [1, 2]  block: basic  bias: true",
        "stages: [1, 2]  block: basic  bias: true  shortcut: B(bias=true)  stem: imagenet_stem(bias=true)",
        "stages: [1, 2]  block: basic  shortcut: B(bias=true)",
        "stages: [1, 2]  block: bottleneck  bias: true  shortcut: D(bias=true)  stem: deep_stem(bias=true)",
        "stages: [1, 2]  block: basic  bias: [true, false]  shortcut: C",
        "stages: [1, 2]  block: basic  bias: true  activation: pre"
        "  stem: imagenet_stem(32, activation=pre, bias=true)",
        f"stages: [1, 2]  block: basic  {FOLDED}  stem: imagenet_stem(norm=identity, bias=true)",
        f"stages: [1, 2]  block: bottleneck  {FOLDED}  stem: deep_stem(16, norm=identity, bias=true)",
        f"stages: [1, 1]  block: basic  {FOLDED}  input: 3x32x32  stem: conv(16, 3x3, bias=true) -> relu",
        "stages: [[basic(16), basic(24)], [2 * bottleneck(16), basic(64)]]",
        "stages: [[2 * bottleneck(16, base_width=128), bottleneck(16)], 2 * bottleneck(16, groups=4)]",
        "stages: [[basic(16), basic(16, attention=se(4))], basic(32)]",
        "stages: [[basic(16, bias=true), basic(16)], basic(32)]  activation: post",
    ],
)
def test_blocks_are_restored(text: str) -> None:
    original = compiled(f"model net {{ {text} }}")
    shapes = shapes_of(original)
    given = V15 if has_bottlenecks(shapes) else None
    assert expanded(from_shapes(shapes, given).program) == expanded(original)


def test_norms_that_were_folded_are_said() -> None:
    stem = "stem: imagenet_stem(norm=identity, bias=true)"
    text = f"model net {{ stages: [1, 1]  block: basic  {FOLDED}  {stem} }}"
    (note,) = from_shapes(shapes_of(compiled(text))).notes
    assert "norms were folded into the convolutions (biases, no norms)" in note


def test_a_bias_on_some_convolutions_is_named() -> None:
    shapes = {**shapes_of(compiled(f"model net {{ {SMALL} }}")), "layer2.0.conv2.bias": (16,)}
    with pytest.raises(NotExpressibleError, match=r"^layer2.0: a bias on conv2 only;"):
        from_shapes(shapes)


NARROWED = [
    "stages: [[narrowed_basic(16, 12), basic(16)], narrowed_basic(32, 7)]",
    "stages: [bottleneck(16), [narrowed_bottleneck(64, 10, 12), narrowed_bottleneck(64, 10, 9)]]",
    "stages: [[basic(32), narrowed_basic(32, 5)], narrowed_bottleneck(64, 10, 12)]  act: silu"
    "  stem: imagenet_stem(act=silu)",
]


@pytest.mark.parametrize("text", NARROWED)
def test_blocks_with_pruned_channels_are_written_with_blocks_of_their_own(text: str) -> None:
    original = compiled("".join(BLOCKS.values()) + f"model net {{ {text} }}")
    shapes = shapes_of(original)
    settings = {"act": "silu", "stem": "imagenet_stem(act=silu)"} if "silu" in text else {}
    restored = from_shapes(shapes, V15 if has_bottlenecks(shapes) else None, **settings)
    assert expanded(restored.program) == expanded(original)
    assert format_source(Source("net", restored.text)) == restored.text


def test_pruned_blocks_of_pre_activation_are_refused_with_their_channels() -> None:
    shapes = shapes_of(compiled("model net { stages: [1, 1]  block: basic  activation: pre }"))
    shapes |= {"layer2.0.conv1.weight": (100, 64, 3, 3), "layer2.0.conv2.weight": (128, 100, 3, 3)}
    shapes |= {name: (100,) for name in shapes if name.startswith("layer2.0.bn2.")}
    with pytest.raises(NotExpressibleError, match=r"layer2.0: convolutions of 100, 128 channels"):
        from_shapes(shapes)


# --- classifiers -------------------------------------------------------------------------------


def with_heads(*layers: tuple[str, int, int]) -> Shapes:
    """A small network with fully connected layers of one's own: names, inputs, outputs."""
    shapes = shapes_of(compiled(f"model net {{ {SMALL}  head: none }}"))
    for path, before, after in layers:
        shapes |= {f"{path}.weight": (after, before), f"{path}.bias": (after,)}
    return shapes


@pytest.mark.parametrize(
    ("layers", "head"),
    [
        ([("fc", 16, 10)], "classes: 10"),
        ([("last_linear", 16, 10)], "head: gap -> last_linear: fc(10)"),
        ([("classifier", 16, 3)], "head: gap -> classifier: fc(3)"),
        ([("head", 16, 3)], "head: gap -> head: fc(3)"),
        ([("fc.1", 16, 10)], "head: gap -> fc: named_head(10)"),
        ([("classifier.1", 16, 10)], "head: gap -> classifier: named_head(10)"),
        ([("fc1", 16, 12), ("fc2", 12, 10)], "head: gap -> fc1: fc(12) -> relu -> fc2: fc(10)"),
        ([("z", 16, 12), ("a", 12, 10)], "head: gap -> z: fc(12) -> relu -> a: fc(10)"),
        ([("a", 12, 10), ("z", 16, 12)], "head: gap -> z: fc(12) -> relu -> a: fc(10)"),
        ([("fc.0", 16, 12), ("fc.3", 12, 12), ("fc.6", 12, 2)], "head: gap -> fc: named_head(2)"),
    ],
)
def test_a_classifier_under_another_name_is_a_classifier(
    layers: list[tuple[str, int, int]], head: str
) -> None:
    shapes = with_heads(*layers)
    restored = from_shapes(shapes)
    assert f"    {head}\n" in restored.text
    assert shapes_of(restored.program) == shapes
    assert format_source(Source("net", restored.text)) == restored.text
    assert ("what is between the layers is assumed" in "".join(restored.notes)) == (len(layers) > 1)


@pytest.mark.parametrize("path", ["a.b.c", "forward", "class", "0", "a.b-c"])
def test_a_classifier_whose_name_no_layer_can_have_is_said(path: str) -> None:
    restored = from_shapes(with_heads((path, 16, 10)))
    assert "classes: 10" in restored.text
    assert f"`{path}` is a classifier of 10 classes under another name" in "".join(restored.notes)


@pytest.mark.parametrize(
    "layers",
    [
        [("fc", 16, 10), ("aux", 16, 10)],
        [("fc", 784, 10)],
        [("a", 16, 16), ("b", 16, 10), ("c", 16, 10)],
        [(f"fc{number}", 16, 16) for number in range(9)],
    ],
)
def test_layers_that_are_no_chain_are_no_head(layers: list[tuple[str, int, int]]) -> None:
    with pytest.raises(NotExpressibleError, match="and a head `bn`, `fc` it has"):
        from_shapes(with_heads(*layers))


# --- other networks ----------------------------------------------------------------------------


@pytest.mark.parametrize(("kernel", "word"), [((1, 3, 3, 3), "three"), ((12, 7), "one")])
def test_other_dimensions_are_named_with_the_tensor(kernel: tuple[int, ...], word: str) -> None:
    shapes = {"conv1.weight": (8, *kernel), "layer1.0.conv1.weight": (8, 8, *kernel[1:])}
    with pytest.raises(
        NotExpressibleError, match=rf"^its convolutions are {word}-dimensional \(conv1.weight is 8x"
    ):
        from_shapes(shapes)


def test_attention_over_channels_is_no_one_dimensional_network() -> None:
    original = compiled("model net { stages: [1, 1]  block: basic  attention: eca }")
    assert expanded(from_shapes(shapes_of(original)).program) == expanded(original)


def test_a_quantised_model_is_called_so() -> None:
    shapes = {"conv1.weight": (8, 3, 7, 7), "conv1.scale": (), "conv1.zero_point": ()}
    with pytest.raises(NotExpressibleError, match=r"^a quantised model \(conv1.zero_point\)"):
        from_shapes(shapes)


def test_what_the_person_says_is_still_taken() -> None:
    text = "model net { stages: [1, 1]  block: bottleneck  bias: true }"
    shapes = shapes_of(compiled(text))
    restored = from_shapes(shapes, Hints(stride_on="conv1"))
    assert "stride_on: conv1" in restored.text
