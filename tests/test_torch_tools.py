"""PyTorch's tools take a generated model: every op of the catalogue, in every way that it is written."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from resnet_dsl.ir.ops import CATALOGUE
from resnet_dsl.program import Program
from tests.support.agreement import Size, compiled, images
from tests.support.backends import in_full
from tests.support.op_cases import SIZES, cases_of, model_of

torch = pytest.importorskip("torch")
backend = in_full("torch")

each_op = pytest.mark.parametrize("kind", CATALOGUE)
each_way = pytest.mark.parametrize("chained", [False, True], ids=["steps", "chained"])


def model_for(kind: str, chained: bool) -> tuple[Program, Any]:
    """A model of all uses of an op, as methods or as containers write it."""
    program = compiled(model_of(cases_of(kind), "12x12", chained))
    return program, backend.build(program).eval()


def batch(program: Program, size: Size = SIZES[0], count: int = 2) -> Any:
    return torch.from_numpy(images(program, size, count)).float()


def result(model: Any, x: Any) -> Any:
    """What a model gives, whatever it draws."""
    torch.manual_seed(0)
    return model(x)


@each_way
@each_op
def test_an_op_is_traced_by_fx(kind: str, chained: bool) -> None:
    """In training, too; what is traced is another batch's model as well."""
    program, model = model_for(kind, chained)
    for training in (True, False):
        model.train(training)
        traced = torch.fx.symbolic_trace(model)
        for count in (2, 3):
            x = batch(program, count=count)
            assert torch.equal(result(traced, x), result(copy.deepcopy(model), x))


@each_op
def test_an_op_is_scripted_and_pickled(kind: str) -> None:
    program, model = model_for(kind, True)
    x = batch(program)
    expected = model(x)
    assert torch.equal(torch.jit.script(model)(x), expected)
    assert torch.equal(pickle.loads(pickle.dumps(model))(x), expected)


def test_what_takes_several_tensors_or_is_cut_is_scripted() -> None:
    """Alone it is no op of a container."""
    program = compiled("""
        block b() {
            y = x -> attention(x, x, heads=2) -> attention(x, x, relative=12x12)
            return y -> conv_transpose(4, 6x8, pad=same, dilation=3x2, bias=true)
        }
        model m { input: 4x12x12  stem: none  stages: [b]  head: none }""")
    model, x = backend.build(program).eval(), batch(program)
    assert torch.equal(torch.jit.script(model)(x), model(x))


@pytest.mark.slow
@each_op
def test_an_op_is_exported_and_compiled_in_whole(kind: str) -> None:
    program, model = model_for(kind, False)
    x = batch(program)
    expected = model(x)
    exported = torch.export.export(model, (x,), dynamic_shapes=({0: torch.export.Dim.AUTO},)).module()
    assert torch.equal(exported(x), expected)
    assert torch.equal(torch.compile(model, fullgraph=True, backend="eager")(x), expected)


def test_a_traced_model_takes_other_sizes() -> None:
    program = compiled("""
        block b() { return x + (x -> conv(4, 3x3, pad=same) -> stochastic_depth(0.5)) }
        model m { input: 4xHxW  stem: maxpool(3x3, stride=2, pad=same)  stages: [2]  block: b
                  head: avgpool(2x2, pad=same) -> gap -> fc(3) }""")
    model = backend.build(program)
    for training in (False, True):
        traced = torch.fx.symbolic_trace(model.train(training))
        for size in ((8, 8), (9, 13)):
            x = batch(program, size)
            assert torch.equal(result(traced, x), result(model, x))
    names = {str(node.target) for node in traced.graph.nodes if node.op == "call_function"}
    assert any("stochastic_depth" in name for name in names)
