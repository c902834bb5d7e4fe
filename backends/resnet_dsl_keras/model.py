"""The function that builds the model: stem, stages and head, results kept where they are asked for."""

from __future__ import annotations

from resnet_dsl.ir.network import Stage
from resnet_dsl.program import Program
from resnet_dsl.rendering.classes import Classes
from resnet_dsl.rendering.outline import Outline, Part
from resnet_dsl.rendering.source import Code, literal, quoted, statement
from resnet_dsl_keras.functions import Functions
from resnet_dsl_keras.naming import layer_name


def input_lines(program: Program) -> list[str]:
    """Return the statements that make the input, in either layout."""
    channels, *sizes = program.network.input.at(program.network.extent)
    if not sizes:
        return [f'    inputs = keras.Input(({channels},), name="input")']
    first = f"({', '.join(map(str, (channels, *sizes)))})"
    last = f"({', '.join(map(str, (*sizes, channels)))})"
    code = Code("keras.Input", (f"{last} if last else {first}", 'name="input"'))
    layout = '    last = keras.config.image_data_format() == "channels_last"'
    return [layout, statement("inputs = ", code, 4)]


def body_lines(program: Program, outline: Outline, classes: Classes, functions: Functions) -> list[str]:
    """Return the statements from the input to the model."""
    lines: list[str] = []
    x = "inputs"
    for part in outline.parts:
        if isinstance(part, Stage):
            lines += _stage(part, x, outline, classes, functions)
        else:
            lines += _part(part, x, outline, functions)
        x = "x"
        lines += _keep(part.name, outline)
    items = [f"{quoted(name)}: {variable}" for name, variable in outline.outputs]
    if items:
        lines.append(literal("outputs = ", "{}", items, 4))
    model = Code("keras.Model", ("inputs", "outputs" if items else x, f'name="{program.name}"'))
    return [*lines, statement("model = " if program.network.frozen else "return ", model, 4)]


def _part(part: Part, x: str, outline: Outline, functions: Functions) -> list[str]:
    inputs = [x, *part.features]
    kept = frozenset(outline.kept.values())
    return functions.lines(part.steps, part.result, inputs, lambda step: f'"{step}"', "x = ", kept)


def _stage(stage: Stage, x: str, outline: Outline, classes: Classes, functions: Functions) -> list[str]:
    """A stage block by block, equal neighbours in a loop unless one of them is kept."""
    lines: list[str] = []
    for use, start, count in classes.runs(stage):
        names = [f"{stage.name}.{i}" for i in range(start, start + count)]
        if count > 2 and not any(name in outline.kept for name in names) and x == "x":
            code = functions.call(use, [x], f'f"{stage.name}-{{i}}"')
            bounds = f"{start}, {start + count}" if start else str(count)
            lines.append(f"    for i in range({bounds}):")
            lines.append(statement("x = ", code, 8))
            continue
        for name in names:
            lines.append(statement("x = ", functions.call(use, [x], f'"{layer_name(name)}"'), 4))
            x = "x"
            lines += _keep(name, outline)
    return lines


def _keep(name: str, outline: Outline) -> list[str]:
    """The line that keeps a result, if it is asked for."""
    return [f"    {outline.kept[name]} = x"] if name in outline.kept else []
