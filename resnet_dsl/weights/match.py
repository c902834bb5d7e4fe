"""Contents held against a spec, name by name, shape by shape and value by value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from resnet_dsl.backend.contents import COUNTER, FLOATS, Contents, Stored
from resnet_dsl.ir.arrays import Array
from resnet_dsl.program import Program
from resnet_dsl.weights.formats.metadata import note_of_another
from resnet_dsl.weights.match_report import KINDS, Account, Fault, size


def fit(contents: Contents, program: Program, source: str) -> tuple[dict[str, Array], Account]:
    """Return every tensor that fits, as float32, and the account of all."""
    wanted = {name: parameter.shape for name, parameter in program.graph.parameters()}
    given = {name: stored for name, stored in contents.tensors.items() if not name.endswith(COUNTER)}
    faults: dict[str, list[Fault]] = {kind: [] for kind in KINDS}
    absent = [name for name in wanted if name not in given and name not in contents.refused]
    faults["missing"] = [Fault(name, f"{size(wanted[name])}{_there(name, contents)}") for name in absent]
    strange = {name: given[name].shape for name in given if name not in wanted} | dict(contents.unplaced)
    faults["unexpected"] = [Fault(name, size(shape)) for name, shape in strange.items()]
    faults["not convertible"] = [Fault(name, why) for name, why in contents.refused.items()]
    state, converted = {}, dict[str, list[str]]()
    for name in (name for name in wanted if name in given and name not in contents.refused):
        found = _fault(given[name], wanted[name])
        if found is None:
            state[name] = _float32(given[name])
            found = _not_finite(state[name])
        if found is not None:
            faults[found[0]].append(Fault(name, f"{found[1]}{_there(name, contents)}"))
            state.pop(name, None)
        elif given[name].dtype != "float32":
            converted.setdefault(given[name].dtype, []).append(name)
    account = Account(
        source,
        program.name,
        len(wanted),
        tuple(state),
        {kind: tuple(found) for kind, found in faults.items()},
        {dtype: tuple(names) for dtype, names in converted.items()},
        tuple(name for name in contents.tensors if name.endswith(COUNTER)),
        (*contents.notes, *note_of_another(contents.metadata, program)),
    )
    return state, account


def from_arrays(arrays: Mapping[str, Any]) -> Contents:
    """Return arrays in memory as if they lay in a file."""
    values = {name: np.asarray(value) for name, value in arrays.items()}
    stored = {name: Stored(value.shape, value.dtype.name, value.view) for name, value in values.items()}
    return Contents("arrays", stored)


def _fault(stored: Stored, shape: tuple[int, ...]) -> tuple[str, str] | None:
    """What is wrong with a tensor as far as can be told unread."""
    if stored.wanted is not None or tuple(stored.shape) != shape:
        return "misshapen", f"{size(stored.shape)}, not {size(stored.wanted or shape)}"
    if stored.dtype not in FLOATS:
        return "wrong dtype", f"{stored.dtype}, not float32"
    return None


def _there(name: str, contents: Contents) -> str:
    """What a tensor is called in the file, if it is called otherwise."""
    return f"; there `{contents.called[name]}`" if name in contents.called else ""


def _float32(stored: Stored) -> Array:
    with np.errstate(over="ignore"):  # what overflows is found to be infinite
        return np.ascontiguousarray(stored.load(), np.float32)


def _not_finite(value: Array) -> tuple[str, str] | None:
    if np.isfinite(value).all():
        return None
    nans, infinities = int(np.isnan(value).sum()), int(np.isinf(value).sum())
    counts = [f"{count} {what}" for count, what in ((nans, "NaN"), (infinities, "infinite")) if count]
    return "not finite", f"{' and '.join(counts)} of {value.size}"
