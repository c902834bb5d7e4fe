"""What `freeze` lists is frozen alike everywhere, or refused, or said to have no effect."""

from __future__ import annotations

import numpy as np
import pytest

from resnet_dsl.backend.discovery import find_backend
from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.initial.seeded import random_state
from resnet_dsl.verify.case import Subject
from resnet_dsl.verify.training import verify_training
from tests.support.agreement import assert_agreement, compiled
from tests.support.backends import in_full

STEM = "stem: conv(4, 3x3) -> bn -> relu"
HEAD = "head: drop: dropout(0.5) -> gap -> fc(3)"
BLOCKS = "block act() { return x -> relu }\nblock two() { return x -> conv(4, 3x3) -> inner: act }\n"


NORMS = """
block own(width, stride = 1) {
    return x -> conv(width, 3x3, stride=stride) -> bn -> relu -> conv(width, 1x1) -> inner: gn(2) -> relu
}
model m {
    input: 3x6x6  stages: [1, 1]  widths: 4  block: own  head: bn(frozen=true) -> gap -> fc(3)
    stem: conv(4, 3x3) -> ln -> bn(center=false, eps=0) -> instance_norm -> relu
    freeze: [norms]
}"""


def net(freeze: str, stem: str = STEM, head: str = HEAD, rest: str = "") -> str:
    stages = "stages: [2, [act], mine: [two, act]]  block: two"
    return f"{BLOCKS}model m {{ input: 3x6x6  {stem}  {stages}  {head}  {rest}  freeze: [{freeze}] }}"


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        (net("stem"), 0),
        (net("stem", stem="stem: maxpool(2) -> tanh"), 1),
        (net("stem, layer1", stem="stem: maxpool(2) -> tanh"), 1),
        (net("stem", stem="stem: dropout(0.5) -> tanh"), 0),
        (net("head"), 0),
        (net("head", head="head: gap"), 1),
        (net("drop"), 0),
        (net("relu1, bn1"), 1),
        (net("layer2, layer1.1"), 1),
        (net("mine, mine.1, fc"), 1),
        (net("one", stem="stem: one: act"), 1),
        (net("stem, one", stem="stem: one: two"), 0),
        (net("head", stem="stem: head: conv(4, 3x3)"), 0),
        (net("layer1.0, stem", rest="outputs: [layer1.0]"), 0),
        (net("norms"), 0),
        (net("norms, layer1", stem="stem: conv(4, 3x3) -> gn(2) -> norms2: ln -> bn(center=false)"), 0),
        (net("norms", stem="stem: conv(4, 3x3) -> norms: bn -> instance_norm"), 0),
        (net("norms", stem="stem: conv(4, 3x3) -> instance_norm(affine=false)"), 1),
        (net("fc", stem="stem: conv(4, 3x3) -> bn(frozen=true) -> bn(frozen=true, scale=false)"), 0),
        (net("norms", stem="stem: conv(4, 3x3) -> bn(frozen=true) -> bn"), 0),
    ],
)
def test_each_backend_freezes_what_the_network_does(text: str, warnings: int) -> None:
    program = compiled(text)
    assert [found.code for found in program.warnings if found.code == "W0602"] == ["W0602"] * warnings
    assert_agreement(program, [(6, 6)], (("torch", "float64"), ("keras", "float64")))
    torch = in_full("torch").build(program)
    keras = in_full("keras").build(program)
    trained = {"torch": sum(p.numel() for p in torch.parameters() if p.requires_grad)}
    trained["keras"] = sum(int(np.prod(weight.shape)) for weight in keras.trainable_weights)
    assert set(trained.values()) == {program.cost.trainable}, trained


@pytest.mark.parametrize(
    ("text", "code", "name"),
    [
        (net("stem", stem="stem: none"), "E0214", "stem"),
        (net("head", head="head: none"), "E0214", "head"),
        (net("head", head="head: none", stem="stem: head: conv(4, 3x3)"), "E0214", "head"),
        (net("head", rest="outputs: [layer1]"), "E0214", "head"),
        (net("fc", rest="outputs: [mine]"), "E0214", "fc"),
        (net("layer2", rest="outputs: [stem]"), "E0214", "layer2"),
        (net('"layer1.1"', rest="outputs: [layer1.0]"), "E0214", "layer1.1"),
        (net('"layer1.2"'), "E0201", "layer1.2"),
        (net("input"), "E0201", "input"),
    ],
)
def test_what_is_not_there_cannot_be_frozen(text: str, code: str, name: str) -> None:
    with pytest.raises(CompileError, match=rf"error\[{code}\].*`{name}`"):
        compiled(text)


def test_all_norms_alone_are_frozen_and_the_rest_is_trained_alike() -> None:
    program = compiled(NORMS)
    frozen = {node.op.kind for node in program.graph.nodes if program.graph.is_frozen(node)}
    assert frozen == {"bn", "gn", "ln", "instance_norm"}
    assert program.cost.trainable == sum(
        parameter.size for name, parameter in program.graph.parameters() if "conv" in name or "fc" in name
    )
    state = random_state(program.graph, 0)
    subject = Subject(program, ((6, 6),), True)
    backends = {name: find_backend(name) for name in ("torch", "keras")}
    found = verify_training(subject, backends, state, 2, 0)
    assert [trained.backend for trained in found if trained.passed] == ["torch", "keras"], found


def test_a_frozen_norm_has_the_tensors_of_torchvisions() -> None:
    """Buffers alone, called as a batch norm's, and it takes those of one that counts batches."""
    import torch

    program = compiled(net("fc", stem="stem: conv(4, 3x3) -> bn(frozen=true) -> relu"))
    model = in_full("torch").build(program).train()
    names = {name for name, _ in model.bn1.named_buffers()}
    assert names == {"weight", "bias", "running_mean", "running_var"}
    assert not list(model.bn1.parameters())
    assert program.cost.buffers == sum(buffer.numel() for _, buffer in model.named_buffers() if buffer.dim())
    norm = torch.nn.BatchNorm2d(4).eval()
    for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        torch.nn.init.uniform_(tensor, 0.5, 1.5)
    model.bn1.load_state_dict(norm.state_dict())
    x = torch.randn(2, 4, 3, 3)
    assert torch.equal(model.bn1(x), norm(x))
