"""Normal deviates from random bits by operations that every machine rounds alike.

The inverse of the normal distribution function is Wichura's AS241 (1988, relative error about
1e-16). It wants rationals, a square root and, in the tails, a logarithm. IEEE 754 fixes the result
of `+ - * / sqrt` to the last bit, but not that of `log`, which differs between C libraries and
between NumPy's vector paths; so the logarithm is a series here, made of the same operations.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bits = NDArray[np.uint64]
Rational = tuple[tuple[float, ...], tuple[float, ...]]

# Coefficients of numerator and denominator, highest power first: |u - 1/2| <= CENTRAL, then the
# tails by r = sqrt(-log u) up to and past FAR.
CENTRAL = 0.425
FAR = 5.0
CENTRE: Rational = (
    (2509.0809287301226727, 33430.575583588128105, 67265.770927008700853, 45921.953931549871457,
     13731.693765509461125, 1971.5909503065514427, 133.14166789178437745, 3.387132872796366608),
    (5226.495278852854561, 28729.085735721942674, 39307.89580009271061, 21213.794301586595867,
     5394.1960214247511077, 687.1870074920579083, 42.313330701600911252, 1.0),
)  # fmt: skip
NEAR_TAIL: Rational = (
    (7.7454501427834140764e-4, 0.0227238449892691845833, 0.24178072517745061177, 1.27045825245236838258,
     3.64784832476320460504, 5.7694972214606914055, 4.6303378461565452959, 1.42343711074968357734),
    (1.05075007164441684324e-9, 5.475938084995344946e-4, 0.0151986665636164571966, 0.14810397642748007459,
     0.68976733498510000455, 1.6763848301838038494, 2.05319162663775882187, 1.0),
)  # fmt: skip
FAR_TAIL: Rational = (
    (2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.2426609473880784386e-3, 0.026532189526576123093,
     0.29656057182850489123, 1.7848265399172913358, 5.4637849111641143699, 6.6579046435011037772),
    (2.04426310338993978564e-15, 1.4215117583164458887e-7, 1.8463183175100546818e-5, 7.868691311456132591e-4,
     0.0148753612908506148525, 0.13692988092273580531, 0.59983220655588793769, 1.0),
)  # fmt: skip
LN_2 = 0.6931471805599453094
ROWS = 5
SQRT_HALF = 0.70710678118654752440
SERIES = tuple(2.0 / (2 * k + 1) for k in range(12, -1, -1))


def uniforms(bits: Bits) -> Floats:
    """Return numbers strictly between 0 and 1, symmetric about 1/2: every step here is exact."""
    return _uniforms(bits, np.empty(bits.shape))


def normals(bits: Bits, room: Floats | None = None) -> Floats:
    """Return standard normal deviates, one for each 64 random bits.

    `room` has `ROWS` rows as long as the bits. The result and all on the way to it are in it, so that
    who asks again and again for a few gets no new memory from the system each time.
    """
    rows: Floats = np.empty((ROWS, *bits.shape)) if room is None else room
    u, q, x, above, below = rows
    np.subtract(_uniforms(bits, u), 0.5, out=q)
    np.multiply(q, q, out=x)
    np.subtract(CENTRAL * CENTRAL, x, out=x)
    _polynomial(CENTRE[0], x, above)
    above /= _polynomial(CENTRE[1], x, below)
    above *= q
    (tail,) = np.nonzero(np.abs(q, out=q) > CENTRAL)
    above[tail] = _tails(u[tail])
    result: Floats = above
    return result


def _uniforms(bits: Bits, out: Floats) -> Floats:
    out[...] = (bits >> np.uint64(12)).view(np.int64)  # which a processor makes floats of faster
    out += 0.5
    out *= 2.0**-52
    return out


def log(x: Floats) -> Floats:
    """Return the natural logarithm, to about 1e-16 relative away from 1."""
    mantissa, exponent = np.frexp(x)
    low = mantissa < SQRT_HALF
    mantissa = np.where(low, 2.0 * mantissa, mantissa)
    exponent = exponent - low
    s = (mantissa - 1.0) / (mantissa + 1.0)  # log m = 2 artanh s, and |s| < 0.172
    return exponent * LN_2 + s * _polynomial(SERIES, s * s, np.empty_like(s))


def _tails(u: Floats) -> Floats:
    r = np.sqrt(-log(np.minimum(u, 1.0 - u)))
    size = _rational(NEAR_TAIL, r - 1.6)
    (far,) = np.nonzero(r > FAR)
    if far.size:  # of a million numbers, none
        size[far] = _rational(FAR_TAIL, r[far] - FAR)
    return np.copysign(size, u - 0.5)


def _rational(coefficients: Rational, x: Floats) -> Floats:
    above, below = (_polynomial(each, x, np.empty_like(x)) for each in coefficients)
    above /= below
    return above


def _polynomial(coefficients: tuple[float, ...], x: Floats, result: Floats) -> Floats:
    """Horner's rule, in place: the arrays are large."""
    np.multiply(x, coefficients[0], out=result)
    result += coefficients[1]
    for coefficient in coefficients[2:]:
        result *= x
        result += coefficient
    return result
