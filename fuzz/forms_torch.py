"""The forms that a torch model is carried in: each has to give the model's own results, to the last bit."""

from __future__ import annotations

import copy
import io
import logging
import pickle
from collections.abc import Callable

import torch

from fuzz.engines import Check, Subject
from resnet_dsl.ir.arrays import Array


def _run(model: Callable[[torch.Tensor], object], x: Array) -> dict[str, Array]:
    with torch.no_grad():
        result = model(torch.from_numpy(x))
    outputs = result if isinstance(result, dict) else {"output": result}
    return {name: value.numpy() for name, value in outputs.items() if isinstance(value, torch.Tensor)}


def _state_dict(name: str, subject: Subject) -> Check:
    file = io.BytesIO()
    torch.save(subject.model.state_dict(), file)
    file.seek(0)
    fresh = subject.runtime.build(subject.program, "float64")
    fresh.load_state_dict(torch.load(file, weights_only=True), strict=True)
    return subject.same(name, _run(fresh.eval(), subject.x))


def _pickled(name: str, subject: Subject) -> Check:
    return subject.same(name, _run(pickle.loads(pickle.dumps(subject.model.eval())), subject.x))


def _copied(name: str, subject: Subject) -> Check:
    return subject.same(name, _run(copy.deepcopy(subject.model.eval()), subject.x))


def _scripted(name: str, subject: Subject) -> Check:
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(subject.model.eval()), file)
    file.seek(0)
    return subject.same(name, _run(torch.jit.load(file), subject.x))


def _exported(name: str, subject: Subject) -> Check:
    model, x = subject.model.eval(), torch.from_numpy(subject.x)
    open_batch = ({0: torch.export.Dim.AUTO},) if len(x) > 1 else None
    exported = torch.export.export(model, (x,), dynamic_shapes=open_batch).module()
    return subject.same(name, _run(exported, subject.x))


def _trained(name: str, subject: Subject) -> Check:
    """A step of training: gradients are finite, and the model is one that learns."""
    model = copy.deepcopy(subject.model).train()
    x = torch.from_numpy(subject.x)
    x = torch.cat([x, -x])  # as a batch norm cannot learn from one vector
    loss = _loss(model, x)
    learned = [p for p in model.parameters() if p.requires_grad]
    if learned and loss.requires_grad:
        loss.backward()
        finite = all(map(_finite, (p.grad for p in learned if p.grad is not None)))
        if not finite and _stays_finite(model, x):
            return Check(name, message="a gradient is not finite")
    return Check(name)


def _loss(model: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    # The input needs a gradient, as the backward pass of PyTorch 2.13's group norm ends the process on a map
    # in channels-last order that needs none.
    result = model(x.requires_grad_())
    outputs = result.values() if isinstance(result, dict) else [result]
    return sum(((value**2).mean() for value in outputs), torch.zeros(()))


def _stays_finite(model: torch.nn.Module, x: torch.Tensor) -> bool:
    """Whether all that a backward pass reads is finite: an `exp` of what is large has no finite gradient."""
    found: list[bool] = []

    def kept(value: torch.Tensor) -> torch.Tensor:
        found.append(_finite(value))
        return value

    with torch.autograd.graph.saved_tensors_hooks(kept, lambda value: value):
        _loss(model, x)
    return all(found)


def _finite(value: torch.Tensor) -> bool:
    return bool(value.isfinite().all())


logging.getLogger("torch").setLevel(logging.ERROR)  # export says a sentence for every size

FORMS = {
    "state_dict": _state_dict,
    "pickle": _pickled,
    "deepcopy": _copied,
    "script": _scripted,
    "export": _exported,
    "training": _trained,
}
RARELY = {"export": 4}
