"""The function that builds the model: stem, stages and head, results kept where they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from resnet_dsl.backend.ir import INPUT, BlockCall, Body, Graph, Node, PixelInput, Program, Stage, names_of
from resnet_dsl.backend.python_source import (
    IN_CHANNELS,
    INDEX,
    Argument,
    Assignment,
    Call,
    Classes,
    ClassParameter,
    Dictionary,
    Expression,
    Joined,
    Literal,
    ModelBody,
    ModelPart,
    Name,
    Negative,
    SharedUse,
    Subscript,
    call,
    docstring,
    listed,
    names,
    needed_sizes,
    signature,
    statement,
)
from resnet_dsl.backend.records import dataclass
from resnet_dsl_keras.functions import Functions
from resnet_dsl_keras.layer_names import LayerNames, numbered
from resnet_dsl_keras.reserved_names import RESERVED
from resnet_dsl_keras.rules import lowered_node
from resnet_dsl_keras.shared_layers import application, free_variable, function_of

X = Name("x")
IMAGES = Name("images")
INPUTS = Name("inputs")
AUXILIARY = "auxiliary"
LOOP = 3  # as many blocks alike are a loop
DTYPE, POLICY = "dtype", "str | keras.DTypePolicy"


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
    pixels = program.network.pixels
    model = call("keras.Model", INPUTS if pixels is None else IMAGES, outputs, name=program.name)
    used = names([line.value for line in (*lines, *later)])
    if pixels is not None:
        used = used.union(["layers"], ["ops"] * pixels.reversed)
    text = [*_under_policy(body), *_input_lines(program, body, IN_CHANNELS in used), *_text(lines)]
    if body.auxiliary:
        text += [f"    if {AUXILIARY}:", *_text(later, 8)]
        for name, variable in body.auxiliary:
            text.append(statement("", Subscript(outputs, (Literal(name),)), 8) + f" = {variable}")
    text.append(statement("return " if returns else "model = ", model, 4))
    return Build(_opening(program, body), docstring(_doc(program), 4), "\n".join(text), frozenset(used))


# --- what it takes -----------------------------------------------------------------------------


def _opening(program: Program, body: ModelBody) -> str:
    parameters = [f"{p.name}: {p.kind} = {p.default}" for p in _own_parameters(body)]
    channels, *sizes = program.network.input.at(program.network.extent)
    shape = (*sizes, channels)
    kind = "tuple[int | None, int | None, int]" if sizes else "tuple[int]"
    parameters += [f"input_shape: {kind} = {shape}", f"{DTYPE}: {POLICY} | None = None"]
    parameters += [f"{AUXILIARY}: bool = False"] if body.auxiliary else []
    return signature("def build", parameters, " -> keras.Model:", 0)


def _own_parameters(body: ModelBody) -> list[ClassParameter]:
    """The model's own parameters; the channels of the input are part of its shape."""
    return [parameter for parameter in body.parameters if parameter.name != IN_CHANNELS]


def _under_policy(body: ModelBody) -> Iterator[str]:
    """The statements that build under the policy asked for: all that is made takes the one that is set."""
    given = [Name(parameter.name) for parameter in _own_parameters(body)]
    named = {AUXILIARY: Name(AUXILIARY)} if body.auxiliary else {}
    yield f"    if {DTYPE} is not None:"
    yield "        before = keras.config.dtype_policy()"
    yield f"        keras.config.set_dtype_policy({DTYPE})"
    yield "        try:"
    yield statement("return ", call("build", *given, Name("input_shape"), **named), 12)
    yield "        finally:"
    yield "            keras.config.set_dtype_policy(before)"


def _doc(program: Program) -> str:
    vector = program.network.input.is_vector
    shape = "the length of the input" if vector else "height, width and channels in either layout"
    returned = f"Return {program.name}, with fresh weights, in the layout that Keras is set to"
    policy = f"`{DTYPE}` is a dtype policy, such as `mixed_bfloat16`, without it the one that is set"
    text = f"{returned}. `input_shape` is {shape}{needed_sizes(program)}. {policy}"
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
    if program.network.pixels is not None:
        yield from _image_lines(program.network.pixels)
        return
    # By itself an input is of Keras' `floatx`, whatever the policy is.
    settings: dict[str, Argument] = {"dtype": Name("keras.config.dtype_policy().variable_dtype")}
    shape: Expression = Name("input_shape")
    if not program.network.input.is_vector:
        yield '    last = keras.config.image_data_format() == "channels_last"'
        shape = Name("shape")
        yield "    shape = input_shape if last else (input_shape[2], *input_shape[:2])"
    yield statement("inputs = ", call("keras.Input", shape, **settings, name="input"), 4)


def _image_lines(pixels: PixelInput) -> Iterator[str]:
    """The statements that take images, channels last in either layout, and make the input of them."""
    means = [-shift / scale for scale, shift in zip(pixels.scale, pixels.shift, strict=True)]
    variances = [(1 / scale) ** 2 for scale in pixels.scale]
    yield statement("images = ", call("keras.Input", Name("input_shape"), dtype="uint8", name="input"), 4)
    first: Expression = IMAGES
    if pixels.reversed:
        yield statement("inputs = ", call("ops.flip", IMAGES, axis=Negative(Literal(1))), 4)
        first = INPUTS
    numbers = {"mean": listed(*means), "variance": listed(*variances)}
    made = call("layers.Normalization", axis=Negative(Literal(1)), **numbers, name="preprocess")
    yield statement("inputs = ", Call(made, (first,)), 4)
    yield '    last = keras.config.image_data_format() == "channels_last"'
    yield "    if not last:"
    yield "        inputs = layers.Permute((3, 1, 2))(inputs)"


def _channels_vary(program: Program, body: ModelBody) -> bool:
    """Whether the file is right for any number of channels of the input: layers of Keras look themselves."""
    network = program.network
    if IN_CHANNELS in {parameter.name for parameter in body.parameters}:
        return True
    if IN_CHANNELS not in {parameter.name for parameter in network.parameters} or _counted(program.graph):
        return False
    formulas = [formula for stage in network.stages for run in stage.runs for _, formula in run.derived]
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
    shared = _shared_blocks(body, functions)
    for part in body.parts:
        behind: list[Assignment] = []
        if isinstance(part, Stage) and shared and part.shares:
            more, current = _stage_of_shared(part, current, body, classes, functions, layer_names, shared)
        elif isinstance(part, Stage):
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
    end = f"{stage.name}.{stage.count - 1}"
    kept = {end: body.kept.get(stage.name, X.path), **body.kept}
    paths = [f"{stage.name}.{index}" for index in range(stage.count)]

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
            plain = stage.in_a_row and not several and body.kept.keys().isdisjoint(run)
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


SharedBlocks = dict[str, tuple[str, SharedUse]]


def _shared_blocks(body: ModelBody, functions: Functions) -> SharedBlocks:
    """The blocks of stages that are applied more than once: the variable of each, and what is known of it."""
    taken = RESERVED.union(functions.names, body.kept.values(), (p.name for p in body.parameters))
    taken = taken.union(step.name for step in body.steps())
    return {path: (free_variable(path, taken), use) for path, use in body.shared.items()}


def _stage_of_shared(
    stage: Stage,
    current: Name,
    body: ModelBody,
    classes: Classes,
    functions: Functions,
    layer_names: LayerNames,
    shared: SharedBlocks,
) -> tuple[list[Line], Name]:
    """A stage with blocks that are applied more than once, block by block."""
    lines: list[Line] = []
    last = stage.count - 1
    for index, block in enumerate(stage.blocks):
        path = f"{stage.name}.{index}"
        home = stage.owner(index) or path
        name = Literal(layer_names.at(home))
        operands = list(map(Name, body.operands(stage, index, current.path)))
        if home not in shared:
            made: Expression = functions.call(classes.use(block), operands, name)
        else:
            variable, use = shared[home]
            if home == path:
                made_once = partial(functions.call, classes.use(block), name=name)
                lines += function_of(variable, operands, made_once, use)
            made = application(variable, operands)
        own = body.kept.get(path) or (body.kept.get(stage.name) if index == last else None)
        targets, copies = body.targets(path, len(block.results), own or X.path)
        current = Name(targets[0])
        lines.append(Assignment(targets, made))
        lines += [Assignment((copy,), Name(target)) for copy, target in copies]
    name_of = body.kept.get(stage.name, current.path)
    if name_of != current.path:
        lines.append(Assignment((name_of,), current))
    return lines, Name(name_of)


def _text(lines: Iterable[Line], indent: int = 4) -> Iterator[str]:
    for line in lines:
        if isinstance(line, Loop):
            bounds = f"{line.first}, {line.end}" if line.first else f"{line.end}"
            variable = INDEX if INDEX in names([line.value]) else "_"
            yield f"{' ' * indent}for {variable} in range({bounds}):"
            yield statement(f"{X.path} = ", line.value, indent + 4)
        else:
            yield line.written(indent)
