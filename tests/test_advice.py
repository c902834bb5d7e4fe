"""Advice: what a valid spec says that is seldom meant; each cause once, and nothing where it is meant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from resnet_dsl.cli.main import main
from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Diagnostic, Source
from resnet_dsl.driver import check_blocks, compile_source, compile_spec
from resnet_dsl.syntax.formatter.format import format_source


def warnings(text: str, **settings: object) -> tuple[Diagnostic, ...]:
    return compile_source(Source("t.resnet", text), None, None, settings).warnings


def codes(text: str, **settings: object) -> list[str]:
    return [found.code for found in warnings(text, **settings)]


def net(fields: str, block: str = "") -> str:
    return f"{block}\nmodel net {{ {fields} }}"


TWO = "stages: [2, 2]  block: basic  "

# A setting, and whether something is said of it; no text gives two warnings.
STRIDES = [
    ("stride: [1, 2]", True),
    ("stride: 2", True),
    ("stride: if stage > 0 then 2x2 else 1", True),
    ("stride: 1", False),
    ("stride: if index == 0 then 2 else 1", False),
    ("strides: [2, 2]", False),
    ("stages: [1, 1]  block: basic  stride: [1, 2]", False),
    ("stages: [[basic(stride=2), 2 * basic(stride=1)]]", False),
]
INPUTS = [
    ("input: 224x224x3", True),
    ("input: 640x480x4", True),
    ("input: 28x28x1", True),
    ("input: 480x640x1", True),
    ("input: 3x224x224", False),
    ("input: 12x1000x1", False),
    ("input: 100x1000x1", False),
    ("input: 50x60x1", False),
    ("input: 99x150x1", False),
    ("input: 100x200x1", True),
    ("input: 100x201x1", False),
    ("input: 99x99x1", True),
    ("input: 7x7x1", False),
    ("input: 8x8x3", True),
    ("input: 7x8x3", False),
    ("input: 8x7x3", False),
    ("input: 64x1x1", False),
    ("input: 3x3x3", False),
    ("input: 3x224x3", False),
    ("input: 224xHxW", False),
]
MIXED = "block mine(width, stride = 1) { return relu((x -> conv(width, 3x3, stride=stride) -> %s -> relu "
MIXED += "-> conv(width, 3x3) -> %s) + (x -> downsample: B(width, stride))) }\n"
NORMS = [
    ("norm: gn(32)", True),
    ("norm: bn(eps=1e-3)", True),
    ("block: basic(norm=gn(16))  stages: [2, 2]", True),
    ("norm: gn(32)  stem: imagenet_stem(norm=gn(32))  shortcut: B(norm=gn(32))", False),
    ("norm: gn(32)  stem: imagenet_stem(norm=gn(16))  shortcut: A", False),
    ("norm: bn(gamma=0)", False),
    ("norm: if stage == 0 then bn else gn(32)", False),
    ("head: gap -> ln -> fc(10)", False),
    ("stem: imagenet_stem(norm=gn(32))", False),
]
FROZEN = [
    ("freeze: [layer2]", True),
    ("freeze: [layer2.0]", True),
    ("freeze: [stem, layer1.1]", True),
    ("freeze: [fc]", True),
    ("freeze: [stem, layer1, layer2]", False),
    ("freeze: [stem, layer1.0]", False),
    ("freeze: [bn1]", False),
    ("freeze: [conv1, bn1]", False),
]
FLAT = "input: 3x32x32  stages: [1]  block: basic  head: flatten -> fc(10)  preprocess: "
SIZES = [
    (FLAT + "{ size: 36 }", True),
    (FLAT + "{ size: 36  crop: 28x28 }", True),
    (FLAT + "{ size: 36  crop: 32 }", False),
    (FLAT + "{ size: 64  crop: 0.5 }", False),
    (FLAT + "{ color: rgb }", False),
    ("input: 3x32x32  preprocess: { size: 36 }", False),
    ("input: 3x32x32  head: adaptive_avgpool(2) -> flatten -> fc(10)  preprocess: { size: 36 }", False),
]
EIGHT = "input: 3x256x256  stages: [1, 1, 1, 1]  block: basic  head: "
ROWS = [
    (EIGHT + "avgpool(7, pad=0) -> gap -> fc(10)", True),
    (EIGHT + "conv(8, 3x3, stride=3, pad=0) -> gap -> fc(10)", True),
    (EIGHT + "avgpool(1x5, pad=0) -> gap -> fc(10)", True),
    (EIGHT + "avgpool(7, pad=0, ceil=true) -> gap -> fc(10)", False),
    (EIGHT + "avgpool(3, stride=2, pad=same) -> gap -> fc(10)", False),
    (EIGHT + "maxpool(3x3, stride=2) -> gap -> fc(10)", False),
    (EIGHT + "conv(8, 1x1, stride=3) -> gap -> fc(10)", False),
    ("input: 3xHxW  head: avgpool(7, pad=0) -> gap -> fc(10)", False),
    ("input: 3x225x225  stem: conv(64, 3x3, pad=0) -> maxpool(2)", False),
]
RATES = [
    ("drop_path: 1", True),
    ("drop_path: 1.0 * stage", True),
    ("head: gap -> dropout(1) -> fc(10)", True),
    ("head: gap -> dropout(0.99) -> fc(10)", False),
    ("drop_path: 0", False),
]
MOMENTA = [
    ("stem: conv(8, 3x3) -> bn(momentum=0.99) -> relu", True),
    ("stem: conv(8, 3x3) -> bn(momentum=0.9) -> relu", True),
    ("norm: bn(momentum=0.997)", True),
    ("stem: conv(8, 3x3) -> bn(momentum=1) -> relu", False),
    ("stem: conv(8, 3x3) -> bn(momentum=0.5) -> relu", False),
    ("stem: conv(8, 3x3) -> bn(momentum=0.01) -> relu", False),
]
BY_CODE = {
    "W0612": STRIDES, "W0613": INPUTS, "W0614": NORMS, "W0616": FROZEN, "W0617": SIZES, "W0618": ROWS,
    "W0619": RATES, "W0620": MOMENTA,
}  # fmt: skip
CASES = [(code, fields, said) for code, rows in BY_CODE.items() for fields, said in rows]


@pytest.mark.parametrize(("code", "fields", "said"), CASES, ids=lambda value: str(value))
def test_a_warning_is_given_once_and_where_it_is_deserved(code: str, fields: str, said: bool) -> None:
    missing = "" if "stages:" in fields else TWO
    assert codes(net(missing + fields)) == [code] * said


SHORT = "block mine(channels, stride = 1) { return %s }"
PROJECTED = "x -> conv(channels, 1x1, stride=stride) -> bn"
PROJECTIONS = [
    (f"if stride == 1 then x -> conv(channels, 1x1) -> bn else {PROJECTED}", True),
    (f"if x.channels == channels then {PROJECTED} else x -> C(channels, stride)", True),
    (f"if stride == 1 and x.channels == channels then x else {PROJECTED}", False),
    (PROJECTED, False),
    ("x -> C(channels, stride)", False),
]


@pytest.mark.parametrize(("result", "said"), PROJECTIONS)
def test_a_shortcut_that_decides_and_projects_what_it_could_pass_on_is_said(result: str, said: bool) -> None:
    assert codes(net(TWO + "shortcut: mine", SHORT % result)) == ["W0615"] * said


def test_joins_of_three_and_more_are_no_shortcuts() -> None:
    text = """
block mine(width, stride = 1) {
    a = if stride == 1 then x else x -> conv(width, 3x3, stride=stride)
    b = if stride == 1 then x -> conv(x.channels, 1x1) else a
    return max(a, b, a -> relu)
}
"""
    assert codes(net("stages: [1]  block: mine  width: 64", text)) == []


@pytest.mark.parametrize(
    ("first", "second", "said"), [("gn(8)", "gn(8)", True), ("instance_norm", "bn", False)]
)
def test_a_block_that_mixes_norms_itself_is_left_alone(first: str, second: str, said: bool) -> None:
    assert codes(net("stages: [2, 2]  block: mine", MIXED % (first, second))) == ["W0614"] * said


def test_the_norms_that_a_setting_leaves_are_named() -> None:
    (found,) = compile_spec("resnet50", None, {"norm": "gn(32)"}).warnings
    left = ("bn1", *(f"layer{stage}.0.downsample.1" for stage in (1, 2, 3, 4)))
    assert found.message == f"48 norms are `gn(32)`, and 5 are still `bn`: {', '.join(left)}"


@pytest.mark.parametrize(
    ("spec", "more"),
    [
        ("resnet50", {"stem": "imagenet_stem(norm=gn(32))", "shortcut": "B(norm=gn(32))"}),
        ("preresnet50", {"head": "classifier(classes, activation, norm=gn(32))"}),
        ("resnet20", {"norm": "gn(8)", "stem": "cifar_stem(norm=gn(8))"}),
    ],
)
def test_the_library_s_parts_take_a_norm(spec: str, more: dict[str, str]) -> None:
    program = compile_spec(spec, None, {"norm": "gn(32)", **more})
    norms = {node.op.kind for node in program.graph.nodes if node.op.normalises}
    assert (norms, program.warnings) == ({"gn"}, ())


# --- what nothing uses ---------------------------------------------------------------------------

BLOCK = "block mine(width) { return x -> conv(width, 3x3) }\n"
UNUSED = [
    (BLOCK, "", {}, ["W0610"]),
    (BLOCK, "", {"block": "mine"}, []),
    (BLOCK + "block other(width) { return x -> mine(width) }", "", {}, ["W0610", "W0610"]),
    (BLOCK + "model first { stages: [1]  block: mine }", "", {}, []),
    ("const a = 1\nconst b = a", "widths: 64 * b", {}, []),
    ("const a = 1\nconst b = a", "", {}, ["W0610", "W0610"]),
    ("use resnet50", "", {}, ["W0610"]),
    ("use resnet50", "base: resnet50", {}, []),
    ("block mine(channels, stride) { return x -> C(channels) }", "strides: 1  shortcut: mine", {}, []),
    ("block mine(width, mode = a | b) { return x -> conv(width, 3x3) }", "block: mine", {}, ["W0611"]),
    ("block mine(width) { n = 2\nreturn x -> conv(width, 3x3) }", "block: mine", {}, ["W0611"]),
    ("block mine(...) { return x -> basic(...) }", "block: mine", {}, []),
    ("block mine(f, channels) { return x -> f(...) }", "block: mine  f: conv(kernel=1)  channels: 8", {}, []),
]


@pytest.mark.parametrize(("front", "fields", "settings", "found"), UNUSED)
def test_what_no_model_of_the_file_needs_is_said(
    front: str, fields: str, settings: dict[str, str], found: list[str]
) -> None:
    block = "" if "block:" in fields or "base:" in fields else "block: basic  "
    assert codes(net(f"stages: [1]  {block}{fields}", front), **settings) == found


def test_a_parameter_of_a_model_is_read_by_a_base_a_block_or_a_model_that_changes_it() -> None:
    assert codes("model net(depth = 2) { stages: [2]  block: basic }") == ["W0611"]
    assert codes("model net(width = 64) { stages: [2]  block: basic }") == []
    assert codes("use cifar_resnet\nmodel net(n = 3) { base: cifar_resnet }") == []
    text = "model first(k = 2) { stages: [2]  block: basic }\nmodel net { base: first  stages: [k] }"
    assert compile_source(Source("t.resnet", text), None, "first").warnings == ()


@pytest.mark.parametrize(
    ("block", "code"),
    [
        ("block mine(width) { return x -> conv(widht, 3x3) }", "E0201"),
        ("block mine(width, n = nope) { return x -> conv(width, 3x3) }", "E0201"),
        ("block mine(width) { a = b\nb = 1\nreturn x -> conv(width, 3x3) }", "E0201"),
        ("block mine(width) { return x -> conv(width, 3x3, strides=2) }", "E0202"),
        ("block mine(width) { return x -> conv(width, 3x3, init=glorott) }", "E0204"),
        ("const mine = 1 / 0", "E0206"),
        ("const mine = mine", "E0209"),
    ],
)
def test_what_nothing_uses_is_checked_all_the_same(block: str, code: str) -> None:
    with pytest.raises(CompileError) as caught:
        codes(net("stages: [1]  block: basic", block))
    with pytest.raises(CompileError) as alone:
        check_blocks(Source("t.resnet", block))
    assert [found.code for found in caught.value.diagnostics if found.severity == "error"] == [code]
    assert [found.code for found in alone.value.diagnostics] == [code]


@pytest.mark.parametrize(
    ("step", "name"),
    [
        ("nn.Conv2d(3)", "nn.Conv2d"),
        ("torch.nn.relu", "torch.nn.relu"),
        ("F.relu", "F.relu"),
        ("conv(y.channels, 1x1)", "y"),
    ],
)
def test_a_name_that_nothing_uses_and_nobody_knows_is_said_once(step: str, name: str) -> None:
    with pytest.raises(CompileError) as caught:
        codes(net(TWO, f"block never() {{ return x -> {step} }}"))
    assert [found.message for found in caught.value.diagnostics] == [f"unknown name `{name}`"]


FINE = """
const half = 1 / 2
block mine(width, act = relu, mode = slow | fast, short = B(norm=gn)) {
    inner = max(8, round(width * half))
    grow = conv(kernel=3, pad=same, init=he_fan_in)
    wide = if mode == fast then x -> grow(inner) else act(kind=soft)
    return wide -> bottleneck(width, stride_on=conv1, activation=pre) -> A(4 * width, side=both) -> short(8)
}
block around(...) { return x -> mine(mode=fast, ...) }
"""


def test_names_that_have_a_meaning_are_none_to_report() -> None:
    """Choices of what is called, steps, parameters, and whatever a function may take that is not known."""
    assert check_blocks(Source("t.resnet", FINE)) == ()


# --- allowing ------------------------------------------------------------------------------------

ALLOWED = [
    ("const a = 1  # resnet-dsl: allow W0610", []),
    ("# resnet-dsl: allow W0610: others use it\nconst a = 1", []),
    ("# resnet-dsl: allow W0611, W0610\n\n# more\nconst a = 1", []),
    ("# resnet-dsl: allow W0610\nconst a = 1\nconst b = 1", ["W0610"]),
    ("const b = 1\n# resnet-dsl: allow W0610 in this file\nconst a = 1", []),
    ("# resnet-dsl: allow W0611\nconst a = 1", ["W0610"]),
    ("# resnet-dsl: allow W0698", ["W0621"]),
    ("# resnet-dsl: allow E0301", ["W0621"]),
    ("# resnet-dsl: allow", ["W0621"]),
    ("# resnet-dsl: ignore W0610", ["W0621"]),
    ("# resnet-dsl: a compiler", []),
    ("# allow W0610 of resnet-dsl\nconst a = 1", ["W0610"]),
]


ODD = "conv(64, 3x3) -> bn(momentum=0.95)"
LAID_OUT = [
    (f"stem: {ODD} -> relu  # resnet-dsl: allow W0620", []),
    (f"stem: {ODD}\n -> relu  # resnet-dsl: allow W0620", []),
    (f"stem: {ODD}  # resnet-dsl: allow W0620\n -> relu", []),
    ("stem: conv(64, 3x3)\n # resnet-dsl: allow W0620\n -> bn(momentum=0.95)\n -> relu", []),
    (f"stem: {ODD}\n -> relu\n # resnet-dsl: allow W0620\n -> relu", ["W0620"]),
    (f"# resnet-dsl: allow W0620\nstem:\n {ODD} -> relu", []),
    (f"stem: {ODD} widths: [64]  # resnet-dsl: allow W0620", ["W0620"]),
    (f"stem: {ODD}\n# resnet-dsl: allow W0620\nwidths: [64]", ["W0620"]),
    ("head: { a: gap -> fc(3)  b: bn(momentum=0.95) -> gap -> fc(2) }  # resnet-dsl: allow W0620", []),
    (f"stem: {ODD} -> " + "relu -> " * 30 + "relu  # resnet-dsl: allow W0620", []),
]


@pytest.mark.parametrize(("fields", "found"), LAID_OUT)
def test_what_an_allow_is_about_does_not_depend_on_the_layout(fields: str, found: list[str]) -> None:
    text = f"model net {{ stages: [1]  block: basic\n{fields}\n}}\n"
    for written in (text, format_source(Source("m.resnet", text))):
        assert codes(written) == found, written


@pytest.mark.parametrize(("front", "found"), ALLOWED)
def test_an_allow_silences_its_codes_at_its_place(front: str, found: list[str]) -> None:
    assert codes(net("stages: [1]  block: basic", front)) == found


def test_an_allow_is_no_documentation_of_a_block() -> None:
    text = "# Two.\n# resnet-dsl: allow W0611\nblock mine(width, n = 1) { return x -> conv(width, 3x3) }\n"
    program = compile_source(Source("t.resnet", text + "model net { stages: [1]  block: mine }"))
    assert (program.network.stages[0].blocks[0].doc, program.warnings) == ("Two.", ())


# --- the command line ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "status", "word"),
    [("default", 0, "warning[W0613]"), ("error", 1, "error[W0613]"), ("none", 0, "")],
)
def test_warnings_may_be_errors_or_none(
    option: str, status: int, word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "net.resnet"
    spec.write_text(net(TWO + "input: 28x28x1"))
    assert main(["check", str(spec), "--warnings", option]) == status
    out, err = capsys.readouterr()
    assert (out == "") == (status == 1)
    assert err.startswith(word)
    assert bool(err) == bool(word)
    target = tmp_path / "out.txt"
    assert main(["compile", str(spec), "--emit", "graph", "-o", str(target), "--warnings", option]) == status
    assert target.exists() == (status == 0)
    capsys.readouterr()
    assert main(["check", str(spec), "--warnings", option, "--format", "json"]) == status
    severities = [found["severity"] for found in json.loads(capsys.readouterr().out)]
    assert severities == [word.partition("[")[0]] * bool(word)


def test_a_file_of_blocks_alone_is_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad, empty = (tmp_path / f"{name}.resnet" for name in ("good", "bad", "empty"))
    good.write_text(FINE)
    bad.write_text(FINE.replace("grow(inner)", "grow(innner)"))
    empty.write_text("# nothing\n")
    assert main(["check", str(good)]) == 0
    assert capsys.readouterr().out == f"{good}: ok (no model)\n"
    assert main(["check", str(bad)]) == 1
    assert "unknown name `innner`" in capsys.readouterr().err
    assert main(["check", str(empty)]) == 1
    assert main(["compile", str(good), "--emit", "graph"]) == 1
    assert capsys.readouterr().err.count("the file declares no model") == 2


# --- hints ---------------------------------------------------------------------------------------

FIXED = "block mine(channels, n = 1) { return x -> conv(channels, 1x1%s) -> bn }\n"
POOLED = (
    "block mine(channels, stride = 1) { return if stride == 1 and x.channels == channels then x else %s }\n"
)


def hints(text: str) -> list[str]:
    try:
        return [found.hint for found in warnings(text)]
    except CompileError as error:
        return [found.hint for found in error.diagnostics]


@pytest.mark.parametrize(
    ("block", "fields", "hint"),
    [
        # One stride suits one stage only: with it the next one fails.
        (FIXED % ", stride=2", "", "`shortcut: B`"),
        # The step that is wrong is mended where one is, and everything else kept.
        (
            POOLED % "x -> avgpool(2, pad=0) -> conv(channels, 1x1) -> bn",
            "input: 3x240x240  stages: [1, 1, 1, 1]",
            "write `avgpool(2, pad=0, ceil=true)` at line 1",
        ),
        (
            POOLED % "x -> maxpool(3x3, stride=2, pad=0) -> conv(channels, 1x1) -> bn",
            "",
            "write `maxpool(3x3, stride=2, pad=half)` at line 1",
        ),
        (
            POOLED % "x -> conv(channels, 1x1) -> bn",
            "",
            "write `conv(channels, 1x1, stride=stride)` at line 1",
        ),
        (
            POOLED % "x -> gelu -> inner: twice(channels)",
            "",
            "write `conv(channels, 1x1, stride=2)` at line 2",
        ),
        # Where none is, what the projection does not do is said.
        (
            POOLED % "x -> maxpool(5, pad=0) -> avgpool(3, pad=0) -> conv(channels, 1x1) -> bn",
            "",
            "`shortcut: B`, which leaves out `avgpool`, `maxpool`",
        ),
    ],
)
def test_a_hint_helps_and_changes_no_more_than_it_says(block: str, fields: str, hint: str) -> None:
    twice = "block twice(channels) { return x -> conv(channels, 1x1) -> bn }\n" * ("twice" in block)
    model = f"model net {{ {fields or 'stages: [2, 2]'}  block: basic  shortcut: mine }}"
    assert hints(block + twice + model)[-1] == hint


def test_a_step_is_mended_as_deep_as_a_person_would_look() -> None:
    rows = ["block deep0(channels) { return x -> conv(channels, 1x1) -> bn }"]
    rows += [f"block deep{n + 1}(channels) {{ return x -> a: deep{n}(channels) }}" for n in range(3)]
    model = "model net { stages: [2, 2]  block: basic  shortcut: mine }"
    found = [hints("\n".join([*rows, POOLED % f"x -> a: deep{n}(channels)", model]))[-1] for n in range(4)]
    assert found == [*["write `conv(channels, 1x1, stride=2)` at line 1"] * 3, "`shortcut: B`"]


def test_a_step_is_mended_as_far_back_as_a_person_would_look() -> None:
    model = "model net { stages: [2, 2]  block: basic  shortcut: mine }"
    steps = {count: "x -> conv(channels, 1x1)" + " -> relu" * count for count in (63, 64)}
    found = {count: hints(POOLED % text + model)[-1] for count, text in steps.items()}
    assert found == {
        63: "write `conv(channels, 1x1, stride=stride)` at line 1",
        64: "`shortcut: B`, which leaves out `relu`",
    }


@pytest.mark.parametrize("stride", range(2, 11))
def test_a_projection_has_a_stride_that_networks_have(stride: int) -> None:
    steps = f"main = x -> conv(width, 3x3, stride={stride}) -> bn"
    text = f"block mine(width) {{ {steps}\n return main + x }}\n"
    text += "model net { input: 3x64x64  stages: [1]  block: mine  widths: [64] }"
    projected = f"project the input: `x -> B(width, {stride})`"
    mended = "write `conv(width, 3x3, stride=1)` at line 1"
    assert hints(text) == [projected if stride in (2, 3, 4, 8) else mended]


SHAPE = "channels, height and width: `3x224x224`, or `3xHxW` for any size"
DIMENSIONS = [
    ("12x12", SHAPE),
    ("100x200", SHAPE),
    ("0x5", SHAPE),
    ("2x3x4x5x6", SHAPE),
    ("100x201", "maps have two dimensions: a signal of 201 steps in 100 channels is `100x1x201`"),
    ("150x99", "maps have two dimensions: a signal of 150 steps in 99 channels is `99x1x150`"),
    ("1x5", "maps have two dimensions: a signal of 5 steps in 1 channel is `1x1x5`"),
    ("2x4x8x9", "the batch is no part of it: write `4x8x9`"),
    ("2x1x8x9", "the batch is no part of it: write `1x8x9`"),
    ("2x8x9x4", "channels come first, and the batch is no part of it: write `4x8x9`"),
    ("2x8x9x1", "channels come first, and the batch is no part of it: write `1x8x9`"),
    (
        "2x8x9x10",
        "maps have two dimensions, height and width, and a volume has three; "
        "slices can be channels, as in `16x9x10`",
    ),
]


@pytest.mark.parametrize(("size", "hint"), DIMENSIONS)
def test_an_input_of_other_dimensions_is_told_from_its_numbers(size: str, hint: str) -> None:
    assert hints(net(f"{TWO} input: {size}")) == [hint]


@pytest.mark.parametrize(
    ("block", "fields", "hint"),
    [
        ("return x -> relu", "stem: maxpool(3x3)  head: none", "give `input` a size such as `3x224x224`"),
        ("return x -> maxpool(3x3)", "stem: none  head: none", ""),
        ("return x -> relu", "stem: none  head: maxpool(3x3)", ""),
    ],
)
def test_the_size_of_the_input_is_asked_for_where_the_input_is_used(
    block: str, fields: str, hint: str
) -> None:
    assert hints(net(f"input: 5  stages: [1]  block: own  {fields}", f"block own() {{ {block} }}"))[0] == hint


RECORDS = [
    ("mean: nope", ["unknown name `nope`"]),
    ("mean: [1, 2, nope]", ["unknown name `nope`"]),
    ("size: 36  size: 40", ["`size` is given twice in this record"]),
    ("mean: [1, 2]", ["`mean` has 2 numbers for 3 channels"]),
    ("std: [1, 2, 3, 4]", ["`std` has 4 numbers for 3 channels"]),
    ("antialias: 2", ["`preprocess` has no `antialias`"]),
    ("zoom: 2", ["`preprocess` has no `zoom`"]),
    ("color: rbg", ["`color` must be one of `rgb`, `bgr`, `gray`"]),
    ("size: { a: 1 }", ["`size` must be a number, a name or a list of them, not { a: 1 }"]),
    ("mean: []", ["`mean` must be a number, a name or a list of them, not []"]),
    ("size: [36, 40]  mean: 0.5  crop: 32", []),
]


@pytest.mark.parametrize(("fields", "messages"), RECORDS)
def test_a_record_says_each_mistake_once(fields: str, messages: list[str]) -> None:
    try:
        found = warnings(net(f"{TWO} preprocess: {{ {fields} }}"))
    except CompileError as error:
        found = error.diagnostics
    assert [one.message for one in found] == messages


def test_the_hint_of_a_warning_is_tried_too() -> None:
    text = POOLED % "x -> avgpool(2, pad=0) -> conv(channels, 1x1) -> bn"
    text += "model net { stages: [1, 1, 1, 1]  block: basic  shortcut: mine }"
    assert hints(text) == ["write `avgpool(2, pad=0, ceil=true)` at line 1"]
    assert hints(text.replace("pad=0", "pad=0, ceil=true")) == []


COLOURED = "model net { stages: [1]  block: basic  preprocess: { mean: [0.5, 0.5, 0.5]  std: 0.5 } }"


@pytest.mark.parametrize(
    ("channels", "kept", "said"),
    [("1", False, ["`preprocess` is for 3 channels, and the input has 1: it is left out"]), ("3", True, [])],
)
def test_a_preprocess_for_other_channels_than_those_asked_for_is_left_out(
    channels: str, kept: bool, said: list[str]
) -> None:
    program = compile_source(Source("net.resnet", COLOURED), overrides={"input": f"{channels}x32x32"})
    assert [warning.message for warning in program.warnings] == said
    assert bool(program.network.preprocess) == kept
