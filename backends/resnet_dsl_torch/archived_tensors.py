"""Tensors as the pickles of torch describe them: a storage, where in it they begin, shape and strides."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from resnet_dsl.backend.contents import Stored
from resnet_dsl.backend.file_arrays import array_at
from resnet_dsl.backend.ir import Array
from resnet_dsl.backend.records import dataclass
from resnet_dsl.backend.unpickling import PickledTensor, StandIn, as_extents, refuse

# The element types of storages, and their sizes: of those that NumPy lacks, the name alone matters.
STORAGES = {
    "Float": ("float32", 4), "Half": ("float16", 2), "BFloat16": ("bfloat16", 2), "Double": ("float64", 8),
    "Long": ("int64", 8), "Int": ("int32", 4), "Short": ("int16", 2), "Char": ("int8", 1),
    "Byte": ("uint8", 1), "Bool": ("bool", 1), "ComplexFloat": ("complex64", 8),
    "ComplexDouble": ("complex128", 16), "QInt8": ("qint8", 1), "QUInt8": ("quint8", 1),
    "QInt32": ("qint32", 4), "QUInt4x2": ("quint4x2", 1), "QUInt2x4": ("quint2x4", 1),
    "Untyped": ("uint8", 1),
}  # fmt: skip
ITEMS = dict(STORAGES.values()) | {"uint16": 2, "uint32": 4, "uint64": 8}
RAW = {"bfloat16": "u2", "bool": "u1"}


@dataclass(frozen=True)
class Storage:
    """A run of elements: where its bytes begin in the file is known when the file is read to the end."""

    key: str
    dtype: str
    count: int
    shift: int = 0
    """Elements by which it begins later than the bytes do, where it is a view of another."""

    @property
    def item(self) -> int:
        """The bytes of an element."""
        return ITEMS[self.dtype]

    @property
    def size(self) -> int:
        """The bytes of all elements."""
        return self.count * self.item

    def __setstate__(self, state: object = None) -> None:
        """Stay as it is, whatever a pickle does to it."""


def persistent(identifier: object) -> object:
    """Return the storage that a pickle speaks of; anything else that lies outside is not built."""
    match identifier:
        case ("storage", type() as kind, str() | int() as key, _, int() as count, *view) if issubclass(
            kind, StandIn
        ):
            name = kind.title.rpartition(".")[2].removesuffix("Storage")
            if name not in STORAGES or count < 0:
                return StandIn()
            shift = view[0][1] if view and isinstance(view[0], tuple) and len(view[0]) > 1 else 0
            return Storage(str(key), STORAGES[name][0], count, shift if type(shift) is int else 0)
    return StandIn()


class _Place(NamedTuple):
    """Where a tensor lies: in a storage, from an element on, with its shape and strides in elements."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class ArchivedTensors:
    """What a pickle may call to make tensors, none of which is read before it is asked for.

    `begins` gives the place in the file at which the bytes of a storage begin.
    """

    path: Path
    begins: Callable[[Storage], int]
    order: Literal["<", ">"]

    def functions(self) -> Mapping[str, Callable[..., object]]:
        """Return the functions by module and name."""
        of_utils = {
            "_rebuild_tensor": self._rebuilt,
            "_rebuild_tensor_v2": self._rebuilt,
            "_rebuild_tensor_v3": self._typed,
            "_rebuild_qtensor": self._rebuilt,
            "_rebuild_parameter": _first,
            "_rebuild_parameter_with_state": _first,
            "_rebuild_device_tensor_from_numpy": _first,
            "_rebuild_device_tensor_from_cpu_tensor": _first,
            "_rebuild_sparse_tensor": _sparse,
            "_rebuild_meta_tensor_no_storage": _meta,
        }
        of_subclasses = ("torch._tensor._rebuild_from_type_v2", "torch.tensor._rebuild_from_type")
        return {f"torch._utils.{name}": function for name, function in of_utils.items()} | dict.fromkeys(
            of_subclasses, _of_subclass
        )

    def _rebuilt(self, *given: object) -> object:
        return self._tensor(given, "") if len(given) >= 4 else StandIn()

    def _typed(self, *given: object) -> object:
        """A tensor of a dtype that has no storages of its own; the pickle names it."""
        kind = given[6] if len(given) > 6 else None
        title = kind.title if isinstance(kind, type) and issubclass(kind, StandIn) else ""
        return self._tensor(given, title.removeprefix("torch.")) if title.startswith("torch.") else StandIn()

    def _tensor(self, given: tuple[object, ...], dtype: str) -> object:
        storage, offset, size, stride = given[:4]
        if not isinstance(storage, Storage):
            return StandIn()
        if type(offset) is not int or offset < 0:
            refuse("a tensor begins nowhere")
        shape, strides = as_extents(size), as_extents(stride)
        if len(shape) != len(strides):
            refuse("a tensor has not a stride for each axis")
        place = _Place(storage, offset, shape, strides, dtype or storage.dtype)
        return PickledTensor(Stored(shape, place.dtype, functools.partial(self._load, place)))

    def _load(self, place: _Place) -> Array:
        """Read one tensor, and no more of the file than it lies in; NumPy has no bfloat16."""
        storage, dtype = place.storage, place.dtype
        item = ITEMS.get(dtype)
        if item is None or dtype.startswith("q"):
            raise ValueError(f"elements of {dtype} are not read")
        raw = np.dtype(RAW.get(dtype, dtype))
        if prod(place.shape) == 0:
            return np.zeros(place.shape, raw)
        steps = zip(place.shape, place.strides, strict=True)
        reach = sum((extent - 1) * stride for extent, stride in steps) + 1
        first = (storage.shift + place.offset) * item
        if first + reach * item > storage.size:
            raise ValueError("a tensor goes beyond its storage")
        there = raw.newbyteorder(self.order) if item > 1 else raw
        values = array_at(self.path, there, reach, self.begins(storage) + first)
        if len(values) != reach:
            raise ValueError("the file ends within a tensor")
        strides = tuple(stride * item for stride in place.strides)
        found: Array = np.lib.stride_tricks.as_strided(
            values, place.shape, strides, writeable=values.flags.writeable
        )
        if dtype == "bfloat16":  # the upper half of a float32
            return (found.astype(np.uint32) << 16).view(np.float32)
        return found.astype(np.bool_ if dtype == "bool" else raw, copy=False)


def _first(*given: object) -> object:
    """A parameter, or a tensor that lay on another device: its tensor."""
    return given[0] if given and isinstance(given[0], PickledTensor) else StandIn()


def _of_subclass(*given: object) -> object:
    """An object of a subclass of tensors: its tensor."""
    match given:
        case [function, _, tuple() as arguments, *_] if callable(function) and not isinstance(function, type):
            made = function(*arguments)
            return made if isinstance(made, PickledTensor) else StandIn()
    return StandIn()


def _sparse(*given: object) -> object:
    """A tensor of indices and values; its shape is the third of the parts that it is made of."""
    parts = given[1] if len(given) > 1 and isinstance(given[1], tuple) else ()
    return _without_data("sparse", parts[2] if len(parts) > 2 else ())


def _meta(*given: object) -> object:
    """A tensor of which there is a shape alone."""
    return _without_data("meta", given[1] if len(given) > 1 else ())


def _without_data(kind: str, shape: object) -> PickledTensor:
    extents = as_extents(shape) if isinstance(shape, tuple | list) else ()
    return PickledTensor(Stored(extents, f"{kind} (not dense)", lambda: np.zeros(())))
