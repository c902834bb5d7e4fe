"""The arguments in which two ops of a kind differ by themselves, and ops as the language writes them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import Any

from resnet_dsl.ir.arguments import COUNT, ArgumentRule, Symbol
from resnet_dsl.ir.ops import Op
from resnet_dsl.ir.shapes import Shape
from resnet_dsl.printing.stages import argument_text
from resnet_dsl.records import MISSING


@cache
def changed_arguments(a: Op, b: Op) -> tuple[str, ...]:
    """Return the names of the arguments that differ between ops of a kind, without what follows from others.

    An argument follows if each op has in it what would stand there were it left out, such as the padding
    that keeps the size at another kernel.
    """
    names = tuple(name for name, _, _ in a.arguments() if getattr(a, name) != getattr(b, name))
    own = tuple(name for name in names if not (is_left_out(a, name) and is_left_out(b, name)))
    return own or names


@cache
def is_left_out(op: Op, name: str) -> bool:
    """Whether an argument is as it would be if the text did not give it."""
    defaults = {each: default for each, _, default in op.arguments()}
    if defaults[name] is MISSING:
        return False
    given = {
        each: Symbol(value) if isinstance(value, str) else value
        for each, default in defaults.items()
        if each != name and (value := getattr(op, each)) != default
    }
    try:
        return bool(getattr(type(op).make(given), name) == getattr(op, name))
    except ValueError:  # what is left needs it
        return False


def shows_in_tensors(a: Op, b: Op, name: str, shapes: tuple[Shape, ...]) -> bool:
    """Whether files of tensors tell the argument: names or shapes are others with another value."""
    other = a.having(name, getattr(b, name))
    return _names_and_shapes(a, shapes) != _names_and_shapes(other, shapes)


def _names_and_shapes(op: Op, shapes: tuple[Shape, ...]) -> list[tuple[str, tuple[int, ...]]]:
    return [(tensor.name, tensor.shape) for tensor in op.parameters(*shapes)]


def rule_of(op: Op, name: str) -> ArgumentRule:
    """Return the rule of an argument."""
    return next(rule for each, rule, _ in op.arguments() if each == name)


def is_count(op: Op, name: str) -> bool:
    """Whether an argument counts something, as channels."""
    return rule_of(op, name) is COUNT


def is_geometry(a: Op, b: Op, name: str) -> bool:
    """Whether an argument that differs is about windows or counts something."""
    return is_count(a, name) or a.having(name, getattr(b, name)).window != a.window


def call_text(ops: Sequence[Op], without: Collection[str] = ()) -> str:
    """Return ops that differ in counts at most as one call, with the arguments that a text has to give.

    A count that differs among them is written as what it is from and up to. What `without` names is left
    out.
    """
    words = list(_words(ops, without))
    return f"{ops[0].kind}({', '.join(words)})" if words else ops[0].kind


def _words(ops: Sequence[Op], without: Collection[str]) -> Iterator[str]:
    for name, _, default in ops[0].arguments():
        if name in without or all(is_left_out(op, name) for op in ops):
            continue
        text = values_text(ops[0], name, [getattr(op, name) for op in ops], 1)
        yield text if default is MISSING else f"{name}={text}"


def values_text(op: Op, name: str, values: Sequence[Any], most: int) -> str:
    """Return the values that an argument has at several places, each once; of more than `most` the bounds."""
    found = list(dict.fromkeys(values))
    if len(found) > most:
        found = [min(found), max(found)]
    texts = [_value_text(op, name, value) for value in found]
    return (" … " if len(set(values)) > most else ", ").join(texts)


def _value_text(op: Op, name: str, value: Any) -> str:
    """A value as the language has it; a size that may be left out is one number where its sides are alike."""
    is_optional = next(default is not MISSING for each, _, default in op.arguments() if each == name)
    is_square = isinstance(value, tuple) and all(part == value[0] for part in value)
    return argument_text(value[0] if is_optional and is_square else value)


def likeness_key(op: Op, without: Collection[str] = ()) -> tuple[object, ...]:
    """Return what ops have in common that `call_text` writes as one call."""
    told = ((name, rule) for name, rule, _ in op.arguments() if rule is not COUNT and name not in without)
    rest = tuple((name, getattr(op, name)) for name, _ in told)
    return op.kind, rest
