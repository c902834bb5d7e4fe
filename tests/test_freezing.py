"""What `freeze` lists is frozen alike everywhere, or refused, or said to have no effect."""

from __future__ import annotations

import numpy as np
import pytest

from resnet_dsl.diagnostics.errors import CompileError
from tests.support.agreement import assert_agreement, compiled
from tests.support.backends import in_full

STEM = "stem: conv(4, 3x3) -> bn -> relu"
HEAD = "head: drop: dropout(0.5) -> gap -> fc(3)"
BLOCKS = "block act() { return x -> relu }\nblock two() { return x -> conv(4, 3x3) -> inner: act }\n"


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
