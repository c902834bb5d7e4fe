"""What differs between two networks: what `diff` says, and what it may not say."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import resnet_dsl
from resnet_dsl.analysis.cost import cost_of
from resnet_dsl.analysis.lower import Lowered
from resnet_dsl.cli.main import main
from resnet_dsl.compare.aligned_parts import PartAligner
from resnet_dsl.compare.comparison_result import Comparison
from resnet_dsl.compare.network_differences import compared
from resnet_dsl.compare.told_differences import told
from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source, compile_spec
from resnet_dsl.ir.network import Body, Network, merged
from resnet_dsl.ir.ops import CATALOGUE, Op
from resnet_dsl.program import Program
from resnet_dsl.shipped import shipped
from tests.support.op_cases import cases_of, model_of, neighbours

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RESNET_DSL_TRACEBACK", raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        status = main(arguments)
        return status, *capsys.readouterr()

    return call


def of(text: str) -> Program:
    return compile_source(Source("net.resnet", text))


def texts(found: Comparison) -> list[str]:
    return [each.text for each in found.differences]


def between(a: str, b: str) -> list[str]:
    """What differs between two shipped networks, or two texts."""
    sides = [of(each) if "{" in each else compile_spec(each) for each in (a, b)]
    return texts(compared(*sides))


# --- shipped networks ------------------------------------------------------------------------------


def test_the_stride_is_all_that_sets_v1_apart_from_todays(run: Run) -> None:
    expected = """\
resnet50 against resnet50_v1: 1 difference

what they compute
  the first block of layer2, layer3 and layer4: stride on conv2 (v1.5) against conv1 (v1)

parameters     25,557,032 in both
multiply-adds  4,089,184,256 against 3,857,973,248
"""
    assert run("diff", "resnet50", "resnet50_v1") == (1, expected, "")


def test_of_keras_stride_biases_and_eps_are_named_and_nothing_that_follows(run: Run) -> None:
    expected = """\
resnet50 against resnet50_keras: 8 differences

what they compute
  every conv (53): bias=false against true
  every bn (53): eps=1e-05 against 1.001e-05
  the first block of layer2, layer3 and layer4: stride on conv2 (v1.5) against conv1 (v1)
  after fc in the head: nothing against softmax

training alone
  every bn (53): momentum=0.1 against 0.01

how they start
  every conv (53): init=he against glorot
  fc in the head: init=uniform against glorot

beside the network
  preprocess: not said against { color: bgr  range: [0, 255]  mean: [103.939, 116.779, 123.68]  \
std: [1, 1, 1]  size: 224 }

parameters     25,557,032 against 25,583,592
multiply-adds  4,089,184,256 against 3,857,973,248
"""
    assert run("diff", "resnet50", "resnet50_keras") == (1, expected, "")


def test_of_resnet_d_stem_and_shortcut_are_others(run: Run) -> None:
    status, out, _ = run("diff", "resnet50", "resnet50d")
    assert status == 1
    assert (
        "  at the start of the stem: conv(64, 7x7, stride=2) against conv(32, 3x3, stride=2) -> bn -> relu"
        " -> conv(32, 3x3) -> bn -> relu -> conv(64, 3x3)\n"
        "  the first block of layer2, layer3 and layer4: shortcut=B against D\n"
        "    conv(512 … 2048, 1x1, stride=2) against avgpool(2x2, ceil=true) -> conv(512 … 2048, 1x1)\n"
    ) in out


SHIPPED = [
    ("resnet50", "resnet101", ["layer3: 6 blocks against 23"]),
    (
        "resnet50",
        "wide_resnet50_2",
        ["conv1 and conv2 in each of 16 blocks: channels=64, 128, 256, 512 against 128, 256, 512, 1024"],
    ),
    (
        "resnet18",
        "resnet50",
        [
            "layer1, layer2, layer3, layer4: 2, 2, 2, 2 blocks against 3, 4, 6, 3",
            "each of 8 blocks: basic (2 * conv 3x3) against bottleneck (conv 1x1, conv 3x3, conv 1x1)",
        ],
    ),
    ("resnet34", "resnet34_a", ["the first block of layer2, layer3 and layer4: shortcut=B against A"]),
    ("vgg16", "vgg16_bn", ["after every conv (13): nothing against bn"]),
    (
        "resnet20",
        "plain20",
        [
            "on the shortcut of layer1.0, layer1.1, layer1.2, layer2.1 and 3 more blocks: "
            "add against nothing",
            "on the shortcut of the first block of layer2 and layer3: "
            "subsample(2x2) -> pad_channels(32 … 64) -> add against nothing",
        ],
    ),
    (
        "resnet50",
        "seresnet50",
        [
            "each of 16 blocks: attention=none against se(divisor=8)",
            "bn3 in each of 16 blocks: gamma=1.0 against 0.0",
            "preprocess: not said against { color: rgb  range: [0, 1]  mean: [0.485, 0.456, 0.406]  "
            "std: [0.229, 0.224, 0.225]  size: 224  crop: 0.95  interpolation: bicubic }",
        ],
    ),
]


@pytest.mark.parametrize(("a", "b", "expected"), SHIPPED)
def test_what_differs_between_shipped_networks(a: str, b: str, expected: list[str]) -> None:
    assert sorted(between(a, b)) == sorted(expected)


SMALL = ("resnet18", "resnet50", "unet", "googlenet", "densenet121", "skresnet50", "res2net50", "resnet164")


@pytest.mark.parametrize("name", SMALL)
def test_a_network_does_not_differ_from_itself(name: str) -> None:
    check_against_itself(compile_spec(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(shipped()) - set(SMALL)))
def test_no_shipped_network_differs_from_itself(name: str) -> None:
    check_against_itself(compile_spec(name))


def check_against_itself(program: Program) -> None:
    """Neither as a whole, nor part by part, as what is not wholly the same is compared."""
    found = compared(program, program)
    assert found.same
    assert found.notes == ()
    assert list(told(PartAligner().aligned(program, program))) == []


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("resnet50", "resnet50_keras"), ("resnet50", "resnet50d"), ("resnet18", "resnet50"),
        ("resnet34", "resnet34_a"), ("resnet50", "resnet101"), ("alexnet", "alexnet_2012"),
        ("resnet50", "resnet50_gn"), ("vgg16", "vgg16_bn"), ("resnet50", "preresnet50"),
    ],
)  # fmt: skip
def test_what_is_named_does_not_depend_on_which_comes_first(a: str, b: str) -> None:
    one, other = compile_spec(a), compile_spec(b)
    there, back = compared(one, other), compared(other, one)
    assert {(d.kind, d.about, d.what, d.op, d.a, d.b) for d in there.differences} == {
        (d.kind, d.about, d.what, d.op, d.b, d.a) for d in back.differences
    }
    assert there.paths == back.paths[::-1]


@pytest.mark.parametrize(("a", "b"), [*itertools.combinations(SMALL, 2)])
def test_parts_have_differences_just_where_they_do_not_compute_the_same(a: str, b: str) -> None:
    aligner = PartAligner()
    for pair in aligner.aligned(compile_spec(a), compile_spec(b)):
        if pair.a is not None and pair.b is not None and pair.differences is not None:
            found = pair.differences
            differs = any((found.arguments, found.moved, found.steps, found.ways))
            assert differs == (aligner.form(pair.a.flat) != aligner.form(pair.b.flat))


# --- specs that mean the same ------------------------------------------------------------------------

NET = "model net { stages: [1, 2]  widths: [16, 32]  block: basic  input: 3x32x32 }"
COPIED = """
block own_shortcut(channels, stride = 1) {
    return if stride == 1 and x.channels == channels
        then x
        else x -> 0: conv(channels, 1x1, stride=stride, pad=0) -> 1: bn(eps=1e-5)
}
block mine(width, stride = 1) {
    main = x -> conv(width, 3x3, stride=stride, pad=1) -> bn -> relu -> conv(width, 3x3) -> bn
    return relu((x -> downsample: own_shortcut(width, stride)) + main)
}
model other {
    input: 3x32x32
    stem: conv(64, 7x7, stride=2) -> bn -> relu -> maxpool(3x3, stride=2)
    stages: [[mine(16)], [mine(32, stride=2), mine(32)]]
    strides: 1
    head: gap -> fc(1000)
}
"""


def test_two_specs_that_mean_the_same_have_no_differences() -> None:
    found = compared(of(NET), of(COPIED))
    assert texts(found) == []
    assert found.notes == ()


def test_what_does_nothing_is_no_difference() -> None:
    idle = (
        "model net { stages: [1]  widths: 16  block: basic  head: gap -> dropout(0.0) -> flatten -> fc(9) }"
    )
    plain = "model net { stages: [1]  widths: 16  block: basic  head: gap -> flatten -> flatten -> fc(9) }"
    assert between(idle, plain) == []


def test_layers_of_other_names_are_a_note_and_no_difference() -> None:
    found = compared(of(NET), of(COPIED.replace("0: conv", "project: conv")))
    assert texts(found) == []
    (note,) = found.notes
    expected = "2 layers have other names in other: layer1.0.downsample.0 is layer1.0.downsample.project …"
    assert note == expected


def test_parts_are_no_difference_where_the_whole_is_the_same() -> None:
    stages, blocks = (
        "[[mine(16)], [mine(32, stride=2), mine(32)]]",
        "a: mine(16) -> b: mine(32, stride=2) -> c: mine(32)",
    )
    within = COPIED.replace("    strides: 1\n", "").replace(stages, "[]")
    assert between(NET, within.replace("head: gap", f"head: {blocks} -> gap")) == []


# --- one thing at a time -----------------------------------------------------------------------------

ARGUMENTS = [(kind, name) for kind, op in CATALOGUE.items() for name, _, _ in op.arguments()]


@pytest.mark.parametrize(("kind", "name"), ARGUMENTS)
def test_an_argument_of_an_op_is_all_that_differs_if_it_does(kind: str, name: str) -> None:
    """Two models of one op, of which one argument is given another value."""
    found = [compared(*sides).differences for sides in itertools.islice(single_changes(kind, name), 3)]
    for differences in found:
        assert [(each.what, each.op, each.kind) for each in differences] == [(name, kind, "argument")]


def single_changes(kind: str, name: str) -> Iterator[tuple[Program, Program]]:
    """Models that differ in an argument alone: what follows a result of another form would differ too."""
    for case in cases_of(kind)[:6]:
        for other in neighbours(case, name):
            try:
                one, two = of(model_of((case,), "12x12")), of(model_of((other,), "12x12"))
            except CompileError:
                continue  # what is applied to its result does not take that
            if len(one.graph.nodes) == len(two.graph.nodes):
                yield one, two


def test_nearly_every_argument_is_tried() -> None:
    tried = [
        each
        for each in ARGUMENTS
        if any(True for case in cases_of(each[0])[:6] for _ in neighbours(case, each[1]))
    ]
    assert len(tried) > 0.9 * len(ARGUMENTS)


RESNET = compile_spec("resnet18")
PLACES = [
    (part, path, place)
    for part, path, body in RESNET.network.parts()
    for place, node in enumerate(body.nodes)
    if isinstance(node.what, Op) and list(node.what.arguments())
]
OTHER = {
    bool: (True, False),
    int: (8, 24),
    float: (0.25, 1e-3),
    tuple: ((5, 5), (3, 2)),
    str: ("uniform", "he"),
}


def changed_network(network: Network, path: str, part: str, change: Callable[[Body], Body]) -> Program:
    if not path:
        network = replace(network, **{part: change(getattr(network, part))})
    else:
        stages = tuple(
            replace(
                stage,
                runs=merged(
                    replace(run, body=change(run.body)) if f"{stage.name}.{index}" == path else run
                    for index, run in enumerate(stage.each)
                ),
            )
            for stage in network.stages
        )
        network = replace(network, stages=stages)
    lowered = Lowered(network)
    return Program(network, lowered, cost_of(lowered.runs), ())


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_an_argument_that_is_changed_in_one_place_is_named_there(data: st.DataObject) -> None:
    part, path, place = data.draw(st.sampled_from(PLACES))
    body = next(body for _, at, body in RESNET.network.parts() if at == path and body.nodes[place:])
    body = getattr(RESNET.network, part) if not path else body
    node = body.nodes[place]
    assert isinstance(node.what, Op)
    name = data.draw(st.sampled_from([name for name, _, _ in node.what.arguments()]))
    value = getattr(node.what, name)
    other = data.draw(st.sampled_from([each for each in OTHER[type(value)] if each != value]))
    op = node.what.having(name, other)

    def change(old: Body) -> Body:
        nodes = tuple(replace(each, what=op) if each is node else each for each in old.nodes)
        return replace(old, nodes=nodes)

    mutant = changed_network(RESNET.network, path, part, change)
    for sides in ((RESNET, mutant), (mutant, RESNET)):
        found = compared(*sides)
        assert [(each.what, each.op) for each in found.differences] == [(name, op.kind)]
        full = f"{path}.{node.name}" if path else node.name
        assert found.paths == ({full}, {full})


WAYS = [
    (
        "relu(main + x)", "relu(x * main)",
        "every add (3): add against mul",
    ),
    (
        "relu(main + x)", "relu(main + y)",
        "each of 3 blocks: add1 takes bn2, the input against bn2, conv1",
    ),
    ("relu(main + x)", "relu(main)", "on the shortcut of each of 3 blocks: add against nothing"),
    ("-> bn -> relu", "-> bn -> silu", "relu1 in each of 3 blocks: relu against silu"),
    ("-> bn -> relu", "-> relu", "after conv1 in each of 3 blocks: bn against nothing"),
]  # fmt: skip
OWN = """
block mine() {
    y = x -> conv(8, 3x3)
    main = y -> bn -> relu -> conv(8, 3x3) -> bn
    return relu(main + x)
}
model net { input: 3x16x16  stem: conv(8, 3x3)  stages: [3]  strides: 1  block: mine  head: gap -> fc(4) }
"""


@pytest.mark.parametrize(("old", "new", "expected"), WAYS)
def test_other_steps_and_ways_are_told_in_one_line(old: str, new: str, expected: str) -> None:
    assert old in OWN
    assert between(OWN, OWN.replace(old, new)) == [expected]


MODELS = [
    ("outputs: [layer1, head]", "outputs: none against [layer1, head]"),
    ("freeze: [stem]", "freeze: none against [stem]"),
    ("input: 1x32x32", "input: channels 3 against 1"),
    ("input: 3x64x64", "input: size 32x32 against 64x64"),
    ("head: gap -> fc(10)", "fc in the head: channels=1000 against 10"),
]


@pytest.mark.parametrize(("field", "expected"), MODELS)
def test_what_a_model_says_is_compared(field: str, expected: str) -> None:
    own = "" if field.startswith("input") else "input: 3x32x32"
    model = f"model net {{ stages: [1, 2]  widths: [16, 32]  block: basic  {own}  {field} }}"
    assert between(NET, model) == [expected]


def test_preprocessing_is_compared_key_by_key() -> None:
    said = "model net {{ stages: [1]  block: basic  preprocess: {{ mean: [0, 0, {}]  size: 32 }} }}"
    assert between(said.format(0), said.format(1)) == ["preprocess: mean [0, 0, 0] against [0, 0, 1]"]


# --- files -------------------------------------------------------------------------------------------

BOTTLENECK = "model net { input: 3x32x32  stages: [1, 2]  widths: [8, 16]  block: bottleneck }"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("net.resnet").write_text(BOTTLENECK)
    Path("v1.resnet").write_text(BOTTLENECK.replace("}", " stride_on: conv1 }"))
    Path("biased.resnet").write_text(BOTTLENECK.replace("}", " bias: true  norm: bn(eps=1e-3) }"))
    for suffix in ("pth", "safetensors"):
        assert main(["weights", "init", "net.resnet", "-o", f"mystery.{suffix}"]) == 0
    np.savez("mystery.npz", **resnet_dsl.load("net.resnet").state(seed=0))
    capsys.readouterr()
    return tmp_path


@pytest.mark.parametrize("suffix", ["pth", "safetensors", "npz"])
def test_a_file_that_fits_is_the_network_as_far_as_it_can_tell(suffix: str, run: Run, files: Path) -> None:
    name = f"mystery.{suffix}"
    for spec in ("net.resnet", "v1.resnet"):
        status, out, _ = run("diff", name, spec)
        assert status == 0
        assert f"{name} and {spec} mean the same, as far as {name} can tell\n" in out
        assert f"note: all 62 tensors of {name} are those of net; what has no tensor, such as strides" in out


def test_which_shipped_networks_have_the_tensors_of_a_file_is_said(run: Run) -> None:
    assert main(["weights", "init", "resnet18", "-o", "mystery.safetensors"]) == 0
    status, out, _ = run("diff", "mystery.safetensors", "resnet18")
    assert status == 0
    assert "are those of resnet18, and those of the shipped resnetblur18; what has" in out


def test_what_a_file_cannot_tell_is_said_once_and_no_difference(run: Run, files: Path) -> None:
    status, out, _ = run("diff", "mystery.pth", "biased.resnet")
    assert status == 1
    assert (
        out
        == """\
mystery.pth against biased.resnet: 1 difference, as far as mystery.pth can tell

what they compute
  conv1, conv2 and conv3 in each of 3 blocks: bias=false against true

not told by mystery.pth: eps, input size

note: mystery.pth leaves open what is taken as stride_on=conv2

parameters     88,840 against 89,080
multiply-adds  not told against 2,877,952
"""
    )
    assert "bias=true against false\n" in run("diff", "biased.resnet", "mystery.pth")[1]


def test_two_files_are_compared(run: Run, files: Path) -> None:
    Path("deeper.resnet").write_text(BOTTLENECK.replace("[1, 2]", "[1, 3]"))
    assert main(["weights", "init", "deeper.resnet", "-o", "deeper.safetensors"]) == 0
    status, out, _ = run("diff", "mystery.pth", "deeper.safetensors")
    assert status == 1
    assert "mystery.pth against deeper.safetensors: 1 difference, as far as these files can tell\n" in out
    assert "  layer2: 2 blocks against 3\n" in out


def test_a_graph_tells_strides_and_eps(run: Run, files: Path) -> None:
    assert main(["compile", "v1.resnet", "--backend", "onnx", "-o", "v1.onnx"]) == 0
    assert run("diff", "v1.onnx", "v1.resnet")[0] == 0
    status, out, _ = run("diff", "v1.onnx", "net.resnet")
    assert status == 1
    assert "layer2.0: stride on conv1 (v1) against conv2 (v1.5)\n" in out
    status, out, _ = run("diff", "biased.resnet", "v1.onnx")
    assert "bn1, bn2 and bn3 in each of 3 blocks: eps=0.001 against 1e-05\n" in out


# --- the command -------------------------------------------------------------------------------------


def test_the_json_has_the_paths_of_all_that_differs(run: Run) -> None:
    status, out, _ = run("diff", "resnet50", "resnet50_v1", "--format", "json")
    found = json.loads(out)
    assert status == 1
    assert not found["same"]
    (difference,) = found["differences"]
    assert (difference["kind"], difference["what"], difference["op"]) == ("moved", "stride", "conv")
    assert (difference["a"], difference["b"]) == ("conv2 (v1.5)", "conv1 (v1)")
    strided = [f"layer{stage}.0.conv{number}" for stage in (2, 3, 4) for number in (1, 2)]
    assert found["paths"] == {"a": strided, "b": strided}
    assert found["a"] == {
        "name": "resnet50",
        "model": "resnet50",
        "params": 25_557_032,
        "macs": 4_089_184_256,
    }


def test_either_side_takes_settings(run: Run) -> None:
    status, out, _ = run("diff", "cifar_resnet", "cifar_resnet", "--set-b", "n=5")
    assert status == 1
    assert out.startswith("cifar_resnet against cifar_resnet (n=5): 1 difference\n")
    assert "  layer1, layer2, layer3: 3, 3, 3 blocks against 5, 5, 5\n" in out
    assert run("diff", "cifar_resnet", "cifar_resnet", "--set-a", "n=5", "--set-b", "n=5")[0] == 0


ERRORS = [
    (["resnet50", "resnet5o"], "error: no such file or shipped spec: resnet5o; did you mean "),
    (["-", "-"], "error: standard input is one spec: give the other by its name"),
    (["resnet50", "resnet50", "--set-a", "n"], "error: --set-a takes NAME=VALUE, not `n`"),
    (["resnet50", "bad.resnet"], "error[E0201]: "),
    (["resnet50", "empty.pth"], "error: empty.pth: "),
    (["resnet50", "page.onnx"], "error: page.onnx: "),
    (["odd.npz", "resnet50"], "error: odd.npz: cannot be written as a spec to compare: no blocks `layer1.0`"),
]


@pytest.mark.parametrize(("arguments", "message"), ERRORS)
def test_what_cannot_be_compared_is_status_2(run: Run, arguments: list[str], message: str) -> None:
    Path("bad.resnet").write_text("model bad { stages: [1]  block: basik }")
    Path("empty.pth").write_bytes(b"")
    Path("page.onnx").write_text("<html>")
    np.savez("odd.npz", a=np.zeros((3, 4)))
    status, out, err = run("diff", *arguments)
    assert (status, out) == (2, "")
    assert err.startswith(message)
    assert "internal" not in err


def test_the_library_compares_names_and_models(run: Run) -> None:
    found = resnet_dsl.diff("resnet50", resnet_dsl.load("resnet50_v1"))
    assert not found.same
    assert str(found) + "\n" == run("diff", "resnet50", "resnet50_v1")[1]
    assert resnet_dsl.diff(resnet_dsl.load("resnet20"), "resnet20").same
