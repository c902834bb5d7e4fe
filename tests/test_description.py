"""What `weights inspect` says of a file in a few lines, and why weights do not fit in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from resnet_dsl.cli.main import main
from resnet_dsl.driver import compile_spec
from resnet_dsl.initial.seeded import initial_state
from resnet_dsl.weights.formats.registry import encode_named
from resnet_dsl.weights.match_report import WeightsError
from resnet_dsl.weights.source import examine, weights_for
from resnet_dsl.weights.tensor_facts import TensorFacts
from resnet_dsl.zoo.asked import Asked
from resnet_dsl.zoo.whose_names import OURS, whose_names
from tests.support.weight_cases import TEXT, as_torch, program, state

torch = pytest.importorskip("torch")
Run = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def inspect(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Inspect a file; nothing but errors goes to stderr."""
    monkeypatch.chdir(tmp_path)
    Path("net.resnet").write_text(TEXT)

    def call(path: str, *options: str) -> tuple[int, list[str]]:
        capsys.readouterr()
        status = main(["weights", "inspect", path, *options])
        out, err = capsys.readouterr()
        assert bool(err) == (status == 2)
        return status, (err or out).splitlines()

    return call


def said(lines: list[str]) -> dict[str, str]:
    """The lines before the tensors, by subject."""
    return dict(line.split(": ", 1) for line in lines[1:] if not line.startswith("  "))


def safetensors(path: str, tensors: Mapping[str, Any]) -> None:
    Path(path).write_bytes(b"".join(encode_named(tensors, {}, Path(path))))


def body() -> dict[str, Any]:
    return {name: value for name, value in state().items() if not name.startswith("fc.")}


def conv(*shape: int) -> Any:
    return np.ones(shape, np.float32)


# --- what it is ----------------------------------------------------------------------------------


def test_a_checkpoint_is_described_by_its_entry_and_its_network(inspect: Run) -> None:
    checkpoint = {"epoch": 3, "model": as_torch(state(), "module."), "optimizer": {"state": {}}}
    torch.save(checkpoint, "last.pth")
    status, lines = inspect("last.pth")
    assert status == 0
    assert lines[0] == "last.pth: torch, 39 tensors, 1,491 elements, float32, int64"
    found = said(lines)
    assert found["holds"] == "the tensors are in its `model`; beside it epoch, optimizer"
    assert found["names"] == "those of torchvision, which are ours"
    assert found["input"] == "3 channels"
    assert found["classes"] == "5 (fc)"
    assert found["norms"] == "6 batch norms, 1 convolution with a bias"
    assert "DistributedDataParallel" in found["note"]


def test_the_network_is_named_with_the_command_that_writes_its_spec(inspect: Run) -> None:
    main(["weights", "init", "resnet18", "-o", "r.safetensors"])
    network = said(inspect("r.safetensors")[1])["network"]
    assert network.startswith("stages [2, 2, 2, 2], widths [64, 128, 256, 512], basic")
    assert "the tensors of the shipped resnet18" in network
    assert network.endswith("; `resnet-dsl import r.safetensors` writes the spec")


def test_what_the_tensors_leave_open_is_said_with_the_network(inspect: Run) -> None:
    Path("b.resnet").write_text(
        "model b { stages: [1, 1]  widths: [4, 8]  block: bottleneck  stem: imagenet_stem(4) }"
    )
    main(["weights", "init", "b.resnet", "-o", "b.safetensors"])
    assert said(inspect("b.safetensors")[1])["network"] == (
        "stages [1, 1], widths [4, 8], bottleneck; `resnet-dsl import b.safetensors --stride-on conv2` "
        "writes the spec, strides on the 3x3 (--stride-on conv1: on the 1x1)"
    )


def test_an_average_beside_the_weights_is_named_with_its_key(inspect: Run) -> None:
    torch.save({"state_dict": as_torch(state()), "state_dict_ema": as_torch(state())}, "a.pth")
    assert said(inspect("a.pth")[1])["holds"] == (
        "`state_dict` (39 tensors), `state_dict_ema` (39 tensors, an average); "
        "this is `state_dict`, --key state_dict_ema takes the other"
    )
    assert "this is `state_dict_ema`" in said(inspect("a.pth", "--key", "state_dict_ema")[1])["holds"]


def test_of_entries_that_differ_the_largest_is_shown(inspect: Run) -> None:
    torch.save({"small": {"a.weight": torch.ones(2, 2), "b.weight": torch.ones(3, 2)},
                "net": {f"{i}.weight": torch.ones(2, 2) for i in range(4)}}, "two.pth")  # fmt: skip
    status, lines = inspect("two.pth")
    assert (status, lines[0]) == (0, "two.pth: torch, 4 tensors, 16 elements, float32")
    assert "this is `net`, --key small takes the other" in said(lines)["holds"]


@pytest.mark.parametrize(
    ("front", "names"),
    [
        ("model.", "those of torchvision, which are ours, behind `model.`"),
        ("net.encoder.", "those of torchvision, which are ours, behind `net.encoder.`"),
        ("backbone.", "those of mmpretrain"),
    ],
)
def test_names_are_told_apart_by_library_and_prefix(front: str, names: str, inspect: Run) -> None:
    torch.save(as_torch(body(), front), "a.pth")
    assert said(inspect("a.pth")[1])["names"] == names


def test_a_head_of_its_own_tells_whose_the_body_is_that_others_call_the_same() -> None:
    inside = [f"backbone.{name}" for name in body()]
    segmented = whose_names([*inside, "classifier.0.weight", "classifier.4.weight", "classifier.4.bias"])
    assert segmented is not None
    assert (segmented.libraries, segmented.others) == (("torchvision",), ())
    detected = whose_names([*inside, "head.fc.weight", "head.fc.bias"])
    assert detected is not None
    assert (detected.libraries, detected.others) == (("mmpretrain",), ())


def test_layers_with_other_names_are_listed_beside_the_known_ones() -> None:
    whose = whose_names([*state(), "neck.weight", "fc2.bias"])
    assert whose is not None
    assert (whose.libraries, whose.prefix, whose.known) == ((OURS,), "", 13)
    assert whose.others == ("neck", "fc2")
    assert whose_names(["a.b.weight", "c.d.weight"]) is None


def test_names_without_dots_are_no_layers(inspect: Run, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez("flat.npz", **{name.replace(".", "_"): value for name, value in state().items()})
    assert said(inspect("flat.npz")[1])["names"].startswith("without a dot")
    assert main(["import", "flat.npz"]) == 1
    err = capsys.readouterr().err
    assert "no name has a dot: conv1_weight" in err
    assert "''" not in err


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (lambda: torch.nn.Conv3d(1, 4, 3), "the convolutions are three-dimensional"),
        (lambda: torch.nn.Conv1d(12, 4, 3), "the convolutions are one-dimensional"),
    ],
)
def test_other_dimensions_are_named(layer: Callable[[], Any], words: str, inspect: Run) -> None:
    torch.save(torch.nn.Sequential(layer(), torch.nn.ReLU(), layer()).state_dict(), "a.pth")
    assert said(inspect("a.pth")[1])["weights"].startswith(words)


def test_a_kernel_over_channels_is_no_convolution_of_one_dimension() -> None:
    stored = {"a.weight": conv(8, 3, 3, 3), "a.eca.weight": conv(1, 1, 5), "b.weight": conv(8, 1, 3)}
    from resnet_dsl.weights.match import from_arrays

    assert TensorFacts(from_arrays(stored).tensors).axes == 2


def test_a_quantised_file_is_named(inspect: Run) -> None:
    weight = torch.quantize_per_tensor(torch.ones(4, 3, 3, 3), 0.1, 0, torch.qint8)
    whole = {"conv1.weight": weight, "conv1.scale": torch.tensor(0.1), "conv1.zero_point": torch.tensor(0)}
    torch.save(whole, "q.pth")
    found = said(inspect("q.pth")[1])
    assert found["weights"] == "quantised (qint8); start from the float weights"
    assert found["norms"] == "none; they are within the convolutions"
    torch.save({"a.qweight": torch.ones(4, 4, dtype=torch.int32), "a.scales": torch.ones(1, 4)}, "g.pth")
    assert said(inspect("g.pth")[1])["weights"].startswith("quantised")


def folded() -> dict[str, Any]:
    """The network without its norms, a bias in each convolution."""
    convs = {n: v for n, v in state().items() if np.ndim(v) == 4}
    biases = {n.replace("weight", "bias"): np.ones(len(v), np.float32) for n, v in convs.items()}
    return convs | biases | {n: v for n, v in state().items() if n.startswith("fc.")}


def test_folded_norms_are_told_from_a_network_without_norms(inspect: Run) -> None:
    safetensors("folded.safetensors", folded())
    assert said(inspect("folded.safetensors")[1])["norms"].startswith("none; they were folded into")
    plain = {
        f"features.{i}.{t}": conv(*s) for i in (0, 2) for t, s in (("weight", (4, 4, 3, 3)), ("bias", (4,)))
    }
    safetensors("plain.safetensors", plain)
    assert said(inspect("plain.safetensors")[1])["norms"].startswith(
        "none, and each convolution has a bias: there"
    )


def test_a_network_that_is_there_twice_has_its_names_and_its_spec(inspect: Run) -> None:
    torch.save(as_torch(state(), "encoder_q.") | as_torch(state(), "encoder_k."), "moco.pth")
    found = said(inspect("moco.pth")[1])
    assert "behind `encoder_q.`: 13 of 26 layers; not encoder_k.conv1" in found["names"]
    status, lines = inspect("moco.pth", *SPEC)
    assert status == 2
    assert "--prefix" in lines[0]
    assert inspect("moco.pth", *SPEC, "--prefix", "encoder_k.")[0] == 0


def test_half_precision_and_parts_are_named(inspect: Run) -> None:
    layer = torch.nn.utils.parametrizations.weight_norm(torch.nn.Conv2d(3, 4, 3)).half()
    torch.save(layer.state_dict(), "a.pth")
    weights = said(inspect("a.pth")[1])["weights"]
    assert weights == "3 of float16; in parts, by weight norm"


def test_a_large_file_is_described_without_its_network(inspect: Run) -> None:
    safetensors("a.safetensors", {f"layer1.{i}.conv1.weight": conv(1, 1, 1, 1) for i in range(6_100)})
    found = said(inspect("a.safetensors")[1])
    assert found["network"].startswith("not looked for among so many tensors")


def test_the_description_is_in_the_json(inspect: Run) -> None:
    torch.save({"model": as_torch(state(), "net.")}, "a.pth")
    found = json.loads("\n".join(inspect("a.pth", "--format", "json")[1]))["description"]
    assert (found["entries"], found["entry"]) == ({"model": 39}, "model")
    assert (found["libraries"], found["prefix"], found["known"]) == (["resnet-dsl"], "net.", 13)
    assert (found["input_channels"], found["classes"]) == (3, {"net.fc": 5})


# --- whether it fits -----------------------------------------------------------------------------

SPEC = ("--spec", "net.resnet")


def test_the_first_line_says_that_all_fits_and_how_it_was_read(inspect: Run) -> None:
    torch.save({"state_dict": as_torch(state(), "backbone.")}, "a.pth")
    status, lines = inspect("a.pth", *SPEC)
    assert status == 0
    assert lines[0] == "33 of 33 tensors of net fit, from its `state_dict`, without the prefix `backbone.`"
    assert len(lines) == len(set(lines))


CAUSES: dict[str, tuple[Callable[[], Mapping[str, Any]], str]] = {
    "classes": (
        lambda: {**state(), "fc.weight": conv(9, 8), "fc.bias": conv(9)},
        "31 of 33 tensors of net fit: its classifier has 9 classes, not 5",
    ),
    "channels": (
        lambda: {**state(), "conv1.weight": conv(4, 1, 3, 3)},
        "32 of 33 tensors of net fit: its first convolution takes 1 channel, not 3",
    ),
    "no head": (body, "31 of 33 tensors of net fit: it has no classifier"),
    "more": (
        lambda: {**state(), "neck.weight": conv(2, 2), "neck.bias": conv(2)},
        "33 of 33 tensors of net fit: the file has 2 tensors more: neck.bias, neck.weight",
    ),
    "folded": (
        folded,
        "4 of 33 tensors of net fit: a norm was folded into the layer before it: --unfold",
    ),
    "dimensions": (
        lambda: {n: v[..., None] if np.ndim(v) == 4 else v for n, v in state().items()},
        "27 of 33 tensors of net fit: its convolutions are three-dimensional (4x3x3x3x1)",
    ),
    "names": (
        lambda: {n.replace("layer1", "stage1"): v for n, v in state().items()},
        "23 of 33 tensors of net fit: the rest has the same shapes under other names: "
        "layer1.0.conv1.weight may be stage1.0.conv1.weight",
    ),
    "prefix": (
        lambda: {f"net.{n}": v for n, v in state().items() if n != "bn1.bias"},
        "0 of 33 tensors of net fit: without the prefix `net.` 32 of 33 tensors fit",
    ),
}


@pytest.mark.parametrize("case", CAUSES)
def test_the_first_line_says_why_weights_do_not_fit(case: str, inspect: Run) -> None:
    tensors, first = CAUSES[case]
    safetensors("a.safetensors", tensors())
    status, lines = inspect("a.safetensors", *SPEC)
    assert status == 1
    assert lines[0].startswith(first)


def test_another_network_is_named(inspect: Run) -> None:
    Path("b.resnet").write_text(TEXT.replace("[1, 1]", "[1, 2]").replace("[4, 8]", "[4, 16]"))
    main(["weights", "init", "b.resnet", "-o", "b.safetensors"])
    lines = inspect("b.safetensors", *SPEC)[1]
    assert lines[0].endswith("tensors of net fit: it is another network")
    assert lines[1].startswith("the file: stages [1, 2], widths [4, 16], basic")


def test_a_prefix_that_would_fit_more_is_the_help_of_every_command() -> None:
    tensors, _ = CAUSES["prefix"]
    report = examine(tensors(), program())[1]
    assert report.cause_help == "--prefix net."
    with pytest.raises(WeightsError, match=r"(?s)note: without the prefix `net.` .* help: --prefix net\.$"):
        weights_for(program(), weights=tensors())
    found, report = examine(tensors(), program(), Asked(prefix="net."))
    assert (len(found), report.ways) == (32, ("without the prefix `net.`",))


def test_partial_of_what_does_not_fit_at_all_says_where_to_look() -> None:
    with pytest.raises(WeightsError, match=r"help: nothing of it fits; `resnet-dsl weights inspect FILE`"):
        weights_for(program(), weights={"a.weight": conv(2, 2)}, asked=Asked(partial=True))


def test_what_partial_leaves_out_is_explained_where_the_list_does_not() -> None:
    weights = weights_for(program(), weights=CAUSES["names"][0](), asked=Asked(partial=True))
    assert weights is not None
    assert "note: the rest has the same shapes under other names" in weights.remarks()[-1]


def test_a_spec_is_restored_from_an_entry_and_behind_a_prefix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "a.pth")
    larger = as_torch(state(), "net.body.") | {"neck.weight": torch.ones(4, 9, 3, 3)}
    torch.save({"model": larger, "critic": {f"{i}.weight": torch.ones(3, 3) for i in range(20)}}, path)
    assert main(["import", path]) == 2
    assert "--key" in capsys.readouterr().err
    assert main(["import", path, "--key", "model"]) == 0
    out, err = capsys.readouterr()
    assert "stages: [1, 1]" in out
    assert "without the prefix `net.body.`; 1 tensor left aside: neck.weight" in err


def test_the_tensors_of_a_network_tell_its_input_and_its_classes() -> None:
    from resnet_dsl.weights.match import from_arrays

    for name, channels, classes in (("resnet18", 3, [1000]), ("lenet5", 1, [10]), ("densenet121", 3, [1000])):
        graph = compile_spec(name).graph
        facts = TensorFacts(from_arrays(initial_state(graph, 0)).tensors)
        assert facts.input_channels == channels
        assert list(facts.classifiers.values()) == classes
