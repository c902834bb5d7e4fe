"""What an op's class says of it, against what the referee computes."""

from __future__ import annotations

import numpy as np
import pytest

from resnet_dsl.ir.arguments import Symbol
from resnet_dsl.ir.ops import CATALOGUE, Join, Op, functions
from resnet_dsl.ir.ops.base import Init, initial
from resnet_dsl.ir.shapes import Extent, Shape, ShapeError
from resnet_dsl.ir.sizes import Size
from resnet_dsl.records import MISSING
from resnet_dsl.reference import OpCall, forward
from resnet_dsl.reference.meaning import Array
from tests.support.op_cases import OPERANDS, Case, cases_of, neighbours

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


# --- arguments of training, and inputs that may change places ---------------------------------------

ARGUMENTS = [(kind, name) for kind, op in CATALOGUE.items() for name, _, _ in op.arguments()]


def inputs_of(case: Case) -> tuple[Array, ...]:
    """Values for each operand of a case, positive where they have to be."""
    drawn = np.random.default_rng(1)
    shapes = (OPERANDS[name][1].at(Extent(12, 12)) for name in case.operands)
    found = [3 * drawn.standard_normal((2, *shape)) for shape in shapes]
    return tuple(abs(x) if index in case.op.positive else x for index, x in enumerate(found))


def tensors_of(case: Case) -> dict[str, Array]:
    drawn = np.random.default_rng(2)
    return {p.name: drawn.uniform(0.1, 1.0, p.shape) for p in case.op.parameters(*case.shapes)}


def starts_of(case: Case) -> list[Init]:
    return [p.init for p in case.op.parameters(*case.shapes)]


def result_of(case: Case, inputs: tuple[Array, ...]) -> Array:
    return forward(case.op, OpCall(inputs, tensors_of(case)))


def evaluates_alike(case: Case, other: Case) -> bool:
    """Whether both have tensors of the same shapes, and with the same values give the same."""
    shapes = [{p.name: p.shape for p in each.op.parameters(*each.shapes)} for each in (case, other)]
    inputs = inputs_of(case)
    return shapes[0] == shapes[1] and np.array_equal(result_of(case, inputs), result_of(other, inputs))


@pytest.mark.parametrize(("kind", "name"), ARGUMENTS)
def test_what_evaluation_does_not_see_is_of_training_or_of_the_start(kind: str, name: str) -> None:
    cases = cases_of(kind)[:8]
    pairs = [(case, other) for case in cases for other in neighbours(case, name)]
    unseen = bool(pairs) and all(evaluates_alike(case, other) for case, other in pairs)
    starts = any(starts_of(case) != starts_of(other) for case, other in pairs)
    assert cases[0].op.in_training_alone(name) == (unseen and not starts)
    assert cases[0].op.starts_alone(name) == (unseen and starts)


@pytest.mark.parametrize("kind", [kind for kind, op in CATALOGUE.items() if issubclass(op, Join)])
def test_inputs_commute_if_their_order_changes_no_result(kind: str) -> None:
    cases = [case for case in cases_of(kind) if len(set(case.operands)) > 1]
    turned = []
    for case in cases:
        inputs = inputs_of(case)
        try:
            case.op.shape(*case.shapes[::-1], extent=Extent(12, 12))
        except ShapeError:
            turned.append(False)
        else:
            turned.append(np.array_equal(result_of(case, inputs), result_of(case, inputs[::-1])))
    assert CATALOGUE[kind].commutes == (bool(turned) and all(turned))
