"""Weights that a training script leaves are all that `predict` needs: classes and statistics are in them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from resnet_dsl.cli.main import main
from tests.support.training_recipes import imported, write_digits

pytest.importorskip("safetensors")
Image = pytest.importorskip("PIL.Image")

SPEC = """\
model little {
    input: 1x8x8
    stem: conv(4, 3x3) -> bn -> relu
    stages: [1, 1]  widths: [4, 8]  block: basic
    head: gap -> fc(1) -> sigmoid
}

recipe two {
    model: little
    data: images("two.npz")
    train: flip -> normalise(mean=MEAN, std=STD)
    batch: 16  epochs: 2  seed: 1
    optimiser: sgd(lr=0.2, momentum=0.9)
    loss: binary_cross_entropy
}
"""


def command(backend: str, spec: Path, out: Path) -> list[str]:
    options = ["--recipe", "two", "--backend", backend, "--out", str(out)]
    return [sys.executable, "-m", "resnet_dsl", "train", str(spec), *options]


@pytest.mark.parametrize(
    ("backend", "mean", "std"),
    [
        ("torch", "channel", "channel"),
        pytest.param("torch", "pixel", "50", marks=pytest.mark.slow),
        pytest.param("keras", "channel", "channel", marks=pytest.mark.slow),
    ],
)
def test_a_network_of_one_sigmoid_learns_and_predicts_without_its_data(
    backend, mean, std, tmp_path, capsys, monkeypatch
):
    pytest.importorskip({"keras": "tensorflow"}.get(backend, backend))
    monkeypatch.chdir(tmp_path)
    spec, out = tmp_path / "little.resnet", tmp_path / "run"
    spec.write_text(SPEC.replace("MEAN", mean).replace("STD", std))
    data = write_digits(tmp_path / "two.npz", 2)
    subprocess.run(command(backend, spec, out), check=True)
    first, last = (line.split(",") for line in (out / "log.csv").read_text().split()[1:])
    names = (out / "log.csv").read_text().split("\n")[0].split(",")
    assert float(last[names.index("train_loss")]) < 0.8 * float(first[names.index("train_loss")])
    assert float(last[names.index("train_top1")]) > 0.8

    with np.load(data) as arrays:
        Image.fromarray(arrays["x_test"][0]).save("one.png")
    wanted = by_the_network(out, data)
    data.unlink()
    asked = ["predict", str(spec), "--recipe", "two", "--weights", str(out / "weights.safetensors")]
    assert main([*asked, "one.png", "--backend", "reference", "--format", "json"]) == 0
    classes = json.loads(capsys.readouterr().out)["predictions"][0]["classes"]
    found = {each["class"]: each["probability"] for each in classes}
    assert found == {"0": pytest.approx(1 - wanted, abs=1e-6), "1": pytest.approx(wanted, abs=1e-6)}


def by_the_network(out: Path, data: Path) -> float:
    """What the first test image is given by the data file that was compiled, and PyTorch."""
    torch = pytest.importorskip("torch")
    from safetensors.torch import load_file

    import resnet_dsl

    (views, _) = imported(out / "two_data.py").TestBatches(
        imported(out / "two_data.py").load(str(data)).test, 1
    )[0]
    network = resnet_dsl.load(str(out.parent / "little.resnet")).build("torch")
    network.load_state_dict(load_file(out / "weights.safetensors"), strict=False)
    with torch.no_grad():
        return float(network.eval()(torch.from_numpy(views[0]).permute(0, 3, 1, 2))[0, 0])
