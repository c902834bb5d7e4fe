"""The model's class: stem, stages and head on one `x`, results kept where they are asked for."""

from __future__ import annotations

from resnet_dsl.codegen.text_classes import Classes
from resnet_dsl.codegen.text_model_body import Outline
from resnet_dsl.codegen.text_statements import Code, Repeated, literal, parsed, quoted, statement
from resnet_dsl.ir.network import Stage
from resnet_dsl.program import Program
from resnet_dsl_torch.reserved_names import attribute
from resnet_dsl_torch.statements import computing, construct, keep, keeping, returning


def doc(program: Program) -> str:
    """Return what the model's docstring says: its name and what it takes."""
    network = program.network
    size = network.input.text(network.extent).replace("x", " x ")
    return f"The network {program.name}; its input is N x {size}"


def init_lines(outline: Outline, classes: Classes) -> list[str]:
    """Return the lines of `__init__` that make the parts."""
    lines: list[str] = []
    for part in outline.parts:
        lines += [_stage(part, classes)] if isinstance(part, Stage) else keeping(part.steps)
    return lines


def _stage(stage: Stage, classes: Classes) -> str:
    """A stage as one Sequential: equal neighbours are one generator."""
    runs = [(construct(use), count) for use, _, count in classes.runs(stage)]
    codes = [code if count == 1 else Repeated(code, count) for code, count in runs]
    return keep(stage.name, Code("nn.Sequential", tuple(codes)))


def forward_lines(outline: Outline) -> list[str]:
    """Return the body of `forward`."""
    lines: list[str] = []
    for index, part in enumerate(outline.parts):
        ends = index == len(outline.parts) - 1 and not outline.outputs
        if isinstance(part, Stage) and ends:
            return [*lines, *returning(f"{attribute('self', part.name)}(x)", lines)]
        if isinstance(part, Stage):
            lines += _call_stage(part, outline)
            continue
        variables = frozenset(outline.kept.values())
        code, result = computing(part.steps, part.result, ["x", *part.features], variables)
        lines += code
        if ends:
            return [*lines, *returning(result, lines)]
        lines += [] if result == "x" else [statement("x = ", parsed(result), 8)]
        lines += _keep(part.name, outline)
    if not outline.outputs:
        return ["        return x"]  # a model without parts
    items = [f"{quoted(name)}: {variable}" for name, variable in outline.outputs]
    return [*lines, literal("return ", "{}", items, 8)]


def _call_stage(stage: Stage, outline: Outline) -> list[str]:
    """A stage as a whole, or block by block if a result inside it is kept."""
    module = attribute("self", stage.name)
    lines = [f"        x = {module}(x)"]
    if outline.keeps_inside(stage):
        lines = []
        for index in range(len(stage.blocks)):
            lines.append(f"        x = {module}[{index}](x)")
            lines += _keep(f"{stage.name}.{index}", outline)
    return [*lines, *_keep(stage.name, outline)]


def _keep(name: str, outline: Outline) -> list[str]:
    """The line that keeps a result, if it is asked for."""
    return [f"        {outline.kept[name]} = x"] if name in outline.kept else []
