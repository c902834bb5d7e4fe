"""PyTorch's tools take a generated model: every op of the catalogue, in every way that it is written."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from resnet_dsl.backend.discovery import find_backend, runtime_of
from resnet_dsl.backend.interface import built_with
from resnet_dsl.initial.seeded import initial_state
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
def test_no_tensor_of_an_op_is_left_without_a_start(kind: str) -> None:
    """Layers are made without data, and what is empty is NaN where torch is to be deterministic."""
    program = compiled(model_of(cases_of(kind), "12x12"))
    torch.use_deterministic_algorithms(True)
    try:
        model = backend.build(program)
    finally:
        torch.use_deterministic_algorithms(False)
    for name, value in model.state_dict().items():
        assert not value.is_meta, name
        assert value.isfinite().all() if value.is_floating_point() else value == 0, name


def test_a_model_is_built_where_torch_is_told_to() -> None:
    program = compiled(model_of(cases_of("conv"), "12x12"))
    state = initial_state(program.graph, 0)
    with torch.device("meta"):
        elsewhere = backend.build(program), built_with(runtime_of(find_backend("torch")), program, state)
    for model in elsewhere:
        assert all(value.is_meta for value in model.state_dict().values())


def test_a_model_made_with_weights_is_the_one_that_they_are_loaded_into() -> None:
    """Tensors, what is trained, class and mode; the arrays stay the caller's."""
    program = compiled(
        "model t { input: 3x12x12  stem: conv(4, 3x3) -> bn -> relu  stages: [1]  widths: [8]  block: basic"
        "  head: gap -> fc(5)  freeze: [stem] }"
    )
    state = initial_state(program.graph, 0)
    for dtype in ("float32", "float64"):
        made = built_with(runtime_of(find_backend("torch")), program, state, dtype)
        loaded = backend.load_state(backend.build(program, dtype), state)
        assert (type(made), made.training) == (type(loaded), loaded.training)
        found, wanted = (
            {**dict(m.named_parameters()), **m.state_dict(keep_vars=True)} for m in (made, loaded)
        )
        assert list(found) == list(wanted)
        for value in state.values():
            value += 1.0
        for name, value in wanted.items():
            assert (found[name].dtype, found[name].requires_grad) == (value.dtype, value.requires_grad)
            assert torch.equal(found[name], value)
        x = batch(program).to(getattr(torch, dtype))
        assert torch.equal(pickle.loads(pickle.dumps(made))(x), copy.deepcopy(loaded)(x))


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
