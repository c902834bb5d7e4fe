"""The function that builds the model: stem, stages and head, results kept where they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from resnet_dsl.backend.ir import INPUT, BlockCall, Body, Graph, Node, Program, Stage, names_of
from resnet_dsl.backend.python_source import (
    IN_CHANNELS,
    INDEX,
    Assignment,
    Classes,
    Dictionary,
    Expression,
    Joined,
    Literal,
    ModelBody,
    ModelPart,
    Name,
    Subscript,
    call,
    docstring,
    names,
    needed_sizes,
    signature,
    statement,
)
from resnet_dsl_keras.functions import Functions, written
from resnet_dsl_keras.layer_names import LayerNames, numbered
from resnet_dsl_keras.rules import lowered_node

X = Name("x")
INPUTS = Name("inputs")
AUXILIARY = "auxiliary"
LOOP = 3  # as many blocks alike are a loop


@dataclass(frozen=True)
class Loop:
    """`for i in range(first, end): x = value`."""

    first: int
    end: int
    value: Expression


Line = Assignment | Loop


@dataclass(frozen=True)
class Build:
    """The function `build`: the line or lines that open it, its docstring and body, and names they use."""

    opening: str
    doc: str
    body: str
    names: frozenset[str]


def build_function(
    program: Program,
    body: ModelBody,
    classes: Classes,
    functions: Functions,
    layer_names: LayerNames,
    returns: bool = True,
) -> Build:
    """Return the function that builds the program's model; without `returns` the file goes on with it."""
    lines, result, later = _lines(body, classes, functions, layer_names)
    outputs: Expression = result
    if body.outputs:
        outputs = Name("outputs")
        items = tuple((Literal(name), Name(variable)) for name, variable in body.outputs)
        lines.append(Assignment(("outputs",), Dictionary(items)))
    model = call("keras.Model", INPUTS, outputs, name=program.name)
    used = names([line.value for line in (*lines, *later)])
    text = [*_input_lines(program, body, IN_CHANNELS in used), *_text(lines)]
    if body.auxiliary:
        text += [f"    if {AUXILIARY}:", *_text(later, 8)]
        for name, variable in body.auxiliary:
            text.append(statement("", Subscript(outputs, (Literal(name),)), 8) + f" = {variable}")
    text.append(statement("return " if returns else "model = ", model, 4))
    return Build(_opening(program, body), docstring(_doc(program), 4), "\n".join(text), frozenset(used))


# --- what it takes -----------------------------------------------------------------------------


def _opening(program: Program, body: ModelBody) -> str:
    parameters = [f"{p.name}: {p.kind} = {p.default}" for p in body.parameters if p.name != IN_CHANNELS]
    channels, *sizes = program.network.input.at(program.network.extent)
    shape = (*sizes, channels)
    kind = "tuple[int | None, int | None, int]" if sizes else "tuple[int]"
    parameters.append(f"input_shape: {kind} = {shape}")
    parameters += [f"{AUXILIARY}: bool = False"] if body.auxiliary else []
    return signature("def build", parameters, " -> keras.Model:", 0)


def _doc(program: Program) -> str:
    vector = program.network.input.is_vector
    shape = "the length of the input" if vector else "height, width and channels in either layout"
    returned = f"Return {program.name}, with fresh weights, in the layout that Keras is set to"
    text = f"{returned}. `input_shape` is {shape}{needed_sizes(program)}"
    names = " and ".join(f"`{name}`" for name in program.network.auxiliary)
    return f"{text}. With `{AUXILIARY}` the model has {names}, which are for training, too" if names else text


def _input_lines(program: Program, body: ModelBody, uses_channels: bool) -> Iterator[str]:
    """The statements that make the input, in either layout."""
    if not _channels_vary(program, body):
        channels = program.network.input.channels
        yield f"    if input_shape[-1] != {channels}:"
        yield f'        raise ValueError("the layers are made for an input of {channels} channels")'
    if uses_channels:
        yield f"    {IN_CHANNELS} = input_shape[-1]"
    if program.network.input.is_vector:
        yield '    inputs = keras.Input(input_shape, name="input")'
        return
    yield '    last = keras.config.image_data_format() == "channels_last"'
    yield "    inputs = keras.Input("
    yield '        input_shape if last else (input_shape[2], *input_shape[:2]), name="input"'
    yield "    )"


def _channels_vary(program: Program, body: ModelBody) -> bool:
    """Whether the file is right for any number of channels of the input: layers of Keras look themselves."""
    network = program.network
    if IN_CHANNELS in {parameter.name for parameter in body.parameters}:
        return True
    if IN_CHANNELS not in {parameter.name for parameter in network.parameters} or _counted(program.graph):
        return False
    formulas = [formula for stage in network.stages for given in stage.derived for _, formula in given]
    parts = [part for part in (network.stem, network.head) if part is not None]
    formulas += [formula for part in parts for node in part.nodes for _, formula in node.derived]
    if any(IN_CHANNELS in names_of(formula) for formula in formulas):
        return False
    return not any(_counts_channels(node, part) for part in parts for node in part.nodes)


def _counted(graph: Graph) -> bool:
    """Whether a layer that is made for so many channels takes those of the input."""
    following = {INPUT}
    for node in graph.nodes:
        if following.intersection(node.inputs):
            if lowered_node(node).by_channels:
                return True
            following |= set() if node.op.weighted else {node.name}
    return False


def _counts_channels(node: Node, part: Body) -> bool:
    """Whether a block on the input's channels has a number that follows from them."""
    given = (part.channels(value) for value in node.inputs)
    if not isinstance(node.what, BlockCall) or not any(IN_CHANNELS in names_of(formula) for formula in given):
        return False
    inner = [below for body in node.what.body.bodies() for below in body.nodes]
    return any("." in name for below in inner for _, formula in below.derived for name in names_of(formula))


# --- its parts ---------------------------------------------------------------------------------


def _lines(
    body: ModelBody, classes: Classes, functions: Functions, layer_names: LayerNames
) -> tuple[list[Line], Name, list[Line]]:
    """The statements from the input to the last result, each under its own name where it is kept.

    Last are those of parts and steps that only auxiliary outputs need.
    """
    lines: list[Line] = []
    later: list[Line] = []
    current = INPUTS
    for part in body.parts:
        behind: list[Assignment] = []
        if isinstance(part, Stage):
            more, current = _stage(part, current, body, classes, functions, layer_names)
        else:
            more, current, behind = _part(part, current, body, functions, layer_names)
        (later if part.name in body.later else lines).extend(more)
        later += behind
    return lines, current, later


def _part(
    part: ModelPart, current: Name, body: ModelBody, functions: Functions, layer_names: LayerNames
) -> tuple[list[Line], Name, list[Assignment]]:
    kept = frozenset(body.kept.values()).union(parameter.name for parameter in body.parameters)
    inputs, given = part.inputs(current.path), body.given(part)
    lines, results, later = functions.computing(
        part.steps, part.results, inputs, lambda s: Literal(layer_names.at(s)), kept, given, part.later
    )
    lines += [Assignment((name,), results[position]) for name, position in body.copies(part)]
    later += [Assignment((name,), results[position]) for name, position in body.copies(part, True)]
    if part.name not in body.kept and part.name == "head" and body.outputs:
        return [*lines], X, later  # its results have their names
    name = Name(body.kept.get(part.name, X.path))
    return [*lines, *([Assignment((name.path,), results[0])] if results[0] != name else [])], name, later


def _stage(
    stage: Stage,
    current: Name,
    body: ModelBody,
    classes: Classes,
    functions: Functions,
    layer_names: LayerNames,
) -> tuple[list[Line], Name]:
    """A stage block by block, equal neighbours in a loop where none of them is kept."""
    lines: list[Line] = []
    end = f"{stage.name}.{len(stage.blocks) - 1}"
    kept = {end: body.kept.get(stage.name, X.path), **body.kept}
    paths = [f"{stage.name}.{index}" for index in range(len(stage.blocks))]

    def first(start: int) -> int:
        found = numbered([layer_names.at(paths[start])])
        return found[1] if found else 0

    done = 0
    for use, count in classes.progressions(stage, first):
        end_of_run = done + count
        while done < end_of_run:
            run = paths[done:end_of_run]
            alike = numbered([layer_names.at(path) for path in run])
            several = any(block.more for block in stage.blocks[done:end_of_run])
            plain = not (stage.inputs or several) and body.kept.keys().isdisjoint(run)
            if alike and len(run) >= LOOP and current == X and plain:
                front, number, back = alike
                block = functions.call(use, [X], Joined(INDEX, back, front))
                lines.append(Loop(number, number + len(run), block))
                done = end_of_run
            else:
                own = classes.use(stage.blocks[done])
                operands = list(map(Name, body.operands(stage, done, current.path)))
                block = functions.call(own, operands, Literal(layer_names.at(run[0])))
                results = len(stage.blocks[done].results)
                targets, copies = body.targets(run[0], results, kept.get(run[0], X.path))
                current = Name(targets[0])
                lines.append(Assignment(targets, block))
                lines += [Assignment((name,), Name(target)) for name, target in copies]
                done += 1
    name = body.kept.get(stage.name, current.path)
    if name != current.path:
        lines.append(Assignment((name,), current))
    return lines, Name(name)


def _text(lines: Iterable[Line], indent: int = 4) -> Iterator[str]:
    for line in lines:
        if isinstance(line, Loop):
            bounds = f"{line.first}, {line.end}" if line.first else f"{line.end}"
            variable = INDEX if INDEX in names([line.value]) else "_"
            yield f"{' ' * indent}for {variable} in range({bounds}):"
            yield statement(f"{X.path} = ", line.value, indent + 4)
        else:
            yield from written([line], indent)
