"""The data file of a recipe: what it says, that it runs alone, that whoever asks gets the same batches."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.optimize.preprocessing import taking_images
from resnet_dsl.recipe.assembly import all_definitions, assembled, modules
from resnet_dsl.recipe.compilation import compile_recipe_source
from resnet_dsl.recipe.files import data_file
from resnet_dsl.recipe.image_steps import (
    CentreCropStep,
    ColourNoiseStep,
    ColourStep,
    CropStep,
    FlipStep,
    NormaliseStep,
    PadStep,
    ResizedCropStep,
    ResizeStep,
    ScaleJitterStep,
    ScalesStep,
    ShearStep,
    TenCropStep,
    ZoomStep,
)  # fmt: skip
from resnet_dsl.recipe.mixing import CutMix, MixUp
from resnet_dsl.recipe.optimisers import SGD, Adam
from resnet_dsl.recipe.recipe import ImageData, Phase, Recipe
from resnet_dsl.recipe.schedules import (
    ConstantRate,
    CosineRate,
    LinearRate,
    OneCycleRate,
    PlateauRate,
    StepRate,
    WarmUp,
)  # fmt: skip
from resnet_dsl.training.batches import drawn_images, slice_of_process
from resnet_dsl.training.colours import normalise
from resnet_dsl.training.draws import IMAGE, Draws, order
from resnet_dsl.training.geometry import crop, flip, pad
from resnet_dsl.training.images import DataError as PackageDataError
from resnet_dsl.training.reading import read_data
from tests.support.training_data import NORMALISE, coloured, module, program, recipe, save_npz, save_pictures

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden" / "recipe" / "cifar10_data.py"
IMAGENET = NormaliseStep((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
LARGE = (ResizeStep(40), CropStep((32, 32)), IMAGENET)


def recipes() -> Iterator[Recipe]:
    """Recipes that have every term between them."""
    yield recipe()
    drawn = (ColourNoiseStep(), ShearStep(), ZoomStep(0.1), FlipStep(0.3))
    yield recipe(
        name="all_steps",
        train=(ColourStep(), ScaleJitterStep(40, 50), *drawn, ResizedCropStep((32, 32)), IMAGENET),
        test=(ResizeStep((36, 36), "bicubic"), TenCropStep((32, 32)), IMAGENET),
        data=ImageData("data", 0.1, 30, ("cat", "dog")),
        mixes=(MixUp(), CutMix()),
        phases=(
            Phase("head", 2, Adam(1e-3), ConstantRate()),
            Phase("body", 3, SGD(0.1), PlateauRate(), WarmUp(1)),
            Phase("all", 9, SGD(0.1), OneCycleRate(), WarmUp(2)),
            Phase("last", 4, SGD(0.1), LinearRate(0.1)),
        ),
    )
    yield recipe(
        name="scaled",
        train=LARGE,
        test=(ScalesStep((32, 40)), NormaliseStep("pixel", 1.0, 1.0)),
        mixes=(CutMix(0.5),),
        phases=(Phase("", 5, SGD(0.1), CosineRate(0.01), WarmUp(1, 0.1)),),
    )
    digits = (0.49139967861519607, 0.48215840839460785, 0.44653091444546566)
    names = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
    yield recipe(name="long", test=(NormaliseStep(digits, digits),), data=ImageData("x", classes=names))
    yield recipe(name="plain", train=(), test=(), phases=(Phase("", 1, SGD(0.1), ConstantRate()),))


EACH = list(recipes())
IDS = [each.name for each in EACH]


# --- its text ----------------------------------------------------------------------------------


def test_a_data_file_is_what_it_was(request: pytest.FixtureRequest) -> None:
    text = data_file(recipe())
    if request.config.getoption("--update-golden"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(text, encoding="utf-8")
    assert GOLDEN.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("of", EACH, ids=IDS)
def test_a_data_file_passes_the_linter_and_the_formatter(of: Recipe, tmp_path: Path) -> None:
    path = tmp_path / f"{of.name}_data.py"
    path.write_text(data_file(of), encoding="utf-8")
    settings_file = ["--config", str(ROOT / "pyproject.toml"), "--no-cache"]
    for command in (["check", "--ignore", "D100"], ["format", "--diff"]):
        told = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *settings_file, str(path)],
            capture_output=True,
            text=True,
        )
        assert told.returncode == 0, told.stdout + told.stderr


@pytest.mark.slow
def test_data_files_pass_strict_type_checks(tmp_path: Path) -> None:
    for of in EACH:
        (tmp_path / f"{of.name}_data.py").write_text(data_file(of), encoding="utf-8")
    told = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(tmp_path)],
        capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert told.returncode == 0, told.stdout


def test_a_data_file_has_no_more_than_its_recipe_uses() -> None:
    text = data_file(recipe())
    names = {node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    assert {"pad", "crop", "flip", "normalise", "step_factor", "read_idx", "load", "rate"} <= names
    assert not names & {"resize", "colour_noise", "mixup", "ten_crop", "cosine_factor", "Plateau", "plateau"}


def test_names_of_definitions_are_unique_and_those_of_recipes_are_no_others() -> None:
    defined = [each.name for module in modules().values() for each in module.definitions]
    assert len(defined) == len(set(defined))
    for of in EACH:
        made = ast.parse(data_file(of)).body
        names = [each.name for each in made if isinstance(each, ast.FunctionDef | ast.ClassDef)]
        assert len(names) == len(set(names))


def test_every_definition_can_be_assembled_alone() -> None:
    for name in all_definitions():
        made: dict[str, Any] = {"__name__": "resnet_dsl.training.images"}
        exec(compile(assembled([name]), name, "exec"), made)
        assert name in made
    with pytest.raises(KeyError):
        assembled(["no_such_thing"])


def test_normalise_has_to_be_the_last_step() -> None:
    with pytest.raises(UsageError, match="`normalise` is not the last step of `train` in recipe cifar10"):
        data_file(recipe(train=(NORMALISE, PadStep(4))))


def test_statistics_are_of_one_kind() -> None:
    with pytest.raises(UsageError, match="by channel and one by pixel"):
        data_file(recipe(train=(NormaliseStep("pixel", 1.0),), test=(NORMALISE,)))


# --- what the model says of images -------------------------------------------------------------


def numbers_of(of: Recipe) -> str:
    functions = [node for node in ast.parse(data_file(of)).body if isinstance(node, ast.FunctionDef)]
    last = next(each for each in functions if each.name == "numbers").body[-1]
    return ast.unparse(last).removeprefix("return ")


def written(normalise: str, said: str = "") -> Recipe:
    """A recipe of a model that says something of its images."""
    preprocess = f"preprocess: {{ {said} }}" if said else ""
    text = f"""
        model net {{ stages: [1]  block: basic  {preprocess} }}
        recipe r {{
            model: net  data: images("x")  batch: 4  epochs: 1  optimiser: adam
            train: resize(224x224) -> {normalise}
        }}"""
    return compile_recipe_source(Source("t.resnet", text))


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("color: rgb  range: [0, 1]  mean: [0.5, 0.4, 0.3]  std: [0.2, 0.2, 0.1]",
         "normalise(images, mean=(0.5, 0.4, 0.3), std=(0.2, 0.2, 0.1))"),
        ("color: rgb  range: [-1, 1]", "normalise(images, mean=1.0, std=1.0, scale=2 / 255)"),
        ("color: bgr  range: [0, 255]  mean: [103.939, 116.779, 123.68]",
         "normalise(images[..., ::-1], mean=(103.939, 116.779, 123.68), std=1.0, scale=1.0)"),
    ],
)  # fmt: skip
def test_normalise_is_what_the_model_says_of_its_images(said: str, wanted: str) -> None:
    assert numbers_of(written("normalise", said)) == wanted


@pytest.mark.parametrize(
    "said", ["color: rgb  range: [0, 1]  std: [0.2, 0.3, 0.1]", "color: bgr  range: [-1, 1]"]
)
def test_a_recipe_normalises_as_an_artefact_that_takes_images(said: str) -> None:
    of = written("normalise", f"{said}  mean: [0.1, 0.2, 0.3]")
    pixels = taking_images(of.program).network.pixels
    assert pixels is not None
    image, made = coloured(1), module(of)
    own = made.numbers(image, made.Images(image, np.zeros(1)).statistics)
    taken = image[..., ::-1] if pixels.reversed else image
    assert np.allclose(own, taken * np.array(pixels.scale) + np.array(pixels.shift), atol=1e-12)


@pytest.mark.parametrize(
    ("normalise", "wanted"),
    [
        ("normalise", "normalise(images, mean=statistics.mean / 255, std=statistics.std / 255)"),
        ("normalise(mean=pixel)", "normalise(images, mean=statistics.mean / 255, std=1.0)"),
        ("normalise(mean=0.5)", "normalise(images, mean=0.5, std=1.0)"),
        ("normalise(mean=channel, scale=1)",
         "normalise(images, mean=statistics.mean, std=statistics.std, scale=1.0)"),
        ("normalise(mean=0.5, std=channel)", "normalise(images, mean=0.5, std=statistics.std / 255)"),
    ],
)  # fmt: skip
def test_normalise_is_by_the_training_images(normalise: str, wanted: str) -> None:
    assert numbers_of(written(normalise)) == wanted


def test_the_recipe_of_the_golden_file_is_that_of_its_text() -> None:
    """What the tests have by hand is what the compiler makes of it."""
    text = recipe().text.replace("resnet20", "cifar_resnet(n=3)")
    made = compile_recipe_source(Source("t.resnet", text))
    assert (made.train, made.test, made.data, made.phases) == (
        recipe().train, recipe().test, recipe().data, recipe().phases,
    )  # fmt: skip


# --- it runs alone -----------------------------------------------------------------------------


def test_a_data_file_needs_numpy_and_pillow_alone(tmp_path: Path) -> None:
    """In a process that can import nothing else, it makes the batches of the package's functions."""
    (tmp_path / "cifar10_data.py").write_text(data_file(recipe(batch=16)), encoding="utf-8")
    path = save_npz(tmp_path / "images.npz")
    code = (
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, *rest):\n"
        "        first = name.partition('.')[0]\n"
        "        if first not in {'numpy', 'PIL', 'cifar10_data', *sys.stdlib_module_names}:\n"
        "            raise ImportError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
        "import numpy as np, cifar10_data as own\n"
        "data = own.load(sys.argv[1])\n"
        "x, y = own.TrainBatches(data, epoch=3, rank=1, world=2, dtype='float64')[2]\n"
        "np.savez(sys.argv[2], x=x, y=y)\n"
        "assert not [name for name in sys.modules if name.startswith('resnet_dsl')]\n"
    )
    environment = {"PYTHONPATH": str(tmp_path), "PATH": ""}
    subprocess.run([sys.executable, "-c", code, path, str(tmp_path / "o.npz")], check=True, env=environment)
    made = np.load(tmp_path / "o.npz")

    images = read_data(path).train
    pixels = np.asarray(images.source, np.float64)
    first = 2 * 16 + 8
    draws = Draws(0, IMAGE, 3, first, 8)
    indices = order(0, 3, 60)[first : first + 8]

    def steps(image: Any, draw: Any) -> Any:
        return flip(crop(pad(image, 4), draw, (32, 32)), draw)

    batch, labels = drawn_images(images, indices, draws, steps, 3)
    mean, std = pixels.mean(axis=(0, 1, 2)), pixels.std(axis=(0, 1, 2))
    assert np.array_equal(made["y"], labels)
    assert made["x"].shape == (8, 32, 32, 3)
    assert np.allclose(made["x"], normalise(batch, mean / 255, std / 255), rtol=1e-12, atol=1e-13)


# --- batches -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_npz(tmp_path_factory.mktemp("noise") / "a.npz")


@pytest.mark.parametrize("mixes", [(), (MixUp(), CutMix())], ids=["plain", "mixed"])
@settings(max_examples=25, deadline=None)
@given(
    epoch=st.integers(0, 99), step=st.integers(0, 4), world=st.sampled_from([2, 3, 6]), seed=st.integers(0, 9)
)
def test_slices_of_processes_are_the_whole_batch(
    noise: str, mixes: tuple[Any, ...], epoch: int, step: int, world: int, seed: int
) -> None:
    own = MODULES.setdefault(mixes, module(recipe(batch=12, mixes=mixes)))
    data = own.load(noise)
    x, y = own.TrainBatches(data, epoch, seed=seed)[step]
    parts = [own.TrainBatches(data, epoch, rank, world, seed=seed)[step] for rank in range(world)]
    assert np.array_equal(x, np.concatenate([part[0] for part in parts]))
    assert np.array_equal(y, np.concatenate([part[1] for part in parts]))


MODULES: dict[Any, Any] = {}


def test_an_epoch_takes_each_image_once_and_another_epoch_in_another_order(noise: str) -> None:
    plain = NormaliseStep(0.0, 1.0, 1.0)
    own = module(recipe(batch=20, train=(plain,), test=(plain,)))
    data = own.load(noise)
    wanted = sorted(image.astype(np.float32).tobytes() for image in data.train.source)
    epochs = [[x for x, _ in own.TrainBatches(data, epoch)] for epoch in range(2)]
    for batches in epochs:
        assert sorted(image.tobytes() for batch in batches for image in batch) == wanted
    assert not np.array_equal(epochs[0][0], epochs[1][0])


def test_batches_are_a_sequence_and_a_pure_function_of_the_step(noise: str) -> None:
    own = module(recipe(batch=16))
    data = own.load(noise)
    batches = own.TrainBatches(data, 0)
    assert len(batches) == 3  # 12 images are left out
    backwards = [batches[step] for step in (2, 1, 0)][::-1]
    for (x, y), (again, labels) in zip(batches, backwards, strict=True):
        assert np.array_equal(x, again)
        assert np.array_equal(y, labels)
        assert (x.dtype, y.dtype) == (np.float32, np.int64)
    for step in (-1, 3):
        with pytest.raises(IndexError):
            batches[step]


def test_worker_processes_make_the_same_batches(noise: str, tmp_path: Path) -> None:
    """Of torch's loader, which opens them with the batches pickled."""
    torch_data = pytest.importorskip("torch.utils.data")
    of = recipe(name="worked", batch=16)
    (tmp_path / "worked_data.py").write_text(data_file(of), encoding="utf-8")
    sys.path.insert(0, str(tmp_path))
    try:
        import worked_data as own  # type: ignore[import-not-found]

        batches = own.TrainBatches(own.load(noise), 1)
        loader = torch_data.DataLoader(batches, batch_size=None, num_workers=2)
        for (x, y), (again, labels) in zip(batches, loader, strict=True):
            assert np.array_equal(x, again.numpy())
            assert np.array_equal(y, labels.numpy())
    finally:
        sys.path.remove(str(tmp_path))


def test_the_seed_and_the_batch_can_be_others(noise: str) -> None:
    own = module(recipe())
    data = own.load(noise)
    first, second = (own.TrainBatches(data, 0, batch=10, seed=seed)[0][0] for seed in (0, 1))
    assert first.shape == (10, 32, 32, 3)
    assert not np.array_equal(first, second)


def test_mixed_labels_are_shares_of_classes(noise: str) -> None:
    own = module(recipe(batch=16, mixes=(MixUp(1.0),)))
    x, y = own.TrainBatches(own.load(noise), 0)[0]
    assert (x.dtype, y.dtype, y.shape) == (np.float32, np.float32, (16, 10))
    assert np.allclose(y.sum(axis=1), 1)
    assert ((y > 0) & (y < 1)).any()


def test_both_ways_of_mixing_are_drawn(noise: str) -> None:
    own = module(recipe(batch=4, mixes=(MixUp(1.0), CutMix(1.0)), train=(NormaliseStep(0.0, 1.0),)))
    data = own.load(noise)
    cut = [
        np.isin(x, own.numbers(data.train.source, None).astype(x.dtype)).all()
        for x, _ in own.TrainBatches(data, 0)
    ]
    assert 0 < sum(cut) < len(cut)


def test_views_are_scored_apart(noise: str) -> None:
    test = (PadStep(2), TenCropStep((32, 32)), NORMALISE)
    own = module(recipe(test=test))
    data = own.load(noise)
    views, labels = own.TestBatches(data.test, 8)[2]
    assert [view.shape for view in views] == [(4, 32, 32, 3)] * 10
    assert labels.tolist() == [6, 7, 8, 9]
    assert views[0].dtype == np.float32


def test_processes_share_the_test_images_and_leave_none_out(noise: str) -> None:
    own = module(recipe())
    data = own.load(noise)
    labels = [[y.tolist() for _, y in own.TestBatches(data.test, 4, rank, 3)] for rank in range(3)]
    assert labels == [[[0, 3, 6, 9], [2, 5, 8]], [[1, 4, 7, 0], [3, 6, 9]], [[2, 5, 8, 1], [4, 7]]]


def test_scales_are_evaluated_image_by_image(tmp_path: Path) -> None:
    own = module(recipe(train=LARGE, test=(ScalesStep((32, 40)), IMAGENET), program=program(classes=2)))
    from PIL import Image

    save_pictures(tmp_path)
    Image.fromarray(coloured(1, 40, 60)[0]).save(tmp_path / "cat" / "wide.png")
    data = own.load(str(tmp_path))
    batches = own.TestBatches(data.train, 16)
    assert len(batches) == 9
    assert {x[0].shape for x, _ in batches} == {(1, 32, 32, 3), (1, 32, 48, 3)}


# --- bad data ----------------------------------------------------------------------------------


def pictures_module(**changes: Any) -> Any:
    usual = {
        "train": LARGE,
        "test": (CentreCropStep((32, 32)), IMAGENET),
        "batch": 4,
        "program": program(classes=2),
    }
    return module(recipe(**(usual | changes)))


def test_a_broken_picture_is_skipped_and_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = pictures_module()
    save_pictures(tmp_path)
    (tmp_path / "dog" / "2.png").write_bytes(b"broken")
    data = own.load(str(tmp_path))
    for epoch in range(3):
        assert [x.shape for x, _ in own.TrainBatches(data, epoch)] == [(4, 32, 32, 3)] * 2
    own.TestBatches(data.train, 8)[0]
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert said.startswith("warning: skipped a broken picture, the next takes its place: ")
    assert "2.png" in said


def test_pictures_of_which_none_can_be_read_are_an_error(tmp_path: Path) -> None:
    own = pictures_module()
    save_pictures(tmp_path)
    for path in tmp_path.glob("*/*.png"):
        path.write_bytes(b"broken")
    with pytest.raises(own.DataError, match="none of the pictures can be read"):
        own.TrainBatches(own.load(str(tmp_path)), 0)[0]


def test_images_of_several_sizes_need_a_resize(tmp_path: Path) -> None:
    from PIL import Image

    own = pictures_module(train=(IMAGENET,), test=(IMAGENET,))
    save_pictures(tmp_path)
    Image.fromarray(coloured(1, 40, 60)[0]).save(tmp_path / "cat" / "wide.png")
    data = own.load(str(tmp_path))
    said = "images of (several sizes, .*, are no batch|36x36, and the network takes 32x32): add resize or a"
    with pytest.raises(own.DataError, match=said):
        list(own.TrainBatches(data, 0))
    with pytest.raises(own.DataError, match=said):
        list(own.TestBatches(data.train, 9))


def test_images_of_other_channels_than_the_network_takes_are_said(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=coloured(8, channels=1), y=[0, 1] * 4)
    own = pictures_module()
    with pytest.raises(own.DataError, match=r"have 1 channels, and the network takes 3: add colour\(rgb\)"):
        own.TrainBatches(own.load(str(tmp_path / "a.npz")), 0)[0]
    own = pictures_module(train=(ColourStep(), IMAGENET))
    assert own.TrainBatches(own.load(str(tmp_path / "a.npz")), 0)[0][0].shape == (4, 32, 32, 3)


def test_a_batch_has_to_be_shared_equally(noise: str) -> None:
    own = module(recipe(batch=10))
    with pytest.raises(own.DataError, match="a batch of 10 cannot be shared equally by 3 processes"):
        own.TrainBatches(own.load(noise), 0, 0, 3)[0]
    with pytest.raises(PackageDataError, match="10 cannot be shared equally by 2 processes of 2 parts each"):
        slice_of_process(10, 0, 2, 2)


def test_fewer_images_than_a_batch_are_said(noise: str) -> None:
    own = module(recipe())
    with pytest.raises(own.DataError, match="there are 60 images for training, fewer than a batch of 128"):
        len(own.TrainBatches(own.load(noise), 0))


def test_classes_are_checked_when_images_are_loaded(noise: str) -> None:
    own = pictures_module()
    with pytest.raises(own.DataError, match=r"there are 10 classes \(0, 1, .*and the network tells 2"):
        own.load(noise)


# --- rates -------------------------------------------------------------------------------------


def rate_of(schedule: Any, warmup: WarmUp | None = None, epochs: int = 10) -> Any:
    return module(recipe(phases=(Phase("", epochs, SGD(0.1), schedule, warmup),))).rate


def test_rates_are_those_of_the_schedule() -> None:
    assert rate_of(ConstantRate())(0, 99, 10) == 0.1
    steps = rate_of(StepRate((2, 5), 0.5))
    assert [steps(0, step, 10) for step in (0, 19, 20, 49, 50)] == [0.1, 0.1, 0.05, 0.05, 0.025]
    cosine = rate_of(CosineRate(), WarmUp(2))
    assert [cosine(0, step, 10) for step in (0, 10, 20, 60, 100)] == pytest.approx([0, 0.05, 0.1, 0.05, 0])
    line = rate_of(LinearRate(0.5))
    assert [line(0, step, 10) for step in (0, 50, 100)] == pytest.approx([0.1, 0.075, 0.05])
    cycle = rate_of(OneCycleRate(), WarmUp(2))
    assert cycle(0, 99, 10) == pytest.approx(0.1 / 25 / 1e4)


def test_a_phase_can_be_given_other_epochs() -> None:
    cosine = rate_of(CosineRate())
    assert cosine(0, 5, 10, epochs=1) == pytest.approx(0.05)


def test_each_phase_has_its_rate() -> None:
    own = module(EACH[1])
    assert own.EPOCHS == (2, 3, 9, 4)
    assert own.rate(0, 7, 5) == 1e-3
    follows = own.plateau(1)
    assert own.plateau(0) is None
    assert own.rate(1, 0, 5, plateau=follows) == 0
    follows.rate = 0.01
    assert own.rate(1, 5, 5, plateau=follows) == 0.01
    assert own.rate(1, 5, 5) == 0.1
    assert own.rate(3, 10, 5) == pytest.approx(0.055)
