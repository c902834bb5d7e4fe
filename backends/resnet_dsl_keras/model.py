"""The function that builds the model: stem, stages and head, results kept where they are asked for."""

from __future__ import annotations

from resnet_dsl.codegen.text_classes import Classes
from resnet_dsl.codegen.text_model_body import Outline, Part
from resnet_dsl.codegen.text_statements import Code, literal, quoted, statement
from resnet_dsl.ir.network import Stage
from resnet_dsl.program import Program
from resnet_dsl_keras.functions import Functions
from resnet_dsl_keras.layer_names import LayerNames, numbered


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


def body_lines(
    program: Program, outline: Outline, classes: Classes, functions: Functions, names: LayerNames
) -> list[str]:
    """Return the statements from the input to the model."""
    lines: list[str] = []
    x = "inputs"
    for part in outline.parts:
        if isinstance(part, Stage):
            lines += _stage(part, x, outline, classes, functions, names)
        else:
            lines += _part(part, x, outline, functions, names)
        x = "x"
        lines += _keep(part.name, outline)
    items = [f"{quoted(name)}: {variable}" for name, variable in outline.outputs]
    if items:
        lines.append(literal("outputs = ", "{}", items, 4))
    model = Code("keras.Model", ("inputs", "outputs" if items else x, f'name="{program.name}"'))
    return [*lines, statement("model = " if program.network.frozen else "return ", model, 4)]


def _part(part: Part, x: str, outline: Outline, functions: Functions, names: LayerNames) -> list[str]:
    inputs = [x, *part.features]
    kept = frozenset(outline.kept.values())
    return functions.lines(part.steps, part.result, inputs, lambda step: f'"{names.at(step)}"', "x = ", kept)


def _stage(
    stage: Stage, x: str, outline: Outline, classes: Classes, functions: Functions, names: LayerNames
) -> list[str]:
    """A stage block by block, equal neighbours in a loop unless one of them is kept."""
    lines: list[str] = []
    for use, start, count in classes.runs(stage):
        paths = [f"{stage.name}.{i}" for i in range(start, start + count)]
        alike = numbered([names.at(path) for path in paths])
        if count > 2 and alike and not any(path in outline.kept for path in paths) and x == "x":
            front, first, back = alike
            bounds = f"{first}, {first + count}" if first else str(count)
            lines.append(f"    for i in range({bounds}):")
            code = functions.call(use, [x], f'f"{front}{{i}}{back}"')
            lines.append(statement("x = ", code, 8))
            continue
        for path in paths:
            lines.append(statement("x = ", functions.call(use, [x], f'"{names.at(path)}"'), 4))
            x = "x"
            lines += _keep(path, outline)
    return lines


def _keep(name: str, outline: Outline) -> list[str]:
    """The line that keeps a result, if it is asked for."""
    return [f"    {outline.kept[name]} = x"] if name in outline.kept else []
