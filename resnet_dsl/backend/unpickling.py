"""Pickles read without building what they name: tensors come out, all else as inert stand-ins.

A pickle is a program that may import and call anything. Here it may call the functions of `FUNCTIONS` and
those that a reader adds for its own tensors, and nothing else: no name in a pickle is ever imported. A class
that it names, such as `argparse.Namespace`, is a fresh `StandIn`, which takes whatever is done to it and does
nothing.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Mapping
from math import prod
from typing import Any, BinaryIO, NoReturn

import numpy as np

from resnet_dsl.backend.contents import Stored
from resnet_dsl.ir.arrays import Array

PLAIN_DTYPE = re.compile(r"([<>=|]?)([biuf])([1248])")


class StandIn:
    """An object of a class that is not built: it keeps its state and items, and does nothing."""

    title = ""
    """What the pickle calls its class, such as `argparse.Namespace`."""

    def __new__(cls, *arguments: object, **words: object) -> StandIn:
        """Return an object without looking at what the class would have made of the arguments."""
        made = super().__new__(cls)
        made.state, made.items = None, {}
        return made

    state: object
    items: dict[object, object]

    def __init__(self, *arguments: object, **words: object) -> None: ...

    def __call__(self, *arguments: object, **words: object) -> StandIn:
        """Return another: what would have been called is not there."""
        return StandIn()

    def __setstate__(self, state: object = None) -> None:
        """Keep what the object would have been restored from."""
        self.state = state

    def __setitem__(self, key: object, value: object) -> None:
        """Keep an item of what may have been a dictionary."""
        self.items[key] = value

    def append(self, value: object) -> None:
        """Take an item of what may have been a list."""

    def extend(self, values: object) -> None:
        """Take items of what may have been a list."""

    def add(self, value: object) -> None:
        """Take an item of what may have been a set."""


class Table(dict[object, object]):
    """A dictionary of whatever kind: ordered, with a default, counting."""

    def __setstate__(self, state: object = None) -> None:
        """Leave attributes out, such as the `_metadata` of a state_dict."""


class PickledTensor:
    """A tensor that a pickle describes."""

    __slots__ = ("stored",)

    def __init__(self, stored: Stored) -> None:
        self.stored = stored

    def __setstate__(self, state: object = None) -> None:
        """Leave attributes of it out."""


class AllowedCall:
    """What a pickle may call; nothing that it does afterwards changes it."""

    __slots__ = ("_call", "title")

    def __init__(self, title: str, call: Callable[..., object]) -> None:
        self.title = title
        self._call = call

    def __call__(self, *arguments: object) -> object:
        """Call it with what the pickle gives."""
        return self._call(*arguments)

    def __setstate__(self, state: object = None) -> None:
        """Stay as it is."""


def unpickled(
    file: BinaryIO,
    functions: Mapping[str, Callable[..., object]] | None = None,
    persistent: Callable[[object], object] | None = None,
    named: set[str] | None = None,
) -> object:
    """Return what the next pickle of a file holds.

    `functions` are what it may call beside those of here, by module and name; `persistent` gives what lies
    outside of the pickle. All else that the pickle names is added to `named`. Raises
    pickle.UnpicklingError or another exception for a pickle that is broken.
    """
    unpickler = _Unpickler(file, {**FUNCTIONS, **(functions or {})}, persistent)
    value = unpickler.load()
    if named is not None:
        named.update(unpickler.classes)
    return value


def refuse(why: str) -> NoReturn:
    """Raise the error for a pickle that makes no sense."""
    raise pickle.UnpicklingError(why)


class _Unpickler(pickle.Unpickler):
    def __init__(
        self,
        file: BinaryIO,
        functions: Mapping[str, Callable[..., object]],
        persistent: Callable[[object], object] | None,
    ) -> None:
        super().__init__(file, encoding="latin1")
        self._functions = functions
        self._persistent = persistent
        self.classes: dict[str, type[StandIn]] = {}

    def find_class(self, module: str, name: str) -> object:
        title = f"{module}.{name}"
        if title in self._functions:
            return AllowedCall(title, self._functions[title])
        if title not in self.classes:
            self.classes[title] = type("StandIn", (StandIn,), {"title": title})
        return self.classes[title]

    def persistent_load(self, identifier: object) -> object:
        return StandIn() if self._persistent is None else self._persistent(identifier)


# --- what a pickle may call --------------------------------------------------------------------


def _table(*arguments: object) -> Table:
    """A dictionary, from another one or from pairs."""
    match arguments:
        case [dict() as given]:
            return Table(given)
        case [list() as pairs] if all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
            return Table((pair[0], pair[1]) for pair in pairs)
    return Table()


def _table_with_default(*arguments: object) -> Table:
    return _table(*arguments[1:])


def _encoded(*arguments: object) -> object:
    """Bytes, as old protocols have them: as text of the Latin alphabet."""
    match arguments:
        case [str() as text, "latin1" | "latin-1"]:
            return text.encode("latin-1")
    return StandIn()


def _size(*arguments: object) -> tuple[object, ...]:
    match arguments:
        case [list() | tuple() as extents]:
            return tuple(extents)
    return ()


class _NumpyType:
    """A dtype of NumPy by its code; the byte order comes later."""

    __slots__ = ("code", "order")

    def __init__(self, *arguments: object) -> None:
        self.code = arguments[0] if arguments and isinstance(arguments[0], str) else ""
        self.order = ""

    def __setstate__(self, state: object = None) -> None:
        """Take the byte order."""
        match state:
            case (int(), "<" | ">" | "=" | "|" as order, *_):
                self.order = order

    def plain(self) -> np.dtype[Any] | None:
        """Return the dtype, None if it is not one of numbers."""
        found = PLAIN_DTYPE.fullmatch(self.code)
        if found is None or (found[2] == "f" and found[3] == "1") or (found[2] == "b" and found[3] != "1"):
            return None
        order = found[1] or self.order
        return np.dtype(f"{order if order in ('<', '>') else ''}{found[2]}{found[3]}")


class _NumpyArray(PickledTensor):
    """An array of NumPy, whose shape and data come after it."""

    __slots__ = ()

    def __init__(self, *arguments: object) -> None:
        super().__init__(Stored((), "object", lambda: np.zeros(())))

    def __setstate__(self, state: object = None) -> None:
        """Take what NumPy writes: version, shape, dtype, whether columns come first, and the bytes."""
        match state:
            case (int(), tuple() as shape, _NumpyType() as kind, fortran, bytes() | str() as data):
                raw = data.encode("latin-1") if isinstance(data, str) else data  # Python 2 has it as text
                self.stored = _numpy_stored(shape, kind, bool(fortran), raw)


def _from_buffer(*arguments: object) -> object:
    match arguments:
        case [bytes() | bytearray() as data, _NumpyType() as kind, tuple() as shape, "C" | "F" as order]:
            return PickledTensor(_numpy_stored(shape, kind, order == "F", bytes(data)))
    return StandIn()


def _numpy_stored(shape: tuple[object, ...], kind: _NumpyType, fortran: bool, data: bytes) -> Stored:
    extents, dtype = as_extents(shape), kind.plain()
    if dtype is None:
        return Stored(extents, kind.code or "object", lambda: np.zeros(()))
    if prod(extents) * dtype.itemsize != len(data):
        refuse("an array has other bytes than its shape")

    def load() -> Array:
        values: Array = np.frombuffer(data, dtype)
        values = values.reshape(extents[::-1]).T if fortran else values.reshape(extents)
        return values.astype(dtype.newbyteorder("="))

    return Stored(extents, dtype.name, load)


def as_extents(given: object) -> tuple[int, ...]:
    """Return a shape; raises pickle.UnpicklingError for what is none."""
    if not isinstance(given, tuple | list) or not all(
        type(each) is int and 0 <= each < 2**40 for each in given
    ):
        refuse("a tensor has a shape that is none")
    return tuple(given)


FUNCTIONS: Mapping[str, Callable[..., object]] = {
    "collections.OrderedDict": _table,
    "collections.Counter": _table,
    "collections.defaultdict": _table_with_default,
    "builtins.dict": _table,
    "__builtin__.dict": _table,
    "_codecs.encode": _encoded,
    "torch.Size": _size,
    "numpy.dtype": _NumpyType,
    **{
        f"numpy.{core}.{name}": function
        for core in ("core", "_core")
        for name, function in (
            ("multiarray._reconstruct", _NumpyArray),
            ("numeric._frombuffer", _from_buffer),
        )
    },
}
