"""ResNets and RegNets of transformers become ours and ours theirs, by their names, in numbers and bits."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import resnet_dsl
from resnet_dsl.cli.main import main
from resnet_dsl.zoo.name_maps import find_library
from tests.support import library_models
from tests.support.library_models import BAR, Array, difference, images, ours, telling
from tests.support.oracles import transformers
from tests.support.weight_cases import same

pytestmark = [pytest.mark.slow, pytest.mark.transformers]

COUNTER = "num_batches_tracked"
SIZE = (64, 64)


class Case(NamedTuple):
    """A model of theirs by its configuration, and the spec with the settings that is the same."""

    about: str
    kind: str
    config: dict[str, Any]
    spec: str
    settings: dict[str, Any]


def resnet(layer: str, spec: str, *, wide: int = 4, embedding: int = 8, **more: Any) -> Case:
    """A thin ResNet with a block or two a stage; `wide` is how much wider bottlenecks end."""
    about = f"ResNet with layer_type {layer}" + " and downsample_in_bottleneck" * bool(more)
    widths = [8, 16, 24, 32]
    config = {
        "layer_type": layer,
        "embedding_size": embedding,
        "hidden_sizes": [each * wide for each in widths],
        "depths": [1, 2, 1, 2],
        **more,
    }
    settings = {"stages": "[1, 2, 1, 2]", "widths": str(widths), "stem": f"imagenet_stem({embedding})"}
    return Case(about, "ResNet", config, spec, settings)


def regnet(layer: str, spec: str) -> Case:
    config = {
        "layer_type": layer,
        "embedding_size": 32,
        "hidden_sizes": [32, 64, 160, 400] if layer == "x" else [48, 104, 208, 440],
        "depths": [1, 2, 7, 12] if layer == "x" else [1, 3, 6, 6],
        "groups_width": 16 if layer == "x" else 8,
    }
    return Case(f"RegNet with layer_type {layer}", "RegNet", config, spec, {})


CASES = [
    resnet("basic", "resnet18", wide=1),
    resnet("bottleneck", "resnet50"),
    resnet("bottleneck", "resnet50_v1", downsample_in_bottleneck=True),
    regnet("x", "regnet_x_400mf"),
    regnet("y", "regnet_y_400mf"),
]
EQUAL = resnet("bottleneck", "resnet50", embedding=32)
"""The first block has as many channels as the stem, so that its shortcut projects nothing."""


def halved(case: Case) -> Case:
    """The same with a stride of 2 in the first stage."""
    config = {**case.config, "downsample_in_first_stage": True}
    return case._replace(config=config, settings={**case.settings, "strides": "[2, 2, 2, 2]"})


MORE = [EQUAL, *map(halved, CASES[:3])]


def made(case: Case, what: str = "ForImageClassification", labels: int = 5) -> Any:
    """Their model with random weights and statistics."""
    module = transformers()
    config = getattr(module, f"{case.kind}Config")(num_labels=labels, **case.config)
    return library_models.stirred(getattr(module, f"{case.kind}{what}")(config)).eval()


def spec(case: Case, **more: Any) -> resnet_dsl.Model:
    return resnet_dsl.load(case.spec, **{"input": "3xHxW", "classes": 5, **case.settings, **more})


def options(case: Case) -> list[str]:
    settings = {"input": "3xHxW", "classes": 5, **case.settings}
    return ["--spec", case.spec, *(word for n, v in settings.items() for word in ("--set", f"{n}={v}"))]


def given_by(theirs: Any, x: Array, output: str = "logits") -> Array:
    import torch

    with torch.no_grad():
        found = copy.deepcopy(theirs).double()(torch.from_numpy(x))[output].numpy()
    return telling(found)


def saved(theirs: Any, suffix: str, folder: Path) -> Path:
    """What their users have: `save_pretrained`, or a `state_dict` saved by torch."""
    if suffix == ".pth":
        return library_models.saved(theirs, folder / "theirs.pth")
    theirs.save_pretrained(folder / "theirs")
    return folder / "theirs" / "model.safetensors"


def bits(state: Any) -> dict[str, Array]:
    return {name: np.asarray(value) for name, value in state.items() if not name.endswith(COUNTER)}


@pytest.fixture(autouse=True)
def quiet() -> None:
    transformers().utils.logging.disable_progress_bar()


@pytest.mark.parametrize("case", [*CASES, *MORE], ids=lambda case: case.about)
def test_models_go_into_every_artefact_and_back_bit_for_bit(
    case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs, model = made(case), spec(case)
    x = images(SIZE)
    wanted = given_by(theirs, x)
    states = []
    for suffix in (".safetensors", ".pth"):
        source, target = saved(theirs, suffix, tmp_path), tmp_path / f"ours{suffix}"
        assert main(["weights", "convert", str(source), str(target), *options(case)]) == 0
        assert f"names of transformers ({case.about}" in capsys.readouterr().err
        states.append(model.state(target))
    assert same(*states)
    for backend in ("torch", "keras"):
        assert difference(ours(backend, model.program, states[0], x), wanted) <= BAR, backend
    assert difference(ours("onnx", model.program, states[0], x[:1]), wanted[:1]) <= BAR

    expected = bits(theirs.state_dict())
    fresh = made(case)
    _comes_back(case, theirs, fresh, tmp_path)
    assert same(bits(fresh.state_dict()), expected)


def _comes_back(case: Case, theirs: Any, fresh: Any, folder: Path) -> None:
    """Both of our files under their names load into theirs, strictly."""
    import torch

    there = folder / "back"
    theirs.config.save_pretrained(there)
    for suffix, target in ((".pth", folder / "back.pth"), (".safetensors", there / "model.safetensors")):
        source = str(folder / f"ours{suffix}")
        assert main(["weights", "convert", source, str(target), "--to", "transformers", *options(case)]) == 0
    state = torch.load(folder / "back.pth", weights_only=True)
    assert state.keys() == theirs.state_dict().keys()
    for parameter in fresh.parameters():
        parameter.data.zero_()
    fresh.load_state_dict(state, strict=True)
    loaded, found = type(theirs).from_pretrained(there, output_loading_info=True)
    assert not found["unexpected_keys"]
    assert not found["mismatched_keys"]
    assert all(name.endswith(COUNTER) for name in found["missing_keys"])
    assert same(bits(loaded.state_dict()), bits(theirs.state_dict()))


def test_every_map_has_its_numbers() -> None:
    assert {case.about for case in CASES} == {each.about for each in find_library("transformers").maps}


@pytest.mark.parametrize("case", CASES[:2], ids=lambda case: case.about)
def test_a_body_without_its_classifier_is_found_without_its_prefix(case: Case, tmp_path: Path) -> None:
    body = made(case, "Model")
    model = spec(case, head="none")
    state = model.state(saved(body, ".safetensors", tmp_path))
    x = images(SIZE)
    wanted = given_by(body, x, "last_hidden_state")
    for backend in ("torch", "keras"):
        assert difference(ours(backend, model.program, state, x), wanted) <= BAR, backend
    back = spec(case).state(saved(body, ".pth", tmp_path), partial=True, seed=4)
    assert same({name: back[name] for name in state}, state)


def test_a_backbone_has_the_names_of_the_body(tmp_path: Path) -> None:
    case = CASES[0]
    backbone = made(case, "Backbone")
    model = spec(case, head="none")
    found = bits(model.state(saved(backbone, ".safetensors", tmp_path)))
    assert len(found) == len(bits(backbone.state_dict()))


def test_a_fine_tuned_head_of_other_classes_takes_the_body(tmp_path: Path) -> None:
    case = CASES[1]
    theirs = made(case, labels=7)
    path = saved(theirs, ".safetensors", tmp_path)
    with pytest.raises(
        resnet_dsl.WeightsError, match=r"fc.weight \(7x128, not 5x128; there `classifier.1.weight`\)"
    ):
        spec(case).state(path)
    with pytest.warns(UserWarning, match="2 start from seed 1"):
        spec(case).build("torch", weights=path, partial=True, seed=1)
    x = images(SIZE)
    chosen = [6, 0, 3, 1, 2]
    model = spec(case)
    state = model.state(path, classes=chosen)
    assert difference(ours("torch", model.program, state, x), given_by(theirs, x)[:, chosen]) <= BAR


def test_another_activation_is_that_of_the_stem_and_behind_additions(tmp_path: Path) -> None:
    case = CASES[0]
    theirs = made(case._replace(config={**case.config, "hidden_act": "gelu"}))
    model = resnet_dsl.loads(
        """
        block theirs(width, stride = 1) {
            main = x -> conv(width, 3x3, stride=stride) -> bn -> relu -> conv(width, 3x3) -> bn
            return gelu(main + (x -> downsample: B(width, stride)))
        }
        model net {
            input: 3xHxW  classes: 5  stem: imagenet_stem(8, act=gelu)
            stages: [1, 2, 1, 2]  widths: [8, 16, 24, 32]  block: theirs
        }
        """
    )
    x = images(SIZE)
    state = model.state(saved(theirs, ".safetensors", tmp_path))
    assert difference(ours("torch", model.program, state, x), given_by(theirs, x)) <= BAR


def test_half_precision_is_widened(tmp_path: Path) -> None:
    case = CASES[0]
    theirs = made(case).half()
    state = spec(case).state(saved(theirs, ".safetensors", tmp_path))
    assert same(state, spec(case).state(bits(theirs.float().state_dict())))


def test_a_gray_model_of_theirs_is_what_ours_becomes(tmp_path: Path) -> None:
    case = CASES[0]
    theirs = made(case)
    gray = spec(case, input="1xHxW")
    state = gray.state(saved(theirs, ".safetensors", tmp_path), adapt_input=True)
    x = images(SIZE)[:, :1]
    wanted = given_by(theirs, np.repeat(x, 3, axis=1))
    assert difference(ours("torch", gray.program, state, x), wanted) <= 1e-5  # of the rounded sum


def test_a_spec_is_restored_from_what_they_save(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = CASES[0]
    path = saved(made(case), ".safetensors", tmp_path)
    assert main(["import", str(path), "-o", str(tmp_path / "spec.resnet"), "--name", "net"]) == 0
    restored = resnet_dsl.load(tmp_path / "spec.resnet", input="3x64x64")
    known = spec(case, input="3x64x64")
    assert (restored.params, restored.macs) == (known.params, known.macs)
    assert same(restored.state(path), spec(case).state(path))


def test_shards_are_refused_one_by_one_with_what_lacks(tmp_path: Path) -> None:
    case = CASES[1]
    made(case).save_pretrained(tmp_path / "shards", max_shard_size="100KB")
    index = json.loads((tmp_path / "shards" / "model.safetensors.index.json").read_text())
    first = sorted(set(index["weight_map"].values()))[0]
    with pytest.raises(resnet_dsl.WeightsError):
        spec(case).state(tmp_path / "shards" / first)
