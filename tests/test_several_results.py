"""Several results: heads and blocks that return records, and outputs that are fields or steps inside."""

from __future__ import annotations

import re

import pytest

from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.printing.stages import print_network
from tests.support.agreement import Engine, assert_agreement, compiled
from tests.support.backends import in_full

PYRAMID = """
block lateral(width) { return x -> 0: conv(width, 1x1, bias=true) }
block smooth(width) { return x -> 0: conv(width, 3x3, bias=true) }
block inner(width, b, c) { return { a: x -> 0: lateral(width)  b: b -> 1: lateral(width)  c: c -> 2: lateral(width) } }
block layers(width, b, c) { return { a: x -> 0: smooth(width)  b: b -> 1: smooth(width)  c: c -> 2: smooth(width) } }
block fpn(width, c3, c4) {
    inner = c3 -> inner_blocks: inner(width, c4, x)
    p4 = inner.b + (inner.c -> upsample(2))
    p3 = inner.a + (p4 -> upsample(2))
    out = p3 -> layer_blocks: layers(width, p4, inner.c)
    return { p3: out.a  p4: out.b  p5: out.c }
}
block down(width) { return x -> conv(width, 3x3, stride=2) -> bn -> relu }
block two(width) { return { near: x -> conv(width, 1x1)  far: x -> relu } }
block many(levels) { return concat(levels.p3 -> avgpool(4), levels.p4 -> avgpool(2), levels.p5) }
"""  # noqa: E501
MODEL = """
    input: 3x32x40
    stem: conv(4, 3x3) -> bn -> relu
    stages: [down(4), down(8), down(12)%s]
"""
# A block's record in a stage and in the head; a step, a part and a field as fields of the head.
ALL = (
    PYRAMID
    + """
block taken(width, skip) {
    both = x -> split: two(width)
    return relu(both.near) + (both.far -> conv(width, 1x1)) + skip
}
model all(classes = 3) {"""
    + MODEL % ", pyramid: fpn(5, layer1, layer2), all: pyramid.p4 -> taken(5, pyramid.p4)"
    + """
    head: { kind: gap -> fc(classes)  pairs: x -> conv(4, 1x1) -> two(3)  fc: fc(layer3 -> gap, classes)
            low: pyramid.p3  part: pyramid.p3 -> two(3)  sum: (layer3 -> conv(5, 1x1)) + pyramid.p5 }
}
"""
)
INSIDE = (
    PYRAMID
    + "model inside {"
    + MODEL % ", pyramid: fpn(5, layer1, layer2)"
    + """
    head: { kind: pyramid.p5 -> gap -> fc(3)  box: pyramid.p4 -> gap -> fc(4) }
    outputs: [kind, layer2.0.conv1, pyramid.p4, pyramid.0.inner_blocks.1, conv1, kind.gap, layer3]
}
"""
)
ENGINES: tuple[Engine, ...] = (("torch", "float64"), ("keras", "float64"), ("onnx", "float32"))


@pytest.mark.slow
def test_every_backend_returns_the_fields_and_the_steps() -> None:
    assert_agreement(compiled(ALL), [(32, 40)], ENGINES)
    assert_agreement(compiled(INSIDE), [(32, 40)], ENGINES)


def outputs(text: str) -> dict[str, str]:
    return dict(compiled(text).graph.outputs)


def test_the_results_of_a_head_are_its_fields_in_their_order() -> None:
    assert outputs(ALL) == {
        "kind": "kind.fc",
        "pairs.near": "pairs.conv2",
        "pairs.far": "pairs.relu",
        "fc": "fc",
        "low": "pyramid.0.layer_blocks.0.0",
        "part.near": "part.conv",
        "part.far": "part.relu",
        "sum": "sum.add",
    }


def test_a_step_inside_of_anything_can_be_an_output() -> None:
    assert outputs(INSIDE) == {
        "kind": "kind.fc",
        "layer2.0.conv1": "layer2.0.conv1",
        "pyramid.p4": "pyramid.0.layer_blocks.1.0",
        "pyramid.0.inner_blocks.1": "pyramid.0.inner_blocks.1.0",
        "conv1": "conv1",
        "kind.gap": "kind.gap",
        "layer3": "layer3.0.relu1",
    }


def test_what_no_output_needs_of_a_record_is_left_out() -> None:
    program = compiled(INSIDE)
    assert "no output needs pyramid.p3, box: left out" in [w.message for w in program.warnings]
    names = {node.name for node in program.graph.nodes}
    assert not any(
        name.startswith(("pyramid.0.layer_blocks.0", "pyramid.0.inner_blocks.0", "box")) for name in names
    )
    assert {"pyramid.0.layer_blocks.2.0", "pyramid.0.inner_blocks.2.0"} <= names  # `kind` starts from it


def test_a_head_that_starts_from_another_field_leaves_the_first_out() -> None:
    text = """block fork(width) {
    same = share(conv(width, 3x3))
    deep = x -> relu -> same
    return { near: deep -> same  far: x -> same  same: x }
}
model m { input: 3x8x8  stem: conv(4, 3x3)  stages: [fork(4)]
          head: layer1.%s -> gap -> fc(2)  outputs: head }
"""
    graph = compiled(text % "far").graph
    assert [node.name for node in graph.nodes] == ["conv1", "layer1.0.conv1", "gap", "fc"]
    assert [node.name for node in compiled(text % "same").graph.nodes] == ["conv1", "gap", "fc"]
    assert len(compiled(text % "near").graph.nodes) == 6


def test_the_last_block_of_a_stage_is_a_record_as_the_stage_is() -> None:
    text = (
        PYRAMID + "model m {" + MODEL % ", p: fpn(5, layer1, layer2)" + "head: none  outputs: [stem, p.0] }"
    )
    assert list(outputs(text)) == ["stem", "p.p3", "p.p4", "p.p5"]


def test_a_stage_that_is_the_last_part_returns_the_fields_of_its_record() -> None:
    text = PYRAMID + "model m {" + MODEL % ", pyramid: fpn(5, layer1, layer2)" + "head: none }"
    assert list(outputs(text)) == ["pyramid.p3", "pyramid.p4", "pyramid.p5"]
    assert outputs(text) == outputs(text.replace("head: none", "head: none  outputs: pyramid"))
    head = PYRAMID + "model m {" + MODEL % "" + "head: fpn(5, c3=layer1, c4=layer2) }"
    assert list(outputs(head)) == ["p3", "p4", "p5"]
    assert outputs(head) == outputs(head.replace("layer2) }", "layer2)  outputs: head }"))


def test_a_record_is_handed_to_a_block_as_a_whole() -> None:
    stage = PYRAMID + "model m {" + MODEL % ", p: fpn(5, layer1, layer2), p.p5 -> many(p)" + "head: none }"
    head = PYRAMID + "model m {" + MODEL % ", p: fpn(5, layer1, layer2)" + "head: p.p5 -> all: many(p) }"
    labelled = PYRAMID + """
block both(width, c3, c4) {
    levels = x -> p: fpn(width, c3, c4)
    return x -> all: many(levels)
}
model m {""" + MODEL % ", both(5, layer1, layer2)" + "head: none }"  # fmt: skip
    for text, path in ((stage, "layer5.0"), (head, "all"), (labelled, "layer4.0.all")):
        graph = compiled(text).graph
        takes = {node.name: node.inputs for node in graph.nodes}
        assert takes[f"{path}.concat1"] == (
            f"{path}.avgpool1",
            f"{path}.avgpool2",
            takes[f"{path}.concat1"][2],
        )
        assert takes[f"{path}.concat1"][2].endswith("layer_blocks.2.0")


def test_a_field_that_is_none_is_left_out() -> None:
    text = "block box() { return x -> gap -> fc(4) }  model m(more = %s) { stages: [1]  block: basic"
    text += "  head: { kind: gap -> fc(3)  box: if more then box else none } }"
    assert list(outputs(text % "true")) == ["kind", "box"]
    assert list(outputs(text % "false")) == ["kind"]
    other = "model m(n = %d) { stages: [1]  block: basic"
    other += "  head: if n > 1 then { a: gap -> fc(3) } else gap -> fc(3) }"
    assert (list(outputs(other % 2)), list(outputs(other % 1))) == (["a"], ["output"])


def test_the_names_of_a_field_are_those_of_a_level() -> None:
    names = [name for name, _ in compiled(ALL).graph.parameters()]
    assert {
        "kind.fc.weight",
        "fc.weight",
        "pairs.conv1.weight",
        "pairs.conv2.weight",
        "sum.conv.weight",
    } <= set(names)
    assert {"pyramid.0.inner_blocks.0.0.weight", "all.0.split.conv1.weight"} <= set(names)


def test_parts_of_a_record_are_frozen_by_name() -> None:
    program = compiled(ALL.replace("head: {", "freeze: [kind, pyramid]  head: {"))
    frozen = {node.part for node in program.graph.nodes if program.graph.is_frozen(node)}
    assert frozen == {"pyramid", "head"}
    assert program.cost.trainable < program.cost.params


def test_the_print_of_a_network_names_the_fields() -> None:
    text = print_network(compiled(INSIDE))
    assert (
        "return p4 = pyramid.0.layer_blocks.1.0, p5 = pyramid.0.layer_blocks.2.0, pyramid.0.inner_blocks.1.0"
        in text
    )
    assert re.search(r"return kind = kind.fc, kind.gap$", text, re.MULTILINE)


def test_a_field_that_nothing_takes_is_an_error_without_outputs() -> None:
    with pytest.raises(CompileError) as caught:
        compiled(PYRAMID + "model m { stages: [pair: two(4)]  head: pair.far -> gap -> fc(3) }")
    assert [(found.code, found.message.split(":")[0]) for found in caught.value.diagnostics] == [
        ("E0213", "`pair.0.conv1` in pair is not used")
    ]


def test_torch_compiles_scripts_and_exports_blocks_of_several_results() -> None:
    torch = pytest.importorskip("torch")
    program = compiled(INSIDE)
    model = in_full("torch").build(program).eval()
    x = torch.randn(2, 3, 32, 40)
    wanted = model(x)
    assert list(wanted) == list(dict(program.graph.outputs))
    exported = torch.export.export(model, (x,)).module()
    for other in (torch.jit.script(model), exported, torch.compile(model, fullgraph=True, backend="eager")):
        found = other(x)
        assert list(found) == list(wanted)
        assert all(torch.equal(found[name], value) for name, value in wanted.items())
