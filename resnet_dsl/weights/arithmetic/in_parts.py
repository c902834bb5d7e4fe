"""Weights that a file of torch keeps in parts: by weight norm, by spectral norm, or with a pruning mask.

A layer's tensor is computed of its parts in double, as in evaluation, and rounded to single precision once.
What to compute is known by the names of the parts alone, whatever the library or the network.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from math import prod

import numpy as np

from resnet_dsl.backend.contents import FLOATS, Contents, Stored
from resnet_dsl.diagnostics.wording import counted
from resnet_dsl.ir.arrays import Array
from resnet_dsl.records import dataclass, replace
from resnet_dsl.zoo.asked import FORMS

OPTION = "--apply"
Shapes = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Form:
    """A way to keep a tensor in parts: their names, which shapes they may have, and how it is computed.

    The tensor has the shape and the dtype of the part `like`. Without an option nothing is computed.
    """

    option: str
    title: str
    parts: tuple[str, ...]
    fits: Callable[..., bool]
    compute: Callable[..., Array] | None
    like: int = 0
    dtypes: tuple[str, ...] = ()
    """What another part may be of beside a float."""

    @property
    def first(self) -> re.Pattern[str]:
        """The name of the first part; what it is of is in the groups."""
        pattern = re.escape(self.parts[0]).replace(r"\{front\}", r"(?P<front>(?:.*\.)?)")
        return re.compile(pattern.replace(r"\{tensor\}", r"(?P<tensor>[^.]+)"))

    @property
    def last_names(self) -> str:
        """The names of the parts, the layer aside."""
        *others, last = (part.format(front="", tensor="*") for part in self.parts)
        return f"{', '.join(others)} and {last}" if others else last


def put_together(contents: Contents, apply: tuple[str, ...]) -> tuple[Contents, tuple[str, ...]]:
    """Return contents with whole tensors for those in parts, and what to ask for where it is not asked for.

    Those are refused then; nothing is read of them.
    """
    tensors, notes, help = dict(contents.tensors), list(contents.notes), list[str]()
    met = set[str]()
    for form in PARTED:
        found = _found(form, tensors)
        if not found:
            continue
        met.add(form.option)
        asked = form.option in apply
        tensors = _replaced(tensors, form, found, asked)
        if asked:
            weights = f"{counted(len(found), 'tensor')} of {form.title}, such as {next(iter(found))}"
            notes.append(f"{weights}, computed of their parts ({OPTION} {form.option})")
        else:
            help.append(_advice(form))
    notes += [f"nothing is kept by {form} ({OPTION} {form})" for form in apply if form not in met]
    options = ",".join(form for form in FORMS if form in met and form not in apply)
    if options:
        python = f'apply="{options}"'
        help.insert(0, f"{OPTION} {options} (in Python, {python}) computes the weights of their parts")
    if not met and not apply:
        return contents, ()
    return replace(contents, tensors=tensors, notes=tuple(notes)), tuple(each for each in help if each)


def _advice(form: Form) -> str:
    """What to do about a form that nothing is computed of."""
    if form.compute is not None:
        return ""
    return "torch.nn.utils.parametrize.remove_parametrizations(layer, 'weight'), before saving, leaves one"


def _found(form: Form, tensors: Mapping[str, Stored]) -> dict[str, list[str]]:
    """The tensors that are in parts of this form, with the names of the parts."""
    found: dict[str, list[str]] = {}
    first, ending = form.first, form.parts[0].rpartition("}")[2]
    for name in tensors:
        match = first.fullmatch(name) if name.endswith(ending) else None
        if match is None:
            continue
        whole = f"{match['front']}{match['tensor']}"
        parts = [part.format(**match.groupdict()) for part in form.parts]
        if whole in tensors or any(part not in tensors for part in parts):
            continue
        if form.fits(*(tuple(tensors[part].shape) for part in parts)):
            found[whole] = parts
    return found


def _replaced(
    tensors: Mapping[str, Stored], form: Form, found: Mapping[str, list[str]], asked: bool
) -> dict[str, Stored]:
    """The tensors with a whole one in the place of the first part of each."""
    wholes = {parts[0]: whole for whole, parts in found.items()}
    gone = {part for parts in found.values() for part in parts}
    result: dict[str, Stored] = {}
    for name, stored in tensors.items():
        if name in wholes:
            result[wholes[name]] = _whole(form, [tensors[part] for part in found[wholes[name]]], asked)
        elif name not in gone:
            result[name] = stored
    return result


def _whole(form: Form, parts: list[Stored], asked: bool) -> Stored:
    like = parts[form.like]
    earlier = next((part.refused for part in parts if part.refused), "")
    refused = earlier if asked else f"kept as {form.last_names}: {form.title}"
    allowed = (*FLOATS, *form.dtypes)
    odd = (part.dtype for part in parts if part is not like and part.dtype not in allowed)
    dtype = next(odd, like.dtype)

    def load() -> Array:
        assert form.compute is not None
        with np.errstate(all="ignore"):  # what is no number is found where values are
            return form.compute(*(np.asarray(part.load(), np.float64) for part in parts))

    return Stored(tuple(like.shape), dtype, load, refused=refused)


# --- the forms ---------------------------------------------------------------------------------


def _equal(*shapes: tuple[int, ...]) -> bool:
    return len(set(shapes)) == 1


def _lengths(g: tuple[int, ...], v: tuple[int, ...]) -> bool:
    """Whether `g` has a length for each slice of `v`, or one for all."""
    return not g or (len(g) == len(v) and all(n in (1, m) for n, m in zip(g, v, strict=True)))


def _normed(g: Array, v: Array) -> Array:
    """`v` with the norm of each slice made `g`."""
    axes = tuple(axis for axis in range(v.ndim) if g.ndim == 0 or g.shape[axis] == 1)
    norm = np.sqrt(np.square(v).sum(axis=axes, keepdims=True))
    return np.asarray(v * (g / norm))


def _singular(weight: tuple[int, ...], u: tuple[int, ...], v: tuple[int, ...]) -> bool:
    """Whether these are singular vectors of a weight by its rows."""
    return len(weight) > 1 and u == weight[:1] and v == (prod(weight[1:]),)


def _by_largest(weight: Array, u: Array, v: Array) -> Array:
    """A weight over its largest singular value, as its vectors have it."""
    return np.asarray(weight / (u @ (weight.reshape(len(u), -1) @ v)))


OF_TORCH = "{front}parametrizations.{tensor}."
PARTED = (
    Form(
        "masks", "a pruning mask",
        ("{front}{tensor}_orig", "{front}{tensor}_mask"), _equal, np.multiply,
        dtypes=("bool", "uint8", "int64"),
    ),
    Form("weight_norm", "weight norm", ("{front}{tensor}_g", "{front}{tensor}_v"), _lengths, _normed, 1),
    Form(
        "weight_norm", "weight norm", (f"{OF_TORCH}original0", f"{OF_TORCH}original1"), _lengths, _normed, 1
    ),
    Form(
        "spectral_norm", "spectral norm",
        ("{front}{tensor}_orig", "{front}{tensor}_u", "{front}{tensor}_v"), _singular, _by_largest,
    ),
    Form(
        "spectral_norm", "spectral norm",
        (f"{OF_TORCH}original", f"{OF_TORCH}0._u", f"{OF_TORCH}0._v"), _singular, _by_largest,
    ),
    Form("", "a parametrization", (f"{OF_TORCH}original",), lambda shape: True, None),
    Form("", "a parametrization", (f"{OF_TORCH}original0",), lambda shape: True, None),
)  # fmt: skip
"""Masks come first: what they are on may be a part of another form."""
