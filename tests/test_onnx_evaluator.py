"""Ops in place of those of ONNX's reference evaluator: the same numbers where its own are right."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from onnx.reference import ReferenceEvaluator
from resnet_dsl_onnx.evaluator_ops import EVALUATOR_OPS

from resnet_dsl.backend.ir import Array

SPATIAL = st.sampled_from([1, 2])


def evaluated(ops: list[Any], kind: str, *inputs: Array, **attributes: object) -> Array:
    """What an evaluator makes of one node."""
    names = [f"i{index}" for index, _ in enumerate(inputs)]
    node = helper.make_node(kind, names, ["y"], **attributes)
    given_types = [
        helper.make_tensor_value_info(name, onnx.TensorProto.DOUBLE, value.shape)
        for name, value in zip(names, inputs, strict=True)
    ]
    result = helper.make_tensor_value_info("y", onnx.TensorProto.DOUBLE, None)
    model = helper.make_model(helper.make_graph([node], "one", given_types, [result]))
    (found,) = ReferenceEvaluator(model, new_ops=ops).run(None, dict(zip(names, inputs, strict=True)))
    assert isinstance(found, np.ndarray)
    return found


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data(), axes=SPATIAL, seed=st.integers(0, 2**20))
def test_a_convolution_is_the_evaluator_s_own(data: st.DataObject, axes: int, seed: int) -> None:
    def each(least: int, most: int) -> list[int]:
        return data.draw(st.lists(st.integers(least, most), min_size=axes, max_size=axes))

    groups = data.draw(st.sampled_from([1, 2, 4]))
    kernel, strides, dilations = each(1, 4), each(1, 3), each(1, 3)
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    sizes = [span + more for span, more in zip(spans, each(0, 6), strict=True)]
    more: dict[str, object] = {"pads": [*each(0, 3), *each(0, 3)]}
    if dilations == [1] * axes and data.draw(st.booleans()):
        more = {"auto_pad": "SAME_UPPER"}
    random = np.random.default_rng(seed)
    x = random.standard_normal((2, 4, *sizes))
    weight = random.standard_normal((8, 4 // groups, *kernel))
    bias = [random.standard_normal(8)] if data.draw(st.booleans()) else []
    attributes = {"group": groups, "strides": strides, "dilations": dilations, "kernel_shape": kernel, **more}
    ours, theirs = (
        evaluated(ops, "Conv", x, weight, *bias, **attributes) for ops in (list(EVALUATOR_OPS), [])
    )
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("attributes", [{}, {"group": 4}], ids=["plain", "groups"])
def test_a_convolution_without_attributes_has_onnx_s_defaults(attributes: dict[str, object]) -> None:
    random = np.random.default_rng(0)
    x, weight = random.standard_normal((1, 4, 5, 6)), random.standard_normal((8, 4, 3, 2))
    weight = weight[:, : 4 // int(str(attributes.get("group", 1)))]
    ours, theirs = (evaluated(ops, "Conv", x, weight, **attributes) for ops in (list(EVALUATOR_OPS), []))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


def test_a_dilation_takes_no_memory() -> None:
    """Its own evaluator writes out 73x73 taps: 1.4 GB for this one."""
    random = np.random.default_rng(0)
    x, weight = random.standard_normal((1, 256, 8, 8)), random.standard_normal((128, 256, 3, 3))
    tracemalloc.start()
    found = evaluated(
        list(EVALUATOR_OPS), "Conv", x, weight, dilations=[36, 36], pads=[36] * 4, kernel_shape=[3, 3]
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(
        found, np.einsum("nchw,oc->nohw", x, weight[:, :, 1, 1]), rtol=0, atol=1e-10
    )  # the other taps meet padding alone
    assert peak < 100e6
