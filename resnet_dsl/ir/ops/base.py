"""What every op is made of: arguments, shape rule, parameters and cost, in no framework's terms.

Shapes are channels first and without the batch. An op knows no place in a text: it raises
ShapeError, elaboration adds the rest.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from math import prod, sqrt
from typing import Any, ClassVar, Literal, Self, TypeVar, dataclass_transform

from resnet_dsl.ir.arguments import (
    EPSILON,
    EPSILON_OR_ZERO,
    FLAG,
    ArgumentError,
    ArgumentRule,
    Pair,
    Sides,
    argument,
)
from resnet_dsl.ir.formulas import Fixed, Formula
from resnet_dsl.ir.shapes import Extent, Shape, ShapeError
from resnet_dsl.records import Field, dataclass, fields, replace

USUAL_EPS = (1e-3, 1.001e-5, 1e-5, 0.0)  # of Keras, of keras.applications, of torch, and forgotten

Kept = Literal["inputs", "result", "mask", "indices"]
"""What a backward pass reads: inputs, the result, a number drawn for each of its values, a place for each."""

Role = Literal["weight", "bias", "scale", "shift", "mean", "variance"]


@dataclass(frozen=True)
class Init:
    """How a tensor starts: `normal` with a deviation, `uniform` up to a bound, or a `constant`.

    `scheme` is the language's word for it, where there is one. With a `fan` the variance is `scale`
    over the layer's `fan_in`, its `fan_out` or their mean, `fan_avg`, as frameworks' own
    initialisers take it; a bias that starts by a fan means that of the layer's weight.
    """

    kind: Literal["normal", "uniform", "constant"]
    value: float
    scheme: str = ""
    scale: float = 0.0
    fan: Literal["", "fan_in", "fan_out", "fan_avg"] = ""


@dataclass(frozen=True)
class TensorSpec:
    """A tensor that an op owns, and what it does there; one that is `fixed` is never trained.

    A `weight` is summed over, with its `bias`; a `scale` and a `shift` act on each channel; a `mean`
    and a `variance` are running statistics, which no gradient reaches.
    """

    name: str
    shape: tuple[int, ...]
    init: Init
    role: Role
    fixed: bool = False

    @property
    def learned(self) -> bool:
        """Whether it is a parameter, and not a buffer."""
        return not (self.fixed or self.is_statistic)

    @property
    def is_statistic(self) -> bool:
        """Whether batches change it, and no gradient."""
        return self.role in ("mean", "variance")

    @property
    def size(self) -> int:
        """The number of elements."""
        return prod(self.shape)


@dataclass(frozen=True)
class Window:
    """`kernel` pixels, `dilation` apart, moved by `stride` over a map made `factor` times as large."""

    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    factor: Pair = (1, 1)


@dataclass(frozen=True)
class ChannelMap:
    """What an op does that acts on each channel by itself, its tensors being what their roles say:

        factor * ((x - mean) / sqrt(variance + eps) * scale + shift) + offset

    Tensors that it does not have leave x as it is.
    """

    eps: float = 0.0
    factor: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True)
class LinearLayer:
    """A layer of which the result is linear in its input: the axes of its weight that have the channels.

    `results` and `inputs` are these axes; of several groups, the second axis has the channels of one. It is
    `uniform` if every value of the result is a sum over as many inputs, without zeros from a padding.
    """

    results: int
    inputs: int
    groups: int = 1
    uniform: bool = True


AnOp = TypeVar("AnOp", bound="Op")


@dataclass_transform(frozen_default=True, field_specifiers=(argument,))
def declared(cls: type[AnOp]) -> type[AnOp]:
    """Declare an op: its fields are its arguments, as those of a frozen dataclass."""
    return dataclass(frozen=True)(cls)


class Op:
    """One operation. `kind` is its name in the language and numbers its steps."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    kind: ClassVar[str]
    takes: ClassVar[str] = "map or vector"  # for the reader of the docs: what it may be applied to
    gives: ClassVar[str] = "as the input"  # and what shape comes of it
    inputs: ClassVar[int | None] = 1  # None: two or more
    operands: ClassVar[tuple[str, ...]] = ()  # names by which those behind the first may be given
    instead: ClassVar[str] = ""  # what to write where the inputs fit at some sizes only
    measures: ClassVar[bool] = False  # whether the second input gives its height and width alone
    random: ClassVar[bool] = False  # whether training draws at random; evaluation leaves x as it is
    activation: ClassVar[bool] = False  # a nonlinearity of one value, such as ends a layer
    mixes_channels: ClassVar[bool] = False  # without a weight: whether a value depends on other channels
    arithmetic: ClassVar[bool] = False  # what a person writes with an operator, not as a call
    operator: ClassVar[str] = ""  # the sign that stands for it between two tensors
    bound_by: ClassVar[str] = ""  # which bound of the result a number among the inputs is
    commutes: ClassVar[bool] = False  # whether its inputs may change places, and not a bit of the result
    joined: ClassVar[str] = ""  # what several inputs become, in words
    keeps: ClassVar[tuple[Kept, ...]] = ("inputs",)  # what its backward needs of the forward pass
    within: ClassVar[bool] = False  # whether its result may lie within its input, with no memory of its own
    fresh: ClassVar[bool] = False  # its result is new, and its own backward does not need it
    aliases: ClassVar[tuple[str, ...]] = ()  # what other libraries call it, as suggestions compare names
    absent: ClassVar[Mapping[str, str]] = {}  # arguments that it has elsewhere, with what to write here
    weighted: ClassVar[bool] = False  # a weight layer, as the number in a network's name counts them
    normalises: ClassVar[bool] = False  # what a spec calls its norm

    @classmethod
    def make(cls, values: dict[str, Any]) -> Self:
        """Build the op from checked names; raises ArgumentError for a value that it refuses."""
        accepted = {}
        for name, rule, _ in cls.arguments():
            if name in values:
                try:
                    accepted[name] = rule.coerce(values[name])
                except ValueError as error:
                    raise ArgumentError(cls.kind, name, str(error)) from None
        return cls(**accepted).normalised()

    @classmethod
    def arguments(cls) -> Iterator[tuple[str, ArgumentRule, Any]]:
        """Yield name, rule and default (MISSING where it must be given) of each argument."""
        for spec in fields(cls):
            yield spec.name, spec.metadata["rule"], spec.default

    @classmethod
    def argument_aliases(cls) -> Iterator[tuple[str, str]]:
        """Yield what other libraries call an argument, with its name."""
        return ((alias, spec.name) for spec in fields(cls) for alias in spec.metadata["aliases"])

    def normalised(self) -> Self:
        """Return the op with what depends on its own arguments written out; raises ArgumentError."""
        return self

    def shape(self, *inputs: Shape, extent: Extent) -> Shape:
        """Return the result's shape; raises ShapeError when the inputs do not fit."""
        return inputs[0]

    def fails_for(self, *inputs: Shape, extent: Extent) -> str:
        """Say for which other inputs its own would not fit, though they do at `extent`; empty for none."""
        return ""

    def parameters(self, *inputs: Shape) -> tuple[TensorSpec, ...]:
        """Return the tensors the op owns, learned ones first, in the order of torch."""
        return ()

    def macs(self, inputs: tuple[Shape, ...], output: tuple[int, ...]) -> int:
        """Return the multiply-adds at batch 1: convolutions and fully connected layers only."""
        return 0

    def in_training_alone(self, name: str) -> bool:
        """Whether an argument changes nothing in evaluation."""
        return self.random or bool(self._declared(name)["training"])

    def starts_alone(self, name: str) -> bool:
        """Whether an argument says how tensors start, and no more."""
        return bool(self._declared(name)["starts"])

    def is_rate(self, name: str) -> bool:
        """Whether an argument is a real number that the op is written with, whatever its value."""
        return isinstance(getattr(self, name), float) and self._declared(name)["structure"](1.0) is None

    def _declared(self, name: str) -> Mapping[str, Any]:
        """What is declared of an argument."""
        return next(spec.metadata for spec in fields(self) if spec.name == name)

    @property
    def taken(self) -> int | None:
        """How many inputs it takes as its arguments are; None for two or more."""
        return self.inputs

    def doubts(self) -> Iterator[Doubt]:
        """Yield arguments that are allowed and seldom meant."""
        yield from ()

    def through(self, *inputs: Shape) -> tuple[int, ...]:
        """Return which inputs the way from a network's input to its output goes through."""
        return tuple(range(len(inputs)))

    def channels_of_result(
        self, inputs: tuple[Formula | None, ...], arguments: Mapping[str, Formula]
    ) -> Formula | None:
        """Return how the result's channels follow from those of the inputs and from the arguments.

        By default they are the argument `channels` if there is one, else those of the first input.
        """
        own = next((spec.name for spec in fields(self) if spec.name == "channels"), None)
        return inputs[0] if own is None else arguments.get(own, Fixed(getattr(self, own)))

    @property
    def window(self) -> Window:
        """What pixels of its input a pixel of the result depends on."""
        return Window()

    def unread(self, *inputs: Shape, extent: Extent) -> tuple[int, ...]:
        """Return how many of the last rows and columns no window reads, at `extent`; empty for none."""
        return ()

    def sees_whole_map(self, x: Shape, result: Shape) -> bool:
        """Whether each value of the result depends on every pixel of the input."""
        return result.is_vector or (result.is_pixel and not x.is_pixel)

    @property
    def structure(self) -> tuple[object, ...]:
        """What of the arguments is structure, so that blocks which differ in it share no class."""
        return tuple(spec.metadata["structure"](getattr(self, spec.name)) for spec in fields(self))

    @property
    def computation(self) -> Hashable:
        """What the op computes with given tensors: its kind and arguments but for how tensors start."""
        arguments = [name for name, _, _ in self.arguments() if not self.starts_alone(name)]
        return self.kind, tuple((name, getattr(self, name)) for name in arguments)

    @property
    def positive(self) -> tuple[int, ...]:
        """Which inputs have to be positive, as the result is no number elsewhere, or has no bound."""
        return ()

    @property
    def linear_in_weight(self) -> bool:
        """Whether the result is linear in the weight, where there is one: it is taken as it is."""
        return True

    @property
    def channel_map(self) -> ChannelMap | None:
        """What the op does to each channel in evaluation, if that is one scale and one shift."""
        return None

    @property
    def linear_layer(self) -> LinearLayer | None:
        """How the result follows from the weight, if that can take up a scale and the bias a shift."""
        return None

    def with_bias(self) -> Self:
        """Return a linear layer with a bias for each channel of its result."""
        return self.having("bias", True)

    def with_plain_weight(self) -> Self | None:
        """Return the layer that takes its weight as it is, where this one changes it first."""
        return None

    def with_frame(self, zeros: Sides) -> Self | None:
        """Return the op with zeros around its input, beside its own padding; None if it cannot have them."""
        return None

    @property
    def frame(self) -> Sides | None:
        """The zeros that the op puts around a map, if it does nothing else."""
        return None

    @property
    def stays(self) -> bool:
        """Whether training changes nothing of it, and it works as in evaluation there."""
        return False

    @property
    def flattens(self) -> str:
        """The order of a map's values in the vector that the op makes of it: `chw`, `hwc`, or empty."""
        return ""

    def does_nothing(self, *inputs: Shape) -> bool:
        """Whether the result is the input itself, so that the step can be left out."""
        return False

    def mistakes(self) -> Iterator[Mistake]:
        """Yield what backends usually do wrong with such an op: another eps, flag or choice.

        What may be wrong with its tensors follows from their roles, and is not among these.
        """
        for name, rule, _ in self.arguments():
            value = getattr(self, name)
            for other in _others(rule, value):
                yield Mistake(f"{name}: {_text(other)} instead of {_text(value)}", self.having(name, other))

    def having(self, name: str, value: object) -> Self:
        """Return the op with another argument, unchecked."""
        return replace(self, **{name: value})


@dataclass(frozen=True)
class Mistake:
    """A usual mistake with an op: in words, and the op as if it were so, on a map framed in `zeros`."""

    words: str
    op: Op
    zeros: Sides = ((0, 0), (0, 0))

    @property
    def is_framed(self) -> bool:
        """Whether the map has zeros around it."""
        return any(map(any, self.zeros))


@dataclass(frozen=True)
class Doubt:
    """An argument that is allowed and seldom meant: the code of the warning, what is, what to write."""

    code: str
    argument: str
    message: str
    hint: str


def _others(rule: ArgumentRule, value: Any) -> tuple[Any, ...]:
    """The values by which an argument is usually mistaken."""
    if rule in (EPSILON, EPSILON_OR_ZERO):
        return tuple(eps for eps in USUAL_EPS if eps != value)
    if rule is FLAG:
        return (not value,)
    return tuple(other for other in rule.choices if isinstance(value, str) and other != value)


def _text(value: Any) -> str:
    """A value as the language writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def initial(scheme: str, shape: tuple[int, ...]) -> Init:
    """Return the start of a weight of `shape` (out, in/groups, …) under a named scheme.

    `he` is He et al. 2015 with fan-out, `uniform` the bound 1/sqrt(fan-in) of torch's layers,
    `glorot` that of Keras, `small` a normal of deviation 0.01.
    """
    area = prod(shape[2:])
    fan_in, fan_out = shape[1] * area, shape[0] * area
    match scheme:
        case "he":
            return Init("normal", sqrt(2 / fan_out), scheme, 2.0, "fan_out")
        case "he_fan_in":
            return Init("normal", sqrt(2 / fan_in), scheme, 2.0, "fan_in")
        case "glorot":
            return Init("uniform", sqrt(6 / (fan_in + fan_out)), scheme, 1.0, "fan_avg")
        case "small":
            return Init("normal", 0.01, scheme)
        case _:
            return Init("uniform", 1 / sqrt(fan_in), scheme, 1 / 3, "fan_in")


def needs_vector(op: Op, x: Shape, extent: Extent, before: str) -> None:
    """Raise ShapeError for a map of more than one pixel; `before` is what a person may put before the op."""
    if not (x.is_vector or x.is_pixel_at(extent)):
        message = f"{op.kind} takes a vector or a map of one pixel, not {x.text(extent)}"
        raise ShapeError("E0306", message, f"put {before} before it")


def needs_map(op: Op, x: Shape) -> None:
    """Raise ShapeError for a vector."""
    if x.is_vector:
        raise ShapeError("E0306", f"{op.kind} takes a map, not a vector of {x.channels}")


def divisors(count: int) -> str:
    """Return the first divisors of a count, in words."""
    found = [str(n) for n in range(1, min(count, 1024) + 1) if count % n == 0]
    return ", ".join(found[:12])
