"""Contents held against a spec, name by name, shape by shape and value by value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from resnet_dsl.backend.contents import COUNTER, FLOATS, Contents, Stored
from resnet_dsl.diagnostics.wording import dimensions
from resnet_dsl.ir.arrays import Array
from resnet_dsl.ir.graph import Graph
from resnet_dsl.program import Program
from resnet_dsl.weights.formats.metadata import note_of_another
from resnet_dsl.weights.match_report import KINDS, MatchReport, Mismatch
from resnet_dsl.zoo.unfold import ADVICE, within


def match(contents: Contents, program: Program, source: str) -> tuple[dict[str, Array], MatchReport]:
    """Return every tensor that fits, as float32, and the report on all."""
    wanted = {name: parameter.shape for name, parameter in program.graph.parameters()}
    given = {
        name: stored.of_shape(wanted[name]) if name in wanted else stored
        for name, stored in contents.tensors.items()
        if not name.endswith(COUNTER)
    }
    mismatches: dict[str, list[Mismatch]] = {kind: [] for kind in KINDS}
    strange = {name: given[name].shape for name in given if name not in wanted} | dict(contents.unplaced)
    mismatches["unexpected"] = [Mismatch(name, dimensions(shape)) for name, shape in strange.items()]
    folded = {name: why for name, why in within(contents, program.graph).items() if name in given}
    refused = {**contents.refused, **folded}
    refused |= {name: given[name].refused for name in wanted if name in given and given[name].refused}
    mismatches["not convertible"] = [Mismatch(name, why) for name, why in refused.items()]
    bare = dict(_without_eps(program.graph))
    state, converted = {}, dict[str, list[str]]()
    for name, shape in wanted.items():
        if name in refused:
            continue
        found = _mismatch(given.get(name), shape)
        if found is None:
            with np.errstate(over="ignore"):  # what overflows is found to be infinite
                value = np.ascontiguousarray(given[name].load(), np.float32)
            found = _not_finite(value) or _not_positive(value, bare.get(name, ""))
        if found is not None:
            there = f"; there `{contents.called[name]}`" if name in contents.called else ""
            mismatches[found[0]].append(Mismatch(name, f"{found[1]}{there}"))
            continue
        state[name] = value
        if given[name].dtype != "float32":
            converted.setdefault(given[name].dtype, []).append(name)
    report = MatchReport(
        source,
        program.name,
        len(wanted),
        tuple(state),
        {kind: tuple(found) for kind, found in mismatches.items()},
        {dtype: tuple(names) for dtype, names in converted.items()},
        tuple(name for name in contents.tensors if name.endswith(COUNTER)),
        (*contents.notes, *note_of_another(contents.metadata, program)),
        (contents.folded or ADVICE) if folded else "",
    )
    return state, report


def from_arrays(arrays: Mapping[str, object]) -> Contents:
    """Return arrays in memory as if they lay in a file."""
    values = {name: np.asarray(value) for name, value in arrays.items()}
    stored = {name: Stored(value.shape, value.dtype.name, value.view) for name, value in values.items()}
    return Contents("arrays", stored)


def _mismatch(stored: Stored | None, shape: tuple[int, ...]) -> tuple[str, str] | None:
    """What is wrong with a tensor as far as can be told unread: the kind, and the figures."""
    if stored is None:
        return "missing", dimensions(shape)
    if stored.wanted is not None or tuple(stored.shape) != shape:
        return "misshapen", f"{dimensions(stored.shape)}, not {dimensions(stored.wanted or shape)}"
    if stored.dtype not in FLOATS:
        return "wrong dtype", f"{stored.dtype}, not float32"
    return None


def _without_eps(graph: Graph) -> Iterator[tuple[str, str]]:
    """Yield each running variance that nothing is added to, with the op it is of."""
    for node in graph.nodes:
        variance = node.tensor("variance")
        if variance is not None and getattr(node.op, "eps", None) == 0.0:
            yield variance, node.op.kind


def _not_positive(value: Array, kind: str) -> tuple[str, str] | None:
    """What is wrong with a variance that an op of eps 0 divides by; an empty kind has none."""
    count = int((value <= 0.0).sum()) if kind else 0
    return (
        ("not convertible", f"{count} of {value.size} not positive, and eps of {kind} is 0")
        if count
        else None
    )


def _not_finite(value: Array) -> tuple[str, str] | None:
    if np.isfinite(value).all():
        return None
    nans, infinities = int(np.isnan(value).sum()), int(np.isinf(value).sum())
    counts = [f"{count} {what}" for count, what in ((nans, "NaN"), (infinities, "infinite")) if count]
    return "not finite", f"{' and '.join(counts)} of {value.size}"
