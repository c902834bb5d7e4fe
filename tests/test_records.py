"""Our dataclasses do what the standard library's do: every test runs with both."""

from __future__ import annotations

import dataclasses
import pickle
from functools import cached_property
from types import ModuleType
from typing import Any, ClassVar

import pytest

from resnet_dsl import records

MAKES = (dataclasses, records)


def classes(make: ModuleType) -> tuple[Any, Any, Any]:
    @make.dataclass(frozen=True)
    class Base:
        """A place that does not count, and a name that only a keyword gives."""

        kind: ClassVar[str] = "base"
        place: int = make.field(compare=False, repr=False)
        name: str = make.field(default="?", kw_only=True)

    @make.dataclass(frozen=True)
    class Node(Base):
        value: object
        more: tuple[int, ...] = ()

        @cached_property
        def twice(self) -> object:
            return (self.value, self.value)

    @make.dataclass
    class Bag:
        first: int
        items: list[int] = make.field(default_factory=list)
        total: int = 0

        def __post_init__(self) -> None:
            self.total += self.first

    return Base, Node, Bag


@pytest.fixture(params=MAKES, ids=lambda make: make.__name__)
def make(request: pytest.FixtureRequest) -> ModuleType:
    assert isinstance(request.param, ModuleType)
    return request.param


def test_fields_are_set_in_their_order_however_they_are_given(make: ModuleType) -> None:
    _, node, _ = classes(make)
    for made in (node(1, 2, (3,)), node(1, 2, more=(3,)), node(more=(3,), value=2, place=1)):
        assert list(vars(made).items()) == [("place", 1), ("name", "?"), ("value", 2), ("more", (3,))]
    assert node(1, 2, name="x").name == "x"
    assert node.__match_args__ == ("place", "value", "more")


@pytest.mark.parametrize(
    ("values", "named"),
    [((1,), {}), ((1, 2, (), 4), {}), ((1, 2), {"value": 3}), ((1, 2), {"other": 3}), ((), {"name": "x"})],
)
def test_arguments_that_do_not_fit_are_refused(make: ModuleType, values: Any, named: Any) -> None:
    _, node, _ = classes(make)
    with pytest.raises(TypeError):
        node(*values, **named)


def test_equality_and_hash_are_those_of_the_fields_that_count(make: ModuleType) -> None:
    base, node, bag = classes(make)
    assert node(1, "a") == node(2, "a")
    assert hash(node(1, "a")) == hash(node(2, "a"))
    assert node(1, "a") != node(1, "b")
    assert node(1, "a") != node(1, "a", name="x")
    assert base(1) == base(2)
    assert base(1) != node(1, "?")
    assert bag(1) == bag(1)
    with pytest.raises(TypeError):
        hash(bag(1))


def test_identity_where_asked_for(make: ModuleType) -> None:
    @make.dataclass(frozen=True, eq=False)
    class Share:
        span: int

    assert Share(1) != Share(1)
    assert len({Share(1), Share(1)}) == 2


def test_what_is_frozen_stays(make: ModuleType) -> None:
    _, node, bag = classes(make)
    made = node(1, 2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.value = 3
    with pytest.raises(dataclasses.FrozenInstanceError):
        del made.value
    assert made.twice == (2, 2)
    loose = bag(1)
    loose.first = 5
    assert loose.first == 5


def test_defaults_are_made_anew_and_what_follows_runs(make: ModuleType) -> None:
    _, _, bag = classes(make)
    one, other = bag(1), bag(2, total=5)
    one.items.append(1)
    assert other.items == []
    assert (one.total, other.total) == (1, 7)


def test_a_change_leaves_the_rest(make: ModuleType) -> None:
    _, node, _ = classes(make)
    made = node(1, 2, (3,), name="x")
    assert made.twice == (2, 2)
    changed = make.replace(made, value=5)
    assert vars(changed) == {"place": 1, "name": "x", "value": 5, "more": (3,)}
    assert changed.twice == (5, 5)
    with pytest.raises(TypeError):
        make.replace(made, other=1)


def test_a_record_shows_its_fields(make: ModuleType) -> None:
    _, node, _ = classes(make)
    assert repr(node(1, "a")).endswith("Node(name='?', value='a', more=())")


def test_what_a_class_writes_itself_is_kept(make: ModuleType) -> None:
    @make.dataclass(frozen=True)
    class Own:
        value: int

        def __repr__(self) -> str:
            return "own"

        def __eq__(self, other: object) -> bool:
            return True

    assert repr(Own(1)) == "own"
    assert Own(1) == 3
    assert hash(Own(1)) == hash(Own(1))


def test_the_standard_functions_take_them(make: ModuleType) -> None:
    _, node, bag = classes(make)
    assert [each.name for each in dataclasses.fields(node)] == ["place", "name", "value", "more"]
    assert dataclasses.is_dataclass(node)
    assert dataclasses.asdict(bag(1, [2])) == {"first": 1, "items": [2], "total": 1}
    assert dataclasses.replace(node(1, 2), value=3) == node(1, 3)

    @dataclasses.dataclass(frozen=True)
    class Further(node):  # type: ignore[misc]
        last: int = 0

    assert Further(1, 2, (), 4).last == 4
    assert make.replace(Further(1, 2), value=9) == Further(1, 9)


def test_the_fields_say_what_was_declared(make: ModuleType) -> None:
    @make.dataclass(frozen=True)
    class Op:
        stride: int = make.field(default=1, metadata={"rule": "count"})
        kernel: int = 3

    (stride, kernel) = make.fields(Op)
    assert (stride.name, stride.default, stride.metadata["rule"]) == ("stride", 1, "count")
    assert (kernel.default, dict(kernel.metadata)) == (3, {})
    assert Op.stride == 1


def test_a_record_survives_a_pickle() -> None:
    from resnet_dsl.diagnostics.model import Diagnostic

    made = Diagnostic("E0101", "a message")
    assert pickle.loads(pickle.dumps(made)) == made
