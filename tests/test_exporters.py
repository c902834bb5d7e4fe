"""ONNX models as exporters write them: read as the networks they were made of, norms folded or not."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import resnet_dsl
from resnet_dsl.cli.main import main
from tests.support.exports import SIZE, difference, exported, kept, resnet, restored, trained

onnx = pytest.importorskip("onnx")
torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

SINGLE, HALF = 1e-6, 2e-3
SPEC = """\
model net {
    input: 3x64x64
    stem: imagenet_stem(8)
    stages: [2, 1, 1, 1]
    block: basic
    widths: [8, 16, 32, 64]
    classes: 10
}
"""
FOLDED = """\
    stem: conv(8, 7x7, stride=2, bias=true) -> relu -> maxpool(3x3, stride=2)
    stages: [2, 1, 1, 1]
    block: basic
    widths: [8, 16, 32, 64]
    bias: true
    shortcut: B(norm=identity, bias=true)
    norm: identity
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One export of each kind for all tests that only read."""
    made = tmp_path_factory.mktemp("exports")
    exported(resnet(), made / "folded.onnx")
    exported(resnet(), made / "kept.onnx", **kept())
    return made


# --- torch -------------------------------------------------------------------------------------


@pytest.mark.parametrize("opset", [11, 13, 17, 20])
def test_kept_norms_give_the_network_to_the_last_bit_of_double(opset: int, tmp_path: Path) -> None:
    model = resnet()
    path = exported(model, tmp_path / "net.onnx", opset_version=opset, **kept())
    text, state = restored(path)
    assert "norm" not in text
    x = np.random.default_rng(0).normal(size=(1, 3, SIZE, SIZE))
    expected = model.double()(torch.from_numpy(x)).detach().numpy()
    found = next(iter(resnet_dsl.loads(text).run(x, state).values()))
    assert abs(found - expected).max() <= 1e-11 * abs(expected).max()


def test_folded_norms_and_lost_names_give_the_folded_network(folder: Path) -> None:
    text, _ = restored(folder / "folded.onnx")
    assert FOLDED in text
    assert difference(folder / "folded.onnx") < SINGLE


def test_folded_norms_are_taken_out_where_asked(folder: Path) -> None:
    text, state = restored(folder / "folded.onnx", unfold=True)
    assert SPEC.splitlines()[2:7] == text.splitlines()[3:8]
    assert (state["layer1.0.bn1.weight"] == 1.0).all()
    assert difference(folder / "folded.onnx", unfold=True) < SINGLE


def test_what_was_done_is_said(folder: Path) -> None:
    with pytest.warns(UserWarning, match="there are no norms.*--unfold"):
        resnet_dsl.import_spec(folder / "folded.onnx")
    with pytest.warns(UserWarning, match="called by their places in the graph"):
        resnet_dsl.import_spec(folder / "folded.onnx")
    with pytest.warns(UserWarning, match="exact in evaluation alone"):
        resnet_dsl.import_spec(folder / "folded.onnx", unfold=True)


@pytest.mark.parametrize("options", [{0: "n"}, {0: "n", 2: "h", 3: "w"}], ids=["batch", "size"])
def test_open_axes_stay_open(options: dict[int, str], tmp_path: Path) -> None:
    path = exported(resnet(), tmp_path / "net.onnx", input_names=["x"], dynamic_axes={"x": options})
    text, _ = restored(path)
    assert ("3xHxW" in text) == (2 in options)
    assert difference(path) < SINGLE


@pytest.mark.parametrize("unfold", [False, True])
def test_half_precision_is_read(unfold: bool, tmp_path: Path) -> None:
    path = exported(resnet(), tmp_path / "net.onnx", half=True)
    assert difference(path, unfold) < HALF


def test_an_untrained_network_whose_equal_tensors_are_written_once_is_whole(tmp_path: Path) -> None:
    """Norms that were never trained are all alike: exporters write one, simplifiers one bias."""
    model = torchvision_fresh()
    for name, options in {"kept": kept(), "folded": {}}.items():
        path = exported(model, tmp_path / f"{name}.onnx", **options)
        assert difference(path) < SINGLE


def torchvision_fresh() -> Any:
    model = resnet(depths=(1, 1, 1, 1))
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.reset_parameters()
    return model


@pytest.mark.slow
@pytest.mark.parametrize("unfold", [False, True])
@pytest.mark.parametrize(
    "kind",
    [{}, {"bottleneck": True}, {"bottleneck": True, "groups": 4}],
    ids=["basic", "bottleneck", "grouped"],
)
def test_todays_exporter_is_read(kind: dict[str, Any], unfold: bool, tmp_path: Path) -> None:
    path = exported(resnet(**kind), tmp_path / "net.onnx", dynamo=True)
    assert difference(path, unfold) < SINGLE


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"opset_version": 21}, {"optimize": False}], ids=["21", "not optimised"])
def test_todays_exporter_is_read_in_other_opsets_and_unoptimised(
    options: dict[str, Any], tmp_path: Path
) -> None:
    """Unoptimised, the norms are there, and the shapes of biases of zeros are computed."""
    path = exported(resnet(), tmp_path / "net.onnx", dynamo=True, **options)
    text, _ = restored(path)
    assert ("norm: identity" in text) == ("optimize" not in options)
    assert difference(path) < SINGLE


# --- layers that others call and spell otherwise ----------------------------------------------------


class Odd(torch.nn.Module):
    """Names of one's own, padding before convolutions, a view, a clamp for the last activation."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        nn = torch.nn
        self.one, self.norm_one = nn.Conv2d(before, after, 3, stride), nn.BatchNorm2d(after)
        self.two, self.norm_two = nn.Conv2d(after, after, 3, 1, 1), nn.BatchNorm2d(after)
        skip = [nn.Conv2d(before, after, 1, stride), nn.BatchNorm2d(after)]
        self.skip = nn.Sequential(*skip) if stride > 1 else nn.Identity()

    def forward(self, x: Any) -> Any:
        y = torch.relu(self.norm_one(self.one(torch.nn.functional.pad(x, (1, 1, 1, 1)))))
        return torch.clamp(self.norm_two(self.two(y)) + self.skip(x), min=0)


class OddNet(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        nn = torch.nn
        self.begin = nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.parts = nn.ModuleList([Odd(8, 8, 1), Odd(8, 16, 2), Odd(16, 16, 1)])
        self.out = nn.Linear(16, 10)

    def forward(self, x: Any) -> Any:
        y = self.begin(x)
        for part in self.parts:
            y = part(y)
        y = torch.nn.functional.adaptive_avg_pool2d(y, 1)
        return torch.softmax(self.out(y.view(y.size(0), -1)), -1)


class Pre(torch.nn.Module):
    """Norms before the convolutions: the second is folded into the first convolution, the first stays."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        nn = torch.nn
        self.first, self.a = nn.BatchNorm2d(before), nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.second, self.b = nn.BatchNorm2d(after), nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.skip = nn.Conv2d(before, after, 1, stride, bias=False) if stride > 1 else None

    def forward(self, x: Any) -> Any:
        active = torch.relu(self.first(x))
        y = self.b(torch.relu(self.second(self.a(active))))
        return y + (x if self.skip is None else self.skip(active))


class PreNet(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        nn = torch.nn
        self.stem = nn.Conv2d(3, 8, 3, 1, 1, bias=False)
        self.parts = nn.Sequential(Pre(8, 8, 1), Pre(8, 16, 2), Pre(16, 16, 1))
        self.last, self.out = nn.BatchNorm2d(16), nn.Linear(16, 10)

    def forward(self, x: Any) -> Any:
        return self.out(torch.relu(self.last(self.parts(self.stem(x)))).mean([2, 3]))


@pytest.mark.parametrize("options", ["kept", "folded", "kept of opset 9"])
def test_layers_are_known_by_their_places(options: str, tmp_path: Path) -> None:
    given = {**(kept() if "kept" in options else {}), **({"opset_version": 9} if "9" in options else {})}
    path = exported(trained(OddNet()), tmp_path / "net.onnx", **given)
    text, state = restored(path)
    assert "stages: [1, 2]" in text
    assert "layer2.0.downsample.0.weight" in state
    assert difference(path) < SINGLE


class Bare(torch.nn.Module):
    """A shortcut without tensors: every second pixel, zeros around the channels."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        nn = torch.nn
        self.a, self.first = nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after)
        self.b, self.second = nn.Conv2d(after, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after)
        self.added = (after - before) // 2

    def forward(self, x: Any) -> Any:
        y = self.second(self.b(torch.relu(self.first(self.a(x)))))
        if self.added:
            x = torch.nn.functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.added, self.added))
        return torch.relu(y + x)


@pytest.mark.parametrize("folded", [False, True])
def test_shortcuts_without_tensors_are_read_from_slices_of_rows_and_columns(
    folded: bool, tmp_path: Path
) -> None:
    nn = torch.nn
    stem = nn.Sequential(nn.Conv2d(3, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
    model = nn.Sequential(stem, Bare(8, 8, 1), Bare(8, 16, 2), Bare(16, 16, 1), head)
    path = exported(trained(model), tmp_path / "net.onnx", **({} if folded else kept()))
    assert "shortcut: A(side=both)" in restored(path)[0]
    assert difference(path) < SINGLE


def test_folded_norms_of_preactivation_are_read_with_unfold_alone(tmp_path: Path) -> None:
    path = exported(trained(PreNet()), tmp_path / "net.onnx")
    with pytest.raises(resnet_dsl.NotExpressibleError, match=r"= help: norms were folded .*--unfold"):
        restored(path)
    text, _ = restored(path, unfold=True)
    assert "activation: pre" in text
    assert difference(path, unfold=True) < SINGLE


@pytest.mark.slow
@pytest.mark.timm
@pytest.mark.parametrize(
    "kind", ["deep", "se", "eca", "prelu", "leaky", "silu", "blur", "dilated"], ids=lambda kind: kind
)
def test_networks_of_timm_are_read_without_their_names(kind: str, tmp_path: Path) -> None:
    from tests.support.oracles import torchvision_models

    torchvision_models()
    timm = pytest.importorskip("timm")
    nn, blocks = torch.nn, timm.models.resnet
    settings = {
        "deep": {"stem_type": "deep", "avg_down": True},
        "se": {"block_args": {"attn_layer": "se"}},
        "eca": {"block_args": {"attn_layer": "eca"}},
        "prelu": {"act_layer": timm.layers.activations.PReLU},
        "leaky": {"act_layer": nn.LeakyReLU},
        "silu": {"act_layer": nn.SiLU},
        "blur": {"aa_layer": timm.layers.BlurPool2d},
        "dilated": {"output_stride": 8},
    }[kind]
    block = blocks.BasicBlock if kind in ("eca", "prelu") else blocks.Bottleneck
    model = blocks.ResNet(block, [2, 1, 1, 1], channels=(8, 16, 32, 64), num_classes=10, **settings)
    path = exported(trained(model), tmp_path / "net.onnx")
    for unfold in (False, True):
        assert difference(path, unfold) < SINGLE


# --- simplifiers -------------------------------------------------------------------------------


def by_onnxsim(model: Any) -> Any:
    return pytest.importorskip("onnxsim").simplify(model)[0]


def by_onnxslim(model: Any) -> Any:
    return pytest.importorskip("onnxslim").slim(model)


@pytest.mark.parametrize("unfold", [False, True])
@pytest.mark.parametrize("name", ["folded", "kept"])
@pytest.mark.parametrize("simplify", [by_onnxsim, by_onnxslim])
def test_simplified_models_are_read(
    simplify: Callable[[Any], Any], name: str, unfold: bool, folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(simplify(onnx.load(folder / f"{name}.onnx")), path)
    assert difference(path, unfold) < SINGLE


@pytest.mark.parametrize("simplify", [by_onnxsim, by_onnxslim])
def test_a_model_of_ours_that_was_simplified_is_no_longer_read_by_its_names(
    simplify: Callable[[Any], Any], tmp_path: Path
) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(simplify(resnet_dsl.loads(SPEC).build("onnx", seed=1)), path)
    assert "norm: identity" in restored(path)[0]
    with pytest.raises(resnet_dsl.WeightsError, match="--unfold"):
        resnet_dsl.loads(SPEC).state(path)
    assert difference(path, unfold=True) < SINGLE


# --- TensorFlow ----------------------------------------------------------------------------------


def keras_net(bias: bool) -> Any:
    """As keras.applications builds them: paddings of their own, a stride on the first convolution."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)

    def normed(x: Any, *conv: Any, act: bool = True, **more: Any) -> Any:
        x = layers.Conv2D(*conv, use_bias=bias, bias_initializer="glorot_normal", **more)(x)
        x = layers.BatchNormalization(
            epsilon=1.001e-5, beta_initializer="random_normal", moving_mean_initializer="random_normal"
        )(x)
        return layers.ReLU()(x) if act else x

    given = keras.Input((SIZE, SIZE, 3))
    x = normed(layers.ZeroPadding2D(3)(given), 8, 7, strides=2)
    x = layers.MaxPooling2D(3, strides=2)(layers.ZeroPadding2D(1)(x))
    for stage, stride in enumerate((1, 2)):
        width = 8 * 2**stage
        skip = normed(x, 4 * width, 1, strides=stride, act=False)
        y = normed(normed(x, width, 1, strides=stride), width, 3, padding="same")
        x = layers.ReLU()(layers.Add()([skip, normed(y, 4 * width, 1, act=False)]))
    x = layers.Dense(10, bias_initializer="random_normal")(layers.GlobalAveragePooling2D()(x))
    return keras.Model(given, x)


@pytest.mark.slow
@pytest.mark.parametrize("bias", [False, True])
def test_models_of_keras_and_tensorflow_are_read(bias: bool, tmp_path: Path) -> None:
    tf2onnx, tf = pytest.importorskip("tf2onnx"), pytest.importorskip("tensorflow")
    keras = pytest.importorskip("keras")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("Keras runs on another backend")
    model = keras_net(bias)
    model(np.zeros((1, SIZE, SIZE, 3), np.float32))
    model.export(str(tmp_path / "keras.onnx"), format="onnx", verbose=False)
    given = (tf.TensorSpec((None, SIZE, SIZE, 3), tf.float32, name="input"),)
    call = tf.function(lambda x: model(x, training=False), input_signature=given)
    for name, options in {"nhwc": {}, "nchw": {"inputs_as_nchw": ["input"]}}.items():
        tf2onnx.convert.from_function(call, given, opset=17, output_path=tmp_path / f"{name}.onnx", **options)
    for name in ("keras", "nhwc", "nchw"):
        text, _ = restored(tmp_path / f"{name}.onnx")
        assert "stride_on: conv1" in text
        for unfold in (False, True):
            assert difference(tmp_path / f"{name}.onnx", unfold, name != "nchw") < SINGLE


# --- older models, by hand -------------------------------------------------------------------------


def as_mxnet(model: Any) -> None:
    """Of opset 8: tensors are among the inputs, norms say `spatial`; names are MXNet's."""
    model.opset_import[0].version, model.ir_version, model.producer_name = 8, 3, ""
    graph = model.graph
    names: dict[str, str] = {}
    for number, node in enumerate(
        each for each in graph.node if each.op_type in ("Conv", "BatchNormalization")
    ):
        for place, name in enumerate(node.input[1:]):
            names.setdefault(name, f"resnetv15_{number}_{place}")
    for tensor in graph.initializer:
        tensor.name = names.get(tensor.name, tensor.name)
        graph.input.append(
            onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
        )
    for node in graph.node:
        kept = {"MaxPool": ("kernel_shape", "pads", "strides")}.get(node.op_type)
        left = [each for each in node.attribute if each.name in (kept or {each.name} - {"training_mode"})]
        del node.attribute[:]
        node.attribute.extend(left)
        node.input[:] = [names.get(name, name) for name in node.input]
        if node.op_type == "BatchNormalization":
            node.attribute.append(onnx.helper.make_attribute("spatial", 1))


def as_caffe2(model: Any) -> None:
    """Sums for additions, a pool as large as the map, a shape to flatten it, probabilities."""
    as_mxnet(model)
    graph = model.graph
    for node in graph.node:
        node.op_type = {"Add": "Sum", "GlobalAveragePool": "AveragePool", "Flatten": "Reshape"}.get(
            node.op_type, node.op_type
        )
        if node.op_type == "AveragePool":
            node.attribute.append(onnx.helper.make_attribute("kernel_shape", [2, 2]))
        if node.op_type == "Reshape":
            del node.attribute[:]
            node.input.append("shape")
    graph.initializer.append(onnx.numpy_helper.from_array(np.array([1, 64]), "shape"))
    graph.input.append(onnx.helper.make_tensor_value_info("shape", onnx.TensorProto.INT64, [2]))
    graph.node.append(onnx.helper.make_node("Softmax", [graph.output[0].name], ["prob"]))
    graph.output[0].name = "prob"


def as_half_within(model: Any) -> None:
    """Half precision between casts, as converters write it that keep the types of input and output."""
    graph = model.graph
    given, result = graph.input[0].name, graph.output[0].name
    for tensor in graph.initializer:
        value = onnx.numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(onnx.numpy_helper.from_array(value, tensor.name))
    for node in graph.node:
        node.input[:] = ["half" if name == given else name for name in node.input]
        node.output[:] = ["last" if name == result else name for name in node.output]
    graph.node.insert(0, onnx.helper.make_node("Cast", [given], ["half"], to=10))
    graph.node.append(onnx.helper.make_node("Cast", ["last"], [result], to=1))


@pytest.mark.parametrize("change", [as_mxnet, as_caffe2, as_half_within])
def test_older_and_converted_models_are_read(
    change: Callable[[Any], None], folder: Path, tmp_path: Path
) -> None:
    path, half = tmp_path / "net.onnx", change is as_half_within
    model = onnx.load(folder / ("folded.onnx" if half else "kept.onnx"))
    change(model)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    assert ("norm: identity" in restored(path)[0]) == half
    assert difference(path) < (HALF if half else SINGLE)


# --- refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize("partial", [False, True])
def test_folded_weights_are_never_taken_for_plain_ones(partial: bool, folder: Path, tmp_path: Path) -> None:
    """Of no format: neither of a graph nor of tensors alone, whose biases tell."""
    _, state = restored(folder / "folded.onnx")
    torch.save({name: torch.from_numpy(value) for name, value in state.items()}, tmp_path / "fused.pth")
    model = resnet_dsl.loads(SPEC)
    for path in (folder / "folded.onnx", tmp_path / "fused.pth"):
        with pytest.raises(resnet_dsl.WeightsError, match=r"= help: .*--unfold"):
            model.state(path, partial=partial)
        assert len(model.state(path, unfold=True)) == len(model.state(seed=0))


def test_unfolded_tensors_alone_are_those_of_the_graph(folder: Path, tmp_path: Path) -> None:
    _, state = restored(folder / "folded.onnx")
    torch.save({name: torch.from_numpy(value) for name, value in state.items()}, tmp_path / "fused.pth")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text = resnet_dsl.import_spec(tmp_path / "fused.pth", name="net", input="3x64x64", unfold=True)
    assert text.splitlines()[2:] == restored(folder / "folded.onnx", unfold=True)[0].splitlines()[2:]
    model = resnet_dsl.loads(SPEC)
    found = [model.state(path, unfold=True) for path in (folder / "folded.onnx", tmp_path / "fused.pth")]
    assert all(np.array_equal(value, found[1][name]) for name, value in found[0].items())


def test_unfolding_what_has_its_norms_is_refused(folder: Path) -> None:
    with pytest.raises(resnet_dsl.UsageError, match="for files whose norms were folded"):
        resnet_dsl.loads(SPEC).state(folder / "kept.onnx", unfold=True)
    with pytest.raises(resnet_dsl.UsageError, match="for files without norms"):
        resnet_dsl.import_spec(folder / "kept.onnx", unfold=True)


def test_the_commands_take_the_option(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    folded = str(folder / "folded.onnx")
    assert main(["import", folded, "--unfold", "-o", "net.resnet", "--name", "net"]) == 0
    assert main(["weights", "inspect", folded, "--spec", "net.resnet"]) == 1
    capsys.readouterr()
    assert main(["weights", "inspect", folded, "--spec", "net.resnet", "--unfold"]) == 0
    assert "tensors of net fit" in capsys.readouterr().out
    assert main(["weights", "convert", folded, "net.safetensors", "--spec", "net.resnet", "--unfold"]) == 0
    assert "exact in evaluation alone" in capsys.readouterr().err
    assert main(["compile", "net.resnet", "--backend", "onnx", "--weights", folded, "--unfold"]) == 0


def test_a_quantised_graph_is_named_as_one(folder: Path, tmp_path: Path) -> None:
    model = onnx.load(folder / "folded.onnx")
    model.graph.node.insert(0, onnx.helper.make_node("QuantizeLinear", ["a", "b", "c"], ["d"]))
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.raises(resnet_dsl.UsageError, match="a quantised graph"):
        resnet_dsl.import_spec(tmp_path / "net.onnx")


def test_advice_goes_by_the_exporter(folder: Path, tmp_path: Path) -> None:
    model = onnx.load(folder / "folded.onnx")
    model.producer_name = "tf2onnx"
    onnx.save(model, tmp_path / "net.onnx")
    for path, advice in {folder / "folded.onnx": "dynamo=False", tmp_path / "net.onnx": "Keras' own"}.items():
        with pytest.raises(resnet_dsl.WeightsError, match=advice):
            resnet_dsl.loads(SPEC).state(path)


def test_tensors_that_a_graph_would_make_huge_are_not_made(folder: Path, tmp_path: Path) -> None:
    model = onnx.load(folder / "folded.onnx")
    for name, value in {"size": np.array([2**40, 2**20]), "one": np.ones(1, np.float32)}.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(value, name))
    model.graph.node.insert(0, onnx.helper.make_node("Expand", ["one", "size"], ["huge"]))
    model.graph.node.insert(0, onnx.helper.make_node("ConstantOfShape", ["size"], ["vast"]))
    model.graph.node[2].input[2] = "huge"
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.raises(resnet_dsl.NotExpressibleError):
        resnet_dsl.import_spec(tmp_path / "net.onnx")
