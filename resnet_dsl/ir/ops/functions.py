"""Functions of each value: what an activation or a gate of one's own is made of."""

from __future__ import annotations

from math import inf, isinf
from typing import ClassVar, Self

from resnet_dsl.ir.arguments import BOUND, REAL, ArgumentError, argument
from resnet_dsl.ir.ops.base import Kept, Op, declared
from resnet_dsl.ir.shapes import Shape


def _absent(bound: object) -> object:
    """Whether there is a bound is structure, its value is a number."""
    return bound if isinstance(bound, float) and isinf(bound) else None


@declared
class Exponential(Op):
    """The exponential function."""

    kind: ClassVar[str] = "exp"
    keeps: ClassVar[tuple[Kept, ...]] = ("result",)
    aliases: ClassVar[tuple[str, ...]] = ("exponential",)


@declared
class Logarithm(Op):
    """The natural logarithm."""

    kind: ClassVar[str] = "log"
    aliases: ClassVar[tuple[str, ...]] = ("logarithm",)
    takes: ClassVar[str] = "map or vector of positive values"

    @property
    def positive(self) -> tuple[int, ...]:
        return (0,)


@declared
class SquareRoot(Op):
    """The square root."""

    kind: ClassVar[str] = "sqrt"
    keeps: ClassVar[tuple[Kept, ...]] = ("result",)
    aliases: ClassVar[tuple[str, ...]] = ("squareroot",)
    takes: ClassVar[str] = "map or vector of positive values"

    @property
    def positive(self) -> tuple[int, ...]:
        return (0,)


@declared
class Absolute(Op):
    """The value without its sign."""

    kind: ClassVar[str] = "abs"
    aliases: ClassVar[tuple[str, ...]] = ("absolute", "absolutevalue")


@declared
class Clip(Op):
    """min(max(x, low), high); a bound that is left out does not bound. `max(x, 0)` is `clip(low=0)`."""

    kind: ClassVar[str] = "clip"
    operator: ClassVar[str] = "bounded"
    aliases: ClassVar[tuple[str, ...]] = ("clamp", "clipbyvalue")
    low: float = argument(BOUND, -inf, structure=_absent, aliases=("min", "minvalue", "amin", "xmin"))
    high: float = argument(BOUND, inf, structure=_absent, aliases=("max", "maxvalue", "amax", "xmax"))

    def normalised(self) -> Self:
        if self.low > self.high:
            raise ArgumentError(self.kind, "high", "no less than its `low`")
        return self

    def does_nothing(self, *inputs: Shape) -> bool:
        return isinf(self.low) and isinf(self.high)


@declared
class Power(Op):
    """x to a power that is a number: what `x ** 2` is, and `1 / x`."""

    kind: ClassVar[str] = "pow"
    operator: ClassVar[str] = "**"
    arithmetic: ClassVar[bool] = True
    exponent: float = argument(REAL)

    @property
    def positive(self) -> tuple[int, ...]:
        return () if self.exponent > 0.0 and self.exponent.is_integer() else (0,)

    def does_nothing(self, *inputs: Shape) -> bool:
        return self.exponent == 1.0
