"""Blocks as functions, and steps as the statements of one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from resnet_dsl.codegen.printer import docstring
from resnet_dsl.codegen.text_classes import BlockClass, Classes, Step, Use
from resnet_dsl.codegen.text_statements import (
    Code,
    Statements,
    conditional,
    parsed,
    signature,
    statement,
)
from resnet_dsl_keras.layer_names import LayerNames
from resnet_dsl_keras.reserved_names import RESERVED
from resnet_dsl_keras.rules import lower

Namer = Callable[[str], str]


@dataclass
class Functions:
    """The functions of a file: their names, texts, and which parameters of its class each takes."""

    names: dict[int, str] = field(default_factory=dict)
    takes: dict[int, tuple[str, ...]] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)

    def call(self, use: Use, x: Sequence[str], name: str) -> Code:
        """Return the call for one use on the operands `x`; what every layer starts with goes unnamed."""
        given = dict(use.arguments)
        takes = self.takes[id(use.target)]
        plain = [p for p in takes[:2] if p in ("in_channels", "width", "channels")]
        numbers = (str(given[p]) if p in plain else f"{p}={given[p]}" for p in takes)
        return Code(self.names[id(use.target)], (x[0], name, *x[1:], *numbers))

    def lines(
        self,
        steps: Sequence[Step],
        result: int,
        inputs: Sequence[str],
        named: Namer,
        end: str,
        reserved: frozenset[str] = frozenset(),
    ) -> list[str]:
        """Return statements; `named` writes a layer's name, `end` stands before the result."""

        def express(step: Step, operands: list[str]) -> str:
            if isinstance(step.what, Use):
                code = self.call(step.what, operands, named(step.name))
                flag = step.what.flag
                return f"{code} if {flag} else {operands[0]}" if flag else str(code)
            return lower(step.what, step).expression.format(*operands, name=named(step.name))

        taken = RESERVED.union(self.names.values(), reserved)
        lines, last = Statements(steps, result, express, lambda _: False, taken).write(inputs)
        code = [_assign(f"{name} = ", text) for name, text in lines]
        return code if end == f"{last} = " else [*code, _assign(end, last)]


def _assign(prefix: str, text: str) -> str:
    found = re.fullmatch(r"(.*) if (\w+) else (\w+)", text)
    if found:
        return conditional(prefix, found[1], found[2], found[3], 4)
    return statement(prefix, parsed(text), 4)


def functions_of(classes: Classes, layer_names: LayerNames) -> Functions:
    """Return the functions of all blocks, inner ones first."""
    functions = Functions()
    for block in classes.classes:
        _add(block, functions, layer_names)
    return functions


def _add(block: BlockClass, functions: Functions, layer_names: LayerNames) -> None:
    """Write a block's function; parameters it does not need are left out."""
    numbers = frozenset(p.name for p in block.parameters)
    inputs = ["x", *block.inputs]
    lines = functions.lines(
        block.steps, block.result, inputs, lambda step: layer_names.within(block, step), "return ", numbers
    )
    body = "\n".join(lines)
    takes = tuple(p.name for p in block.parameters if re.search(rf"\b{p.name}\b(?!=)", body))
    name = _free(block.name, functions)
    functions.names[id(block)], functions.takes[id(block)] = name, takes
    opening = signature(f"def {name}", ["x", "name", *block.inputs, *takes], ":", 0)
    doc = docstring(block.doc or f"Block `{block.definition}`", 4)
    functions.texts.append(f"{opening}\n    {doc}\n{body}")


def _free(class_name: str, functions: Functions) -> str:
    """A class name as that of a function: `PreBlock` as `pre_block_block`."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", class_name).lower() + "_block"
    while name in functions.names.values():
        name += "_"
    return name
