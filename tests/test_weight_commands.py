"""The commands on weights, and `compile` with weights: what is written, what is said, the exit status."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import resnet_dsl
from resnet_dsl.cli.main import main
from resnet_dsl.driver import compile_spec
from resnet_dsl.weights.source import read_weights
from tests.support.weight_cases import SUFFIXES, TEXT, as_torch, program, same, state, written

pytest.importorskip("safetensors")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in a folder with the spec `net.resnet`; returns status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RESNET_DSL_TRACEBACK", raising=False)
    Path("net.resnet").write_text(TEXT)

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = main(arguments)
        return status, *capsys.readouterr()

    return call


@pytest.fixture
def frameworks() -> None:
    for package in ("torch", "keras", "onnx", "h5py"):
        pytest.importorskip(package)


# --- init, convert -----------------------------------------------------------------------------


@pytest.mark.usefixtures("frameworks")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_init_writes_the_weights_of_a_seed_in_any_format(suffix: str, run: Run) -> None:
    assert run("weights", "init", "net.resnet", "-o", f"a{suffix}", "--seed", "4") == (
        0, f"wrote a{suffix} (33 tensors, 1,485 elements)\n", "",
    )  # fmt: skip
    assert same(read_weights(f"a{suffix}", program()), resnet_dsl.loads(TEXT).state(seed=4))


def test_init_takes_settings_and_starts_from_seed_0(run: Run) -> None:
    assert run("weights", "init", "net.resnet", "-o", "a.safetensors", "--set", "classes=7")[0] == 0
    found = read_weights("a.safetensors", program(classes="7"))
    assert same(found, resnet_dsl.loads(TEXT, classes=7).state())


@pytest.mark.usefixtures("frameworks")
def test_convert_goes_from_every_format_to_every_other(run: Run) -> None:
    source = "0.safetensors"
    written(Path(source))
    for index, suffix in enumerate((".h5", ".onnx", ".weights.h5", ".pth", ".safetensors"), 1):
        target = f"{index}{suffix}"
        status, out, err = run("weights", "convert", source, target, "--spec", "net.resnet")
        assert (status, err) == (0, "")
        assert out == f"wrote {target} (33 tensors, 1,485 elements)\n"
        source = target
    assert same(read_weights(source, program()), state())


def test_convert_refuses_what_does_not_fit_and_partial_says_what_it_left(run: Run) -> None:
    written(Path("a.safetensors"))
    convert = ("weights", "convert", "a.safetensors", "b.safetensors", "--spec", "net.resnet")
    fault = "  misshapen (2): fc.weight (5x8, not 7x8), fc.bias (5, not 7)\n"
    assert run(*convert, "--set", "classes=7") == (
        1,
        "",
        f"error: a.safetensors does not fit net, which has 33 tensors:\n{fault}"
        "  = help: --partial (in Python, partial=True) loads what fits and starts the rest from a seed\n",
    )
    assert not Path("b.safetensors").exists()
    assert run(*convert, "--set", "classes=7", "--partial", "--seed", "2") == (
        0,
        "wrote b.safetensors (33 tensors, 1,503 elements)\n",
        f"note: a.safetensors: gives 31 of 33 tensors of net, 2 start from seed 2:\n{fault}",
    )
    expected = {**state(), **{n: v for n, v in _seven().items() if n.startswith("fc.")}}
    assert same(read_weights("b.safetensors", program(classes="7")), expected)


def _seven() -> dict[str, Any]:
    return resnet_dsl.loads(TEXT, classes=7).state(seed=2)


def test_a_file_is_converted_into_itself(run: Run) -> None:
    written(Path("a.safetensors"))
    assert run("weights", "convert", "a.safetensors", "a.safetensors", "--spec", "net.resnet")[0] == 0
    assert same(read_weights("a.safetensors", program()), state())


def test_a_file_that_is_not_ours_needs_force(run: Run) -> None:
    Path("a.safetensors").write_bytes(b"mine")
    init = ("weights", "init", "net.resnet", "-o", "a.safetensors")
    status, _, err = run(*init)
    assert (status, Path("a.safetensors").read_bytes()) == (2, b"mine")
    assert "--force overwrites it" in err
    assert run(*init, "--force")[0] == 0
    assert run(*init, "--seed", "1")[0] == 0
    assert [path.name for path in Path().iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["weights"], "no command `weights`; did you mean"),
        (["weights", "ini"], "no command `weights ini`; did you mean `weights init`"),
        (["weights", "init", "net.resnet"], "required: -o"),
        (["weights", "init", "net.resnet", "-o", "-"], "not to stdout"),
        (["weights", "init", "net.resnet", "-o", "a.bin"], "a.bin: weights are .safetensors, "),
        (["weights", "init", "net.resnet", "-o", "a.safetensor"], "did you mean `.safetensors`?"),
        (["weights", "init", "net.resnet", "-o", "no/a.safetensors"], "the folder"),
        (["weights", "init", "net.resnet", "-o", "a.safetensors", "--seed", "-1"], "0 or more"),
        (
            ["weights", "init", "net.resnet", "-o", "a.safetensors", "--seed", "x"],
            "a whole number, 0 or more",
        ),
        (["weights", "convert", "a.safetensors", "b.safetensors"], "required: --spec"),
        (["weights", "convert", "a.safetensors", "b.safetensors", "--spec", "net.resnet"], "No such file"),
        (
            ["weights", "convert", "a.pth", "b.pth", "--spec", "net.resnet", "--seed", "1"],
            "with `partial` the seed starts what they lack",
        ),
        (["compile", "net.resnet", "--emit", "graph", "--seed", "1"], "graph holds no weights"),
        (["compile", "net.resnet", "--backend", "torch", "--seed", "1", "-o", "-"], "-o PATH, not stdout"),
        (["compile", "net.resnet", "--emit", "keras", "--seed", "1"], "-o PATH, not stdout"),
        (["compile", "net.resnet", "--backend", "torch", "--partial"], "none are given"),
        (
            ["compile", "net.resnet", "--backend", "torch", "--seed", "1", "--weights", "a.pth"],
            "either a seed or weights",
        ),
    ],
)
def test_usage_errors_are_one_line_and_status_2(run: Run, arguments: list[str], message: str) -> None:
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert sorted(path.name for path in Path().iterdir()) == ["net.resnet"]


def test_a_wrong_spec_is_status_1_before_any_file_is_read(run: Run) -> None:
    Path("bad.resnet").write_text("model bad { stages: [1]  block: basik }\n")
    for command in (
        ["init", "bad.resnet", "-o", "a.safetensors"],
        ["inspect", "x.pth", "--spec", "bad.resnet"],
    ):
        status, _, err = run("weights", *command)
        assert status == 1
        assert err.startswith("error[E0201]")


def test_a_missing_package_is_one_line_with_its_extra(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    hidden = ("keras", "torch", "h5py")
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name in hidden else find(name, *a)
    )
    status, _, err = run("weights", "init", "net.resnet", "-o", "a.weights.h5")
    assert status == 2
    assert 'not installed here: pip install "resnet-dsl[keras]"' in err
    assert run("weights", "init", "net.resnet", "-o", "a.pth")[0] == 0  # which takes no torch
    assert "a_keras" not in run("compile", "net.resnet", "--backend", "keras", "--seed", "0")[1]


def test_help_lists_the_commands_of_the_group(run: Run) -> None:
    status, out, _ = run("weights", "--help")
    assert (status, out.count("resnet-dsl weights ")) == (0, 4)
    assert run("weights", "init", "--help")[0] == 0


# --- inspect -----------------------------------------------------------------------------------


def test_inspect_shows_names_shapes_dtypes_and_metadata(run: Run) -> None:
    written(Path("a.safetensors"))
    status, out, err = run("weights", "inspect", "a.safetensors")
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "a.safetensors: safetensors, 33 tensors, 1,485 elements, float32"
    assert lines[1].startswith("resnet-dsl: model net, origin seed 3, settings none, spec net.resnet, ")
    assert lines[-1] == "  layer2.0.downsample.1.weight        8        float32"
    shown = run("weights", "inspect", "a.safetensors", "--spec", "net.resnet")[1].splitlines()
    assert shown[:2] == ["33 of 33 tensors of net fit", lines[0]]


def test_inspect_with_a_spec_that_does_not_fit_is_status_1_and_complete(run: Run) -> None:
    written(Path("a.safetensors"))
    inspect = ("weights", "inspect", "a.safetensors", "--spec", "net.resnet", "--set", "classes=7")
    status, out, _ = run(*inspect)
    assert status == 1
    assert out.startswith("31 of 33 tensors of net fit: its classifier has 5 classes, not 7\n")
    assert out.endswith("  misshapen (2):\n    fc.weight (5x8, not 7x8)\n    fc.bias (5, not 7)\n")
    status, out, _ = run(*inspect, "--format", "json")
    assert status == 1
    found = json.loads(out)
    assert found["spec"]["misshapen"][1] == {"name": "fc.bias", "detail": "5, not 7"}
    assert (found["spec"]["fits"], len(found["spec"]["fitting"])) == (False, 31)


def test_inspect_as_json_is_complete(run: Run) -> None:
    written(Path("a.safetensors"))
    found = json.loads(run("weights", "inspect", "a.safetensors", "--format", "json")[1])
    assert list(found) == [
        "file", "format", "elements", "tensors", "metadata", "notes", "description", "spec",
    ]  # fmt: skip
    assert (found["format"], found["elements"], found["spec"]) == ("safetensors", 1485, None)
    assert {"name": "fc.weight", "shape": [5, 8], "dtype": "float32"} in found["tensors"]
    assert found["metadata"]["resnet-dsl"]["origin"] == {"seed": 3}


# --- compile -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("frameworks")
@pytest.mark.parametrize("options", [("--seed", "3"), ("--weights", "given.safetensors")])
def test_compile_writes_the_weights_into_or_beside_each_artefact(options: tuple[str, ...], run: Run) -> None:
    expected = resnet_dsl.loads(TEXT).state(seed=3)
    written(Path("given.safetensors"), expected)
    status, out, err = run("compile", "net.resnet", "--backend", "all", "-o", "out/", *options)
    assert (status, err) == (0, "")
    files = ["net.onnx", "net_keras.py", "net_keras.weights.h5", "net_torch.py", "net_torch.safetensors"]
    assert sorted(path.name for path in Path("out").iterdir()) == files
    assert all(f"wrote out/{name} (" in out for name in files)
    for name in ("net.onnx", "net_keras.weights.h5", "net_torch.safetensors"):
        assert same(read_weights(Path("out", name), program()), expected)
    assert run("compile", "net.resnet", "--backend", "all", "-o", "out/", *options)[0] == 0


@pytest.mark.usefixtures("frameworks")
def test_weights_lie_beside_a_source_of_a_chosen_name(run: Run) -> None:
    assert run("compile", "net.resnet", "--backend", "torch", "--seed", "0", "-o", "mine.py")[0] == 0
    assert (
        run("compile", "net.resnet", "--backend", "keras", "--seed", "0", "-o", "mine.py", "--force")[0] == 0
    )
    names = sorted(path.name for path in Path().iterdir())
    assert names == ["mine.py", "mine.safetensors", "mine.weights.h5", "net.resnet"]


@pytest.mark.usefixtures("frameworks")
def test_compile_writes_nothing_when_the_weights_do_not_fit(run: Run) -> None:
    written(Path("a.safetensors"))
    arguments = (
        "compile",
        "net.resnet",
        "--backend",
        "all",
        "--weights",
        "a.safetensors",
        "--set",
        "classes=7",
    )
    status, out, err = run(*arguments, "-o", "out/")
    assert (status, out) == (1, "")
    assert err.startswith("error: a.safetensors does not fit net, which has 33 tensors:\n")
    assert not Path("out").exists()
    status, out, err = run(*arguments, "-o", "out/", "--partial")
    assert status == 0
    assert err.startswith("note: a.safetensors: gives 31 of 33 tensors of net, 2 start from seed 0:\n")
    assert err.count("note:") == 1


LOADS = {
    "torch": """
import torch
from safetensors.torch import load_file
from net_torch import Net
model = Net()
model.load_state_dict(load_file("net_torch.safetensors"))
weight = model.fc.weight.detach().numpy()
""",
    "keras": """
from net_keras import build
model = build()
model.load_weights("net_keras.weights.h5")
weight = model.get_layer("fc").kernel.numpy().T
""",
}


@pytest.mark.parametrize("backend", ["torch", "keras"])
def test_the_artefacts_load_their_weights_without_us(backend: str, run: Run) -> None:
    pytest.importorskip(backend)
    assert run("compile", "net.resnet", "--backend", backend, "--seed", "3")[0] == 0
    check = "import numpy, sys\nassert 'resnet_dsl' not in sys.modules\nnumpy.save('w', weight)"
    code = f"{LOADS[backend]}\n{check}"
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, '.')\n{code}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert np.array_equal(np.load("w.npy"), resnet_dsl.loads(TEXT).state(seed=3)["fc.weight"])


@pytest.mark.usefixtures("frameworks")
def test_onnx_with_weights_goes_to_stdout(run: Run, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from resnet_dsl.cli.main import main; sys.exit(main())",
         "compile", "net.resnet", "--backend", "onnx", "--seed", "3", "-o", "-"],
        capture_output=True, check=True, cwd=tmp_path, env=_environment(),
    )  # fmt: skip
    Path("a.onnx").write_bytes(done.stdout)
    assert same(read_weights("a.onnx", program()), resnet_dsl.loads(TEXT).state(seed=3))


def _environment() -> dict[str, str]:
    root = Path(resnet_dsl.__file__).parents[1]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "backends")])}


def _normed(spec: str) -> Any:
    from torch import nn
    from torch.nn.utils import weight_norm

    model = resnet_dsl.loads(spec).build("torch", seed=3)
    for layer in model.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch would have another function called
                weight_norm(layer)
    return model


# --- the page ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("frameworks")
def test_the_page_shows_what_the_commands_print(run: Run) -> None:
    """Every console block of docs/weights.md in turn, `…` for lines left out."""
    import torch

    page = (Path(resnet_dsl.__file__).parents[1] / "docs" / "weights.md").read_text(encoding="utf-8")
    (spec,) = re.findall(r"^```resnet net\.resnet\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    Path("net.resnet").write_text(spec)
    torch.save({"fc.weight": os.system}, "downloaded.pth")
    Path("model.keras").touch()
    torch.save(_normed(spec).state_dict(), "normed.pth")
    shown = "\n".join(re.findall(r"^```console\n(.*?)\n```$", page, re.MULTILINE | re.DOTALL))
    steps = re.split(r"^\$ resnet-dsl ", shown, flags=re.MULTILINE)[1:]
    assert len(steps) == 21
    for step in steps:
        line, _, expected = step.rstrip("\n").partition("\n")
        _, out, err = run(*line.split())
        if "net.safetensors" in line:
            Path("cut.safetensors").write_bytes(Path("net.safetensors").read_bytes()[:3000])
            behind = as_torch(read_weights("net.safetensors", compile_spec("net.resnet")), "model.")
            torch.save({"state_dict": behind, "state_dict_ema": dict(behind), "epoch": 3}, "timm.pth")
        parts = map(re.escape, expected.split("…\n"))
        assert re.fullmatch(r"(?:.*\n)*".join(parts), (err + out).rstrip("\n")), err + out
