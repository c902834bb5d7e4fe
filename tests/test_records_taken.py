"""Blocks that take a record: `x.a` in a pipe, in a stage behind a record, in a row, shared, in the head."""

from __future__ import annotations

import pytest

from resnet_dsl.initial.seeded import random_state
from resnet_dsl.printing.stages import print_network
from tests.support.agreement import Engine, assert_agreement, compiled

BLOCKS = """
block start(width) { return { a: x -> conv(width, 1x1) -> bn  b: x -> conv(2 * width, 3x3, stride=2) } }
block exchange(width) {
    return { a: relu(x.a + (x.b -> conv(width, 1x1) -> resize(like=x.a, mode=nearest)))
             b: relu(x.b + (x.a -> conv(2 * width, 3x3, stride=2) -> bn)) }
}
block each(width) { return { a: x.a -> 0: conv(width, 3x3)  b: x.b -> 1: conv(2 * width, 3x3) } }
block both(width) { return x -> own: each(width) -> exchange(width) -> relus }
block relus() { return { a: relu(x.a)  b: relu(x.b) } }
block grow(width, count) { return { a: x.a  b: x.b  c: if count > 2 then x.b -> conv(width, 1x1) else none } }
block joined(skip) { return concat(x.a + skip, x.b -> resize(like=x.a)) }
"""
ENGINES: tuple[Engine, ...] = (("torch", "float64"), ("keras", "float64"), ("onnx", "float32"))
# In a row, shared, with another part, from a part by name; one tensor made of a record.
ALL = (
    BLOCKS
    + """
model all {
    input: 3xHxW
    stem: conv(4, 3x3) -> bn -> relu
    stages: [pair: start(4), rows: 2 * both(4), again: 3 * share(exchange(4)), wide: grow(5, 3),
             one: [pair -> exchange(4), joined(skip=wide.a)], two: wide -> grow(5, 2)]
    head: { last: x -> tail: each(3)  map: one }
}
"""
)


def takes(text: str) -> dict[str, tuple[str, ...]]:
    return {node.name: node.inputs for node in compiled(text).graph.nodes}


@pytest.mark.slow
def test_every_backend_hands_records_on() -> None:
    program = compiled(ALL.replace("map: one", "map: one  c: wide.c"))
    assert_agreement(program, [(12, 12), (9, 13)], ENGINES, state=random_state(program.graph, 0))


def test_a_block_takes_the_fields_of_what_comes_before() -> None:
    found = takes(ALL.replace("map: one", "map: one  c: wide.c"))
    assert found["rows.0.own.0"] == ("pair.0.bn1",)
    assert found["rows.0.own.1"] == ("pair.0.conv2",)
    assert found["rows.1.own.0"] == ("rows.0.relu3",)
    assert found["rows.1.own.1"] == ("rows.0.relu4",)
    assert found["again.0.conv1"] == ("rows.1.relu4",)
    assert found["again.2.add2"] == ("again.1.relu2", "again.2.bn1")
    assert found["wide.0.conv1"] == ("again.2.relu2",)
    assert found["one.0.conv1"] == ("pair.0.conv2",)
    assert found["one.1.add1"] == ("one.0.relu1", "again.2.relu1")
    assert found["last.tail.1"] == ("again.2.relu2",)


def test_a_field_that_is_none_is_none_of_the_record() -> None:
    text = BLOCKS + "model m { input: 3x8x8  stages: [start(4), wide: grow(5, %d)]  head: none }"
    assert [list(dict(compiled(text % count).graph.outputs)) for count in (2, 3)] == [
        ["wide.a", "wide.b"],
        ["wide.a", "wide.b", "wide.c"],
    ]


def test_a_row_behind_a_record_is_not_one_block_where_the_first_takes_it() -> None:
    text = BLOCKS + "block sum() { return x.a + (x.b -> conv(4, 1x1) -> resize(like=x.a)) }"
    text += "block keep() { return x -> conv(4, 3x3) }"
    text += "model m { input: 3x8x8  stem: none  stages: [start(4), [sum, 2 * keep]]  head: none }"
    found = takes(text)
    assert (found["layer2.1.conv1"], found["layer2.2.conv1"]) == (("layer2.0.add1",), ("layer2.1.conv1",))


def test_blocks_in_a_row_that_nothing_needs_are_left_out() -> None:
    text = BLOCKS + "model m { input: 3x8x8  stages: [pair: start(4), rows: 3 * exchange(4)]  head: none %s }"
    names = compiled(text % "outputs: [rows.0, pair.b]").graph.nodes
    assert {name.name.rpartition(".")[0] for name in names if name.part == "rows"} == {"rows.0"}


def test_the_print_of_a_network_names_fields_of_x() -> None:
    text = print_network(compiled(ALL.replace("map: one", "map: one  c: wide.c")))
    assert "rows.1.own.1: 8x(H+1)//2x(W+1)//2 = conv(x.b, 8," in text
    assert ":b" not in text


def test_classes_of_a_file_are_named_by_steps() -> None:
    torch = pytest.importorskip("torch")
    from tests.support.backends import in_full

    text = (
        BLOCKS
        + """
block three(width) { return x -> own: grow(width, 3) -> last: all_of() }
block two(width) { return x -> own: grow(width, 2) -> last: each(width) }
block all_of() { return { a: x.a  b: x.b + (x.c -> conv(x.b.channels, 1x1)) } }
model m { input: 3x8x8  stages: [start(4), s: [two(4), three(4)]]  head: none }
"""
    )
    model = in_full("torch").build(compiled(text)).eval()
    assert list(model(torch.zeros(1, 3, 8, 8))) == ["s.a", "s.b"]
