"""What the generated file calls layers: their paths, or the names that the program gives them.

A function of a block is passed the block's name, and adds to it what is its own: `f"{name}_1_conv"`.
So of names from elsewhere the front has to be the block's, and the rest the same wherever it is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import takewhile

from resnet_dsl.backend.ir import BlockCall, Body, Graph, Program
from resnet_dsl.backend.python_source import BlockClass, Classes, Expression, Joined, Name
from resnet_dsl.backend.refusals import UsageError
from resnet_dsl_keras.reserved_names import operation_names
from resnet_dsl_keras.rules import lowered_node
from resnet_dsl_keras.tensor_names import apart, layer_name

SEPARATORS = "-_."


class LayerNames:
    """The names of a file's layers and blocks, and how functions write those within."""

    def __init__(self, program: Program, classes: Classes) -> None:
        self.given = {path: layer_name(name) for path, name in program.names.items()}
        self.classes = classes
        self.operations = operation_names(program.graph)
        self.prefixes: dict[str, str] = {}
        self.ends: dict[tuple[int, str], str] = {}
        owners = program.network.owners()
        for part, path, body in program.network.parts() if self.given else ():
            if path in owners:
                continue
            inside = part in ("stem", "head")
            prefix = "" if inside else self._prefix(path, body)
            self._visit(body, path, prefix, None if inside else classes.use(body).target)

    def at(self, path: str) -> str:
        """Return the name of a layer, or what the names of a block's layers start with."""
        if found := self.prefixes.get(path) or self.given.get(path):
            return found
        own = layer_name(path)
        return apart(own) if self.operations.fullmatch(own) else own

    def within(self, block: BlockClass, step: str) -> Expression:
        """Return the expression of a step's name in the function of its block."""
        end = self.ends.get((id(block), step), f"-{layer_name(step)}")
        return Joined("name", end) if end else Name("name")

    def separator(self) -> str:
        """Return what stands between a block's name and its layers'."""
        return next((end[0] for end in self.ends.values() if end), "-")

    def _visit(self, body: Body, path: str, prefix: str, target: BlockClass | None) -> None:
        for node in body.nodes:
            if node.owner is not None:
                continue
            place = f"{path}.{node.name}".lstrip(".")
            if isinstance(node.what, BlockCall):
                name = self._prefix(place, node.what.body)
                self._visit(node.what.body, place, name, self.classes.use(node.what.body).target)
            else:
                name = self.given[place]
            if target is not None:
                self._end(target, node.name, prefix, name)

    def _prefix(self, path: str, body: Body) -> str:
        """What the names below start with: the name that is given, or all that they share."""
        names = sorted(self.given[place] for place in _places(path, body))
        same = (a == b for a, b in zip(names[0], names[-1], strict=False))
        shared = names[0][: sum(takewhile(bool, same))]
        cut = max(shared.rfind(separator) for separator in SEPARATORS)
        self.prefixes[path] = self.given.get(path) or shared[: max(cut, 0)]
        return self.prefixes[path]

    def _end(self, target: BlockClass, step: str, prefix: str, name: str) -> None:
        """Keep what a function adds for a step; raises UsageError if it is not always the same."""
        end = name.removeprefix(prefix)
        if not name.startswith(prefix) or self.ends.setdefault((id(target), step), end) != end:
            block = f"the function of the block {target.definition} gives all its uses alike"
            raise UsageError(f"Keras source cannot have the name `{name}`: {block}")


def _places(path: str, body: Body) -> Iterator[str]:
    """Yield the paths of all ops below a block's."""
    for node in body.nodes:
        if node.owner is not None:
            continue
        if isinstance(node.what, BlockCall):
            yield from _places(f"{path}.{node.name}", node.what.body)
        else:
            yield f"{path}.{node.name}"


def numbered(names: list[str]) -> tuple[str, int, str] | None:
    """Return front, first number and back of names that differ in a number alone, which counts up."""
    found = re.fullmatch(r"(.*?)(\d+)(\D*)", names[0])
    if found is None:
        return None
    front, first, back = found[1], int(found[2]), found[3]
    counted = [f"{front}{first + i}{back}" for i in range(len(names))]
    return (front, first, back) if names == counted else None


def result_layers(graph: Graph) -> dict[str, str]:
    """Return, of every op whose result a layer has, what that layer's name ends in behind the op's.

    A layer that several ops share has several results, so none of them is told by its name.
    """
    shared = {node.home.name for node in graph.nodes if node.owner is not None}
    own = (node for node in graph.nodes if node.home.name not in shared)
    endings = {node.name: lowered_node(node).ending for node in own}
    return {name: ending for name, ending in endings.items() if ending is not None}
