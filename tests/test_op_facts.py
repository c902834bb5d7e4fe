"""What an op's class says of it, against what the referee computes."""

from __future__ import annotations

import numpy as np
import pytest

from resnet_dsl.ir.arguments import Symbol
from resnet_dsl.ir.ops import CATALOGUE, Op, functions
from resnet_dsl.ir.ops.base import Init, initial
from resnet_dsl.ir.shapes import Extent, Shape
from resnet_dsl.ir.sizes import Size
from resnet_dsl.records import MISSING, fields, replace
from resnet_dsl.reference import OpCall, forward
from resnet_dsl.reference.meaning import Array
from tests.support.op_cases import VALUES, Case, cases_of

MAP = Shape(64, (Size("H"), Size("W")))
NEUTRAL = {"mean": 0.0, "shift": 0.0, "bias": 0.0}
PLAIN = [
    kind
    for kind, op in CATALOGUE.items()
    if op.inputs == 1 and all(default is not MISSING for _, _, default in op.arguments())
]


def computed(op: Op, x: Array) -> Array:
    tensors = {p.name: np.full(p.shape, NEUTRAL.get(p.role, 0.5)) for p in op.parameters(MAP)}
    return forward(op, OpCall((x,), tensors))


def changed(op: Op, x: Array, channel: int) -> Array:
    """Where a result changes by one value of a channel."""
    other = x.copy()
    other[0, channel, 1, 2] += 0.75
    before, after = ((abs(value) if op.positive else value) for value in (x, other))
    return computed(op, after) != computed(op, before)


@pytest.fixture
def x() -> Array:
    return np.random.default_rng(0).standard_normal((1, MAP.channels, 3, 4))


def test_the_ops_without_arguments_are_many() -> None:
    assert len(PLAIN) > 15


@pytest.mark.parametrize("kind", PLAIN)
def test_an_activation_is_a_nonlinear_function_of_one_value(kind: str, x: Array) -> None:
    op = CATALOGUE[kind].make({})
    alone = computed(op, x).shape == x.shape and changed(op, x, 1).sum() == 1
    linear = np.allclose(computed(op, -3 * x), -3 * computed(op, x))
    usual = type(op).__module__ != functions.__name__  # what an activation is made of is none itself
    assert op.activation == (alone and not linear and usual)


@pytest.mark.parametrize("kind", PLAIN)
def test_an_op_that_mixes_channels_makes_others_of_the_next(kind: str, x: Array) -> None:
    op = CATALOGUE[kind].make({})
    assert op.mixes_channels == changed(op, x, 1)[:, 0].any()


STARTS = [
    (kind, spec.name) for kind, op in CATALOGUE.items() for spec in fields(op) if spec.metadata["starts"]
]


@pytest.mark.parametrize(("kind", "argument"), STARTS)
def test_how_tensors_start_changes_nothing_once_they_are_given(kind: str, argument: str) -> None:
    for case in cases_of(kind):
        for value in choices(CATALOGUE[kind], argument):
            other = case.op.having(argument, value)
            assert other.computation == case.op.computation
            assert np.array_equal(result_of(replace(case, op=other)), result_of(case))


def choices(op: type[Op], argument: str) -> tuple[object, ...]:
    """What an argument is tried with."""
    rule = next(rule for name, rule, _ in op.arguments() if name == argument)
    return VALUES.get(rule, rule.choices)


def result_of(case: Case, flip: bool = False) -> Array:
    """What the op computes of the case's inputs, or of these in turn, with tensors that are drawn."""
    drawn = np.random.default_rng(1)
    extent = Extent(12, 12)
    inputs = tuple(drawn.uniform(0.1, 1, (1, *shape.at(extent))) for shape in case.shapes)
    tensors = {each.name: drawn.uniform(0.5, 1.5, each.shape) for each in case.op.parameters(*case.shapes)}
    return forward(case.op, OpCall(inputs[::-1] if flip else inputs, tensors))


COMMUTING = [kind for kind, op in CATALOGUE.items() if op.commutes]


@pytest.mark.parametrize("kind", COMMUTING)
def test_the_order_of_inputs_changes_nothing_where_the_op_says_so(kind: str) -> None:
    pairs = [case for case in cases_of(kind) if len(case.shapes) == 2]
    assert pairs
    for case in pairs:
        assert np.array_equal(result_of(case), result_of(case, flip=True))


def test_sums_and_products_commute_and_quotients_do_not() -> None:
    assert {"add", "mul"} <= set(COMMUTING)
    assert "div" not in COMMUTING


@pytest.mark.parametrize("kind", PLAIN)
def test_shapes_are_those_of_the_results(kind: str, x: Array) -> None:
    op, extent = CATALOGUE[kind].make({}), Extent(*x.shape[2:])
    assert computed(op, x).shape[1:] == op.shape(MAP, extent=extent).at(extent)


@pytest.mark.parametrize(
    ("scheme", "kind", "variance", "fan"),
    [
        ("he", "normal", 2 / 120, "fan_out"),
        ("he_fan_in", "normal", 2 / 60, "fan_in"),
        ("glorot", "uniform", 2 / (60 + 120), "fan_avg"),
        ("uniform", "uniform", 1 / (3 * 60), "fan_in"),
    ],
)
def test_a_weight_starts_with_the_variance_of_its_scheme(
    scheme: str, kind: str, variance: float, fan: str
) -> None:
    found = initial(scheme, (8, 4, 3, 5))
    assert (found.kind, found.fan, found.scheme) == (kind, fan, scheme)
    assert np.isclose(found.value**2 / (3 if kind == "uniform" else 1), variance, rtol=1e-12)
    fans = {"fan_in": 60, "fan_out": 120, "fan_avg": 90}
    assert np.isclose(found.scale / fans[fan], variance, rtol=1e-12)


def test_small_weights_are_small_whatever_their_shape() -> None:
    assert initial("small", (8, 4, 3, 5)) == initial("small", (1, 1)) == Init("normal", 0.01, "small")


# After these an activation may write over its input: nobody else reads it, their own backward neither.
FRESH = {"conv", "fc", "bn", "gn", "instance_norm", "prelu", "add", "mul", "concat"}
READ_AGAIN = {"relu", "sigmoid", "tanh", "softmax", "maxpool", "ln", "dropout", "flatten", "part"}


def test_what_may_be_overwritten_is_new_and_read_by_nobody() -> None:
    fresh = {kind for kind, op in CATALOGUE.items() if op.fresh}
    assert fresh >= FRESH
    assert not fresh & READ_AGAIN


@pytest.mark.parametrize(("side", "before"), [("end", 0), ("both", 1)])
def test_channels_are_padded_on_the_side_that_is_given(side: str, before: int, x: Array) -> None:
    op = CATALOGUE["pad_channels"].make({"channels": 67, "side": Symbol(side)})
    result = forward(op, OpCall((x,)))
    assert np.array_equal(result[:, before : before + 64], x)
    assert np.count_nonzero(result) == x.size


@pytest.mark.parametrize(("per_channel", "shape"), [(False, (1,)), (True, (64,))])
def test_a_slope_is_one_or_one_a_channel(per_channel: bool, shape: tuple[int, ...]) -> None:
    (slope,) = CATALOGUE["prelu"].make({"per_channel": per_channel}).parameters(MAP)
    assert slope.shape == shape
