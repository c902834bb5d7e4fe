"""A network as one Python file: functions of blocks, then `build`, placed by a template."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from resnet_dsl.driver import Program
from resnet_dsl.ir import ops
from resnet_dsl.ir.network import Body, Stage
from resnet_dsl.passes.classes import BlockClass, Classes, Step, Use, classes_of
from resnet_dsl.passes.header import origin, spec_lines
from resnet_dsl.passes.source import (
    Code,
    Statements,
    conditional,
    docstring,
    literal,
    parsed,
    quoted,
    statement,
)
from resnet_dsl_keras.helpers import HELPERS
from resnet_dsl_keras.rules import lower

RESERVED = frozenset({"keras", "layers", "ops", "name", "build", "inputs", "last", "sys", *HELPERS})
FRAMES_FOR_KERAS = 600  # ops that fit into Python's usual thousand frames, with room to spare


@dataclass
class Functions:
    """The functions of a file: which of its class's parameters each one takes."""

    names: dict[int, str]
    takes: dict[int, tuple[str, ...]]

    def call(self, use: Use, x: Sequence[str], name: str) -> Code:
        """Return the call for one use on the operands `x`; what every layer starts with goes unnamed."""
        given = dict(use.arguments)
        takes = self.takes[id(use.target)]
        plain = [p for p in takes[:2] if p in ("in_channels", "width", "channels")]
        numbers = (str(given[p]) if p in plain else f"{p}={given[p]}" for p in takes)
        return Code(self.names[id(use.target)], (x[0], name, *x[1:], *numbers))


def render(program: Program) -> str:
    """Return the source of a program's model."""
    network = program.network
    classes = classes_of(network)
    functions = Functions({}, {})
    texts = [_function(block, functions) for block in classes.classes]
    body = _build(program, classes, functions)
    every = [step for block in classes.classes for step in block.steps]
    for part in (network.stem, network.head):
        every += _steps(part, classes) if part is not None else []
    helpers = [HELPERS[helper] for helper in HELPERS if helper in _helpers(every)]
    text: str = _template().render(
        name=program.name,
        origin=list(origin(program)),
        spec=list(spec_lines(program)),
        recursion=_frames(program),
        uses_ops=any(re.search(r"\bops\.", source) for source in helpers),
        preprocess=_preprocess(program),
        frozen=_frozen(program),
        helpers=helpers,
        functions=texts,
        doc=docstring(f"Return {program.name}, with fresh weights, in the layout that Keras is set to", 4),
        shape_last=_shape(program, last=True),
        shape_first=_shape(program, last=False),
        body=body,
    )
    return text


@functools.cache
def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("resnet_dsl_keras"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    return environment.get_template("model.py.jinja")


def _preprocess(program: Program) -> str:
    items = [f"{quoted(name)}: {quoted(value)}" for name, value in program.network.preprocess]
    return literal("PREPROCESS = ", "{}", items, 0) if items else ""


def _shape(program: Program, last: bool) -> str:
    channels, *sizes = program.network.input.at(program.network.extent)
    ordered = [*sizes, channels] if last else [channels, *sizes]
    return f"({', '.join(map(str, ordered))}{',' if len(ordered) == 1 else ''})"


def _frames(program: Program) -> int:
    """The recursion limit a deep model needs, or 0 where the usual one does."""
    count = len(program.graph.nodes)
    return 10 * count if count > FRAMES_FOR_KERAS else 0


def _frozen(program: Program) -> str:
    """The names, or beginnings of names, of the layers to freeze: stem and head are their own steps."""
    network = program.network
    names: list[str] = []
    for path in network.frozen:
        part = {"stem": network.stem, "head": network.head}.get(path)
        names += [path] if part is None else [node.name for node in part.nodes]
    return literal("FROZEN = ", "()", [f'"{name}"' for name in names], 0) if names else ""


# --- functions ---------------------------------------------------------------------------------


def _function(block: BlockClass, functions: Functions) -> dict[str, str]:
    """A block's function as the template places it; parameters it does not need are left out."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", block.name).lower() + "_block"
    lines = _lines(block.steps, block.result, ["x", *block.inputs], functions, lambda step: f'f"{{name}}.{step}"')
    body = "\n".join(lines)
    takes = tuple(p.name for p in block.parameters if re.search(rf"\b{p.name}\b(?!=)", body))
    functions.names[id(block)], functions.takes[id(block)] = name, takes
    signature = ", ".join(["x", "name", *block.inputs, *takes])
    doc = docstring(block.doc or f"Block `{block.definition}`.", 4)
    return {"name": name, "takes": signature, "doc": doc, "body": body}


def _lines(
    steps: Sequence[Step], result: int, inputs: list[str], functions: Functions, named: Any, end: str = "return "
) -> list[str]:
    """A body's statements; `named` writes the name of a layer, `end` stands before the result."""

    def express(step: Step, operands: list[str]) -> str:
        if isinstance(step.what, Use):
            code = functions.call(step.what, operands, named(step.name))
            flag = step.what.flag
            return f"{code} if {flag} else {operands[0]}" if flag else str(code)
        return lower(step.what, step).expression.format(*operands, name=named(step.name))

    reserved = RESERVED | set(functions.names.values())
    lines, last = Statements(steps, result, express, lambda _: False, reserved).write(inputs)
    code = [_assign(f"{name} = ", text) for name, text in lines]
    return code if end == f"{last} = " else [*code, _assign(end, last)]


def _assign(prefix: str, text: str) -> str:
    found = re.fullmatch(r"(.*) if (\w+) else (\w+)", text)
    if found:
        return conditional(prefix, found[1], found[2], found[3], 4)
    return statement(prefix, parsed(text), 4)


def _helpers(steps: Sequence[Step]) -> set[str]:
    found = [lower(step.what, step).helpers for step in steps if isinstance(step.what, ops.Op)]
    return {helper for helpers in found for helper in helpers}


# --- the model ---------------------------------------------------------------------------------


def _steps(body: Body, classes: Classes) -> list[Step]:
    return [classes.step(node, body) for node in body.nodes]


def _build(program: Program, classes: Classes, functions: Functions) -> str:
    """The statements of `build` after the input."""
    network = program.network
    wanted = set(network.outputs) | set(network.features)
    lines: list[str] = []
    kept: dict[str, str] = {}
    current = "inputs"

    def keep(name: str) -> list[str]:
        if name not in wanted:
            return []
        kept[name] = f"{name.replace('.', '_')}_out"
        return [f"    {kept[name]} = x"]

    def part(body: Body, inputs: list[str]) -> list[str]:
        return _lines(_steps(body, classes), body.result, inputs, functions, lambda s: f'"{s}"', "x = ")

    if network.stem is not None:
        lines += part(network.stem, [current])
        current = "x"
        lines += keep("stem")
    for stage in network.stages:
        lines += _stage_lines(stage, classes, functions, current, wanted, keep)
        current = "x"
        lines += keep(stage.name)
    if network.head is not None:
        lines += part(network.head, [current, *(kept[name] for name in network.features)])
        current = "x"
        lines += keep("head")
    outputs = ", ".join(f'"{name}": {kept[name]}' for name in network.outputs)
    model = Code("keras.Model", ("inputs", f"{{{outputs}}}" if outputs else current, f'name="{program.name}"'))
    return "\n".join([*lines, statement("model = ", model, 4)])


def _stage_lines(
    stage: Stage, classes: Classes, functions: Functions, x: str, wanted: set[str], keep: Any
) -> list[str]:
    """A stage block by block, equal neighbours in a loop unless one of them is an output."""
    lines: list[str] = []
    for use, start, count in classes.runs(stage):
        names = [f"{stage.name}.{i}" for i in range(start, start + count)]
        if count > 2 and not wanted.intersection(names) and x == "x":
            code = functions.call(use, [x], f'f"{stage.name}.{{i}}"')
            bounds = f"{start}, {start + count}" if start else str(count)
            lines.append(f"    for i in range({bounds}):")
            lines.append(statement("x = ", code, 8))
            continue
        for name in names:
            lines.append(statement("x = ", functions.call(use, [x], f'"{name}"'), 4))
            x = "x"
            lines += keep(name)
    return lines
