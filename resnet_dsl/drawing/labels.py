"""What a box says of an op: all of it from the op's declaration, so that a new op needs nothing here.

The kind, the window it moves, the channels it makes, its stride, and the arguments that have no default.
"""

from __future__ import annotations

from typing import Any

from resnet_dsl.drawing.picture import Caption, Look, Numbers
from resnet_dsl.ir.ops import Op
from resnet_dsl.ir.ops.base import Window
from resnet_dsl.ir.shapes import Shape
from resnet_dsl.records import MISSING, fields

SIGNS = {"*": "×", "/": "÷"}  # how typography writes the signs of arithmetic
SPATIAL = ("kernel", "stride", "dilation")  # arguments that an op's window says
UNSTRIDED = Window()


def look_of(op: Op, inputs: tuple[Shape, ...], result: Shape) -> Look:
    """Return what the box of an op looks like."""
    if op.operator and len(inputs) > 1:
        return "sign"
    if op.joined and len(inputs) > 1:
        return "bar"
    if op.weighted:
        return "layer"
    pixels = bool(inputs[0].spatial) and not inputs[0].is_pixel
    if op.window != UNSTRIDED or op.measures or (pixels and op.sees_whole_map(inputs[0], result)):
        return "point" if attends(op) else "window"
    return "point"


def attends(op: Op) -> bool:
    """Whether an op only shapes what a layer beside it gives: a norm, an activation, what training drops."""
    return op.normalises or op.activation or op.random


def sign(op: Op) -> str:
    """Return the sign of a join."""
    return SIGNS.get(op.operator, op.operator)


def label_of(op: Op, inputs: tuple[Shape, ...]) -> Caption:
    """Return the line that a box has for an op: `conv 3×3 /2, 64`."""
    values = {spec.name: getattr(op, spec.name) for spec in fields(op)}
    words = [op.kind, *_window_words(op, values)]
    numbers: list[Numbers] = []
    groups = values.get("groups", 1)
    if groups > 1 and not op.normalises:
        words.append("by channel" if groups == inputs[0].channels else "groups {}")
        numbers += [] if groups == inputs[0].channels else [(groups,)]
    words += _further_words(op)
    for name, number in _numbers_of_arithmetic(op, values):
        words.append(f"{name} {{}}")
        numbers.append((number,))
    text = " ".join(words)
    if "channels" in values:
        text, numbers = f"{text}, {{}}", [*numbers, (values["channels"],)]
    return Caption(text, tuple(numbers))


def _window_words(op: Op, values: dict[str, Any]) -> list[str]:
    """The window as papers write it: `3×3`, `/2`, `dilation 2`; a map made larger, `↑` by a factor."""
    window = op.window
    words = [_pair(window.kernel)] if "kernel" in values else []
    words += [f"/{_even(window.stride)}"] if window.stride != UNSTRIDED.stride else []
    words += [f"dilation {_even(window.dilation)}"] if window.dilation != UNSTRIDED.dilation else []
    return words + ([f"×{_even(window.factor)}"] if window.factor != UNSTRIDED.factor else [])


def _further_words(op: Op) -> list[str]:
    """The arguments without a default that are not said yet, the first of them without its name."""
    said = {*SPATIAL, "channels"} | ({"factor", "scale"} if op.window.factor != UNSTRIDED.factor else set())
    own = [spec.name for spec in fields(op) if spec.default is MISSING and spec.name not in said]
    values = [_value(getattr(op, name)) for name in own]
    return [
        value if i == 0 else f"{name} {value}"
        for i, (name, value) in enumerate(zip(own, values, strict=True))
    ]


def _numbers_of_arithmetic(op: Op, values: dict[str, Any]) -> list[tuple[str, float]]:
    """The numbers of what a person writes with an operator: they are all that it does."""
    shown = (spec for spec in fields(op) if op.operator and spec.default is not MISSING)
    return [(spec.name, values[spec.name]) for spec in shown if values[spec.name] != spec.default]


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return "×".join(map(_value, value))
    return f"{value:g}" if isinstance(value, float) else str(value).replace("{", "").replace("}", "")


def _pair(pair: tuple[int, int]) -> str:
    return f"{pair[0]}×{pair[1]}"


def _even(pair: tuple[int, int]) -> str:
    return str(pair[0]) if pair[0] == pair[1] else _pair(pair)
