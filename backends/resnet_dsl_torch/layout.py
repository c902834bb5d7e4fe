"""A network as one Python file: classes of blocks, then the model, placed by a template."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from resnet_dsl.driver import Program
from resnet_dsl.ir import ops
from resnet_dsl.ir.network import Body, Call, Node, Stage
from resnet_dsl.ir.shapes import Shape
from resnet_dsl.passes.classes import BlockClass, Classes, Step, Use, camel, classes_of
from resnet_dsl.passes.fitting import owned
from resnet_dsl.passes.header import origin, spec_lines
from resnet_dsl.passes.source import (
    Code,
    Repeated,
    Statements,
    docstring,
    literal,
    parsed,
    quoted,
    statement,
)
from resnet_dsl_torch.helpers import HELPERS
from resnet_dsl_torch.initialise import reset_lines
from resnet_dsl_torch.rules import Lowering, lower

RESERVED = frozenset({"self", "torch", "nn", "F", "math", *HELPERS})
ACTIVATIONS = (ops.Relu, ops.Sigmoid, ops.Tanh)


@dataclass(frozen=True)
class ClassText:
    """A class as the template places it."""

    name: str
    parent: str
    doc: str
    signature: str
    takes: str
    init: str
    forward: str


def render(program: Program) -> str:
    """Return the source of a program's model."""
    classes = classes_of(program.network)
    name = _model_name(program, classes)
    texts = [_class_text(block) for block in classes.classes]
    model, helpers = _model_text(program, classes, name)
    for block in classes.classes:
        helpers |= _helpers(block.steps)
    reset = reset_lines(program, classes)
    body = "\n".join([model["forward"], *(text.forward for text in texts), *helpers])
    text: str = _template().render(
        name=program.name,
        origin=list(origin(program)),
        spec=list(spec_lines(program)),
        uses_math="math." in reset,
        uses_functional="F." in body or any("F." in HELPERS[helper] for helper in helpers),
        preprocess=_preprocess(program),
        helpers=[HELPERS[helper] for helper in HELPERS if helper in helpers],
        classes=texts,
        model={**model, "reset": reset},
    )
    return text


@functools.cache
def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("resnet_dsl_torch"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    return environment.get_template("model.py.jinja")


def _model_name(program: Program, classes: Classes) -> str:
    name = camel(program.name)
    taken = {block.name for block in classes.classes}
    return name if name not in taken else f"{name}Model"


def _preprocess(program: Program) -> str:
    items = [f"{quoted(name)}: {quoted(value)}" for name, value in program.network.preprocess]
    return literal("PREPROCESS = ", "{}", items, 0) if items else ""


# --- classes -----------------------------------------------------------------------------------


def _class_text(block: BlockClass) -> ClassText:
    parameters = [f"{p.name}: {p.kind}" for p in block.parameters]
    signature = ", ".join(["self", *parameters])
    common = {"name": block.name, "doc": docstring(block.doc or f"Block `{block.definition}`.", 4), "signature": _fitted(signature)}
    if (chain := _as_sequence(block)) is not None:
        init = statement("", Code("super().__init__", tuple(chain)), 8)
        return ClassText(**common, parent="nn.Sequential", takes="", init=init, forward="")
    forward = _forward(block.steps, block.result, ["x", *block.inputs])
    own = [
        p.name for p in block.parameters if re.search(rf"\bself\.{p.name}\b", forward) and p.kind != "bool"
    ]
    inits = ["        super().__init__()", *(f"        self.{name} = {name}" for name in own)]
    inits += _kept(block.steps)
    takes = ", ".join(["self", *(f"{name}: torch.Tensor" for name in ("x", *block.inputs))])
    return ClassText(**common, parent="nn.Module", takes=takes, init="\n".join(inits), forward=forward)


def _fitted(signature: str) -> str:
    """A signature on one line, or one parameter a line where it is too long."""
    if len(signature) + len("    def __init__() -> None:") <= 88:
        return signature
    inner = f"        {signature}"
    if len(inner) <= 88:
        return f"\n{inner}\n    "
    return "\n" + "".join(f"        {part},\n" for part in signature.split(", ")) + "    "


def _as_sequence(block: BlockClass) -> list[Code] | None:
    """The modules of a class that is a plain chain under the names 0, 1, …, else None."""
    if block.inputs or not all(step.name.isdigit() for step in block.steps):
        return None
    modules: list[Code] = []
    for index, step in enumerate(block.steps):
        alone = lower(step.what, step).alone if isinstance(step.what, ops.Op) else None
        chained = step.inputs == ((index - 1,) if index else (-1,))
        if alone is None or not chained or int(step.name) < len(modules):
            return None
        modules += [Code("nn.Identity")] * (int(step.name) - len(modules))
        modules.append(alone)
    return modules if block.result == len(block.steps) - 1 else None


def _kept(steps: Sequence[Step]) -> list[str]:
    """The lines of `__init__` that make what the steps keep."""
    lines = []
    for step in steps:
        if isinstance(step.what, Use):
            lines += _kept_use(step.name, step.what)
        elif (module := lower(step.what, step).module) is not None:
            lines.append(statement(f"self.{step.name} = ", module, 8))
    return lines


def _kept_use(name: str, use: Use) -> list[str]:
    code = construct(use)
    if use.flag is None:
        return [statement(f"self.{name} = ", code, 8)]
    flat = f"        self.{name} = {code} if {use.flag} else nn.Identity()"
    if len(flat) <= 88:
        return [flat]
    inner = f"            {code} if {use.flag} else nn.Identity()"
    if len(inner) <= 88:
        return [f"        self.{name} = (", inner, "        )"]
    return [
        f"        self.{name}: nn.Module = nn.Identity()",
        f"        if {use.flag}:",
        statement(f"self.{name} = ", code, 12),
    ]


def construct(use: Use) -> Code:
    """Return the call that makes a class for one use; what every layer starts with goes unnamed."""
    plain = [name for name, _ in use.arguments[:2] if name in ("in_channels", "width", "channels")]
    texts = (str(value) if name in plain else f"{name}={value}" for name, value in use.arguments)
    return Code(use.target.name, tuple(texts))


# --- forward -----------------------------------------------------------------------------------


def _express(step: Step, operands: list[str]) -> str:
    module = f"self.{step.name}"
    if isinstance(step.what, Use):
        return f"{module}({', '.join(operands)})"
    # An operand inside brackets needs no parentheses of its own.
    template = _lowered(step).expression
    bare = [
        text[1:-1] if text.startswith("(") and f"({{{i}}}" in template else text
        for i, text in enumerate(operands)
    ]
    return template.format(*bare, module=module)


def _lowered(step: Step) -> Lowering:
    """How a step's op is written in a method, where the constructor's parameters are attributes."""
    assert isinstance(step.what, ops.Op)
    changes = {spec.name: owned(getattr(step.what, spec.name)) for spec in fields(step.what)}
    op = replace(step.what, **changes)
    return lower(op, replace(step, what=op, channels=owned(step.channels)))


def _inline(step: Step) -> bool:
    return not isinstance(step.what, ACTIVATIONS)


def _forward(steps: Sequence[Step], result: int, inputs: list[str]) -> str:
    lines, last = Statements(steps, result, _express, _inline, RESERVED).write(inputs)
    code = [statement(f"{name} = ", parsed(text), 8) for name, text in lines]
    return "\n".join([*code, statement("return ", parsed(last), 8)])


def _helpers(steps: Sequence[Step]) -> set[str]:
    found = [lower(step.what, step).helpers for step in steps if isinstance(step.what, ops.Op)]
    return {helper for helpers in found for helper in helpers}


# --- the model ---------------------------------------------------------------------------------


def _model_text(program: Program, classes: Classes, name: str) -> tuple[dict[str, Any], set[str]]:
    network = program.network
    parts = {
        part: _steps(body, classes) for part, body in (("stem", network.stem), ("head", network.head)) if body
    }
    inits = _kept(parts.get("stem", []))
    inits += [line for stage in network.stages for line in _stage_lines(stage, classes)]
    inits += _kept(parts.get("head", []))
    helpers = {helper for steps in parts.values() for helper in _helpers(steps)}
    size = network.input.text(network.extent)
    text = {
        "name": name,
        "doc": f"{program.name}: takes N x {size.replace('x', ' x ')}.",
        "init": "\n".join(inits),
        "forward": "\n".join(_model_forward(program, parts)),
        "returns": "dict[str, torch.Tensor]" if network.outputs else "torch.Tensor",
        "frozen": _frozen(program),
    }
    return text, helpers


def _frozen(program: Program) -> str:
    """The names of the modules to freeze: `stem` and `head` are their own steps."""
    network = program.network
    names: list[str] = []
    for path in network.frozen:
        part = {"stem": network.stem, "head": network.head}.get(path)
        nodes = part.nodes if part is not None else ()
        owners = {
            node.name for node in nodes if isinstance(node.what, Call) or node.what.parameters(network.input)
        }
        names += [node.name for node in nodes if node.name in owners] if part is not None else [path]
    return literal("FROZEN = ", "()", [f'"{name}"' for name in names], 0) if names else ""


def _keeps(node: Node) -> bool:
    """Whether a step is a module of the model, which is what can be frozen."""
    shapes = (Shape(1),) * len(node.inputs)
    return isinstance(node.what, Call) or bool(node.what.parameters(*shapes))


def _steps(body: Body, classes: Classes) -> list[Step]:
    return [classes.step(node, body) for node in body.nodes]


def _stage_lines(stage: Stage, classes: Classes) -> list[str]:
    """A stage as one Sequential: equal neighbours are one generator."""
    runs = [(construct(use), count) for use, _, count in classes.runs(stage)]
    codes = [code if count == 1 else Repeated(code, count) for code, count in runs]
    return [statement(f"self.{stage.name} = ", Code("nn.Sequential", tuple(codes)), 8)]


def _model_forward(program: Program, parts: dict[str, list[Step]]) -> list[str]:
    """The model's forward: stem, stages and head on one `x`, results kept where they are asked for."""
    network = program.network
    lines: list[str] = []
    wanted = set(network.outputs) | set(network.features)
    kept: dict[str, str] = {}
    current = "x"

    def keep(name: str, text: str) -> None:
        if name in wanted:
            kept[name] = name.replace(".", "_")
            lines.append(f"        {kept[name]} = {text}")

    if network.stem is not None:
        lines += _part_lines(parts["stem"], network.stem.result, ["x"])
        keep("stem", current)
    for stage in network.stages:
        inner = [f"{stage.name}.{i}" for i in range(len(stage.blocks))]
        if not any(name in wanted for name in inner):
            lines.append(f"        x = self.{stage.name}(x)")
        else:
            for index, name in enumerate(inner):
                lines.append(f"        x = self.{stage.name}[{index}](x)")
                keep(name, "x")
        keep(stage.name, "x")
    if network.head is not None:
        inputs = ["x", *(kept[name] for name in network.features)]
        lines += _part_lines(parts["head"], network.head.result, inputs, last=not network.outputs)
        keep("head", "x")
        if not network.outputs:
            return lines
    if not network.outputs:
        return [*lines, "        return x"]
    items = [f'"{name}": {kept[name]}' for name in network.outputs]
    return [*lines, literal("return ", "{}", items, 8)]


def _part_lines(steps: Sequence[Step], result: int, inputs: list[str], last: bool = False) -> list[str]:
    lines, text = Statements(steps, result, _express, _inline, RESERVED).write(inputs)
    code = [statement(f"{name} = ", parsed(value), 8) for name, value in lines]
    if last:
        return [*code, statement("return ", parsed(text), 8)]
    return code if text == "x" else [*code, statement("x = ", parsed(text), 8)]
