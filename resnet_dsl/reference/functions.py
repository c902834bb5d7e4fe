"""Functions of each value, each as its value at x and its slope at x where the value is y."""

from __future__ import annotations

import numpy as np

from resnet_dsl.ir.ops import Absolute, Clip, Exponential, Logarithm, Op, Power, SquareRoot
from resnet_dsl.reference.elementwise import Slope, Value, register

# A slope at a kink is that of torch: 0 for abs at 0, 1 for clip at a bound.
FUNCTIONS: dict[type[Op], tuple[Value, Slope]] = {
    Exponential: (lambda op, x: np.exp(x), lambda op, x, y: y),
    Logarithm: (lambda op, x: np.log(x), lambda op, x, y: 1.0 / x),
    SquareRoot: (lambda op, x: np.sqrt(x), lambda op, x, y: 0.5 / y),
    Absolute: (lambda op, x: np.abs(x), lambda op, x, y: np.sign(x)),
    Clip: (
        lambda op, x: np.clip(x, op.low, op.high),
        lambda op, x, y: ((x >= op.low) & (x <= op.high)).astype(np.float64),
    ),
    Power: (
        lambda op, x: np.power(x, op.exponent),
        lambda op, x, y: op.exponent * np.power(x, op.exponent - 1.0) if op.exponent else np.zeros(x.shape),
    ),
}

for _kind, (_value, _slope) in FUNCTIONS.items():
    register(_kind, _value, _slope)
