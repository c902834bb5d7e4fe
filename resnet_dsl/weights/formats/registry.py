"""Which format a path is in, by its suffix; reading and writing so that every failure is one sentence."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from resnet_dsl.backend.bounds import AXES, check_tensors
from resnet_dsl.backend.contents import Contents, Metadata, Stored
from resnet_dsl.backend.discovery import missing_packages, needed, sound_backends
from resnet_dsl.backend.interface import WeightFile, WeightFormat
from resnet_dsl.codegen.seal import sealed
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.suggest import did_you_mean
from resnet_dsl.diagnostics.wording import printable
from resnet_dsl.ir.arrays import Array
from resnet_dsl.program import Program
from resnet_dsl.weights.formats.metadata import describe

KERAS_ARCHIVE = ".keras"
LONGEST = 300
# What a file is that cannot be read as what its name says.
LOOKS = {
    b"\x89HDF\r\n\x1a\n": "an HDF5 file (.h5)",
    b"PK\x03\x04": "a zip archive (.pth, .keras)",
    b"version https://git-lfs": "a Git LFS pointer and not the file itself: `git lfs pull` fetches it",
    b"<!DOCTYPE": "a web page",
    b"<html": "a web page",
}


def _canonical() -> WeightFile:
    from resnet_dsl.weights.formats import canonical  # needs numpy

    return canonical


NEEDED = ("numpy",)
CANONICAL = WeightFormat("a safetensors file", NEEDED, NEEDED, _canonical, "resnet-dsl[weights]")


def formats() -> dict[str, WeightFormat]:
    """Return every format by its suffix: the canonical one, then those of the backends."""
    found = {".safetensors": CANONICAL}
    for backend in sound_backends()[0]:
        found.update(backend.weight_formats)
    return found


def suffix_of(path: Path) -> str:
    """Return the known suffix that a path ends with; raises UsageError for any other."""
    known = formats()
    matching = [suffix for suffix in known if path.name.lower().endswith(suffix)]
    if matching:
        return max(matching, key=len)
    if path.suffix == KERAS_ARCHIVE:
        raise UsageError(
            f"{path}: a .keras archive can hold code and is not opened; "
            "`model.save_weights('NAME.weights.h5')` writes its weights"
        )
    hint = did_you_mean(path.suffix, known) if path.suffix else ""
    listed = ", ".join(known)
    raise UsageError(f"{path}: weights are {listed}" + (f"; {hint}" if hint else ""))


def read_contents(path: Path) -> Contents:
    """Return what a file of weights holds; raises UsageError if it cannot be read as what it is called."""
    format = formats()[suffix_of(path)]
    head = _head(path)
    _need(path, "reading", format.reading, format.install)
    with _reported(path, format, head):
        contents = format.load().read(path)
    check_tensors(path, len(contents.tensors))
    for name, stored in contents.tensors.items():
        if len(stored.shape) > AXES.most:
            raise UsageError(f"{path}: the tensor {printable(name)} has {len(stored.shape):,} axes")
    tensors = {name: _guarded(path, format, name, stored) for name, stored in contents.tensors.items()}
    return replace(contents, tensors=tensors)


def check_writable(path: Path) -> None:
    """Raise UsageError unless weights can be written as what `path` is called."""
    format = formats()[suffix_of(path)]
    _need(path, "writing", format.writing, format.install)


def encode(program: Program, state: Mapping[str, Array], origin: Metadata, path: Path) -> bytes:
    """Return the bytes of a file of weights in the format that `path` is called after."""
    check_writable(path)
    suffix = suffix_of(path)
    return sealed(formats()[suffix].load().encode(program, state, describe(program, origin), suffix))


def encode_named(state: Mapping[str, Array], metadata: Metadata, path: Path) -> bytes:
    """Return the bytes of a file of tensors under other names; raises UsageError for a format without."""
    check_writable(path)
    suffix = suffix_of(path)
    try:
        return sealed(formats()[suffix].load().encode_named(state, metadata, suffix))
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def _head(path: Path) -> bytes:
    """The first bytes; also finds out that there is a file to read."""
    try:
        if path.exists() and not path.is_file():
            raise UsageError(f"{path}: is not a file")
        with path.open("rb") as file:
            return file.read(64)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from None


def _need(path: Path, doing: str, packages: tuple[str, ...], install: str) -> None:
    if missing := missing_packages(packages):
        raise UsageError(f"{path}: {doing} it {needed(missing, install)}")


def _guarded(path: Path, format: WeightFormat, name: str, stored: Stored) -> Stored:
    """A tensor whose reading, too, fails with a sentence."""

    def load() -> Array:
        with _reported(path, format, b"", f" (tensor {printable(name)})"):
            return stored.load()

    other = stored.otherwise
    return replace(stored, load=load, otherwise=other and _guarded(path, format, name, other))


@contextmanager
def _reported(path: Path, format: WeightFormat, head: bytes, where: str = "") -> Iterator[None]:
    """Whatever a library raises on bytes it does not like becomes one sentence about the file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except UsageError:
        raise
    except Exception as error:  # the libraries raise what they like, KeyError and AssertionError among it
        looks = next((f"; it is {what}" for magic, what in LOOKS.items() if head.startswith(magic)), "")
        if head.startswith(b"PK") and "torch" in format.title:
            looks = ""
        message = _one_line(error)
        raise UsageError(f"{path}{where}: cannot be read as {format.title}: {message}{looks}") from None


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split("\n\n")[0].split())
    text = printable(text)[:LONGEST] if not text.isprintable() else text[:LONGEST]
    return text or type(error).__name__
