"""Maps at another height and width: what they are in the text, for every size, and torch's own numbers."""

from __future__ import annotations

import numpy as np
import pytest

from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source
from resnet_dsl.ir.ops import CATALOGUE, RESERVED
from resnet_dsl.ir.shapes import Extent, Shape, ShapeError
from resnet_dsl.ir.sizes import Size, when_less
from resnet_dsl.program import Program
from resnet_dsl.reference import OpCall, forward

H, W = Size("H"), Size("W")
HALF = H.ceil(2)


def block(body: str, size: str = "HxW") -> Program:
    model = f"model m {{ input: 4x{size}  stem: none  stages: [b(4)]  head: none }}"
    return compile_source(Source("m.resnet", f"block b(width) {{ {body} }}\n{model}"))


def refusal(body: str, size: str = "HxW") -> str:
    with pytest.raises(CompileError) as found:
        block(body, size)
    (said,) = found.value.diagnostics
    return f"{said.message}; {said.hint}"


LOW = "low = x -> maxpool(2, stride=2)\n"


@pytest.mark.parametrize(
    "call",
    [
        "low -> resize(like=x)",
        "low -> resize(x)",
        "resize(low, x)",
        "resize(low, like=x)",
        "up(low)",
        "low -> up",
        "low -> (if width == 4 then up else relu)",
    ],
)
def test_a_further_tensor_is_given_by_name_or_in_order(call: str) -> None:
    bound = "up = resize(like=x)\n" if "up" in call else ""
    graph = block(f"{LOW}{bound} return {call}").graph
    assert graph.nodes[-1].inputs == ("layer1.0.maxpool1", "input")
    assert graph.nodes[-1].shape == Shape(4, (H, W))


def test_a_function_for_a_further_tensor_is_applied_to_the_input() -> None:
    graph = block("return x -> maxpool(2) -> resize(like=conv(2, 3x3, stride=2))").graph
    assert graph.nodes[-1].inputs == ("layer1.0.maxpool1", "layer1.0.conv1")
    assert graph.nodes[-1].shape.spatial == (HALF, W.ceil(2))


def test_a_function_with_a_tensor_goes_into_a_labelled_block() -> None:
    text = f"""
    block deeper(up) {{ return x -> conv(3, 1x1) -> up }}
    block b() {{ {LOW} return low -> in: deeper(up=resize(like=x, mode=nearest)) }}
    model m {{ input: 4xHxW  stem: none  stages: [b]  head: none }}""".replace(" in:", " inner:")
    graph = compile_source(Source("m", text)).graph
    assert graph.nodes[-1].inputs == ("layer1.0.inner.conv1", "input")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return x -> resize", "resize takes two tensors, not 1; write `x -> resize(like=…)`"),
        ("return x -> resize(like=3)", "`like` of resize must be a tensor, not 3"),
        ("return x -> resize(like=x, like=x)", "`like` is given twice"),
        ("return x -> resize(relu(x), like=x)", "resize takes two tensors, not 3"),
        ("return x -> resize(size=7)", "`like=…`, or a given one: `upsample(size=7x7)`"),
        ("return x -> upsample(like=x)", "`resize(like=…)` brings a map to the size of another"),
        ("return x -> resize(like=x, mode=nearest, align_corners=true)", "`false` unless `mode=bilinear`"),
        ("return x -> upsample(size=0)", "must be a positive whole number, a size such as `3x3`, or `none`"),
        ("return x -> crop", "crop takes two tensors, not 1"),
        ("return x -> crop(3, like=x)", "crop takes one tensor, not 2"),
        ("return gap(x) -> flatten -> resize(like=x)", "resize takes a map, not a vector of 4"),
    ],
)
def test_what_does_not_fit_is_said(body: str, said: str) -> None:
    assert said in refusal(body)


def test_what_is_smaller_cannot_be_cropped() -> None:
    said = refusal(f"{LOW} return low -> crop(like=x)", "9x12")
    assert said.startswith("4x4x6 cannot be cropped to 4x9x12: it is the smaller")
    assert "crop to less" in refusal("return x -> crop(10x12)", "9x12")


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (H, HALF, ""),
        (HALF, H, "large heights"),
        (H, Size(None, 7), ""),  # as any window, it has to fit
        (Size(None, 7), W, "large widths"),
        (HALF.times(2), H, ""),
        (H.window(2, 2, 0).times(2), H, "odd heights"),
        (H.plus(-2), H, "all heights"),
        (H.window(3, 3, 0).times(3), H.window(1, 1, 0), "heights not divisible by 3"),
        (H, W, "some heights"),
        (Size(None, 3), Size(None, 4), "all sizes"),
    ],
)
def test_for_which_sizes_one_is_less_is_said(a: Size, b: Size, said: str) -> None:
    assert when_less(a, b) == said


def test_a_crop_that_fails_at_other_sizes_is_a_warning_and_a_resize_never() -> None:
    body = f"{LOW} up = low -> upsample(2)\n return up -> crop(like=x)"
    found = block(body.replace("stride=2", "stride=2, pad=0"), "8x8").warnings
    (warning,) = (each for each in found if each.code == "W0601")
    assert "fails for odd heights and odd widths" in warning.message
    others = block(f"{LOW} return low -> resize(like=x)", "8x8").warnings
    assert "W0601" not in {each.code for each in others}


def test_the_receptive_field_of_a_resized_map_has_the_steps_of_the_other() -> None:
    costs = block(f"{LOW} return low -> resize(like=x, mode=nearest) -> conv(4, 3x3)", "8x8").layers
    assert [cost.field for cost in costs] == [(2, 2), (2, 2), (4, 4)]


SIZES = [(1, 1, 5, 3), (5, 9, 9, 5), (7, 7, 14, 21), (3, 10, 10, 3), (9, 1, 13, 1), (29, 31, 97, 131)]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_the_referee_interpolates_as_torch_does(size: tuple[int, int, int, int]) -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).standard_normal((2, 3, *size[:2]))
    like = np.zeros((2, 1, *size[2:]))
    for corners in (False, True):
        found = forward(CATALOGUE["resize"].make({"align_corners": corners}), OpCall((x, like)))
        theirs = torch.nn.functional.interpolate(
            torch.from_numpy(x), size=size[2:], mode="bilinear", align_corners=corners
        )
        assert np.abs(found - theirs.numpy()).max() < 1e-13
    op = CATALOGUE["upsample"].make({"size": size[2:]})
    theirs = torch.nn.functional.interpolate(torch.from_numpy(x), size=size[2:], mode="nearest")
    assert (forward(op, OpCall((x,))) == theirs.numpy()).all()


def test_nearest_pixels_are_counted_in_whole_numbers_in_every_backend() -> None:
    """Sizes at which a scale in single precision takes another row."""
    for name in ("torch", "keras", "onnx"):
        pytest.importorskip(name)
    from tests.support.agreement import ALL_ENGINES, assert_agreement

    for size, count in ((14, 46), (2, 82)):
        exact = [i * size // count for i in range(count)]
        assert exact != [int(np.float32(i) * np.float32(size / count)) for i in range(count)], count
        for open_ in ("HxW", f"{size}x4"):
            program = block(f"return x -> upsample(size={count}x7)", open_)
            assert_agreement(program, [(size, 4)], ALL_ENGINES, {"float64": 0.0, "float32": 1e-7})


def test_a_crop_of_an_odd_rest_leaves_out_more_below_and_to_the_right() -> None:
    x = np.arange(20.0).reshape(1, 1, 4, 5)
    found = forward(CATALOGUE["crop"].make({"size": (1, 2)}), OpCall((x,)))
    assert found.tolist() == [[[[6.0, 7.0]]]]


def test_a_crop_needs_maps() -> None:
    op = CATALOGUE["crop"].make({"size": 2})
    with pytest.raises(ShapeError, match="crop takes a map"):
        op.shape(Shape(4), extent=Extent())


@pytest.mark.parametrize("name", sorted(set(CATALOGUE) - RESERVED))
def test_a_block_may_have_the_name_of_an_op_that_came_later(name: str) -> None:
    text = f"""
    block {name}(width) {{ return x -> conv(width, 1x1) }}
    block outer(width) {{ return x -> {name}(width) }}
    model m {{ input: 4x8x8  stem: none  stages: [outer(5)]  head: none }}"""
    assert [node.op.kind for node in compile_source(Source("m", text)).graph.nodes] == ["conv"]


@pytest.mark.parametrize("call", ["x -> resize(stem)", "resize(like=layer1, mode=nearest)"])
def test_a_head_brings_its_map_to_the_size_of_an_earlier_part(call: str) -> None:
    fields = f"stages: [1, 1]  block: basic  widths: [4, 8]  stem: cifar_stem(4)  head: {call}"
    graph = compile_source(Source("m", f"model m {{ input: 3xHxW  {fields} }}")).graph
    assert graph.nodes[-1].shape == Shape(8, (H, W))


@pytest.mark.parametrize("join", ["concat(x -> upsample(2), skip)", "(x -> upsample(2)) + skip"])
def test_the_advice_for_a_decoder_is_to_resize_to_the_earlier_part_and_that_silences_it(join: str) -> None:
    text = """
block down(width) { return x -> conv(width, 3x3, stride=2) -> relu }
block up(width, skip) { return %s -> conv(width, 3x3) }
model m { input: 3x32x64  stem: conv(4, 3x3)  head: none
          stages: [down(4), down(4), up(4, layer1), up(4, stem)] }
"""
    advice = "bring the other to its size: `resize(like=skip)`, or `crop(like=skip)` of a larger one"
    written = join if join.startswith("concat") else f"({join})"
    warnings = compile_source(Source("t", text % written)).warnings
    assert {(warning.code, warning.hint) for warning in warnings} == {("W0601", advice)}
    mended = text % written.replace("upsample(2)", "resize(like=skip)")
    assert compile_source(Source("t", mended)).warnings == ()
