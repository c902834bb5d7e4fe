"""The smallest input: against trying every size, and wherever a person meets it."""

from __future__ import annotations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import resnet_dsl
from resnet_dsl.analysis.input_sizes import InputSizes, input_sizes
from resnet_dsl.diagnostics.errors import CompileError, UsageError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source
from resnet_dsl.printing.headline import headline
from resnet_dsl.printing.summary import summary_facts, summary_text
from resnet_dsl.program import Program
from resnet_dsl.verify.case import subject_of, usual_sizes
from resnet_dsl.verify.gen_test import source_of

OPEN = "model net {{ input: 3x{}  stem: {}  stages: []  head: {} }}"
STEPS = st.sampled_from(
    ["conv(3, 3x3, pad=valid)", "conv(3, 7x2, pad=0)", "conv(3, 3x3, stride=2)",
     "conv(3, 3x1, dilation=3, pad=0)",
     "maxpool(3x2, pad=0)", "avgpool(2, ceil=true)", "blurpool(5, 1)", "blurpool(3)", "subsample(3)",
     "zeropad(1)",
     "upsample(2)", "instance_norm", "conv(3, 4x4, stride=3, pad=same)", "adaptive_avgpool(2)"]
)  # fmt: skip


def compiled(stem: str, size: str = "HxW", head: str = "gap -> fc(2)") -> Program:
    return compile_source(Source("net.resnet", OPEN.format(size, stem, head)))


def fits(stem: str, height: int, width: int) -> bool:
    try:
        compiled(stem, f"{height}x{width}")
    except CompileError:
        return False
    return True


@settings(max_examples=40, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=5).map(" -> ".join))
def test_the_smallest_input_compiles_and_none_that_is_smaller(stem: str) -> None:
    try:
        sizes = input_sizes(compiled(stem).graph)
    except CompileError:  # a window behind `adaptive_avgpool(2)` fits at every size or at none
        assume("adaptive" not in stem)
        raise
    assert sizes is not None
    assert sizes.larger == "all"
    assert fits(stem, sizes.height, sizes.width)
    assert fits(stem, sizes.height + 1, sizes.width + 3)
    if "instance_norm" not in stem:  # one row more may make up for a column less there
        assert sizes.height == 1 or not fits(stem, sizes.height - 1, 4 * sizes.width)
        assert sizes.width == 1 or not fits(stem, 4 * sizes.height, sizes.width - 1)
    else:
        assert sizes.height == sizes.width == 1 or not fits(stem, sizes.height - 1, sizes.width - 1)


def test_what_an_input_needs_is_said_by_check_summary_and_generated_files() -> None:
    program = compiled("conv(4, 7x7, pad=valid) -> blurpool(3)")
    assert headline(program).endswith("MACs depend on the input's size; needs H >= 8, W >= 8")
    assert "input        8x8 or any larger\n" in summary_text(program)
    facts = summary_facts(program)
    assert (facts["smallest"], facts["larger"]) == ([8, 8], "all")
    model = resnet_dsl.loads(program.network.source.text)
    assert "its input is N x 3 x H x W, with H >= 8, W >= 8." in str(model.render("torch"))
    assert "channels in either layout, with H >= 8, W >= 8." in " ".join(str(model.render("keras")).split())


@pytest.mark.parametrize(
    ("stem", "size", "head", "words"),
    [
        ("conv(4, 3x3)", "9x9", "gap -> fc(2)", "1x1 or any larger"),
        ("conv(4, 5x3, pad=0)", "9x9", "flatten -> fc(2)", "of this size only"),
        ("conv(4, 3x3, stride=4)", "9x9", "adaptive_avgpool(2) -> flatten -> fc(2)", "1x1 or any larger"),
        ("conv(4, 9x9, pad=0)", "9x9", "fc(2)", "9x9 or some, not every, larger"),
    ],
)
def test_summary_says_which_other_sizes_are_taken(stem: str, size: str, head: str, words: str) -> None:
    assert f"input        {words}\n" in summary_text(compiled(stem, size, head))


@pytest.mark.parametrize(
    ("height", "width", "needs"),
    [(1, 1, ""), (2, 1, "H >= 2"), (1, 2, "W >= 2"), (8, 3, "H >= 8, W >= 3")],
)
def test_what_every_input_has_is_not_needed(height: int, width: int, needs: str) -> None:
    sizes = InputSizes(height, width, "all")
    assert sizes.needs == needs
    assert sizes.take(height, width)
    assert not sizes.take(height - 1, width)
    assert not sizes.take(height, width - 1)


def test_an_input_that_is_too_small_is_refused_with_what_is_needed() -> None:
    def load(more: object) -> Program:
        assert isinstance(more, dict)
        text = OPEN.format("HxW", "conv(4, 7x7, pad=valid)", "gap -> fc(2)")
        return compile_source(Source("net.resnet", text), overrides=more)

    with pytest.raises(UsageError, match=r"takes no input of 6x9: it needs H >= 7, W >= 7"):
        subject_of(load, ((6, 9),))
    assert subject_of(load, ((7, 9),)).sizes == ((7, 9),)


def test_what_is_verified_is_large_enough_for_the_network() -> None:
    program = compiled("conv(3, 99x5, pad=0)")
    sizes = input_sizes(program.graph)
    assert sizes is not None
    assert all(sizes.take(*size) for size in usual_sizes((None, None), sizes))
    assert "(99, " not in source_of(program, ())
    for height, _ in usual_sizes((None, None), sizes):
        assert str(height) in source_of(program, ())


def test_a_pixel_that_strides_made_holds_at_its_size_only() -> None:
    program = compiled("conv(4, 8x8, pad=0)", "8x9", "gap -> fc(3)")
    assert program.warnings == ()
    (warning,) = compiled("conv(4, 8x9, pad=0)", "8x9", "fc(3)").warnings
    assert warning.code == "W0601"
    assert "fc holds at 1x1 here, but fails for all heights but 8 and all widths but 9" in warning.message
    assert "`gap`" in warning.hint
