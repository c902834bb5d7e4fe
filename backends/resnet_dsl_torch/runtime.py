"""The live PyTorch model: built from its own source, loaded, read, run and looked into with NumPy arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch

from resnet_dsl.backend.ir import Array, Extent, GraphNode, Program
from resnet_dsl.backend.python_source import module_of, own_classes
from resnet_dsl_torch.render import render

COUNTER = "num_batches_tracked"


def build(program: Program, dtype: str | None = None) -> torch.nn.Module:
    """Return the rendered source's model, in `dtype` or torch's default: it can be pickled."""
    return build_source(render(program), program.name, dtype)


def build_with(program: Program, state: Mapping[str, Array], dtype: str | None = None) -> torch.nn.Module:
    """Return the model with these weights; none is started before."""
    home, model_class = torch.get_default_device(), _class_of(render(program), program.name)
    methods = {"load_state_dict": lambda *_, **__: None, "reset_parameters": lambda self: None}
    unstarted = type(model_class.__name__, (model_class,), methods)
    with torch.device("meta"):
        model: torch.nn.Module = unstarted()
    model.__class__ = model_class
    return _loaded(model if dtype is None else model.to(getattr(torch, dtype)), state, home)


def build_source(source: str, name: str, dtype: str | None) -> torch.nn.Module:
    """Execute source and return an instance of its model."""
    model: torch.nn.Module = _class_of(source, name)()
    return model if dtype is None else model.to(getattr(torch, dtype))


def _class_of(source: str, name: str) -> type[Any]:
    """The class of the model, which is the last of its source."""
    return own_classes(module_of(source, name))[-1]


def load_state(model: torch.nn.Module, state: Mapping[str, Array]) -> torch.nn.Module:
    """Load every tensor of `state` strictly; batch counters are torch's own and start at 0."""
    return _loaded(model, state, None)


def _loaded(model: torch.nn.Module, state: Mapping[str, Array], home: torch.device | None) -> torch.nn.Module:
    """The model with its tensors overwritten or, with a `home`, replaced by others that are there."""
    tensors = {name: torch.from_numpy(np.array(value)) for name, value in state.items()}
    for name, value in model.state_dict().items():
        if name.endswith(COUNTER):
            tensors.setdefault(name, torch.zeros_like(value, device=home))
        if home is not None and name in tensors:
            tensors[name] = tensors[name].to(home, value.dtype)
    model.load_state_dict(tensors, strict=True, assign=home is not None)
    return model


def read_state(model: torch.nn.Module) -> dict[str, Array]:
    """Return the state without the batch counters."""
    items = model.state_dict().items()
    return {name: value.cpu().numpy().copy() for name, value in items if not name.endswith(COUNTER)}


def run(model: torch.nn.Module, x: Array) -> dict[str, Array]:
    """Evaluate one batch in its own dtype and leave the model as it was."""
    # A norm without scale and shift has statistics alone, which are no parameters.
    floats = (value.dtype for value in model.state_dict().values() if value.is_floating_point())
    training, dtype = model.training, next(floats, torch.float32)
    tensor = torch.from_numpy(x)
    if tensor.is_floating_point():  # images are bytes, whatever the model's precision
        model.to(tensor.dtype)
    with torch.no_grad():
        result = model.eval()(tensor)
    model.to(dtype).train(training)
    outputs = result if isinstance(result, dict) else {"output": result}
    return {name: value.numpy() for name, value in outputs.items()}


def trace(model: torch.nn.Module, program: Program, x: Array) -> dict[str, Array]:
    """Return results by op as far as modules show them, in evaluation mode and the batch's dtype.

    A module shows its result and its input, which is the result of the op before; what lies
    between two modules (activations, sums) shows as the next one's input, unless it is padded before.
    """
    blocks = dict(program.graph.parts)
    extent = Extent(*x.shape[2:])
    found: dict[str, Array] = {}
    nodes: dict[str, list[GraphNode]] = {}  # those of a module, in the order that it is called
    for node in program.graph.nodes:
        nodes.setdefault(node.home.name, []).append(node)
    calls: Counter[str] = Counter()

    def called(name: str) -> GraphNode | None:
        return next(iter(nodes.get(name, [])[calls[name] :]), None)

    # What a module is given or gives may be overwritten by what follows, hence the copies.
    def before(name: str, _: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        if (node := called(name)) and tuple(inputs[0].shape[1:]) == node.input_shapes[0].at(extent):
            found.setdefault(node.inputs[0], inputs[0].numpy().copy())

    def behind(name: str, _: torch.nn.Module, __: object, output: object) -> None:
        node = called(name)
        calls[name] += 1
        if isinstance(output, torch.Tensor) and (node or (name in blocks and calls[name] == 1)):
            found[node.name if node else blocks[name]] = output.numpy().copy()

    hooks = [m.register_forward_pre_hook(partial(before, name)) for name, m in model.named_modules()]
    hooks += [m.register_forward_hook(partial(behind, name)) for name, m in model.named_modules()]
    tensor = torch.from_numpy(x)
    model.eval().to(tensor.dtype)
    with torch.no_grad():
        model(tensor)
    for hook in hooks:
        hook.remove()
    return found
