"""Which format a file is in, by its contents, and one to be written by its suffix.

Whatever a library raises on bytes that it does not like becomes one sentence.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path

from resnet_dsl.backend.bounds import AXES, check_tensors
from resnet_dsl.backend.contents import Contents, Metadata, Stored
from resnet_dsl.backend.discovery import missing_packages, needed, sound_backends
from resnet_dsl.backend.interface import WeightFile, WeightFormat
from resnet_dsl.codegen.seal import Pieces, sealed
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.suggest import did_you_mean
from resnet_dsl.diagnostics.wording import printable
from resnet_dsl.ir.arrays import Array
from resnet_dsl.program import Program
from resnet_dsl.progress import LongTask
from resnet_dsl.records import replace
from resnet_dsl.weights.formats.metadata import describe
from resnet_dsl.weights.formats.shards import read_shards
from resnet_dsl.weights.formats.signatures import FIRST, INDEX, SUFFIXES, kind_of, other_kind

KERAS_ARCHIVE = ".keras"
LONGEST = 300


def _canonical() -> WeightFile:
    from resnet_dsl.weights.formats import canonical  # needs numpy

    return canonical


def _numpy() -> WeightFile:
    from resnet_dsl.weights.formats import numpy_archive

    return numpy_archive


NEEDED = ("numpy",)
EXTRA = "resnet-dsl[weights]"
CANONICAL = WeightFormat("a safetensors file", NEEDED, NEEDED, _canonical, EXTRA)
READ_ALONE = {".npz": WeightFormat("an .npz file", NEEDED, NEEDED, _numpy, EXTRA)}


def formats() -> dict[str, WeightFormat]:
    """Return every format by its suffix: the canonical one, those of the backends, those only read."""
    found = {".safetensors": CANONICAL, **READ_ALONE}
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
    """Return what a file of weights holds, whatever it is called.

    A file that several dictionaries of tensors are in has `entries`. Raises UsageError if it cannot be read.
    """
    head = _head(path)
    kind = kind_of(path, head)
    if kind == INDEX:
        return read_shards(path, read_contents)
    if not kind and path.suffix != KERAS_ARCHIVE and (other := other_kind(path, head)):
        raise UsageError(f"{path}: cannot be read: it is {other}")
    suffix = SUFFIXES.get(kind) or _suffix_to_read(path)
    if suffix not in formats():
        raise UsageError(f"{path}: it is {kind}, and no backend installed here reads that")
    format = formats()[suffix]
    _need(path, "reading", format.reading, format.install)
    with _reported(path, format):
        contents = format.load().read(path)
    if contents.entries:
        return replace(contents, entries={k: _checked(path, format, e) for k, e in contents.entries.items()})
    return _checked(path, format, contents)


def _suffix_to_read(path: Path) -> str:
    """The suffix of a file whose first bytes do not tell what it is."""
    if path.suffix == KERAS_ARCHIVE or path.name.lower().endswith(tuple(formats())):
        return suffix_of(path)
    listed = ", ".join(formats())
    raise UsageError(f"{path}: its first bytes are those of no file of weights; weights are {listed}")


def _checked(path: Path, format: WeightFormat, contents: Contents) -> Contents:
    check_tensors(path, len(contents.tensors))
    for name, stored in contents.tensors.items():
        if len(stored.shape) > AXES.most:
            raise UsageError(f"{path}: the tensor {printable(name)} has {len(stored.shape):,} axes")
    task = LongTask(f"reading {path.name}", sum(prod(s.shape) for s in contents.tensors.values()), "values")
    tensors = {name: _guarded(path, format, name, s, task) for name, s in contents.tensors.items()}
    return replace(contents, tensors=tensors)


def check_writable(path: Path) -> None:
    """Raise UsageError unless weights can be written as what `path` is called."""
    suffix = suffix_of(path)
    if formats()[suffix] is READ_ALONE.get(suffix):
        raise UsageError(f"{path}: {suffix} is read and not written; .safetensors holds the same")
    format = formats()[suffix]
    _need(path, "writing", format.writing, format.install)


def encode(program: Program, state: Mapping[str, Array], origin: Metadata, path: Path) -> Pieces:
    """Return the content of a file of weights in the format that `path` is called after."""
    check_writable(path)
    suffix = suffix_of(path)
    return _sealed(formats()[suffix].load().encode(program, state, describe(program, origin), suffix))


def encode_named(state: Mapping[str, Array], metadata: Metadata, path: Path) -> Pieces:
    """Return the content of a file of tensors under other names; raises UsageError for a format without."""
    check_writable(path)
    suffix = suffix_of(path)
    try:
        return _sealed(formats()[suffix].load().encode_named(state, metadata, suffix))
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def _sealed(content: bytes | Pieces) -> Pieces:
    return sealed((content,) if isinstance(content, bytes) else content)


def _head(path: Path) -> bytes:
    """The first bytes; also finds out that there is a file to read."""
    try:
        if path.exists() and not path.is_file():
            raise UsageError(f"{path}: is not a file")
        with path.open("rb") as file:
            return file.read(FIRST)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from None


def _need(path: Path, doing: str, packages: tuple[str, ...], install: str) -> None:
    if missing := missing_packages(packages):
        raise UsageError(f"{path}: {doing} it {needed(missing, install)}")


def _guarded(path: Path, format: WeightFormat, name: str, stored: Stored, task: LongTask) -> Stored:
    """A tensor whose reading, too, fails with a sentence, and counts as a part of the task."""

    def load() -> Array:
        with _reported(path, format, f" (tensor {printable(name)})"):
            found = stored.load()
        task.advance(prod(stored.shape))
        return found

    other = stored.otherwise
    return replace(stored, load=load, otherwise=other and _guarded(path, format, name, other, task))


@contextmanager
def _reported(path: Path, format: WeightFormat, where: str = "") -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except UsageError:
        raise
    except Exception as error:  # the libraries raise what they like, KeyError and AssertionError among it
        raise UsageError(f"{path}{where}: cannot be read as {format.title}: {_one_line(error)}") from None


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split("\n\n")[0].split())
    text = printable(text)[:LONGEST] if not text.isprintable() else text[:LONGEST]
    return text or type(error).__name__
