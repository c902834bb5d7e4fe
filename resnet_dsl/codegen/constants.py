"""Constants of a generated file: what the spec says of the data, and which parts it freezes."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from resnet_dsl.codegen.printer import statement
from resnet_dsl.codegen.python import Dictionary, Expression, Literal, Name, Sequence
from resnet_dsl.ir.network import Body, Node
from resnet_dsl.program import Program

CONSTANTS = frozenset({"PREPROCESS", "FROZEN", "FROZEN_NORMS"})


def preprocess_constant(program: Program) -> str:
    """Return the line that carries `preprocess:`, or nothing."""
    items = tuple((Literal(name), _value(value)) for name, value in program.network.preprocess)
    return statement("PREPROCESS = ", Dictionary(items), 0) if items else ""


def _value(value: object) -> Expression:
    """A value of a spec as an expression; lists stay lists."""
    match value:
        case tuple() | list():
            return Sequence("[]", tuple(map(_value, value)))
        case None | bool() | int() | float():
            return Literal(value)
        case str():
            return Literal(str(value))
        case _:
            raise TypeError(f"no value that a file could hold: {value!r}")


def frozen_constant(
    program: Program, counts: Callable[[Node, Body], bool], named: Callable[[str], str] = str
) -> str:
    """Return the line that names what is frozen, as `named` writes a path, or nothing.

    Stem and head are their own steps, of which those are named that `counts` is true for.
    """
    network = program.network
    own = {"stem": network.stem, "head": network.head}
    steps = {node.name: (node, part) for part in own.values() if part is not None for node in part.nodes}
    names: list[str] = []
    for path in network.frozen:
        part = own.get(path)
        if part is not None:
            names += [node.name for node in part.nodes if counts(node, part)]
        elif path not in steps or counts(*steps[path]):
            names.append(path)
    items = tuple(Literal(named(name)) for name in dict.fromkeys(names))
    return statement("FROZEN = ", Sequence("()", items), 0) if items else ""


def norms_constant(program: Program, kinds: Iterable[str]) -> str:
    """Return the line with the classes of norms in the file, if the spec freezes all norms, or nothing."""
    found = sorted(set(kinds)) if program.network.frozen_norms else []
    items = Sequence("()", tuple(map(Name, found)))
    return statement("FROZEN_NORMS = ", items, 0) if found else ""
