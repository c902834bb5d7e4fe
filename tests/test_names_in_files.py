"""Files under the names of other libraries: whose they are is found, by maps that are data."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest

import resnet_dsl
from resnet_dsl.backend.contents import Contents, Stored
from resnet_dsl.cli.main import main
from resnet_dsl.shipped import name_maps_folder
from resnet_dsl.zoo.asked import Asked
from resnet_dsl.zoo.detect import under_our_names
from resnet_dsl.zoo.layouts import layout_of
from resnet_dsl.zoo.model_names import ModelNames, fitting_names, model_names
from resnet_dsl.zoo.name_maps import NameMap, find_library, known_libraries
from resnet_dsl.zoo.patterns import backwards, fill, number_in
from resnet_dsl.zoo.translate import to_library

KERAS = "keras.applications"


class Example(NamedTuple):
    """A spec that a map is of; `older` ones are found in files alone."""

    spec: str
    settings: Mapping[str, Any] = MappingProxyType({})
    older: bool = False

    @property
    def model(self) -> resnet_dsl.Model:
        return resnet_dsl.load(self.spec, **self.settings)


CLIP = {
    "stem": "conv1: three_convs(32, 32, 64) -> bn1: bn -> relu -> avgpool(2)",
    "shortcut": "D",
    "head": "none",
}
PROJECTING = {"shortcut": "if stage == 0 and index == 0 then C else B"}
DILATED = [Example("resnet50_os16"), Example("resnet50_os8")]
DEEPEST = [Example("resnet50"), Example("resnet50_v1"), Example("resnet18")]
# For each map, in their order.
EXAMPLES = {
    "akamaster": [Example("resnet20", {"shortcut": "A(side=both)"}), Example("resnet20_b")],
    "bearpaw": [
        Example("resnet20_b"), Example("resnet164", {"stride_on": "conv2"}), Example("resnext29_8x64d"),
    ],
    "big_transfer": [Example("resnetv2_50x1_bit")],
    "chenyaofo": [Example("resnet20_b")],
    "cirtorch": [Example("gem_resnet50")],
    "clip": [Example("resnetaa50", CLIP)],
    "detectron2": [Example("resnet50_v1"), Example("resnet50"), Example("resnet18")],
    "dyhan0920": [Example("pyramidnet110"), Example("pyramidnet164_a270")],
    "fastai": [Example("resnet50"), Example("resnet18")],
    "insightface": [Example("iresnet18")],
    KERAS: [
        *map(Example, ("resnet50_v1", "resnet50v2_keras", "resnext50_32x4d", "vgg16_keras", "densenet121")),
        Example("resnet50_keras", older=True),
        *map(Example, ("tf_efficientnet_b0", "mobilenet_v2_keras", "mobilenet_v3_large_keras")),
    ],
    "kuangliu": [
        Example("resnet18", {"stem": "cifar_stem(64)", "input": "3x32x32"}),
        Example("resnet50", {"stem": "cifar_stem(64)", "input": "3x32x32"}),
    ],
    "mmpretrain": list(map(Example, ("seresnet50", "resnet50c", "resnet50d", "regnet_x_400mf"))),
    "paddle.vision": [Example("resnext50_32x4d"), Example("resnet18")],
    "paddleclas": [
        Example("resnet50"), Example("resnet18", PROJECTING), Example("resnet50d"),
        Example("resnet50", older=True),
    ],
    "pycls": [Example("resnet50"), Example("resnet50_v1"), Example("resnet20_b"), Example("regnet_y_400mf")],
    "sequential": [Example("resnet50"), Example("resnet18")],
    "timm": [
        *map(Example, ("resnet50", "resnet18", "test_resnet", "skresnet50", "skresnet18", "resnest14d")),
        *map(Example, ("resnetaa50", "resnetblur50", "legacy_seresnet50", "legacy_seresnext26_32x4d")),
        *map(Example, ("resnetv2_50", "resnetv2_18", "resnetv2_50t", "resnetv2_50d_gn")),
        *map(Example, ("resnetv2_50d_frn", "resnetv2_18d", "resnetv2_50x1_bit", "resnet_rs50")),
        *DILATED, Example("regnet_y_400mf"), *map(Example, ("densenet121", "densenetblur121d", "res2net50")),
        *map(Example, ("regnety_002", "regnetv_064", "res2net50_26w_4s", "timm_vgg11_bn")),
        *map(Example, ("convnextv2_atto", "convnext_tiny")),
        *map(Example, ("efficientnet_b0", "mobilenetv2_100", "mobilenetv3_large_100")),
        *map(Example, ("mobilenetv3_small_100", "hrnet_w18_small", "dm_nfnet_f0")),
    ],
    "torchvision": [
        *map(Example, ("resnet50", "resnet18", "vgg11", "alexnet", "googlenet", "googlenet_aux")),
        *DILATED, *map(Example, ("deeplabv3_resnet50", "resnet50_fpn", "retinanet_resnet50_fpn")),
        Example("densenet121"), Example("regnet_x_400mf"),
        *map(Example, ("efficientnet_b0", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small")),
    ],
    "transformers": [*DEEPEST, Example("regnet_x_400mf"), Example("regnet_y_400mf")],
    "xternalz": [Example("wrn16_8")],
}  # fmt: skip
ROWS = [(library, place) for library in known_libraries() for place in range(len(find_library(library).maps))]


def row_name(row: Any) -> str:
    return f"{row[0]}-{row[1]}"


def names_by(library: str, place: int) -> tuple[resnet_dsl.Model, ModelNames]:
    """The model of an example, and its names by the map in this place, which alone applies."""
    example = EXAMPLES[library][place]
    model = example.model
    map = find_library(library).maps[place]
    if not example.older:
        return model, model_names(model.program, library)
    found = [each for each in fitting_names(model.program, library) if each.map == map]
    return model, found[0]


def as_there(names: ModelNames, program: Any, front: str = "") -> Contents:
    """A file with the model's tensors as that library has them; each value is told by its load."""
    tensors = {}
    for path, layer in names.layers.items():
        for _, parameter in layer.node.parameters():
            shape = parameter.shape
            if layer.layout is not None and parameter.role == "weight":
                shape = layout_of(layer.layout, layer.node, program.graph).theirs
            there = f"{front}{names.tensor(path, parameter)}"
            tensors[there] = Stored(shape, "float32", lambda shape=shape: np.ones(shape, np.float32))
    return Contents("table", tensors)


# --- every map ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(name_maps_folder().glob("*.toml")), ids=lambda path: path.stem)
def test_a_file_of_names_says_what_it_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# Names of ")
    assert "docs/names.md explains the format." in text
    assert set(tomllib.loads(text)) - {"where", "tensors", "joint", "flattened"} == {"separator", "map"}
    assert all(isinstance(each, NameMap) for each in find_library(path.stem).maps)


def test_every_library_has_an_example_of_each_map() -> None:
    assert {library: len(found) for library, found in EXAMPLES.items()} == {
        library: len(find_library(library).maps) for library in known_libraries()
    }


@pytest.mark.parametrize("row", ROWS, ids=row_name)
def test_names_by_a_map_are_found_in_a_file_and_lead_back(row: tuple[str, int]) -> None:
    library, place = row
    model, names = names_by(library, place)
    program = model.program
    assert names.map == find_library(library).maps[place]
    theirs = names.tensors()
    assert len(set(theirs.values())) == len(theirs)
    wanted = {name: parameter.shape for name, parameter in program.graph.parameters()}
    for front, asked in (("", library), ("", None), ("model.body.", None)):
        found = under_our_names(as_there(names, program, front), program, Asked(names=asked))
        assert {name: tuple(stored.shape) for name, stored in found.tensors.items()} == wanted
        assert not found.unplaced
        assert not found.refused
        said = [note for note in found.notes if note.startswith("names of ")]
        if asked is None and not said:  # the names are the model's own, but for the head and what is before
            others = {ours for ours, name in theirs.items() if not f".{name}".endswith(f".{ours}")}
            assert others <= {"fc.weight", "fc.bias"}
            continue
        assert found.called == {ours: name for ours, name in theirs.items() if ours != name}
        assert f"{library} ({names.map.about})" in said[0]
        assert said[0].endswith(f"; {len(wanted)} of {len(wanted)}")


THIN = {"stages": "[1, 2]", "widths": "[8, 16]", "input": "3x33x33", "classes": 5}
STEMS = {"seresnet50": "imagenet_stem(8)", "resnet50d": "deep_stem(8, 8, 8)"}


@pytest.mark.parametrize(
    ("library", "spec", "settings"),
    [
        ("detectron2", "resnet50_v1", {}),
        ("detectron2", "resnet18", {}),
        ("fastai", "resnet50", {}),
        ("kuangliu", "resnet18", {"stem": "cifar_stem(8)"}),
        ("mmpretrain", "seresnet50", {}),
        ("mmpretrain", "resnet50d", {"stem": "deep_stem(4, 4, 8)"}),
        ("paddleclas", "resnet50", {}),
        ("paddle.vision", "resnet18", {}),
        ("pycls", "resnet50", {}),
        ("sequential", "resnet18", {}),
        ("transformers", "resnet50", {}),
        ("big_transfer", "resnetv2_50x1_bit", {"widths": "[32, 64]"}),
    ],
)
def test_values_come_back_bit_for_bit(library: str, spec: str, settings: dict[str, Any]) -> None:
    model = resnet_dsl.load(spec, **{**THIN, **settings})
    state = model.state(seed=3)
    names = model_names(model.program, library)
    there, _ = to_library(state, names, model.program.graph)
    assert there.keys() == set(names.tensors().values())
    back = model.state(there)
    assert back.keys() == state.keys()
    assert all((back[name] == value).all() for name, value in state.items())


def test_layouts_of_others_are_those_of_their_files() -> None:
    model = resnet_dsl.load("resnetv2_50x1_bit", **{**THIN, "widths": "[32, 64]"})
    there, _ = to_library(
        state := model.state(seed=1), model_names(model.program, "big_transfer"), model.program.graph
    )
    kernel = there["resnet/block2/unit01/b/standardized_conv2d/kernel"]
    assert (kernel == state["layer2.0.conv2.weight"].transpose(2, 3, 1, 0)).all()
    assert there["resnet/head/conv2d/kernel"].shape == (1, 1, 256, 5)
    assert (there["resnet/block1/unit01/a/group_norm/beta"] == state["layer1.0.bn1.bias"]).all()
    model = resnet_dsl.load("resnet18", **THIN)
    there, _ = to_library(
        state := model.state(seed=1), model_names(model.program, "paddle.vision"), model.program.graph
    )
    assert (there["fc.weight"] == state["fc.weight"].T).all()
    assert (there["layer2.0.bn1._variance"] == state["layer2.0.bn1.running_var"]).all()


def test_branches_of_old_keras_files_are_not_swapped() -> None:
    model, names = names_by(KERAS, 5)
    theirs = names.tensors()
    assert theirs["layer3.1.conv3.weight"] == "res4b_branch2c.weight"
    assert theirs["layer1.0.downsample.0.weight"] == "res2a_branch1.weight"
    assert theirs["layer1.0.downsample.1.bias"] == "bn2a_branch1.bias"
    assert model_names(model.program, KERAS).tensors()["fc.weight"] == "predictions.weight"  # what is written


def test_templates_lead_back_to_their_numbers() -> None:
    for template in ("stage_{s}.stage_{s}_bottleneck_{b}", "res{s+1}{b:a}_x", "u{b+1:02}.{s-1}"):
        numbers = {"s": 3, "b": 4}
        found = backwards(template)
        assert found is not None
        expression, terms = found
        match = expression.fullmatch(fill(template, numbers))
        assert match is not None
        assert {name: number_in(match[name], term) for name, term in terms.items()} == numbers
    assert backwards("{s}.{s+1}") is None


PLAIN_STEM = "conv(64, 7x7, stride=2) -> zeropad(1) -> maxpool(3x3, stride=2, pad=0)"
KERAS_STEM = "keras_conv(8, 7x7, stride=2) -> keras_norm -> relu -> maxpool(3x3, stride=2)"


# --- which names a file has --------------------------------------------------------------------


SMALL = {"stages": "[1, 1]", "widths": "[8, 16]", "input": "3x32x32", "classes": 10}


def small(spec: str = "resnet18", **settings: Any) -> resnet_dsl.Model:
    stem = {} if "stem" in settings else {"stem": "imagenet_stem(8)"}
    return resnet_dsl.load(spec, **{**SMALL, **stem, **settings})


def there(model: resnet_dsl.Model, library: str, seed: int = 2) -> dict[str, Any]:
    return to_library(model.state(seed=seed), model_names(model.program, library), model.program.graph)[0]


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all((one[name] == other[name]).all() for name in one)


@pytest.mark.parametrize("library", ["transformers", "detectron2", "mmpretrain", "pycls", "fastai"])
@pytest.mark.parametrize("front", ["", "module.", "model.backbone.bottom_up."])
def test_names_are_found_behind_what_a_wrapper_puts_before_them(library: str, front: str) -> None:
    model = small("resnet50")
    state = {f"{front}{name}": value for name, value in there(model, library).items()}
    assert same(model.state(state), model.state(seed=2))


@pytest.mark.parametrize(("library", "prefix"), [("transformers", "resnet."), ("mmpretrain", "backbone.")])
def test_files_of_a_body_alone_lack_the_prefix(library: str, prefix: str) -> None:
    model = small("resnet50", head="none")
    state = {name.removeprefix(prefix): value for name, value in there(model, library).items()}
    assert same(model.state(state), model.state(seed=2))
    assert same(model.state(state, names=library), model.state(seed=2))


def test_the_note_says_whose_names_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = small()
    path = saved(there(model, "transformers"), tmp_path / "model.safetensors")
    command = ["weights", "convert", path, str(tmp_path / "ours.safetensors"), *SPEC]
    assert main(command) == 0
    assert capsys.readouterr().err == (
        "note: model.safetensors: names of transformers (ResNet with layer_type basic); 32 of 32\n"
    )
    assert main(["weights", "inspect", path, *SPEC]) == 0
    assert "note: names of transformers (ResNet with layer_type basic); 32 of 32\n" in capsys.readouterr().out


def test_libraries_that_agree_are_both_named_and_those_that_do_not_are_asked_for() -> None:
    model = small(stem="cifar_stem(8)")
    state = there(model, "kuangliu")
    found = under_our_names(contents(state), model.program)
    both = "akamaster (resnet20 to resnet1202, option B) and of kuangliu (ResNet18 and ResNet34)"
    assert found.notes == (f"names of {both}; 32 of 32",)


def test_own_names_go_before_those_of_libraries() -> None:
    model = small()
    state = contents(model.state(seed=1))
    assert under_our_names(state, model.program) is state


def test_names_that_fit_another_network_are_refused_with_the_reason() -> None:
    v1 = small("resnet50_v1")
    state = there(v1, KERAS)
    assert v1.state(state)
    with pytest.raises(resnet_dsl.UsageError) as caught:
        small("resnet50").state(state)
    assert str(caught.value).startswith(
        "the state given: its names are not those of resnet50: keras.applications has names for all layers "
        "of resnet50, but for another network (ResNet50, ResNet101 and ResNet152):\n"
        "  layer2.0.conv1 has stride 1, not 2: the stride is on the first 1x1 there, as in v1\n"
    )


@pytest.mark.parametrize(
    ("spec", "settings", "library", "reason"),
    [
        ("resnet50_v1", {}, "paddleclas", "has stride 2, not 1: the blocks there have the stride on the 3x3"),
        ("resnet50_v1", {}, "sequential", "the blocks there have the stride on the 3x3, v1.5"),
        ("resnet18", {}, "paddleclas", "no `layer1.0.downsample.0`: the first block there projects, too"),
        ("resnet50_a", {}, "transformers", "the shortcuts there project where channels change; option A"),
        ("plain34", {}, "detectron2", "no `layer1.0.add1`: the blocks there have shortcuts"),
        ("resnet50", {"norm": "gn"}, "detectron2", "layer1.0.bn1 (as 47 more) is `gn`, not `bn`"),
        ("preresnet20", {}, "xternalz", "the shortcuts there project where"),
        ("resnetv2_50x1_bit", {"stem": PLAIN_STEM},
         "big_transfer", "conv1 has standardize 0.0, not 1e-08 or 1e-10: weights are standardised there"),
        ("resnet50d", {}, "clip", "no `avgpool1`: the stem there ends in an average pool"),
        ("resnet50_os16", {}, "pycls", "layer4.0.conv2 has stride 1, not 2: the model zoo there has"),
        ("seresnet50", {}, "torchvision", "torchvision has no names for some layers of seresnet50"),
        ("resnet50_os8", {"dilation": "1"}, "timm", "layer3.0.conv2 (as 1 more) has stride 1, not 2"),
        ("regnet_x_400mf", {"strides": "[1, 2, 2, 2]"}, "timm", "every stage there halves the size"),
    ],
)  # fmt: skip
def test_another_network_is_refused(spec: str, settings: dict[str, Any], library: str, reason: str) -> None:
    with pytest.raises(resnet_dsl.UsageError) as caught:
        model_names(resnet_dsl.load(spec, **settings).program, library)
    assert reason in str(caught.value)


def test_names_of_no_library_are_listed_as_before() -> None:
    model = small()
    own = {name: value for name, value in model.state(seed=1).items() if not name.endswith("tracked")}
    state = {f"x{place}.{name.rpartition('.')[2]}": own[name] for place, name in enumerate(own)}
    with pytest.raises(resnet_dsl.WeightsError) as caught:
        model.state(state)
    assert len(caught.value.report.mismatches["missing"]) == len(own)
    assert len(caught.value.report.mismatches["unexpected"]) == len(own)


def test_a_file_under_own_names_reads_no_map(monkeypatch: pytest.MonkeyPatch) -> None:
    from resnet_dsl.zoo import detect

    model = small()
    state = model.state(seed=1)
    monkeypatch.setattr(detect, "known_libraries", lambda: pytest.fail("the maps were read"))
    assert same(model.state(state), state)
    state["last.weight"], state["last.bias"] = state.pop("fc.weight"), state.pop("fc.bias")
    assert same(model.state(state), model.state(seed=1))


# --- heads of one's own ------------------------------------------------------------------------


OWN_HEAD = "gap -> fc(12) -> relu -> fc(2) -> softmax"


def test_layers_of_a_head_are_found_by_kind_and_shape() -> None:
    model = small(
        "resnet50_keras",
        stem=KERAS_STEM,
        head=OWN_HEAD,
    )
    state = {
        _renamed(name, {"fc1": "dense_7", "fc2": "dense_8"}): v for name, v in there(model, KERAS).items()
    }
    found = under_our_names(contents(state), model.program)
    assert found.notes[:2] == (
        "fc1 is `dense_7` there: no other has its kind and shape",
        "fc2 is `dense_8` there: no other has its kind and shape",
    )
    assert same(model.state(state), model.state(seed=2))


@pytest.mark.parametrize("name", ["last_linear", "fc.1", "head.fc", "classifier"])
def test_a_classifier_has_another_name(name: str) -> None:
    model = small()
    state = {_renamed(n, {"fc": name}): value for n, value in model.state(seed=2).items()}
    assert same(model.state(state), model.state(seed=2))
    assert same(model.state(state, called={"fc": name}), model.state(seed=2))
    with pytest.raises(resnet_dsl.WeightsError, match="missing"):
        small(classes=7).state(state)


def test_two_layers_of_one_shape_are_not_told_apart() -> None:
    model = small(head="gap -> fc(16) -> relu -> fc(16) -> relu -> fc(3)")
    names = {"fc1": "a", "fc2": "b", "fc3": "c"}
    state = {_renamed(name, names): value for name, value in model.state(seed=2).items()}
    with pytest.raises(resnet_dsl.WeightsError) as caught:
        model.state(state)
    assert [each.name for each in caught.value.report.mismatches["missing"]] == [
        "fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias",
    ]  # fmt: skip
    assert same(model.state(state, called=names), model.state(seed=2))
    assert same(model.state(state, called={"fc1": "a"}), model.state(seed=2))  # then one alone is left


def test_layers_outside_of_a_head_are_not_guessed() -> None:
    model = small()
    state = {_renamed(n, {"layer2.0.conv2": "other"}): value for n, value in model.state(seed=2).items()}
    with pytest.raises(resnet_dsl.WeightsError):
        model.state(state)
    assert same(model.state(state, called={"layer2.0.conv2": "other"}), model.state(seed=2))


def test_a_library_by_which_two_layers_would_have_one_name_is_none() -> None:
    head = "gap -> linear: fc(12) -> relu -> fc: fc(3)"
    model = small(head=head)
    state = there(model, "transformers")  # detectron2 would call both `linear`
    assert same(model.state(state), model.state(seed=2))
    with pytest.raises(resnet_dsl.UsageError, match="2 layers of resnet18 would be called `linear`"):
        model.state(state, names="detectron2")


def test_a_fully_connected_layer_of_a_keras_file_follows_its_order() -> None:
    settings = {"stem": KERAS_STEM, "input": "3x40x48"}
    hwc = small("resnet50_keras", **settings, head="flatten(order=hwc) -> fc(2)")
    chw = small("resnet50_keras", **settings, head="flatten -> fc(2)")
    names = {"predictions": "dense"}
    state = {_renamed(name, names): value for name, value in there(hwc, KERAS).items()}
    x = np.random.default_rng(0).standard_normal((1, 3, 40, 48))
    (wanted,), (found,) = hwc.run(x, state).values(), chw.run(x, state).values()
    assert np.ptp(wanted) > 0.1 * np.abs(wanted).max()
    np.testing.assert_allclose(found, wanted, rtol=1e-11)


def test_a_head_of_ones_own_keeps_its_names_on_the_way_to_a_library(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = small(head=OWN_HEAD)
    spec = [*(word for word in SPEC if word != "classes=10"), f"head={OWN_HEAD}"]
    ours = saved(model.state(seed=2), tmp_path / "ours.safetensors")
    theirs = str(tmp_path / "theirs.safetensors")
    assert (
        main(
            ["weights", "convert", ours, theirs, "--to", "transformers", *spec, "--name", "fc2=classifier.1"]
        )
        == 0
    )
    assert capsys.readouterr().err == "note: transformers has no names for 1 layer of the head: fc1\n"
    from safetensors.numpy import load_file

    state = load_file(theirs)
    assert {
        "fc1.weight",
        "classifier.1.weight",
        "resnet.embedder.embedder.convolution.weight",
    } <= state.keys()
    assert same(model.state(state), model.state(seed=2))


# --- the command line and Python ---------------------------------------------------------------


SPEC = ["--spec", "resnet18", "--set", "stages=[1, 1]", "--set", "widths=[8, 16]", "--set", "input=3x32x32",
        "--set", "stem=imagenet_stem(8)", "--set", "classes=10"]  # fmt: skip
COMPILE = ["compile", "resnet18", "--backend", "torch"]
INSPECT = ["weights", "inspect", "FILE"]
CONVERT = ["weights", "convert", "FILE", "b.pth"]


def saved(state: dict[str, Any], path: Path) -> str:
    from safetensors.numpy import save_file

    save_file({name: np.ascontiguousarray(value) for name, value in state.items()}, str(path))
    return str(path)


def contents(state: dict[str, Any]) -> Contents:
    return Contents("arrays", {n: Stored(v.shape, v.dtype.name, v.view) for n, v in state.items()})


def _renamed(name: str, layers: dict[str, str]) -> str:
    layer, _, tensor = name.rpartition(".")
    return f"{layers.get(layer, layer)}.{tensor}"


def test_compile_and_verify_read_the_names_of_libraries(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = small()
    state = there(model, "detectron2")
    state = {_renamed(name, {"linear": "mine"}): value for name, value in state.items()}
    path = saved(state, tmp_path / "d2.safetensors")
    settings = SPEC[2:]
    asked = ["--weights", path, "--from", "detectron2", "--name", "fc=mine"]
    assert (
        main(["compile", SPEC[1], *settings, "--backend", "onnx", "-o", str(tmp_path / "a.onnx"), *asked])
        == 0
    )
    assert "names of detectron2 (R-18 and R-34 with basic blocks); 32 of 32" in capsys.readouterr().err
    assert same(model.state(tmp_path / "a.onnx"), model.state(seed=2))
    assert main(["verify", SPEC[1], *settings, "--backends", "onnx", *asked]) == 0
    assert "names of detectron2" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ([*COMPILE, "--from", "timm"], "--from is about weights, and there is no --weights"),
        ([*COMPILE, "--name", "fc=x"], "--name is for --weights or --names, and there is neither"),
        (["verify", "resnet18", "--from", "timm"], "--from is about weights, and there is no --weights"),
        ([*INSPECT, "--name", "fc=x"], "--name needs --spec: it is about layers of the model"),
        ([*INSPECT, *SPEC, "--name", "fc"], "--name takes LAYER=NAME such as fc=last_linear, not fc"),
        ([*INSPECT, *SPEC, "--name", "layer1.0.convv1=x"], "has weights; did you mean `layer1.0.conv1`,"),
        ([*INSPECT, *SPEC, "--name", "fc=x", "--name", "fc=y"], "--name gives fc two names, x and y"),
        (
            [*CONVERT, *SPEC, "--from", "timm", "--to", "timm", "--name", "fc=x"],
            "for the names of one library",
        ),
    ],
)
def test_options_of_names_that_say_nothing_are_refused(
    command: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = saved(small().state(seed=1), tmp_path / "a.safetensors")
    assert main([path if word == "FILE" else word for word in command]) == 2
    assert message in capsys.readouterr().err


def test_names_mean_the_same_in_every_method() -> None:
    model = small("resnetv2_18", stem="conv(8, 7x7, stride=2) -> maxpool(3x3, stride=2)")
    state, ours = there(model, "timm"), model.state(seed=2)
    x = np.random.default_rng(0).standard_normal((1, 3, 32, 32))
    (wanted,) = model.run(x, ours).values()
    for weights, names in ((state, "timm"), (state, None), (ours, None)):
        (result,) = model.run(x, weights, names=names).values()
        assert (result == wanted).all()
    assert model.render("onnx", state, names="timm") == model.render("onnx", ours, names="timm")
    live = model.build("torch", weights=state, names="timm")
    assert (live.state_dict()["layer1.0.conv1.weight"].numpy() == ours["layer1.0.conv1.weight"]).all()
    with pytest.raises(resnet_dsl.UsageError, match="torch calls layers by the spec's own paths"):
        model.build("torch", names="timm")


def test_layers_of_an_artefact_may_be_called_as_one_likes() -> None:
    model = small(
        "resnet50_keras",
        stem=KERAS_STEM,
        head=OWN_HEAD,
    )
    source = model.render("keras", names=KERAS, called={"fc1": "dense", "fc2": "dense_1"})
    assert isinstance(source, str)
    assert '"dense"' in source
    assert '"dense_1"' in source
    assert '"conv2_block1"' in source


def test_tensors_that_have_names_of_their_own_give_layers_none() -> None:
    model = resnet_dsl.load("resnetv2_50x1_bit")
    with pytest.raises(resnet_dsl.UsageError, match="has names for tensors, such as resnet/root_block/"):
        model.render("onnx", names="big_transfer")


def test_a_map_that_is_like_no_other_is_a_mistake() -> None:
    from resnet_dsl.zoo.name_maps import Style, _map

    with pytest.raises(TypeError, match="no map before `a` is about `b`"):
        _map(Style(), (), None, about="a", like="b")
    assert replace(Style(), joint="/").separator == "."
