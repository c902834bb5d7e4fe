"""What an op's argument may be: each rule checks one value and says in words what it wants."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any

from resnet_dsl.limits import ARGUMENT
from resnet_dsl.records import MISSING, dataclass, field

Pair = tuple[int, int]
Sides = tuple[Pair, Pair]
"""What is above and below a map, and what left and right of it."""


class Symbol(str):
    """A bare name that is a value: one of the choices of a parameter, such as `pre`."""


class Dims(tuple[int | str, ...]):
    """Extents written with `x`, such as `3x3` or `3xHxW`."""


class ArgumentError(ValueError):
    """An argument that an op refuses: which one, and what it `wanted`, which completes “must be …”."""

    def __init__(self, kind: str, argument: str, wanted: str) -> None:
        self.argument, self.wanted = argument, wanted
        super().__init__(f"`{argument}` of {kind} must be {wanted}")


@dataclass(frozen=True)
class ArgumentRule:
    """A check of one argument; `what` completes “must be …”."""

    what: str
    accept: Callable[[object], object]
    choices: tuple[str, ...] = ()

    def coerce(self, value: object) -> Any:
        """Return the value in the form the op keeps; raises ValueError if it is not allowed."""
        if isinstance(value, Symbol) and value in self.choices:
            return str(value)
        accepted = self.accept(value)
        if accepted is None:
            raise ValueError(self.what)
        return accepted


def _whole(low: int) -> Callable[[object], int | None]:
    def accept(value: object) -> int | None:
        if isinstance(value, bool) or not isinstance(value, int):
            return None
        return value if low <= value <= ARGUMENT.most else None

    return accept


def _pair(low: int) -> Callable[[object], Pair | None]:
    whole = _whole(low)

    def accept(value: object) -> Pair | None:
        parts = value if isinstance(value, tuple) else (value, value)
        if len(parts) != 2:
            return None
        first, second = whole(parts[0]), whole(parts[1])
        return None if first is None or second is None else (first, second)

    return accept


def _amounts(value: object) -> Pair | Sides | None:
    """A pair for both sides of each axis, or four amounts: as a pair too where the sides are alike."""
    pair = _pair(0)
    if isinstance(value, Dims) or not isinstance(value, tuple) or not any(map(_is_list, value)):
        return pair(value)
    axes = [pair(axis) if _is_list(axis) else None for axis in value]
    if len(axes) != 2 or axes[0] is None or axes[1] is None:
        return None
    (above, below), (left, right) = rows, columns = axes[0], axes[1]
    return (above, left) if (above, left) == (below, right) else (rows, columns)


def _is_list(value: object) -> bool:
    return isinstance(value, tuple) and not isinstance(value, Dims)


def sides(pad: Pair | Sides) -> Sides:
    """Return amounts around a map as those before and after each axis."""
    rows, columns = ((axis, axis) if isinstance(axis, int) else axis for axis in pad)
    return rows, columns


def _real(low: float, high: float) -> Callable[[object], float | None]:
    def accept(value: object) -> float | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) if isfinite(value) and low <= value <= high else None

    return accept


COUNT = ArgumentRule("a positive whole number", _whole(1))
INDEX = ArgumentRule("a whole number, from 0 on", _whole(0))
PAIR = ArgumentRule("a positive whole number or a size such as `3x3`", _pair(1))
PAIR_OR_NONE = ArgumentRule(
    "a positive whole number, a size such as `3x3`, or `none`",
    lambda value: (0, 0) if value is None else _pair(1)(value),
)
PAIR_FROM_ZERO = ArgumentRule("a whole number or a size such as `1x1`", _pair(0))
FLAG = ArgumentRule("`true` or `false`", lambda value: value if isinstance(value, bool) else None)
FOUR_AMOUNTS = "`[[above, below], [left, right]]`"
AMOUNTS = ArgumentRule(f"a whole number, a size such as `1x2`, or four amounts: {FOUR_AMOUNTS}", _amounts)
PADDING = ArgumentRule(
    f"a whole number, a size such as `1x2`, four amounts, {FOUR_AMOUNTS}, `half`, `same` or `valid`",
    _amounts,
    ("half", "same", "valid"),
)
RATE = ArgumentRule("a number from 0 up to 1", _real(0.0, 1.0))
EPSILON = ArgumentRule("a small positive number", _real(1e-12, 1.0))
EPSILON_OR_ZERO = ArgumentRule(
    "0 or a small positive number",
    lambda value: EPSILON.accept(value) if _real(0.0, 0.0)(value) is None else 0.0,
)
REAL = ArgumentRule("a number", _real(-1e9, 1e9))
BOUND = ArgumentRule("a number; left out, there is no bound", REAL.accept)


# What other libraries call arguments that several ops have.
OF_CHANNELS = (
    "filters",
    "outchannels",
    "outfeatures",
    "units",
    "outplanes",
    "planes",
    "numoutput",
    "numfilter",
)
OF_KERNEL = ("kernelsize", "poolsize", "size", "window", "windowsize", "filtersize", "kernelshape")
OF_STRIDE = ("strides", "subsample")
OF_PAD = ("padding", "pads", "bordermode")
OF_EPS = ("epsilon",)
OF_RATE = ("p", "prob", "droprate", "dropprob", "probability", "survivalprob")
OF_INIT = ("kernelinitializer", "initializer", "weightinit")


def choice(*names: str) -> ArgumentRule:
    """Return the rule for an argument that takes one of `names`."""
    return ArgumentRule(f"one of {', '.join(f'`{name}`' for name in names)}", lambda value: None, names)


def argument(
    rule: ArgumentRule,
    default: Any = MISSING,
    structure: Callable[[object], object] | None = None,
    aliases: tuple[str, ...] = (),
    starts: bool = False,
    training: bool = False,
) -> Any:
    """Declare a dataclass field as an argument of the language, checked by `rule`.

    `structure` says what of a value is structure and not a mere number: blocks that differ in it are
    written as different classes (`itself`: in every value; `bool`: in whether it is 0). `aliases` are what
    other libraries call it, in lower case and without underscores. `starts` marks what only says how the
    op's tensors start: once they are given, nothing that it computes depends on it. One of `training`
    changes nothing in evaluation.
    """
    said = {"aliases": aliases, "starts": starts, "training": training}
    metadata = {"rule": rule, "structure": structure or _words, **said}
    return field(default=default, metadata=metadata)


def itself(value: object) -> object:
    """Return the value: each is another structure."""
    return value


def _words(value: object) -> object:
    """What of a usual argument is structure: words and flags, and whether a pair is there at all."""
    if isinstance(value, str | bool):
        return value
    return any(value) if isinstance(value, tuple) else None
