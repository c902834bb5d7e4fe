"""Artefacts whose layers are called as in another library, and what is refused, in words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import resnet_dsl
from resnet_dsl.cli.main import main
from resnet_dsl.initial.seeded import random_state
from resnet_dsl.ir.ops import Init, Op, TensorSpec
from resnet_dsl.ir.shapes import Shape
from resnet_dsl.program import Program
from resnet_dsl.shipped import name_maps_folder
from resnet_dsl.zoo.conditions import unmet
from resnet_dsl.zoo.fold import eps_differences, fold_biases
from resnet_dsl.zoo.layouts import layout_of
from resnet_dsl.zoo.model_names import model_names
from resnet_dsl.zoo.name_maps import known_libraries
from resnet_dsl.zoo.patterns import Pattern, fill
from tests.support import library_models
from tests.support.agreement import compiled
from tests.support.library_models import difference, images

KERAS = "keras.applications"
SMALL = {"stages": "[3, 1]", "input": "3x32x32", "classes": 5}
THIN = {"widths": "[8, 16, 32, 64]", "input": "3x32x32", "classes": 5}
V2 = {"n2": 2, "n3": 2, "n4": 3, "n5": 2, **THIN}


# --- patterns and files ------------------------------------------------------------------------


def test_patterns_find_numbers_and_templates_use_them() -> None:
    pattern = Pattern("layer{s}.{b}.conv{j}")
    assert pattern.find("layer2.10.conv3") == {"s": 2, "b": 10, "j": 3}
    assert pattern.find("layer2.10.conv3.weight") is None
    assert pattern.find("layer2x10.conv3") is None
    assert fill("conv{s+1}_block{b+1}_{j}_conv", {"s": 2, "b": 10, "j": 3}) == "conv3_block11_3_conv"
    assert fill("stages.{s-1}", {"s": 1}) == "stages.0"
    assert fill("res{s+1}{b:a}/unit{b+1:02}", {"s": 1, "b": 2}) == "res2c/unit03"
    assert Pattern("branch{i}.*").rest("branch2.0.conv") == "0.conv"
    assert Pattern("layer{s}.{b}").within("layer1.0.conv1") == ({"s": 1, "b": 0}, "conv1")
    assert Pattern("layer{s}.{b}").within("layer1.01") is None
    assert pattern.find(f"layer{'1' * 5000}.0.conv1") is None  # no number that Python reads


# --- artefacts ---------------------------------------------------------------------------------


def test_keras_source_has_the_names_of_keras_applications() -> None:
    source = resnet_dsl.load("resnet50_keras", **SMALL).render("keras", names=KERAS)
    assert isinstance(source, str)
    assert 'keras_projection_block(x, f"{name}_0"' in source
    assert 'f"{name}_1_conv"' in source
    assert 'x = keras_bottleneck_block(x, "conv2_block1", 64' in source
    model = resnet_dsl.load("resnet50_keras", **SMALL).build("keras", names=KERAS)
    theirs = library_models.resnet_v1((3, 1))((32, 32))
    here, there = ({layer.name: layer for layer in m.layers} for m in (model, theirs))
    helpers = {"input", "softmax", "predictions-flatten", "conv1_conv-pad"}
    assert here.keys() - there.keys() - helpers <= {n for n in here if n.startswith("pad")}
    weighted = [layer.name for layer in theirs.layers if layer.weights]
    assert [n for n, layer in here.items() if layer.weights] != []
    assert {n for n, layer in here.items() if layer.weights} == set(weighted)
    assert {"conv1_relu", "pool1_pool", "conv2_block3_add", "conv3_block1_out", "avg_pool"} <= here.keys()


@pytest.mark.parametrize(
    ("spec", "settings", "make"),
    [
        ("resnet50_keras", {**THIN, "stages": "[1, 1, 1, 2]"}, lambda: library_models.resnet_v1(width=8)),
        ("resnet50v2_keras", V2, lambda: library_models.resnet_v2(width=8)),
    ],
)
def test_keras_loads_weights_between_their_model_and_ours_by_name(
    spec: str, settings: dict[str, Any], make: Any, tmp_path: Path
) -> None:
    theirs = library_models.stirred_keras(make()((32, 32)))
    path = library_models.saved_legacy(theirs, tmp_path / "theirs.h5")
    model = resnet_dsl.load(spec, **settings).build("keras", names=KERAS)
    model.load_weights(path, by_name=True)
    x = images((32, 32)).transpose(0, 2, 3, 1).astype(np.float32)
    assert difference(np.asarray(model(x)), np.asarray(theirs(x))) <= 1e-5


def test_weights_beside_a_source_with_names_load(tmp_path: Path) -> None:
    command = ["compile", "resnet50v2_keras", "--backend", "keras", "--names", KERAS, "--seed", "3"]
    settings = [option for name, value in V2.items() for option in ("--set", f"{name}={value}")]
    assert main([*command, *settings, "-o", f"{tmp_path}/"]) == 0
    weights = tmp_path / "resnet50v2_keras_keras.weights.h5"
    model = resnet_dsl.load("resnet50v2_keras", **V2)
    state = model.state(weights, names=KERAS)
    assert all((state[name] == value).all() for name, value in model.state(seed=3).items())
    live = model.build("keras", names=KERAS)
    live.load_weights(weights)
    kernel = state["layer1.0.conv1.weight"].transpose(2, 3, 1, 0)
    assert (live.get_layer("conv2_block1_1_conv").kernel.numpy() == kernel).all()


def test_initialisers_of_onnx_have_the_names_and_the_model_its_numbers() -> None:
    from resnet_dsl_onnx.runtime import run

    model = resnet_dsl.load("resnetv2_18", stages="[1, 1]", input="3x32x32")
    named = model.build("onnx", names="timm", seed=1)
    names = {tensor.name for tensor in named.graph.initializer}
    assert {"stem.conv.weight", "stages.1.blocks.0.norm2.running_var", "head.fc.weight"} <= names
    x = images((32, 32)).astype(np.float32)
    plain = run(model.build("onnx", seed=1), x)["output"]
    assert (run(named, x)["output"] == plain).all()


def test_a_state_fits_an_onnx_model_under_its_names_where_training_alone_needs_some() -> None:
    from resnet_dsl_onnx import runtime

    text = "model m { input: 3x4x4  stem: conv(4, 1x1)  stages: []  auxiliary: low  "
    plain = compiled(text + "head: { main: gap -> fc(2)  low: gap -> fc(3) } }")
    named = replace(plain, names={path: f"their.{path}" for path in ("stem.conv", "main.fc", "low.fc")})
    state = random_state(plain.graph, 1)
    x = images((4, 4)).astype(np.float32)
    wanted = runtime.run(runtime.build_with(plain, state), x)["main"]
    for live in (
        runtime.build_with(named, named.renamed(state)),
        runtime.load_state(runtime.build(named), named.renamed(state)),
    ):
        assert (runtime.run(live, x)["main"] == wanted).all()
        assert "their.main.fc.weight" in runtime.read_state(live)


def test_frozen_parts_bear_their_new_names() -> None:
    settings = {**SMALL, "freeze": "[stem, layer1]"}
    model = resnet_dsl.load("resnet50_keras", **settings)
    source = model.render("keras", names=KERAS)
    assert isinstance(source, str)
    assert 'FROZEN = ("conv1_conv", "conv1_bn", "conv2_block1", "conv2_block2", "conv2_block3")' in source
    live = model.build("keras", names=KERAS)
    trained = {layer.name for layer in live.layers if layer.weights and layer.trainable}
    assert all(name.startswith(("conv3_block1", "predictions")) for name in trained)
    assert trained


def test_names_that_are_the_canonical_ones_change_nothing() -> None:
    model = resnet_dsl.load("resnet18")
    assert model.render("torch", names="timm") == model.render("torch")
    assert model.render("keras", names="torchvision") == model.render("keras")


# --- refused -----------------------------------------------------------------------------------


def refused(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    """What a command says that ends with the status of a wrong use."""
    assert main(list(command)) == 2
    return capsys.readouterr().err


@pytest.fixture
def weights(tmp_path: Path) -> str:
    path = tmp_path / "some.safetensors"
    assert main(["weights", "init", "resnet20_b", "--set", "n=1", "-o", str(path)]) == 0
    return str(path)


def test_v1_names_are_refused_for_a_network_of_v1_5(weights: str, capsys: Any) -> None:
    text = refused(capsys, "weights", "inspect", weights, "--from", KERAS, "--spec", "resnet50")
    assert text == (
        "error: some.safetensors: keras.applications has names for all layers of resnet50, "
        "but for another network (ResNet50, ResNet101 and ResNet152):\n"
        "  layer2.0.conv1 (as 2 more) has stride 1, not 2: the stride is on the first 1x1 there, as in v1\n"
        "  layer2.0.conv2 (as 2 more) has stride 2, not 1: the blocks there are bottlenecks of v1\n"
    )


@pytest.mark.parametrize(
    ("spec", "settings", "library", "reason"),
    [
        ("resnet50_v1", {}, "torchvision", "layer2.0.conv1 (as 2 more) has stride 2, not 1: the blocks"),
        ("resnet50_v1", {}, "timm", "layer2.0.conv1 (as 2 more) has stride 2, not 1: the blocks"),
        ("resnetv2_50", {}, KERAS, "maxpool1 has pad 1, not 0: the pool there pads with zeros, which count"),
        (
            "resnetv2_50",
            {},
            KERAS,
            "layer2.0.conv2 (as 1 more) has stride 2, not 1: the stride is in the last",
        ),
        ("resnet50v2_keras", {}, "timm", "maxpool1 comes after zeropad, not conv"),
        ("resnet18", {}, KERAS, "has kernel 3, not 1: the blocks there are bottlenecks of v1"),
        ("resnet20", {}, "akamaster", "has side end, not both: option A there has zeros on both sides"),
        ("resnet20", {}, "chenyaofo", "there is no `layer2.0.downsample.0`"),
        ("resnet50_c", {}, KERAS, "layer1.1.downsample.0 (as 11 more) is in none of them: the projections"),
        ("plain20", {}, "akamaster", "there is no `layer1.0.add1`: the blocks there have shortcuts"),
        (
            "resnet34_a",
            {},
            "timm",
            "layer2.0.downsample.pad_channels1 (as 2 more) is in none of them: the shortcuts",
        ),
        (
            "resnet50",
            {"shortcut": "A"},
            "timm",
            "shortcuts there project where channels change; option A has",
        ),
        (
            "resnetv2_18",
            {"shortcut": "A"},
            "timm",
            "shortcuts there project where channels change; option A has",
        ),
        (
            "resnet34_a",
            {},
            "torchvision",
            "no `layer2.0.downsample.0`: the shortcuts there project where channels",
        ),
        (
            "resnet50_a",
            {},
            "torchvision",
            "no `layer1.0.downsample.0`: the shortcuts there project where channels",
        ),
        (
            "resnet34_c",
            {},
            "timm",
            "layer1.1.downsample.0 (as 23 more) is in none of them: the projections there",
        ),
        ("plain34", {}, "timm", "there is no `layer1.0.add1`: the blocks there have shortcuts"),
        ("resnet18", {"norm": "gn"}, "torchvision", "layer1.0.bn1 (as 15 more) is `gn`, not `bn`"),
        ("resnet18", {"act": "silu"}, "torchvision", "there is no `layer1.0.relu1`"),
        ("resnetv2_50", {"norm": "gn"}, "timm", "is `gn`, not `bn`: the norms there are batch norms"),
        ("resnetv2_18", {"norm": "gn"}, "timm", "is `gn`, not `bn`: the norms there are batch norms"),
        (
            "resnetv2_50t",
            {"norm": "gn"},
            "timm",
            "bn1 (as 1 more) is `bn`, not `gn`: the norms there are group",
        ),
        ("resnet50", {"norm": "gn(eps=0.001)"}, "timm", "has eps 0.001, not 1e-05: no variance of a `gn`"),
        ("lenet5", {}, "timm", "timm has no names for some layers of lenet5; closest are those of"),
    ],
)
def test_a_library_is_refused_with_the_reason(
    spec: str, settings: dict[str, Any], library: str, reason: str
) -> None:
    with pytest.raises(resnet_dsl.UsageError) as caught:
        model_names(resnet_dsl.load(spec, **settings).program, library)
    assert reason in str(caught.value)


def test_an_unknown_library_is_told_its_neighbour(weights: str, capsys: Any) -> None:
    text = refused(capsys, "compile", "resnet50", "--backend", "keras", "--names", "keras.application")
    assert text == "error: no names of a library `keras.application`; did you mean `keras.applications`?\n"
    text = refused(capsys, "weights", "inspect", weights, "--from", "mars", "--spec", "resnet20")
    listed = ", ".join(known_libraries())
    assert text == f"error: some.safetensors: no names of a library `mars`; there are {listed}\n"


def test_norms_of_a_new_head_are_no_matter_of_the_map() -> None:
    model = resnet_dsl.load("resnet18", head="gap -> ln(eps=0.5) -> fc(2)")
    assert model_names(model.program, "timm", partial=True).map.about.startswith("resnet18")


def test_a_net_like_bit_with_other_norms_is_refused() -> None:
    text = (name_maps_folder().parent / "timm" / "timm_resnetv2.resnet").read_text(encoding="utf-8")
    for norm, reason in {"bn": "another network", "gn(16)": "has groups 16, not 32: the norms"}.items():
        other = resnet_dsl.loads(text.replace(": gn", f": {norm}"), "resnetv2_50x1_bit")
        with pytest.raises(resnet_dsl.UsageError, match=reason):
            model_names(other.program, "timm")


def test_names_without_a_spec_say_nothing(weights: str, capsys: Any) -> None:
    text = refused(capsys, "weights", "inspect", weights, "--from", "timm")
    assert text == "error: --from needs --spec: which names a library has depends on the model\n"
    text = refused(capsys, "compile", "resnet50", "--emit", "graph", "--names", "timm")
    assert text == "error: --names is for backends; graph has the spec's own names\n"
    with pytest.raises(resnet_dsl.UsageError, match="none are given"):
        resnet_dsl.load("resnet18").state(names="timm")


def test_torch_sources_keep_their_own_names(tmp_path: Path, capsys: Any) -> None:
    text = refused(
        capsys, "compile", "resnetv2_50", "--backend", "torch", "--names", "timm", "-o", str(tmp_path)
    )
    assert text == (
        "error: torch calls layers by the spec's own paths, as conv1, and not as stem.conv; "
        "`weights convert --to timm` writes weights under the names of timm\n"
    )


def test_layers_in_another_order_do_not_take_the_name() -> None:
    with pytest.raises(resnet_dsl.UsageError, match="takes its input in another order than fc1"):
        resnet_dsl.load("vgg16").render("keras", names=KERAS)
    source = resnet_dsl.load("vgg16_keras").render("keras", names=KERAS)
    assert isinstance(source, str)
    assert 'x = vgg_layer_block(inputs, "block1_conv1", 64)' in source


def test_names_that_functions_cannot_give_are_refused() -> None:
    with pytest.raises(
        resnet_dsl.UsageError, match="the function of the block vgg_layer gives all its uses alike"
    ):
        resnet_dsl.load("vgg11").render("keras", names="torchvision")


def test_formats_that_hold_a_model_take_no_other_names(weights: str, tmp_path: Path, capsys: Any) -> None:
    command = ["weights", "convert", weights, "--spec", "resnet20_b", "--set", "n=1", "--to", "chenyaofo"]
    assert "`compile --names` writes it" in refused(capsys, *command, str(tmp_path / "a.onnx"))
    assert "write a .h5 for other names" in refused(capsys, *command, str(tmp_path / "a.weights.h5"))


def fitted(model: resnet_dsl.Model, state: dict[str, Any], library: str) -> str:
    with pytest.raises(resnet_dsl.WeightsError) as caught:
        model.state(state, names=library)
    return str(caught.value)


def test_a_bias_without_a_batch_norm_behind_it_is_refused() -> None:
    model = resnet_dsl.load("resnet50v2_keras", **V2)
    state = _there(model, KERAS)
    bare = resnet_dsl.load(
        "resnet50v2_keras",
        stem="conv(64, 7x7, stride=2) -> zeropad(1) -> maxpool(3x3, stride=2, pad=0)",
        **V2,
    )
    assert bare.state(state, names=KERAS)["conv1.weight"].any()  # zeros need no place
    state["conv1_conv.bias"] = np.ones(64, np.float32)
    text = fitted(bare, state, KERAS)
    assert (
        "not convertible (1): conv1_conv.bias (a bias that the other side has not, and no batch norm alone "
        "takes the result to make up for it)"
    ) in text


def test_a_variance_that_would_not_be_positive_is_refused() -> None:
    stem = "conv(64, 7x7, stride=2) -> bn(eps=0.5) -> relu -> maxpool(3x3, stride=2)"
    model = resnet_dsl.load("resnet18", stages="[1, 1]", stem=stem)
    state = model.state(seed=0)
    state["bn1.running_var"] = np.full(64, 0.25, np.float32)
    text = fitted(model, state, "timm")
    assert (
        "not convertible (1): bn1.running_var (would not be positive with the difference of eps in it)"
        in text
    )


def test_a_bias_that_the_other_side_has_not_is_refused_on_the_way_back() -> None:
    from resnet_dsl.zoo.translate import to_library

    text = """
    block biased(width, stride = 1) {
        active = x -> bn -> relu
        short = if x.channels == 4 * width then x -> maxpool(1x1, stride=stride)
            else active -> downsample: conv(4 * width, 1x1, stride=stride)
        main = active -> conv(width, 1x1, bias=true, init=uniform) -> relu -> bn
            -> conv(width, 3x3, stride=stride) -> bn -> relu -> conv(4 * width, 1x1)
        return short + main
    }
    model net(classes = 5) {
        input: 3x32x32
        stem: conv(64, 7x7, stride=2) -> zeropad(1) -> maxpool(3x3, stride=2, pad=0)
        stages: [[biased, biased(stride=2)]]  strides: 1
        head: bn -> relu -> gap -> fc(classes)
    }
    """
    model = resnet_dsl.loads(text)
    with pytest.raises(resnet_dsl.UsageError) as caught:
        to_library(model.state(seed=0), model_names(model.program, KERAS), model.program.graph)
    assert str(caught.value).startswith(
        "the weights cannot be those of keras.applications:\n  layer1.0.conv1.bias: a bias that the other"
    )


def test_faults_name_the_tensor_there() -> None:
    model = resnet_dsl.load("resnet50_keras", **SMALL)
    state = _there(model, KERAS)
    del state["conv1_bn.weight"]
    state["predictions.weight"] = np.zeros((7, 512), np.float32)
    state["bn1.weight"] = np.zeros(64, np.float32)  # ours, and no name there
    text = fitted(model, state, KERAS)
    assert "missing (1): bn1.weight (64; there `conv1_bn.weight`)" in text
    assert "unexpected (1): bn1.weight (64)" in text
    assert "misshapen (1): fc.weight (7x512, not 5x512; there `predictions.weight`)" in text


def test_a_weight_that_lies_otherwise_than_it_should_is_misshapen() -> None:
    model = resnet_dsl.load("resnetv2_18", stages="[1, 1]", input="3x32x32")
    state = _there(model, "timm")
    state["head.fc.weight"] = state["head.fc.weight"][:, :, 0, 0]
    text = fitted(model, state, "timm")
    assert "fc.weight (1000x128, not 1000x128x1x1; there `head.fc.weight`)" in text


def _there(model: resnet_dsl.Model, library: str) -> dict[str, Any]:
    from resnet_dsl.zoo.translate import to_library

    return to_library(model.state(seed=0), model_names(model.program, library), model.program.graph)[0]


# --- an op that the maps have never heard of ---------------------------------------------------


@dataclass(frozen=True)
class OtherNorm(Op):
    """A norm with running statistics that is not `bn`."""

    kind: ClassVar[str] = "other_norm"
    eps: float = 1e-3

    def parameters(self, *inputs: Shape) -> tuple[TensorSpec, ...]:
        shape = (inputs[0].channels,)
        return (
            TensorSpec("running_mean", shape, Init("constant", 0.0), "mean"),
            TensorSpec("running_var", shape, Init("constant", 1.0), "variance"),
        )


@dataclass(frozen=True)
class Unroll(Op):
    """A flatten that is not `flatten`."""

    kind: ClassVar[str] = "unroll"
    flattens = "hwc"


def with_ops(program: Program, ops: dict[str, Op]) -> Program:
    """Return a program with other ops for those of some kinds."""
    nodes = tuple(replace(node, op=ops.get(node.op.kind, node.op)) for node in program.graph.nodes)
    return program.with_graph(replace(program.graph, nodes=nodes))


def test_a_norm_with_running_statistics_takes_biases_and_eps_whatever_its_kind() -> None:
    program = resnet_dsl.load("resnet18", stages="[1, 1]", input="3x32x32").program
    other = with_ops(program, {"bn": OtherNorm()})
    folded = fold_biases({"conv1": np.ones(64), "fc": np.ones(1000)}, other.graph)
    assert list(folded.means) == ["bn1.running_mean"]
    assert folded.lost == ("fc",)
    nodes = {node.name: node for node in other.graph.nodes}
    names = model_names(program, "timm")
    layers = {path: replace(layer, node=nodes[path]) for path, layer in names.layers.items()}
    assert eps_differences(replace(names, layers=layers))["bn1.running_var"] == pytest.approx(1e-5 - 1e-3)
    assert unmet((), {"bn1": 1e-5}, other.graph) == []


def test_an_op_that_flattens_says_in_which_order_whatever_its_kind() -> None:
    vgg = with_ops(resnet_dsl.load("vgg16").program, {"flatten": Unroll()})
    assert model_names(vgg, KERAS).layers["fc1"].layout is None  # both `hwc`: nothing is to be done
    small = resnet_dsl.loads("model net { input: 3x4x5  stem: relu  head: flatten -> fc(2)  stages: [] }")
    graph = with_ops(small.program, {"flatten": Unroll()}).graph
    weight = np.arange(120).reshape(2, 3, 4, 5)
    layout = layout_of("chw", graph.nodes[-1], graph)
    here, there = weight.transpose(0, 2, 3, 1).reshape(2, -1), weight.reshape(2, -1)
    assert (layout.to_theirs(here) == there).all()
    assert (layout.to_ours(there) == here).all()
