"""The command `predict`: classes of photographs, by every backend and by the referee, and what is refused."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import resnet_dsl
from resnet_dsl.cli.main import main

torch = pytest.importorskip("torch")
Image = pytest.importorskip("PIL.Image")
datasets = pytest.importorskip("sklearn.datasets")

NET = """model net {
    input: 3x64x64  stem: conv(8, 7x7, stride=4) -> bn -> relu
    stages: [1, 1]  widths: [8, 16]  block: basic  head: HEAD
    preprocess: { color: bgr  range: [0, 1]  size: 64  crop: 0.875
                  mean: [0.4, 0.45, 0.5]  std: [0.2, 0.25, 0.3] }
}
"""
CLASSES = "gap -> flatten -> fc(7)"
MEAN, STD = np.array([0.4, 0.45, 0.5]), np.array([0.2, 0.25, 0.3])
ENGINES = ("torch", "keras", "onnx", "reference")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A network with weights, and scikit-learn's two photographs in a folder."""
    write_network(tmp_path, CLASSES)
    (tmp_path / "photos").mkdir()
    for name in ("china", "flower"):
        source = Path(datasets.__file__).parent / "images" / f"{name}.jpg"
        (tmp_path / "photos" / f"{name}.jpg").write_bytes(source.read_bytes())
    return tmp_path


def write_network(folder: Path, head: str) -> None:
    (folder / "net.resnet").write_text(NET.replace("HEAD", head))
    spec, weights = str(folder / "net.resnet"), str(folder / "net.safetensors")
    assert main(["weights", "init", spec, "-o", weights, "--force", "-q"]) == 0


def predict(folder: Path, *more: str) -> int:
    return main(["predict", str(folder / "net.resnet"), "--weights", str(folder / "net.safetensors"), *more])


def photo(folder: Path, name: str = "china") -> str:
    return str(folder / "photos" / f"{name}.jpg")


def logits_by_hand(folder: Path, name: str = "china") -> torch.Tensor:
    """The shorter side at 73 pixels, the middle, blue first, in numbers; by Pillow and torch alone."""
    picture = Image.open(photo(folder, name)).convert("RGB")
    width, height = picture.size
    picture = picture.resize((73 * width // height, 73), Image.Resampling.BILINEAR)
    left, top = round((picture.size[0] - 64) / 2), round((73 - 64) / 2)
    x = np.asarray(picture.crop((left, top, left + 64, top + 64)))[..., ::-1] / 255
    x = torch.tensor(((x - MEAN) / STD).transpose(2, 0, 1)[None])
    model = resnet_dsl.load(str(folder / "net.resnet")).build(
        "torch", weights=str(folder / "net.safetensors"), dtype="float64"
    )
    with torch.no_grad():
        return model.eval()(x)[0]


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_gives_the_probabilities_computed_by_hand(engine, folder, capsys):
    if engine != "reference":
        pytest.importorskip({"keras": "tensorflow", "onnx": "onnxruntime"}.get(engine, engine))
    pictures = [photo(folder), photo(folder, "flower")]
    assert predict(folder, *pictures, "--backend", engine, "--top", "7", "--format", "json") == 0
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert found["engine"] == engine
    assert f"note: by {engine}; the shorter side at 73 (bilinear), of that the middle 64x64" in told.err
    for name, each in zip(("china", "flower"), found["predictions"], strict=True):
        wanted = logits_by_hand(folder, name).softmax(0)
        order = [int(c["class"]) for c in each["classes"]]
        assert order == wanted.argsort(descending=True).tolist()
        ours = torch.tensor([c["probability"] for c in each["classes"]], dtype=torch.float64)
        assert (ours - wanted[order]).abs().max() <= (1e-12 if engine == "reference" else 1e-6)


def test_pictures_have_their_classes_below_them_and_the_first_installed_backend_is_said(folder, capsys):
    labels = folder / "names.txt"
    labels.write_text("ant\nbee\ncat\ndog\nelk\nfox\ngnu\n")
    assert predict(folder, photo(folder), "--top", "2", "--labels", str(labels)) == 0
    told = capsys.readouterr()
    wanted = logits_by_hand(folder).softmax(0)
    names = labels.read_text().split()
    best = [f"  {wanted[i]:.4f}  {names[i]}" for i in wanted.argsort(descending=True)[:2]]
    assert told.out.splitlines() == [photo(folder), *best]
    assert "note: by torch" in told.err


def test_a_folder_gives_a_table_and_broken_pictures_do_not_stop_it(folder, capsys):
    (folder / "photos" / "broken.jpg").write_bytes(b"no picture")
    table = folder / "out.csv"
    assert predict(folder, str(folder / "photos"), "--top", "2", "-o", str(table)) == 1
    assert "broken.jpg: cannot identify image file" in capsys.readouterr().err
    head, *rows = csv.reader(table.open())
    assert head == ["image", "class", "probability", "class2", "probability2"]
    assert [row[0] for row in rows] == [photo(folder), photo(folder, "flower")]
    wanted = logits_by_hand(folder).softmax(0)
    assert rows[0][1] == str(int(wanted.argmax()))
    assert abs(float(rows[0][2]) - float(wanted.max())) <= 1e-6


@pytest.mark.parametrize("ending", ["", " -> sigmoid"])
def test_one_logit_speaks_for_the_second_of_two_classes(ending, folder, capsys):
    write_network(folder, f"gap -> flatten -> fc(1){ending}")
    assert predict(folder, photo(folder), "--format", "json") == 0
    classes = json.loads(capsys.readouterr().out)["predictions"][0]["classes"]
    found = {each["class"]: each["probability"] for each in classes}
    value = logits_by_hand(folder)[0]
    second = float(value if ending else value.sigmoid())
    assert found == {"0": pytest.approx(1 - second, abs=1e-6), "1": pytest.approx(second, abs=1e-6)}


def test_a_softmax_that_the_network_has_is_not_taken_twice(folder, capsys):
    assert predict(folder, photo(folder), "--format", "json", "--top", "7") == 0
    plain = capsys.readouterr().out
    (folder / "net.resnet").write_text(NET.replace("HEAD", f"{CLASSES} -> softmax"))
    assert predict(folder, photo(folder), "--format", "json", "--top", "7") == 0
    pairs = [json.loads(text)["predictions"][0]["classes"] for text in (plain, capsys.readouterr().out)]
    for one, other in zip(*pairs, strict=True):
        assert one["class"] == other["class"]
        assert one["probability"] == pytest.approx(other["probability"], abs=1e-6)


def test_what_cannot_be_predicted_is_said_in_a_line(folder, capsys):
    few = folder / "few.txt"
    few.write_text("ant\nbee\n")
    assert predict(folder, photo(folder), "--labels", str(few)) == 2
    assert "few.txt names 2 classes, and the network has 7" in capsys.readouterr().err
    assert predict(folder, str(folder / "no.jpg")) == 1
    assert "no.jpg: there is no such picture" in capsys.readouterr().err
    (folder / "empty").mkdir()
    assert predict(folder, str(folder / "empty")) == 2
    assert "empty: no picture is in it" in capsys.readouterr().err
    (folder / "net.resnet").write_text(NET.split("    preprocess")[0].replace("HEAD", CLASSES) + "}")
    assert predict(folder, photo(folder)) == 2
    assert "net has no `preprocess`" in capsys.readouterr().err
    (folder / "net.resnet").write_text(NET.replace("HEAD", "conv(7, 1x1)"))
    assert predict(folder, photo(folder)) == 2
    assert "`predict` is for networks that end in a row of classes" in capsys.readouterr().err


RECIPE = """
recipe photos {
    model: net
    data: images("data")
    train: resize(72) -> crop(64) -> normalise(mean=channel, std=channel)
    test: resize(72) -> TEST -> normalise(mean=channel, std=channel)
    batch: 4  epochs: 1  optimiser: sgd(lr=0.1)  schedule: constant  loss: cross_entropy  evaluate: top1
}
"""


def write_recipe(folder: Path, test: str) -> None:
    """A recipe beside the network, and photographs in a folder for each of its classes."""
    write_network(folder, "gap -> flatten -> fc(2)")
    with (folder / "net.resnet").open("a") as file:
        file.write(RECIPE.replace("TEST", test))
    for name in ("china", "flower"):
        below = folder / "data" / "train" / name
        below.mkdir(parents=True, exist_ok=True)
        for place in range(2):
            picture = Image.open(photo(folder, name))
            picture.crop((100 * place, 0, 300 + 100 * place, 300)).save(below / f"{place}.png")


def by_the_recipe(folder: Path, windows: list[tuple[int, int]], mirror: bool) -> torch.Tensor:
    """Probabilities of china.jpg by Pillow and torch: the mean over windows of its 72 pixels' version."""

    def resized(path: Path) -> np.ndarray:
        picture = Image.open(path).convert("RGB")
        width, height = picture.size
        size = (72 * width // height, 72) if width >= height else (72, 72 * height // width)
        return np.asarray(picture.resize(size, Image.Resampling.BILINEAR))

    # The training images as `normalise` sees them: the place of a crop is the middle where none is drawn.
    training = [resized(path) for path in (folder / "data" / "train").glob("*/*")]
    middles = [
        each[(h := round((each.shape[0] - 64) / 2)) : h + 64, (w := round((each.shape[1] - 64) / 2)) : w + 64]
        for each in training
    ]
    rows = np.concatenate([each.reshape(-1, 3) for each in middles])
    image = resized(Path(photo(folder)))
    views = [image[top : top + 64, left : left + 64] for top, left in windows]
    views += [view[:, ::-1] for view in views] if mirror else []
    x = torch.tensor(np.stack([(v - rows.mean(0)) / rows.std(0) for v in views]).transpose(0, 3, 1, 2))
    weights = str(folder / "net.safetensors")
    model = resnet_dsl.load(str(folder / "net.resnet")).build("torch", weights=weights, dtype="float64")
    with torch.no_grad():
        return model.eval()(x).softmax(1).mean(0)


@pytest.mark.parametrize("test", ["centre_crop(64)", "ten_crop(64)"])
def test_a_recipe_prepares_pictures_as_its_evaluation_does(test, folder, capsys, monkeypatch):
    """Statistics and the names of classes are those of the data; of several views the mean counts."""
    write_recipe(folder, test)
    monkeypatch.chdir(folder)
    command = [photo(folder), "--recipe", "photos", "--backend", "reference", "--format", "json"]
    assert predict(folder, *command) == 0
    classes = json.loads(capsys.readouterr().out)["predictions"][0]["classes"]
    width = 72 * 640 // 427
    centre, right = (4, round((width - 64) / 2)), width - 64
    windows = [centre] if test.startswith("centre") else [(0, 0), (0, right), (8, 0), (8, right), centre]
    wanted = by_the_recipe(folder, windows, mirror=test.startswith("ten"))
    found = {each["class"]: each["probability"] for each in classes}
    assert found == {
        "china": pytest.approx(float(wanted[0]), abs=1e-12),
        "flower": pytest.approx(float(wanted[1]), abs=1e-12),
    }


def test_weights_tell_classes_and_statistics_where_the_data_is_gone(folder, capsys):
    """What a training script leaves in the metadata of its weights takes the place of the data."""
    write_recipe(folder, "centre_crop(64)")
    spec, weights = str(folder / "net.resnet"), folder / "net.safetensors"
    state = resnet_dsl.load(spec).state(str(weights))
    statistics = {"mean": [100.0, 90.0, 80.0], "std": [50.0, 40.0, 30.0]}
    told = {"classes": ["town", "plant"], "statistics": statistics}
    safetensors = pytest.importorskip("safetensors.numpy")
    safetensors.save_file(state, weights, {"resnet-dsl": json.dumps(told)})
    command = [photo(folder), "--recipe", "photos", "--backend", "reference", "--format", "json"]
    assert predict(folder, *command, "--data", str(folder / "data")) == 0  # the data itself comes first
    by_data = json.loads(capsys.readouterr().out)["predictions"][0]["classes"]
    assert predict(folder, *command) == 0
    by_weights = json.loads(capsys.readouterr().out)["predictions"][0]["classes"]
    assert {each["class"] for each in by_weights} == {"town", "plant"}
    assert by_weights[0]["probability"] != pytest.approx(by_data[0]["probability"], abs=1e-6)


def test_a_recipe_without_its_data_says_what_is_lacking(folder, capsys):
    write_recipe(folder, "centre_crop(64)")
    assert predict(folder, photo(folder), "--recipe", "photos", "--data", str(folder / "gone")) == 2
    assert "gone: nothing is there" in capsys.readouterr().err
    assert predict(folder, photo(folder), "--data", str(folder / "data")) == 2
    assert "--data is where the images of a recipe are" in capsys.readouterr().err


def test_without_pillow_there_is_one_line(folder):
    """A process in which Pillow cannot be found."""
    lines = f"""
import sys
sys.modules["PIL"] = None
from importlib import util
found = util.find_spec
util.find_spec = lambda name, *more: None if name == "PIL" else found(name, *more)
from resnet_dsl.cli.main import main
sys.exit(main(["predict", {str(folder / "net.resnet")!r}, "--weights", "w.npz", "a.jpg"]))
"""
    ended = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr == (
        'error: `predict` needs Pillow, not installed here: pip install "resnet-dsl[train]"\n'
    )
