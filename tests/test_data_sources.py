"""What `images(path)` understands, and what it says of what cannot be used."""

from __future__ import annotations

import gzip
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from resnet_dsl.training.images import BrokenPicture, Data, DataError, read_picture
from resnet_dsl.training.picture_folders import SUFFIXES
from resnet_dsl.training.reading import expect_classes, held_out, read_data
from tests.support.training_data import coloured, save_npz, save_pictures

FASHION = "/usr/share/datasets/fashion-mnist"


def refusal(path: object, **given: Any) -> str:
    """What is said of data that cannot be used: one line that names the path."""
    with pytest.raises(DataError) as caught:
        read_data(str(path), **given)
    said = str(caught.value)
    assert "\n" not in said
    assert str(path) in said
    return said.replace(str(path), "PATH")


# --- folders -----------------------------------------------------------------------------------


def test_a_folder_for_each_class_is_a_training_set(tmp_path: Path) -> None:
    data = read_data(save_pictures(tmp_path, ("dog", "cat"), each=3))
    assert data.classes == ("cat", "dog")
    assert (len(data.train), len(data.validation), len(data.test)) == (6, 0, 0)
    assert sorted(data.train.labels) == [0, 0, 0, 1, 1, 1]
    image = data.train.image(0)
    assert (image.shape, image.dtype) == ((36, 36, 3), np.uint8)


def test_folders_of_splits_are_told_apart(tmp_path: Path) -> None:
    for split, each in (("train", 5), ("val", 2), ("test", 1)):
        save_pictures(tmp_path / split, each=each)
    data = read_data(str(tmp_path))
    assert (len(data.train), len(data.validation), len(data.test)) == (10, 4, 2)
    assert data.evaluated is data.validation


def test_labels_are_those_of_the_pictures(tmp_path: Path) -> None:
    data = read_data(save_pictures(tmp_path, ("cat", "dog"), each=3))
    dogs = {image.tobytes() for image in coloured(3, 36, 36, seed=1)}
    for index in range(6):
        assert (data.train.image(index).tobytes() in dogs) == (data.train.label(index) == 1)


def test_the_last_pictures_are_of_all_classes_as_are_the_first(tmp_path: Path) -> None:
    save_pictures(tmp_path, ("many",), each=12)
    save_pictures(tmp_path, ("few",), each=4)
    data = held_out(read_data(str(tmp_path)), "", validation=4, subset=8)
    assert np.bincount(data.validation.labels).tolist() == [1, 3]
    assert np.bincount(data.train.labels).tolist() == [2, 6]


def test_pictures_in_folders_below_a_class_are_found(tmp_path: Path) -> None:
    save_pictures(tmp_path)
    (tmp_path / "cat" / "more").mkdir()
    os.replace(tmp_path / "cat" / "0.png", tmp_path / "cat" / "more" / "0.PNG")
    assert np.bincount(read_data(str(tmp_path)).train.labels).tolist() == [4, 4]


def test_what_is_no_picture_is_not_looked_at(tmp_path: Path) -> None:
    save_pictures(tmp_path)
    for name in ("cat/Thumbs.db", "cat/.hidden.png", "cat/notes.txt", "README.md", "dog/list.csv"):
        (tmp_path / name).write_text("no picture")
    (tmp_path / ".git").mkdir()
    (tmp_path / "__MACOSX").mkdir()
    data = read_data(str(tmp_path))
    assert data.classes == ("cat", "dog")
    assert len(data.train) == 8


def test_a_missing_path_is_said(tmp_path: Path) -> None:
    assert (
        refusal(tmp_path / "none")
        == "PATH: nothing is there; give the folder or the file of the images with --data"
    )


def test_an_empty_folder_is_said(tmp_path: Path) -> None:
    assert "no folder of a class is in it; put the pictures of each class in a folder" in refusal(tmp_path)


def test_a_class_without_pictures_is_said(tmp_path: Path) -> None:
    save_pictures(tmp_path)
    (tmp_path / "bird").mkdir()
    assert refusal(tmp_path) == "PATH/bird: no picture is in it; add some, or remove the class"


def test_splits_of_other_classes_are_said(tmp_path: Path) -> None:
    save_pictures(tmp_path / "train", ("cat", "dog"))
    save_pictures(tmp_path / "val", ("cat", "cow"))
    said = "PATH/val: its classes differ from those for training: it lacks dog and adds cow"
    assert refusal(tmp_path) == said


def test_a_test_set_alone_is_said(tmp_path: Path) -> None:
    save_pictures(tmp_path / "test")
    assert "there is no folder `train` beside the others" in refusal(tmp_path)


def test_an_archive_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"PK")
    assert "give a folder or .npz, archives unpacked" in refusal(tmp_path / "a.zip")


# --- pictures ----------------------------------------------------------------------------------


def saved(path: Path, picture: Image.Image, **options: Any) -> str:
    picture.save(path, **options)
    return str(path)


def test_pictures_of_all_modes_are_read_in_colours_and_in_grey(tmp_path: Path) -> None:
    colours = Image.fromarray(coloured(1, 6, 5)[0])
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"):
        picture = (
            colours.convert("L").convert("I").convert("I;16") if mode == "I;16" else colours.convert(mode)
        )
        path = saved(tmp_path / f"{mode.replace(';', '')}.{'tif' if mode == 'CMYK' else 'png'}", picture)
        assert read_picture(path, 3).shape == (6, 5, 3)
        assert read_picture(path, 1).shape == (6, 5, 1)


def test_grey_is_repeated_and_16_bits_lose_the_lower_ones(tmp_path: Path) -> None:
    deep = np.array([[0, 255, 256, 65535], [128 << 8, 1000, 40000, 3]], np.uint16)
    path = saved(tmp_path / "deep.png", Image.fromarray(deep))
    assert np.array_equal(read_picture(path, 1)[..., 0], (deep >> 8).astype(np.uint8))
    assert np.array_equal(read_picture(path, 3), np.repeat(read_picture(path, 1), 3, axis=2))


def test_transparency_is_left_out(tmp_path: Path) -> None:
    image = coloured(1, 4, 4, 4)[0]
    path = saved(tmp_path / "a.png", Image.fromarray(image))
    assert np.array_equal(read_picture(path), image[..., :3])


def test_a_picture_that_says_it_lies_on_its_side_is_set_upright(tmp_path: Path) -> None:
    image = coloured(1, 4, 7)[0]
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it clockwise to see it
    path = saved(tmp_path / "a.png", Image.fromarray(image), exif=exif)
    assert np.array_equal(read_picture(path), np.rot90(image, -1))


@pytest.mark.parametrize("content", [b"", b"no picture at all", b"\x89PNG\r\n\x1a\n\0\0"])
def test_a_broken_picture_is_an_error_of_its_own(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(BrokenPicture, match=r"a\.png"):
        read_picture(str(tmp_path / "a.png"))


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "bmp", "webp", "tif"])
def test_a_picture_that_is_cut_off_is_broken(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(coloured(1, 64, 64)[0]).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(BrokenPicture):
        read_picture(str(path))


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "bmp", "webp", "tif"])
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
def test_whatever_is_in_a_file_it_is_a_picture_or_a_broken_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10**6)  # what a byte makes larger is not waited for
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(coloured(1, 16, 16)[0]).save(path)
    whole, random = path.read_bytes(), np.random.default_rng(0)
    broken = 0
    for _ in range(60):
        changed = bytearray(whole)
        for _ in range(3):
            changed[int(random.integers(min(len(whole), 300)))] = int(random.integers(256))
        path.write_bytes(changed)
        try:
            assert read_picture(str(path)).shape[2] == 3
        except BrokenPicture:
            broken += 1
    assert broken


def test_a_link_to_nothing_is_a_broken_picture_and_one_in_a_circle_ends(tmp_path: Path) -> None:
    save_pictures(tmp_path)
    (tmp_path / "cat" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (tmp_path / "cat" / "circle").symlink_to(tmp_path / "cat")
    data = read_data(str(tmp_path))
    assert np.bincount(data.train.labels).tolist() == [5, 4]
    with pytest.raises(BrokenPicture, match=r"gone\.png"):
        [data.train.image(index) for index in range(9)]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_each_kind_of_picture_can_be_read(tmp_path: Path, suffix: str) -> None:
    picture = Image.fromarray(coloured(1, 8, 8)[0])
    path = tmp_path / f"a{suffix}"
    (picture.convert("L") if suffix == ".pgm" else picture).save(path)
    assert read_picture(str(path)).shape == (8, 8, 3)


# --- .npz --------------------------------------------------------------------------------------


def test_an_npz_file_has_images_and_labels(tmp_path: Path) -> None:
    data = read_data(save_npz(tmp_path / "a.npz"))
    assert data.classes == tuple("0123456789")
    assert (len(data.train), len(data.test)) == (60, 20)
    assert np.array_equal(data.train.image(7), coloured(60)[7])
    assert data.train.label(17) == 7
    assert data.evaluated is data.test


def test_other_usual_names_one_hot_labels_and_grey_images_are_understood(tmp_path: Path) -> None:
    grey = coloured(6, 8, 8, 1)[..., 0]
    arrays = {"train_images": grey, "train_labels": np.eye(3)[[0, 1, 2, 0, 1, 2]].astype(int)}
    np.savez_compressed(tmp_path / "a.npz", **arrays, val_images=grey[:2], val_labels=[[0], [1]])
    data = read_data(str(tmp_path / "a.npz"))
    assert data.train.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert data.validation.labels.tolist() == [0, 1]
    assert data.train.image(0).shape == (8, 8, 1)


IMAGES = coloured(4, 8, 8)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x": IMAGES}, "it has x; x_train and y_train are needed"),
        ({}, "it has nothing; x_train and y_train are needed"),
        ({"x": IMAGES / 255, "y": [0, 1, 0, 1]}, "images of float64; bytes are needed, whole numbers"),
        ({"x": IMAGES.astype(int) - 9, "y": [0, 1, 0, 1]}, "images of int64; bytes are needed"),
        ({"x": IMAGES.transpose(0, 3, 1, 2), "y": [0, 1, 0, 1]}, "images of 4x3x8x8; N x H x W or N x"),
        ({"x": IMAGES, "y": [0, 1, 0]}, "there are 4 images and 3 labels"),
        ({"x": IMAGES, "y": [0.0, 1, 0, 1]}, "labels of float64; whole numbers from 0 on are needed"),
        ({"x": IMAGES, "y": [0, -1, 0, 1]}, "labels of int64; whole numbers from 0 on are needed"),
        ({"x": IMAGES, "y": [0, 2, 0, 2]}, "class 1 has no images; number the classes from 0"),
        ({"x": IMAGES, "y": [0, 10**9, 0, 2]}, "a label is 1000000000, and there are 4 images only"),
        ({"x": IMAGES, "y": [0, 1, 0, 1], "test_x": IMAGES, "test_y": [0, 1, 2, 1]}, "a label is 2, and"),
        ({"x": IMAGES, "y": np.array([{}, 1, 0, 1], object)}, "it holds Python objects, which can run code"),
    ],
)  # fmt: skip
def test_arrays_that_cannot_be_used_are_said(tmp_path: Path, arrays: dict[str, Any], said: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    assert said in refusal(tmp_path / "a.npz")


@pytest.mark.parametrize("length", [0, 1, 100, 3000])
def test_a_broken_npz_file_is_said(tmp_path: Path, length: int) -> None:
    content = Path(save_npz(tmp_path / "a.npz")).read_bytes()
    (tmp_path / "a.npz").write_bytes(content[:length])
    assert "it cannot be read as .npz" in refusal(tmp_path / "a.npz")


def test_an_npz_file_with_a_changed_byte_is_said(tmp_path: Path) -> None:
    content = bytearray(Path(save_npz(tmp_path / "a.npz")).read_bytes())
    content[1000] ^= 1
    (tmp_path / "a.npz").write_bytes(content)
    assert "it cannot be read as .npz" in refusal(tmp_path / "a.npz")


# --- IDX ---------------------------------------------------------------------------------------


def idx(array: Any) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def save_idx(folder: Path, zipped: bool = False) -> Path:
    labels = (np.arange(12) % 3).astype(np.uint8)
    for split, seed in (("train", 0), ("t10k", 1)):
        for name, array in (("images-idx3", coloured(12, 5, 6, 1, seed)[..., 0]), ("labels-idx1", labels)):
            path = folder / f"{split}-{name}-ubyte{'.gz' if zipped else ''}"
            path.write_bytes(gzip.compress(idx(array)) if zipped else idx(array))
    return folder


@pytest.mark.parametrize("zipped", [False, True])
def test_idx_files_are_read(tmp_path: Path, zipped: bool) -> None:
    data = read_data(str(save_idx(tmp_path, zipped)))
    assert data.classes == ("0", "1", "2")
    assert np.array_equal(data.test.image(3), coloured(12, 5, 6, 1, 1)[3])
    assert data.train.labels.tolist() == [0, 1, 2] * 4


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no IDX file of bytes: it begins with nothing"),
        (b"\0\0\x0d\3" + bytes(40), "no IDX file of bytes: it begins with 00000d03"),
        (b"\x89PNG" + bytes(40), "no IDX file of bytes: it begins with 89504e47"),
        (b"\0\0\x08\3" + bytes(5), "it is cut off after 9 bytes"),
        (idx(coloured(12, 5, 6, 1)[..., 0])[:-1], "it is cut off or too long: 359 bytes for 12x5x6"),
        (idx(coloured(12, 5, 6, 1)[..., 0]) + b"1", "it is cut off or too long: 361 bytes for 12x5x6"),
        (b"\0\0\x08\3" + b"\xff" * 12, "it is cut off or too long: 0 bytes for 4294967295x4294967295"),
    ],
)  # fmt: skip
def test_idx_files_that_cannot_be_used_are_said(tmp_path: Path, content: bytes, said: str) -> None:
    save_idx(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(DataError, match="train-images-idx3-ubyte: ") as caught:
        read_data(str(tmp_path))
    assert said in str(caught.value)


def test_a_zipped_idx_file_that_is_cut_off_is_said(tmp_path: Path) -> None:
    path = save_idx(tmp_path, zipped=True) / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError, match=r"it cannot be read: .*; fetch it anew"):
        read_data(str(tmp_path))


def test_a_missing_idx_file_is_said(tmp_path: Path) -> None:
    (save_idx(tmp_path) / "t10k-labels-idx1-ubyte").unlink()
    assert "t10k-labels-idx1-ubyte is missing; all four files of IDX are needed" in refusal(tmp_path)


@pytest.mark.skipif(
    not os.path.isdir(FASHION), reason="the Debian package dataset-fashion-mnist is not installed"
)
def test_fashion_mnist_is_read() -> None:
    data = read_data(FASHION)
    assert (len(data.train), len(data.test), len(data.classes)) == (60_000, 10_000, 10)
    assert np.bincount(data.train.labels).tolist() == [6000] * 10
    pixels = data.train.source
    assert isinstance(pixels, np.ndarray)
    assert pixels.shape == (60_000, 28, 28, 1)
    assert pixels.mean() / 255 == pytest.approx(0.2860, abs=1e-4)  # as everyone normalises it


# --- CIFAR -------------------------------------------------------------------------------------


def save_cifar10(folder: Path, protocol: int = 2) -> Path:
    for number, name in enumerate([*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]):
        rows = coloured(20, seed=number).transpose(0, 3, 1, 2).reshape(20, -1)
        batch = {
            b"data": np.ascontiguousarray(rows),
            b"labels": [k % 10 for k in range(20)],
            b"batch_label": b"x",
        }
        (folder / name).write_bytes(pickle.dumps(batch, protocol=protocol))
    names = [f"kind{number}".encode() for number in range(10)]
    (folder / "batches.meta").write_bytes(
        pickle.dumps({b"label_names": names, b"num_vis": 3072}, protocol=protocol)
    )
    return folder


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("below", ["", "cifar-10-batches-py"])
def test_cifar_10_is_read_from_its_pickles(tmp_path: Path, protocol: int, below: str) -> None:
    (tmp_path / below).mkdir(exist_ok=True)
    save_cifar10(tmp_path / below, protocol)
    data = read_data(str(tmp_path))
    assert (len(data.train), len(data.test)) == (100, 20)
    assert data.classes[3] == "kind3"
    assert np.array_equal(data.train.image(47), coloured(20, seed=2)[7])
    assert np.array_equal(data.test.image(0), coloured(20, seed=5)[0])
    assert data.train.label(47) == 7


def test_cifar_10_is_read_from_its_binary_files(tmp_path: Path) -> None:
    for number, name in enumerate([*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]):
        rows = coloured(20, seed=number).transpose(0, 3, 1, 2).reshape(20, -1)
        labels = (np.arange(20) % 10).astype(np.uint8)[:, None]
        (tmp_path / f"{name}.bin").write_bytes(np.hstack([labels, rows]).tobytes())
    (tmp_path / "batches.meta.txt").write_text("airplane\nautomobile\n" + "x\n" * 8 + "\n")
    data = read_data(str(tmp_path))
    assert data.classes[:2] == ("airplane", "automobile")
    assert np.array_equal(data.train.image(47), coloured(20, seed=2)[7])
    assert data.train.label(47) == 7
    content = (tmp_path / "data_batch_2.bin").read_bytes()
    (tmp_path / "data_batch_2.bin").write_bytes(content[:-1])
    with pytest.raises(DataError, match=r"data_batch_2\.bin: it is cut off: 61459 bytes are no"):
        read_data(str(tmp_path))


def test_cifar_100_is_read_with_its_fine_labels(tmp_path: Path) -> None:
    rows = coloured(200).transpose(0, 3, 1, 2).reshape(200, -1)
    fine = [k % 100 for k in range(200)]
    batch = {b"data": rows, b"fine_labels": fine, b"coarse_labels": [0] * 200}
    for name in ("train", "test"):
        (tmp_path / name).write_bytes(pickle.dumps(batch, protocol=2))
    (tmp_path / "meta").write_bytes(
        pickle.dumps({b"fine_label_names": [f"f{k}".encode() for k in range(100)]})
    )
    data = read_data(str(tmp_path))
    assert (data.classes[42], data.train.label(142)) == ("f42", 42)
    binary = tmp_path / "cifar-100-binary"
    binary.mkdir()
    both = np.hstack([np.zeros((200, 1), np.uint8), np.array(fine, np.uint8)[:, None], rows])
    for name in ("train.bin", "test.bin"):
        (binary / name).write_bytes(both.tobytes())
    again = read_data(str(binary))
    assert np.array_equal(again.train.labels, data.train.labels)
    assert np.array_equal(again.train.image(9), data.train.image(9))


class Harmful:
    """What a pickle can hold beside data."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("echo harm > harmed",)


@pytest.mark.parametrize(
    "value",
    [
        Harmful(),
        {b"data": Harmful(), b"labels": []},
        {b"data": np.array([Harmful()], object), b"labels": [0]},
        {b"data": np.zeros((1, 3072), np.uint8), b"labels": Harmful()},
        {b"data": eval, b"labels": []},
    ],
)
def test_pickles_that_would_run_code_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: object
) -> None:
    monkeypatch.chdir(tmp_path)
    save_cifar10(tmp_path)
    (tmp_path / "data_batch_3").write_bytes(pickle.dumps(value, protocol=2))
    with pytest.raises(DataError, match=r"data_batch_3: it asks to call .*, which is refused"):
        read_data(str(tmp_path))
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize(
    "value",
    [
        [],
        {b"data": np.zeros((1, 3072), np.uint8)},
        {b"data": np.zeros((2, 3072), np.uint8), b"labels": [0]},
        {b"data": np.zeros((1, 3072), np.float32), b"labels": [0]},
        {b"data": np.zeros((1, 30), np.uint8), b"labels": [0]},
        {b"data": np.zeros(3072, np.uint8), b"labels": [0]},
        {b"data": np.zeros((1, 3072), np.uint8), b"labels": ["zero"]},
        {b"data": np.zeros((1, 3072), np.uint8), b"labels": [-1]},
        {b"data": np.zeros((2, 3072), np.uint8), b"labels": [[0], [1, 2]]},
    ],
)
def test_pickles_of_other_things_are_said(tmp_path: Path, value: object) -> None:
    save_cifar10(tmp_path)
    (tmp_path / "data_batch_3").write_bytes(pickle.dumps(value, protocol=2))
    with pytest.raises(DataError, match="data_batch_3: "):
        read_data(str(tmp_path))


def test_broken_pickles_are_said(tmp_path: Path) -> None:
    save_cifar10(tmp_path)
    whole = (tmp_path / "data_batch_3").read_bytes()
    random = np.random.default_rng(0)
    contents = [whole[:0], whole[:100], whole[:-1]]
    for _ in range(200):
        changed = bytearray(whole)
        changed[int(random.integers(200))] = int(random.integers(256))
        contents.append(bytes(changed))
    refused = 0
    for content in contents:
        (tmp_path / "data_batch_3").write_bytes(content)
        try:
            read_data(str(tmp_path))
        except DataError:
            refused += 1
    assert refused > 100


def test_a_missing_batch_of_cifar_is_said(tmp_path: Path) -> None:
    (save_cifar10(tmp_path) / "data_batch_4").unlink()
    assert refusal(tmp_path).startswith(
        "PATH/data_batch_4: it is missing, while other files of CIFAR are there"
    )


# --- classes, validation, subsets --------------------------------------------------------------


def small(tmp_path: Path) -> Data:
    return read_data(save_pictures(tmp_path, ("cat", "dog"), each=5))


def test_classes_have_to_be_as_many_as_the_network_has_outputs(tmp_path: Path) -> None:
    said = r"^here: there are 2 classes \(cat, dog\), and the network tells 10; change one of them$"
    with pytest.raises(DataError, match=said):
        expect_classes(small(tmp_path), "here", 10)


def test_classes_have_to_be_those_that_are_expected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^here: the classes are cat, dog; the recipe expects cat, cow$"):
        expect_classes(small(tmp_path), "here", 2, ("cat", "cow"))


def test_classes_are_in_the_order_of_the_recipe(tmp_path: Path) -> None:
    data = small(tmp_path)
    turned = expect_classes(data, "here", 2, ("dog", "cat"))
    assert turned.classes == ("dog", "cat")
    assert np.array_equal(turned.train.labels, 1 - data.train.labels)


def test_numbered_classes_get_the_names_of_the_recipe(tmp_path: Path) -> None:
    data = read_data(save_npz(tmp_path / "a.npz", classes=3))
    named = expect_classes(data, "here", 3, ("a", "b", "c"))
    assert named.classes == ("a", "b", "c")
    assert np.array_equal(named.train.labels, data.train.labels)
    with pytest.raises(DataError, match="there are 3 classes; the recipe names 2: a, b"):
        expect_classes(data, "here", 2, ("a", "b"))


def test_the_last_images_are_held_out(tmp_path: Path) -> None:
    data = read_data(save_npz(tmp_path / "a.npz"))
    some = held_out(data, "", validation=20, subset=30)
    assert (len(some.train), len(some.validation), len(some.test)) == (30, 20, 20)
    assert np.array_equal(some.validation.image(0), coloured(60)[40])
    assert len(held_out(data, "", validation=0.25).validation) == 15
    assert held_out(data, "", validation=20).evaluated.labels.tolist() == data.train.labels[40:].tolist()


@pytest.mark.parametrize(("validation", "subset"), [(60, 0), (0, 61), (20, 41)])
def test_more_images_than_there_are_is_said(tmp_path: Path, validation: int, subset: int) -> None:
    with pytest.raises(DataError, match=r"^here: there are 60 images for training, fewer than "):
        held_out(read_data(save_npz(tmp_path / "a.npz")), "here", validation, subset)


# --- real images -------------------------------------------------------------------------------


def test_the_digits_of_scikit_learn_are_read(tmp_path: Path) -> None:
    """By the lines of the documentation."""
    pytest.importorskip("sklearn")
    text = (Path(__file__).parents[1] / "docs" / "data.md").read_text(encoding="utf-8")
    code = next(part for part in text.split("```") if "load_digits" in part).removeprefix("python")
    exec(code.replace('"digits.npz"', repr(str(tmp_path / "digits.npz"))), {})
    data = read_data(str(tmp_path / "digits.npz"), channels=1)
    assert (len(data.train), len(data.test), data.classes) == (1500, 297, tuple("0123456789"))
    assert data.train.image(0).shape == (8, 8, 1)
    assert max(data.train.image(index).max() for index in range(20)) == 255


def test_photographs_of_scikit_learn_are_read(tmp_path: Path) -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    for name in ("china", "flower"):
        (tmp_path / name).mkdir()
        Image.fromarray(datasets.load_sample_image(f"{name}.jpg")).save(tmp_path / name / "a.png")
    data = read_data(str(tmp_path))
    assert data.classes == ("china", "flower")
    assert np.array_equal(data.train.image(0), datasets.load_sample_image("china.jpg"))
