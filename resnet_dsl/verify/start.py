"""Whether a fresh model starts as the catalogue says: constants exactly, the rest by distribution.

Each bound on a random tensor is one of Chernoff's kind, which holds for any number of values: a tensor
that starts as it should is past a bound with a probability of at most `ALPHA`. A tensor is held to five
bounds at most, so of the 156 random tensors of ResNet-152 one is blamed wrongly once in ten million builds.
With few values the bounds are wide; from 1,100 on they tell a normal distribution from one that is
cut off at two deviations and stretched again, from 3,000 on a deviation that is a tenth off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from math import erf, erfc, log, log1p, sqrt

import numpy as np

from resnet_dsl.ir.arrays import Array
from resnet_dsl.ir.graph import Graph
from resnet_dsl.ir.ops import Init
from resnet_dsl.records import dataclass

ALPHA = 1e-10
LIMIT = log(2 / ALPHA)  # of the exponents below, each the negative logarithm of a probability
SAMPLE = 1 << 14  # values whose distribution is looked at: sorting millions takes seconds
TELLING = 8  # as many random values in single precision are never the same twice


@dataclass(frozen=True)
class WrongStart:
    """A tensor that does not start as it should, and the two in words."""

    tensor: str
    wanted: str
    found: str

    def __str__(self) -> str:
        return f"{self.tensor} starts {self.found}, not {self.wanted}"


def wrong_starts(graph: Graph, state: Mapping[str, Array]) -> tuple[WrongStart, ...]:
    """Return each tensor of a fresh build that does not start as its op says; `state` by canonical name."""
    seen: dict[tuple[Init, bytes], list[str]] = {}
    found = []
    for name, tensor in graph.parameters():
        wanted = in_words(tensor.init)
        if name not in state or state[name].shape != tensor.shape:
            what = f"in shape {state[name].shape}" if name in state else "nowhere"
            found.append(WrongStart(name, f"in shape {tensor.shape}", what))
            continue
        fault = next(faults(tensor.init, state[name]), "")
        if not fault and tensor.init.kind != "constant" and tensor.size >= TELLING:
            # Two layers that share an initialiser with a seed are each distributed as they should be.
            alike = seen.setdefault((tensor.init, state[name].flat[:TELLING].tobytes()), [])
            twin = next(
                (other for other in alike if np.array_equal(state[other].flat, state[name].flat)), None
            )
            fault = f"with the values of {twin}" if twin else ""
            alike.append(name)
        if fault:
            found.append(WrongStart(name, wanted, fault))
    return tuple(found)


def in_words(init: Init) -> str:
    """Return a start in words, such as `normal with deviation 0.01`."""
    match init.kind:
        case "normal":
            return f"normal with deviation {init.value:.4g}"
        case "uniform":
            return f"uniform up to {init.value:.4g}"
        case _:
            return f"at {init.value:g}"


def faults(init: Init, values: Array) -> Iterator[str]:
    """Yield in words what a tensor's values have that a start of this kind has not, or hardly ever."""
    if init.kind == "constant":
        wrong = values[values != np.asarray(init.value, values.dtype)]
        if wrong.size:
            yield (
                f"at {wrong[0]:g}"
                if (wrong == wrong[0]).all()
                else f"between {wrong.min():g} and {wrong.max():g}"
            )
        return
    x = values.astype(np.float64).ravel() / init.value
    if not np.isfinite(x).all():
        yield "at values that are not finite"
        return
    yield from _uniform(x, init.value) if init.kind == "uniform" else _normal(x, init.value)


def _normal(x: Array, deviation: float) -> Iterator[str]:
    """Of x, which should be of deviation 1: its mean, its variance, its largest value, its distribution."""
    count, square, largest = x.size, float(x @ x) / x.size, _largest(x)
    if count * x.mean() ** 2 / 2 > LIMIT:
        yield f"around {x.mean() * deviation:.3g}"
    # A mean of squares of r or further from 1 has a probability of at most exp(-count / 2 (r - 1 - log r)).
    if square == 0 or count / 2 * (square - 1 - log(square)) > LIMIT:
        yield f"with deviation {sqrt(square) * deviation:.4g}"
    beyond = erfc(largest / sqrt(2))
    if beyond == 1 or -count * log1p(-beyond) > LIMIT:
        yield f"cut off at {largest * deviation:.4g}"
    if count * beyond < ALPHA:
        yield f"with a value of {largest * deviation:.4g}"
    yield from _distribution(x, lambda values: np.interp(values, *_share_below()))


@cache
def _share_below() -> tuple[Array, Array]:
    """The normal distribution at points so near that a straight line between them is within 1e-7 of it."""
    points = np.linspace(-9, 9, 18 * 512 + 1)
    return points, np.array([0.5 * (1 + erf(point / sqrt(2))) for point in points])


def _uniform(x: Array, bound: float) -> Iterator[str]:
    """Of x, which should be between -1 and 1: its mean, its largest value, its distribution."""
    largest = _largest(x)
    if largest > 1 + 1e-6:  # a bound is rounded to single precision
        yield f"up to {largest * bound:.4g}"
    # The mean of uniform values is as narrow as that of normal ones of their variance, 1/3, or narrower.
    if x.size * 3 * x.mean() ** 2 / 2 > LIMIT:
        yield f"around {x.mean() * bound:.3g}"
    if largest == 0 or -x.size * log(largest) > LIMIT:
        yield f"up to {largest * bound:.4g}"
    yield from _distribution(x, lambda values: (1 + values) / 2)


def _largest(x: Array) -> float:
    return float(max(x.max(), -x.min()))


def _distribution(x: Array, share_below: Callable[[Array], Array]) -> Iterator[str]:
    """The distance of Kolmogorov and Smirnov, within the bound of Dvoretzky, Kiefer and Wolfowitz.

    Its constant is that of Massart 1990: 2 exp(-2 n d^2) for every n.
    """
    some = np.sort(x[:: -(-x.size // SAMPLE)])
    steps = np.arange(some.size + 1) / some.size
    share = share_below(some)
    distance = max(float((steps[1:] - share).max()), float((share - steps[:-1]).max()))
    if 2 * some.size * distance**2 > LIMIT:
        yield "in another distribution"
