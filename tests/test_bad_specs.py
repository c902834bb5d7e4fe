"""Bad specs beside the diagnostics they give, to the letter."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from resnet_dsl.diagnostics.codes import PAGES
from resnet_dsl.diagnostics.errors import CompileError, Findings
from resnet_dsl.diagnostics.model import Diagnostic, Source, Span
from resnet_dsl.diagnostics.render.terminal import render_all
from resnet_dsl.driver import compile_source
from tests.support.checked_texts import checked

Golden = Callable[[str | Path, str], None]
BAD = sorted((Path(__file__).parent / "bad").glob("*.resnet"))


def diagnostics(path: Path) -> tuple[Diagnostic, ...]:
    source = Source(path.name, path.read_text(encoding="utf-8"))
    try:
        return checked(source, path.parent)[1]
    except CompileError as error:
        return error.diagnostics


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_spec_gives_its_message(path: Path, golden: Golden) -> None:
    found = diagnostics(path)
    assert found
    golden(path.with_suffix(".txt"), render_all(found) + "\n")


def test_every_code_has_a_bad_spec() -> None:
    reported = {found.code for path in BAD for found in diagnostics(path)}
    assert reported == set(PAGES)


# What the hint of a bad spec says to write, put where it says: then nothing is left to report.
FIXES = [
    ("first_tensor_taken_as_the_input", "levels(3, layer2, layer1)", "x -> levels(3, layer2, layer1)"),
    ("addition_without_padding", "pad=0", "pad=half"),
    ("batch_and_channels_last", "8x224x224x3", "3x224x224"),
    ("batch_as_input", "8x3x224x224", "3x224x224"),
    ("signal_as_input", "12x1000", "12x1x1000"),
    ("volume_as_input", "1x16x112x112", "16x112x112"),
    ("average_pool_at_224", "avgpool(stride, pad=0)", "avgpool(stride, pad=0, ceil=true)"),
    ("average_pool_at_225", "avgpool(stride, pad=0)", "avgpool(stride, pad=0, ceil=true)"),
    ("average_pool_at_any_size", "avgpool(stride, pad=0)", "avgpool(stride, pad=0, ceil=true)"),
    ("channels_last", "28x28x1", "1x28x28"),
    ("channels_that_shrink_under_A", "shortcut: A", "shortcut: B"),
    ("concat_of_three", "maxpool(3x3)", "maxpool(3x3, stride=1)"),
    ("concat_of_two_sizes", "stride=2", "stride=1"),
    ("fc_on_a_map", "relu -> fc", "relu -> gap -> fc"),
    ("frozen_behind_trained", "[stem, layer2]", "[stem, layer1, layer2]"),
    ("gate_of_a_vector", "fc(width)", "conv(width, 1x1)"),
    ("gate_of_one_channel", "conv(1, 1x1)", "conv(width, 1x1)"),
    ("head_without_pool", "fc(10)", "gap -> fc(10)"),
    ("identity_over_a_channel_change", "main + x", "main + (x -> B(width))"),
    ("identity_over_a_stride", "main + x", "main + (x -> B(width, stride))"),
    ("input_that_is_no_size", "224", "3x224x224"),
    ("library_shortcut_that_does_not_fit", "shortcut: identity", "shortcut: B"),
    ("momentum_of_keras", "momentum=0.99", "momentum=0.01"),
    (
        "norm_left_over",
        "norm: gn(32)",
        "norm: gn(32)  stem: imagenet_stem(activation=activation, norm=gn(32))  shortcut: B(norm=gn(32))",
    ),
    (
        "norm_of_another_eps_left_over",
        "shortcut: A",
        "shortcut: A  stem: imagenet_stem(activation=activation, norm=bn(eps=1e-3))",
    ),
    (
        "norm_without_scale_left_over",
        "shortcut: A",
        "shortcut: A  stem: imagenet_stem(activation=activation, norm=bn(scale=false))",
    ),
    ("one_channel_is_not_spread", "main + gate", "main + (gate -> B(width))"),
    ("pooled_shortcut_at_240", "pad=0", "pad=0, ceil=true"),
    ("product_of_two_sizes", "conv(width, 3x3) ->", "conv(width, 3x3, stride=stride) ->"),
    (
        "projection_where_nothing_changes",
        "if stride == 1\n        then x -> 0: conv(channels, 1x1) -> 1: bn",
        "if stride == 1 and x.channels == channels then x",
    ),
    ("shortcut_of_the_author_in_a_block_of_the_author", "shortcut: identity", "shortcut: B"),
    ("shortcut_of_two_arguments", "mine(channels)", "mine(channels, stride)"),
    ("shortcut_that_forgets_the_stride", "conv(width, 1x1)", "conv(width, 1x1, stride=stride)"),
    ("shortcut_without_stride", "conv(channels, 1x1)", "conv(channels, 1x1, stride=stride)"),
    ("share_of_a_count", "share(4 * basic(64))", "4 * share(basic(width=64))"),
    ("freezing_a_block_applied_again", "layer1.1", "layer1.0"),
    ("stride_by_default", "stride = 2", "stride = 1"),
    ("stride_for_every_block", "stride: [1, 2, 2, 2]", "strides: [1, 2, 2, 2]"),
    ("unknown_block", "bottelneck", "bottleneck"),
    ("recipe_with_an_unknown_optimiser", "sdg", "sgd"),
    ("recipe_that_ends_without_numbers", "-> flip", "-> flip -> normalise"),
    ("recipe_of_a_half_that_draws", "test: resize(36) -> crop(32)", "test: resize(36) -> centre_crop(32)"),
    ("recipe_of_colour_images_for_a_grey_network", "colour(rgb)", "colour(grey)"),
    ("recipe_in_unequal_parts", "accumulate: 3", "accumulate: 2"),
    ("recipe_with_a_precision_of_torch", "bf16", "bfloat16"),
]


@pytest.mark.parametrize(("name", "old", "new"), FIXES, ids=lambda value: value)
def test_what_a_hint_says_helps(name: str, old: str, new: str) -> None:
    path = Path(__file__).parent / "bad" / f"{name}.resnet"
    hints = " ".join(found.hint for found in diagnostics(path))
    written = re.findall(r"`(?:-> )?([^`]*)`", hints)
    assert any(word in new or new in word for word in written), hints
    text = path.read_text(encoding="utf-8").replace(old, new)
    assert checked(Source(path.name, text), path.parent)[1] == ()


def refused(text: str) -> CompileError:
    """What a text is refused with, at no more work than a person waits for."""
    start = time.process_time()
    with pytest.raises(CompileError) as caught:
        compile_source(Source("t.resnet", text))
    assert time.process_time() - start < 10  # two seconds is what it takes
    return caught.value


def test_many_errors_are_found_fast_and_shown_in_part() -> None:
    steps = "\n".join(f"a{i} = x -> nope{i}" for i in range(4_000))
    error = refused(f"block mine(width) {{ {steps}\n return x }}\nmodel net {{ stages: [1]  block: mine }}")
    assert len(error.diagnostics) == 100
    assert error.diagnostics[-1].notes[-1] == "and 3,900 more like these"


def test_blocks_that_double_again_and_again_are_refused_soon() -> None:
    blocks = "\n".join(
        f"block l{i}(n) {{ a = n + {i}\n return x -> l{i - 1}(a) -> l{i - 1}(n) }}" for i in range(1, 28)
    )
    text = f"block l0(n) {{ return x }}\n{blocks}\nblock mine(width) {{ return x -> l27(1) }}"
    (found,) = refused(f"{text}\nmodel net {{ stages: [1]  block: mine }}").diagnostics
    assert found.code == "E0501"


def test_warnings_that_are_too_many_to_keep_do_not_hide_an_error() -> None:
    findings = Findings()
    for index in range(300):
        findings.add(Diagnostic("W0602", f"{index}", Span(Source("a", ""), index, index), severity="warning"))
    findings.add(Diagnostic("E0205", "an error"))
    findings.add(Diagnostic("E0205", "the same error"))
    assert [found.code for found in findings.shown if found.severity == "error"] == ["E0205"]
    assert findings.failed


SE = """
block gated(width, stride = 1) {
    main = x -> conv(width, 3x3, stride=stride) -> bn
    return relu((main -> se: se) + (x -> downsample: B(width, stride)))
}
model net { stages: [2]  block: gated  head: %s }
"""


@pytest.mark.parametrize(("head", "depth"), [("gap -> fc(10)", 4), ("none", 3)])
def test_layers_that_only_make_a_gate_do_not_count_as_depth(head: str, depth: int) -> None:
    assert compile_source(Source("t.resnet", SE % head)).cost.depth == depth
