"""What is computed of weights where it is asked for: input channels, classes, weights in parts, averages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import resnet_dsl
from resnet_dsl.cli.main import main
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.weights.arithmetic import channels
from resnet_dsl.weights.arithmetic.channels import adapted
from resnet_dsl.weights.formats.registry import encode, encode_named
from resnet_dsl.weights.match_report import WeightsError
from resnet_dsl.zoo.model_names import model_names
from resnet_dsl.zoo.translate import to_library
from tests.support.weight_cases import State, same

FORMATS = (".pth", ".safetensors", ".h5")
NEEDS = {".pth": ["torch"], ".h5": ["keras"], ".onnx": ["onnx"]}
STEM = "conv(4, 3x3) -> bn -> relu"
HEAD = "gap -> fc(classes)"


def net(input: str = "3x8x8", stem: str = STEM, head: str = HEAD, classes: int = 5) -> resnet_dsl.Model:
    return resnet_dsl.loads(
        f"model net(classes = {classes}) {{ input: {input}  stem: {stem}  stages: [1, 1]  widths: [4, 8]\n"
        f"block: basic  head: {head} }}"
    )


def coarse(model: resnet_dsl.Model, seed: int = 1) -> State:
    """Weights of few bits, of which sums and halves are exact in single precision."""
    state = model.state(seed=seed)
    return {name: (np.round(value * 256) / 256).astype(np.float32) for name, value in state.items()}


def written(model: resnet_dsl.Model, state: State, path: Path) -> Path:
    for package in NEEDS.get(path.suffix, []):
        pytest.importorskip(package)
    path.write_bytes(b"".join(encode(model.program, state, {}, path)))
    return path


def logits(model: resnet_dsl.Model, x: Any, *weights: Any, **how: Any) -> Any:
    (result,) = model.run(x, *weights, **how).values()
    return result


def images(depth: int) -> Any:
    return np.random.default_rng(0).standard_normal((2, depth, 8, 8))


# --- input channels ----------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [*FORMATS, ".onnx"])
def test_a_gray_network_gives_what_that_of_colours_gives_of_equal_channels(
    suffix: str, tmp_path: Path
) -> None:
    colours, gray = net(), net("1x8x8")
    state = coarse(colours)
    path = written(colours, state, tmp_path / f"rgb{suffix}")
    x = images(1)
    wanted = logits(colours, np.repeat(x, 3, axis=1), state)
    np.testing.assert_allclose(logits(gray, x, path, adapt_input=True), wanted, rtol=1e-12, atol=1e-12)


def test_more_channels_are_repeats_scaled_to_the_same_sum() -> None:
    colours, four = net(), net("4x8x8")
    state = coarse(colours)
    weight = state["conv1.weight"]
    found = four.state(state, adapt_input=True)
    expected = np.concatenate([weight, weight[:, :1]], axis=1) * np.float32(0.75)
    assert same(found, {**state, "conv1.weight": expected})
    same_image = np.repeat(images(1), 6, axis=1)
    wanted = logits(colours, same_image[:, :3], state)
    six = net("6x8x8")
    np.testing.assert_allclose(logits(six, same_image, state, adapt_input=True), wanted, rtol=1e-12)


@given(st.integers(1, 7), st.integers(1, 7), st.integers(0, 2**32))
def test_channels_are_computed_in_double_and_rounded_once(there: int, here: int, seed: int) -> None:
    weight = np.random.default_rng(seed).standard_normal((2, there, 2, 1)).astype(np.float32)
    found = adapted(weight, here).astype(np.float32)
    double = weight.astype(np.float64)
    for channel in range(here):
        if here == 1:
            wanted = np.zeros((2, 2, 1))
            for each in range(there):
                wanted = wanted + double[:, each]
        else:
            wanted = double[:, channel % there] * there / here
        assert np.array_equal(found[:, channel], wanted.astype(np.float32))


def test_many_channels_are_summed_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = np.random.default_rng(0).standard_normal((2, 40, 3, 1)).astype(np.float32)
    at_once = adapted(weight, 1)
    monkeypatch.setattr(channels, "PART", 7)
    assert np.array_equal(adapted(weight, 1), at_once)


def test_timm_adapts_the_same_up_to_its_rounding() -> None:
    from tests.support.oracles import torchvision_models

    torchvision_models()
    torch = pytest.importorskip("torch")
    adapt_input_conv = pytest.importorskip("timm.models._manipulate").adapt_input_conv
    weight = np.random.default_rng(0).standard_normal((8, 3, 7, 7)).astype(np.float32)
    for here in (1, 2, 4, 5, 6, 9):
        theirs = adapt_input_conv(here, torch.from_numpy(weight.copy())).numpy()
        np.testing.assert_allclose(adapted(weight, here), theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("library", "spec", "gray"),
    [
        ("timm", "resnet18", True),
        ("transformers", "resnet18", True),
        ("torchvision", "densenet121", True),
        ("keras.applications", "resnet50_keras", False),
        ("keras.applications", "vgg16_keras", False),
        ("big_transfer", "resnetv2_50x1_bit", False),
    ],
)
def test_names_and_layouts_of_libraries_are_no_hindrance(library: str, spec: str, gray: bool) -> None:
    thin = {"widths": "[8, 8, 8, 8]"} if "18" in spec else {}
    colours = resnet_dsl.load(spec, classes=7, input="3x64x64", **thin)
    target = resnet_dsl.load(spec, classes=6, input="1x64x64" if gray else "3x64x64", **thin)
    state = coarse(colours)
    named, _ = to_library(state, model_names(colours.program, library), colours.program.graph)
    found = target.state(named, names=library, adapt_input=gray, classes="1:")
    first = next(name for name, value in state.items() if value.ndim == 4)
    changed = {name: value[1:] for name, value in state.items() if value.shape[0] == 7}
    assert len(changed) == 2
    if gray:
        changed[first] = state[first].sum(axis=1, keepdims=True)
    assert same(found, {**state, **changed})


def test_kernels_that_lie_in_the_order_of_tensorflow_are_adapted_too() -> None:
    from resnet_dsl.zoo.layouts import layout_of, layout_of_length

    graph = resnet_dsl.load("resnet50", input="1x64x64").program.graph
    node = graph.nodes[0]
    weight = np.random.default_rng(0).standard_normal((7, 7, 3, 64))
    layout = layout_of_length("hwio", node, graph, weight.shape)
    assert layout is not None
    assert np.array_equal(layout.to_ours(weight), weight.transpose(3, 2, 0, 1))
    assert layout_of("hwio", node, graph).theirs == (7, 7, 1, 64)
    assert layout_of_length("hwio", node, graph, (5, 5, 3, 64)) is None


def test_every_convolution_that_takes_the_input_is_adapted() -> None:
    text = """block two(width) {{ a = x -> conv(width, 1x1)  b = x -> conv(width, 3x3)  return a + b }}
    model net {{ input: {}x8x8  stem: none  stages: [1]  widths: [4]  block: two  head: none }}"""
    colours, gray = (resnet_dsl.loads(text.format(channels)) for channels in (3, 1))
    state = coarse(colours)
    x = images(1)
    (wanted,) = colours.run(np.repeat(x, 3, axis=1), state).values()
    (found,) = gray.run(x, state, adapt_input=True).values()
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("before", ["zeropad(1)", "avgpool(2)", "maxpool(2)", "relu", "blurpool(3)"])
def test_what_acts_on_each_channel_may_lie_before_the_convolution(before: str) -> None:
    stem = f"{before} -> {STEM}"
    colours, gray = net(stem=stem), net("1x8x8", stem)
    state = coarse(colours)
    x = images(1)
    wanted = logits(colours, np.repeat(x, 3, axis=1), state)
    np.testing.assert_allclose(logits(gray, x, state, adapt_input=True), wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("stem", "reason"),
    [
        (f"bn -> {STEM}", "bn1 acts on the channels of the input otherwise than a convolution"),
        (f"lrn(5) -> {STEM}", "lrn1 acts on the channels of the input otherwise"),
        (f"ln -> {STEM}", "ln1 acts on the channels of the input otherwise"),
        (f"softmax -> {STEM}", "softmax1 acts on the channels of the input otherwise"),
        ("conv(4, 3x3, standardize=1e-5) -> bn", "conv1 standardises its weights, so that a sum of them"),
        ("conv(4, 3x3, groups=2) -> bn", "conv1 does not sum over all channels of the input: it is grouped"),
    ],
)
def test_what_depends_on_the_channels_otherwise_is_a_reason_not_to(stem: str, reason: str) -> None:
    there, here = net("4x8x8", stem), net("2x8x8", stem)
    with pytest.raises(UsageError, match=f"--adapt-input: {reason}"):
        here.state(there.state(seed=1), adapt_input=True)
    with pytest.raises(WeightsError) as caught:
        here.state(there.state(seed=1))
    assert "--adapt-input" not in str(caught.value)


# --- classes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [*FORMATS, ".onnx"])
@pytest.mark.parametrize(
    ("rows", "chosen"),
    [
        ("1:", [1, 2, 3, 4, 5]),
        (":5", [0, 1, 2, 3, 4]),
        ("1:6", [1, 2, 3, 4, 5]),
        ("-5:", [1, 2, 3, 4, 5]),
        ("5,3,4,0,1", [5, 3, 4, 0, 1]),
        ("4::-1", [4, 3, 2, 1, 0]),
        ("-1,:4", [5, 0, 1, 2, 3]),
    ],
)
def test_the_outputs_are_those_of_the_rows_asked_for(
    rows: str, chosen: list[int], suffix: str, tmp_path: Path
) -> None:
    six, five = net(classes=6), net()
    state = six.state(seed=1)
    x = images(3)
    wanted = logits(six, x, state)[:, chosen]
    path = written(six, state, tmp_path / f"six{suffix}")
    assert np.array_equal(logits(five, x, path, classes=rows), wanted)


@given(st.permutations(range(5)), st.booleans())
@settings(max_examples=20)
def test_an_order_of_rows_and_its_opposite_give_back_every_bit(order: list[int], as_text: bool) -> None:
    model = net()
    state = model.state(seed=1)
    back = [order.index(row) for row in range(5)]
    classes = ",".join(map(str, order)) if as_text else order
    assert same(model.state(model.state(state, classes=classes), classes=back), state)


def test_rows_are_said_in_python_as_python_has_them() -> None:
    state = net(classes=6).state(seed=1)
    wanted = net().state(state, classes="1:")
    for classes in (slice(1, None), range(1, 6), [1, 2, 3, 4, 5], np.arange(1, 6)):
        assert same(net().state(state, classes=classes), wanted)


@pytest.mark.parametrize(
    ("head", "tensors"),
    [
        ("conv(classes, 1x1, bias=true) -> gap -> flatten", ["conv.weight", "conv.bias"]),
        ("gap -> fc(classes) -> softmax", ["fc.weight", "fc.bias"]),
        ("gap -> fc(7) -> relu -> fc(classes, bias=false)", ["fc2.weight"]),
        ("gap -> fc(classes) -> bn", ["fc.weight", "fc.bias", "bn.running_var"]),
    ],
)
def test_the_layer_is_found_from_the_output(head: str, tensors: list[str]) -> None:
    six, five = net(head=head, classes=6), net(head=head)
    state = six.state(seed=1)
    found = five.state(state, classes="1:")
    assert {name for name in state if state[name].shape[0] == 6} >= set(tensors)
    for name in tensors:
        assert np.array_equal(found[name], state[name][1:])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("1:7", "--classes 1:7 goes past the 6 rows of fc.weight, which are 0 to 5"),
        ("6,1,2,3,4", "goes past the 6 rows"),
        ("-7:", "goes past the 6 rows"),
        ("9" * 400 + ":", "goes past the 6 rows"),
        ("9" * 5000, "takes rows such as"),
        ("0:", "is 6 rows of the 6 of fc.weight, and the model has 5"),
        ("1:5000000000000", "goes past the 6 rows"),
        ("1,2", "is 2 rows of the 6 of fc.weight, and the model has 5"),
        ("1,1,2,3,4", "has row 1 of fc.weight more than once"),
        ("1:4,3:5", "has row 3 of fc.weight more than once"),
        ("::0", "a step is not 0"),
        ("", "takes rows such as 1: or 1:1001 or 3,1,2, not nothing"),
        ("1:2:3:4", "takes rows such as"),
        ("a:", "takes rows such as 1: or 1:1001 or 3,1,2, not a:"),
        ("1.5", "takes rows such as"),
        ([None], "takes rows such as"),
        (3.5, "takes rows such as"),
    ],
)
def test_rows_that_cannot_be_are_one_sentence(rows: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        net().state(net(classes=6).state(seed=1), classes=rows)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("head", ["none", "gap -> fc(classes) -> ln", "conv(classes, 1x1) -> flatten"])
def test_a_model_whose_outputs_are_no_rows_has_no_classes_to_choose(head: str) -> None:
    with pytest.raises(UsageError, match="are not, row by row, those of layers of its head"):
        net(head=head).state(net(head=head).state(seed=1), classes="::-1")


def test_a_classifier_under_a_name_of_its_own_is_found_though_it_has_more_rows() -> None:
    state = net(classes=6).state(seed=1)
    renamed = {name.replace("fc.", "last_linear."): value for name, value in state.items()}
    assert same(net().state(renamed, classes="1:"), net().state(state, classes="1:"))


# --- weights in parts --------------------------------------------------------------------------

MODES = ("old", "new", "masks", "spectral", "new spectral", "masked norm")


def reparametrised(how: str) -> Any:
    """Our module of torch with all its layers so, in evaluation mode and after a step's worth of change."""
    torch = pytest.importorskip("torch")
    from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

    model = net().build("torch", seed=1)
    torch.manual_seed(0)  # masks are drawn from it; one of a whole filter would leave no norm
    layers = [each for each in model.modules() if isinstance(each, (torch.nn.Conv2d, torch.nn.Linear))]
    with pytest.warns(FutureWarning) if how in ("old", "masked norm") else _nothing():
        for layer in layers:
            if how in ("old", "masked norm"):
                weight_norm(layer, dim=None if layer is layers[1] else 0)
            elif how == "new":
                parametrizations.weight_norm(layer, dim=1 if layer is layers[1] else 0)
            elif how == "spectral":
                spectral_norm(layer)
            elif how == "new spectral":
                parametrizations.spectral_norm(layer)
            if how.startswith("mask"):
                prune.random_unstructured(layer, "weight_v" if how == "masked norm" else "weight", 0.3)
    if how == "masks":
        prune.random_unstructured(model.fc, "bias", 0.4)
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    with torch.no_grad():  # it is before a layer runs that its weight is computed, and its vectors are found
        for _ in range(20):
            model(torch.zeros(2, 3, 8, 8))
        model.eval()(torch.zeros(1, 3, 8, 8))
    return model


class _nothing:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: object) -> None:
        return None


def as_saved(model: Any, suffix: str, path: Path) -> Path:
    import torch

    if suffix == ".pth":
        torch.save(model.state_dict(), path)
    else:
        from safetensors.torch import save_file

        save_file({name: value.contiguous() for name, value in model.state_dict().items()}, path)
    return path


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("how", MODES)
def test_weights_in_parts_are_what_torch_computes_of_them(how: str, suffix: str, tmp_path: Path) -> None:
    model = reparametrised(how)
    found = net().state(
        as_saved(model, suffix, tmp_path / f"parts{suffix}"), apply="weight_norm,spectral_norm,masks"
    )
    for name in found:
        path, _, tensor = name.rpartition(".")
        wanted = getattr(model.get_submodule(path), tensor).detach().numpy()
        bar = 0 if how == "masks" else 1e-6 * np.abs(wanted).max()
        assert np.abs(found[name] - wanted).max() <= bar, name


@pytest.mark.parametrize(
    ("how", "option", "kept"),
    [
        ("old", "weight_norm", "kept as *_g and *_v: weight norm"),
        ("new", "weight_norm", "kept as parametrizations.*.original0 and parametrizations.*.original1"),
        ("masks", "masks", "kept as *_orig and *_mask: a pruning mask"),
        ("spectral", "spectral_norm", "kept as *_orig, *_u and *_v: spectral norm"),
        ("masked norm", "weight_norm,masks", "kept as *_g and *_v: weight norm"),
    ],
)
def test_what_a_weight_is_kept_as_is_one_line_with_the_option(
    how: str, option: str, kept: str, tmp_path: Path
) -> None:
    path = as_saved(reparametrised(how), ".pth", tmp_path / "parts.pth")
    with pytest.raises(WeightsError) as caught:
        net().state(path)
    title, line, help, _ = str(caught.value).splitlines()
    assert title == "parts.pth does not fit net, which has 32 tensors:"
    assert line.startswith("  not convertible (")
    assert line.count(kept) == 1
    assert help == (
        f'  = help: --apply {option} (in Python, apply="{option}") computes the weights of their parts'
    )
    net().state(path, apply=option)


def test_another_parametrization_is_named_and_torch_takes_it_off(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from torch.nn.utils import parametrizations

    model = net().build("torch", seed=1)
    parametrizations.orthogonal(model.fc)
    with pytest.raises(WeightsError) as caught:
        net().state(as_saved(model, ".pth", tmp_path / "parts.pth"), apply="weight_norm")
    assert "fc.weight (kept as parametrizations.*.original: a parametrization)" in str(caught.value)
    assert "torch.nn.utils.parametrize.remove_parametrizations(layer, 'weight')" in str(caught.value)


def test_a_spec_is_restored_of_weights_in_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = as_saved(reparametrised("old"), ".pth", tmp_path / "parts.pth")
    plain = written(net(), net().state(seed=1), tmp_path / "plain.pth")
    specs = []
    for file in (plain, path):
        assert main(["import", str(file), "--input", "3x8x8", "--name", "net"]) == 0
        out, err = capsys.readouterr()
        specs.append(out.replace("parts.pth", "plain.pth"))
    assert specs[0] == specs[1]
    assert "parts.pth: for its weights, --apply weight_norm (in Python" in err


def parts(**more: Any) -> State:
    state = net().state(seed=1)
    del state["fc.weight"]
    return {**state, **more}


def test_parts_that_do_not_go_together_are_listed_as_they_are() -> None:
    v = np.ones((5, 8), np.float32)
    for g in (np.ones((4, 1), np.float32), np.ones((5,), np.float32), np.ones((5, 1, 1), np.float32)):
        with pytest.raises(WeightsError) as caught:
            net().state(parts(**{"fc.weight_g": g, "fc.weight_v": v}), apply="weight_norm")
        assert "unexpected (2): fc.weight_g" in str(caught.value)


@pytest.mark.parametrize(
    ("g", "v", "message"),
    [
        (1.0, 0.0, "not finite (1): fc.weight (40 NaN of 40)"),
        (np.nan, 1.0, "not finite (1): fc.weight (40 NaN of 40)"),
        (3e38, 1e-3, "not finite"),
        (np.int32(1), 1.0, "wrong dtype (1): fc.weight (int32, not float32)"),
    ],
)
def test_parts_that_give_no_numbers_are_not_taken(g: Any, v: float, message: str) -> None:
    dtype = np.int32 if isinstance(g, np.int32) else np.float32
    given = {"fc.weight_g": np.full((5, 1), g, dtype), "fc.weight_v": np.full((5, 8), v, np.float32)}
    if message == "not finite":
        given["fc.weight_v"][:, 1:] = 0
        given["fc.weight_g"][:] = np.inf
    with pytest.raises(WeightsError) as caught:
        net().state(parts(**given), apply="weight_norm")
    assert message in str(caught.value)


# --- averages ----------------------------------------------------------------------------------


def test_an_average_is_that_of_numpy_over_formats_and_names(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("keras")
    model = resnet_dsl.load("resnet18", widths="[4, 8, 8, 8]", input="3x32x32", classes=5)
    states = [model.state(seed=seed) for seed in range(4)]
    for index, state in enumerate(states):
        for name in state:
            if name.endswith("running_var"):
                state[name] = state[name] + np.float32(index)
    paths = [
        written(model, state, tmp_path / f"{index}{suffix}")
        for index, (state, suffix) in enumerate(zip(states[:3], FORMATS, strict=True))
    ]
    named, _ = to_library(states[3], model_names(model.program, "transformers"), model.program.graph)
    paths.append(tmp_path / "3.safetensors")
    paths[3].write_bytes(b"".join(encode_named(named, {}, paths[3])))
    wanted = {
        name: np.mean([state[name].astype(np.float64) for state in states], axis=0).astype(np.float32)
        for name in states[0]
    }
    assert same(model.average(paths), wanted)
    assert same(model.average([states[0], states[0]]), states[0])


def test_an_average_is_of_two_or_more_and_of_what_fits(tmp_path: Path) -> None:
    state = net().state(seed=1)
    for given_ in ([], [state], "file.pth"):
        with pytest.raises(UsageError, match="an average is of two sets of weights or more"):
            net().average(given_)
    with pytest.raises(WeightsError, match="misshapen"):
        net().average([state, net(classes=6).state(seed=1)])
    with pytest.raises(UsageError, match="`partial` is not for an average"):
        net().average([state, state], partial=True)
    found = net("1x8x8").average([coarse(net(), 1), coarse(net(), 2)], adapt_input=True)
    assert found["conv1.weight"].shape == (4, 1, 3, 3)


# --- the commands ------------------------------------------------------------------------------

Run = Callable[..., tuple[int, str, str]]
TEXT = "model net(classes = 5) { input: 3x8x8  stem: conv(4, 3x3)  stages: [1]  widths: [4]  block: basic }"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    Path("net.resnet").write_text(TEXT)

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(arguments)
        return status, *capsys.readouterr()

    assert call("weights", "init", "net.resnet", "--set", "classes=6", "-o", "six.safetensors")[0] == 0
    return call


OTHER = ("--spec", "net.resnet", "--set", "input=1x8x8")


def test_a_report_names_the_options_only_where_they_make_all_fit(run: Run) -> None:
    gray = "--adapt-input (in Python, adapt_input=True) sums the 3 input channels of conv1.weight into 1"
    rows = (
        '--classes 1: (in Python, classes="1:") leaves out the first of 6 rows of fc, '
        "as of a class for the background"
    )
    convert = ("weights", "convert", "six.safetensors", "out.safetensors")
    status, _, err = run(*convert, *OTHER)
    assert status == 1
    assert [line for line in err.splitlines() if "help" in line][:2] == [
        f"  = help: {gray}", f"  = help: {rows}",
    ]  # fmt: skip
    assert rows in run(*convert, *OTHER, "--adapt-input")[2]
    assert gray in run(*convert, *OTHER, "--classes", "1:")[2]
    assert gray in run("weights", "inspect", "six.safetensors", *OTHER)[1]
    assert gray in run(*convert, *OTHER, "--partial")[2]
    for other in ("classes=4", "classes=7"):
        assert "= help: --adapt" not in run(*convert, *OTHER, "--set", other)[2]
        assert "= help: --classes" not in run(*convert, *OTHER, "--set", other)[2]


def test_each_thing_done_is_a_note_of_every_command(run: Run) -> None:
    pytest.importorskip("torch")
    how = ("--adapt-input", "--classes", "1:", *OTHER[2:])
    notes = (
        "note: six.safetensors: conv1.weight: 3 input channels summed into 1 (--adapt-input)\n"
        "note: six.safetensors: fc: rows 1: of 6 (--classes)\n"
    )
    file = "six.safetensors"
    assert run("weights", "convert", file, "a.safetensors", "--spec", "net.resnet", *how)[2] == notes
    assert notes in run("compile", "net.resnet", "--backend", "torch", "--weights", file, *how)[2]
    verify = ("verify", "net.resnet", "--backends", "torch", "--size", "8x8", "--weights", file)
    assert run(*verify, *how)[0] == 0  # its notes are those of another process
    assert run(*verify, *how[:1], *how[3:])[0] == 1
    inspected = run("weights", "inspect", file, "--spec", "net.resnet", *how)[1]
    assert notes.replace(f"{file}: ", "") in inspected
    origin = run("weights", "inspect", "a.safetensors")[1]
    assert "adapt_input true" in origin
    assert "classes 1:" in origin


def test_an_average_is_written_with_what_was_done(run: Run) -> None:
    run("weights", "init", "net.resnet", "--seed", "1", "-o", "a.safetensors")
    run("weights", "init", "net.resnet", "--seed", "2", "-o", "b.safetensors")
    average = ("weights", "average", "a.safetensors", "b.safetensors", "--spec", "net.resnet")
    assert run(*average, "-o", "c.safetensors") == (
        0,
        "wrote c.safetensors (13 tensors, 453 elements)\n",
        "note: the mean of 2 sets of weights, in double, rounded once; running statistics too, "
        "which training data would give otherwise\n",
    )
    assert 'mean_of ["a.safetensors", "b.safetensors"]' in run("weights", "inspect", "c.safetensors")[1]
    assert run(*average[:3], *average[4:], "-o", "d.safetensors")[0] == 2
    assert run("weights", "average", "a.safetensors", "six.safetensors", *average[4:], "-o", "d.pth")[0] == 1
    assert not Path("d.pth").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compile", "net.resnet", "--backend", "torch", "--adapt-input"], "--adapt-input is about weights"),
        (["verify", "net.resnet", "--classes", "1:"], "--classes is about weights, and there is no"),
        (["verify", "net.resnet", "--apply", "masks"], "--apply is about weights, and there is no"),
        (["weights", "inspect", "six.safetensors", "--adapt-input"], "--adapt-input needs --spec"),
        (["weights", "inspect", "six.safetensors", "--apply", "mask"], "did you mean `masks`?"),
        (["weights", "inspect", "six.safetensors", "--apply", ""], "there are weight_norm"),
    ],
)
def test_options_that_say_nothing_are_refused(arguments: list[str], message: str, run: Run) -> None:
    status, _, err = run(*arguments)
    assert (status, len(err.splitlines())) == (2, 1)
    assert message in err


def test_options_with_nothing_to_do_say_so(run: Run) -> None:
    how = ("--adapt-input", "--apply", "masks,weight_norm", "--set", "classes=6")
    _, out, _ = run("weights", "inspect", "six.safetensors", "--spec", "net.resnet", *how)
    for note in ("nothing to adapt to the input (--adapt-input)", "nothing is kept by masks (--apply masks)"):
        assert f"note: {note}\n" in out
