"""The stages in print: syntax tree, network and graph, each as text that its tests compare.

A step is one line, `name: shape = op(inputs, arguments)`, with every argument written out in the
words of the language. Nothing depends on how the author wrote it: specs that mean the same print
the same but for the first line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from resnet_dsl.elaborate.values import show
from resnet_dsl.ir.arguments import Dims, Symbol
from resnet_dsl.ir.graph import GraphNode
from resnet_dsl.ir.network import PREVIOUS, WITHIN, BlockCall, Body, FurtherResult, Network, Stage
from resnet_dsl.ir.ops import Op
from resnet_dsl.ir.shapes import Extent, Shape
from resnet_dsl.program import Program
from resnet_dsl.records import MISSING, fields
from resnet_dsl.syntax import ast

INDENT = "    "
BLOCK_INPUT = "x"
PATH = "\0"  # stands for a block's path, as no name does


def print_network(program: Program) -> str:
    """Return the program after elaboration; blocks in a row that are alike are written once."""
    network = program.network
    lines = [f"model {network.name}", f"input: {network.input.text(network.extent)}", *_properties(network)]
    before = "input"
    if network.stem is not None:
        lines += ["", "stem", *_body_lines(network.stem, "", [before], network.extent)]
        before = "stem"
    for stage in network.stages:
        lines += ["", f"stage {stage.name}", *_stage_lines(stage, network.extent)]
        before = stage.name
    if network.head is not None:
        *_, taken = network.taken()
        inputs = [before if name == PREVIOUS else name for name in taken]
        lines += ["", "head", *_body_lines(network.head, "", inputs, network.extent)]
    return "\n".join(lines) + "\n"


def _properties(network: Network) -> Iterator[str]:
    """Yield what a model says beside its parts, where it says it."""
    listed = {"outputs": network.outputs, "auxiliary": network.auxiliary, "freeze": network.freeze}
    for name, paths in listed.items():
        if paths:
            yield f"{name}: [{', '.join(paths)}]"
    if network.preprocess:
        items = (f"{name}: {plain_text(value)}" for name, value in network.preprocess)
        yield f"preprocess: {{ {'  '.join(items)} }}"


def _stage_lines(stage: Stage, extent: Extent) -> Iterator[str]:
    """Yield the blocks of a stage; they are alike if they read the same under the same path."""
    printed: dict[tuple[int, tuple[str, ...]], tuple[str, ...]] = {}
    keys = [(id(body), stage.taken(index)) for index, body in enumerate(stage.blocks)]
    for key, body in zip(keys, stage.blocks, strict=True):
        if key not in printed:
            inputs = [_taken(name) for name in key[1]]
            printed[key] = tuple(_body_lines(body, PATH, inputs, extent))
    blocks = [(printed[key], stage.owner(index)) for index, key in enumerate(keys)]
    for (lines, owner), run in groupby(range(len(blocks)), key=blocks.__getitem__):
        numbers = list(run)
        again = f"  the tensors of {owner} again" if owner is not None else ""
        first, last = f"{stage.name}.{numbers[0]}", f"{stage.name}.{numbers[-1]}"
        if len(numbers) > 1:
            yield f"  {first} … {last}  ({len(numbers)} blocks alike){again}"
        else:
            yield f"  {first}{again}"
        yield from (line.replace(PATH, first) for line in lines)


def _taken(path: str) -> str:
    """What a block takes, as its lines have it: `x`, a field of that, or an earlier part."""
    _, within, name = path.partition(WITHIN)
    return f"{BLOCK_INPUT}.{name}" if within else path or BLOCK_INPUT


def _body_lines(body: Body, path: str, inputs: list[str], extent: Extent) -> Iterator[str]:
    steps, results = _steps(body, path, inputs)
    for name, op, taken, shape in steps:
        yield INDENT + _step(name, op, taken, shape.text(extent))
    if body.fields or body.more:
        named = [f"{name} = " for name in body.fields] + [""] * len(results)
        returned = (f"{name}{result}" for name, result in zip(named, results, strict=False))
        yield f"{INDENT}return {', '.join(returned)}"
    # A result that is not the last step would not be seen otherwise.
    elif not steps or results[0] != steps[-1][0]:
        yield f"{INDENT}return {results[0]}"


def _steps(
    body: Body, path: str, inputs: list[str]
) -> tuple[list[tuple[str, Op, list[str], Shape]], list[str]]:
    """Return the ops of a body under their full names, those of calls in place, and its results."""
    results: list[str] = []
    several: dict[int, list[str]] = {}
    steps = []

    def value(index: int) -> str:
        return inputs[-1 - index] if index < 0 else results[index]

    for number, node in enumerate(body.nodes):
        name = f"{path}.{node.name}" if path else node.name
        taken = [value(index) for index in node.inputs]
        if isinstance(node.what, FurtherResult):
            results.append(several[node.inputs[0]][node.what.position])
        elif isinstance(node.what, BlockCall):
            inner, several[number] = _steps(node.what.body, name, taken)
            steps += inner
            results.append(several[number][0])
        else:
            steps.append((name, node.what, taken, node.shape))
            results.append(name)
    return steps, list(map(value, body.results))


def print_graph(program: Program) -> str:
    """Return the flat list of ops, then what the model returns."""
    graph = program.graph
    extent = graph.network.extent
    lines = [f"graph {program.name}", f"input: {graph.network.input.text(extent)}"]
    lines += [_graph_line(node, extent) for node in graph.nodes]
    lines += [f"return {name} = {result}" for name, result in graph.outputs]
    return "\n".join(lines) + "\n"


def _graph_line(node: GraphNode, extent: Extent) -> str:
    line = _step(node.name, node.op, node.inputs, node.shape.text(extent))
    again = node.owner is not None and any(node.parameters())
    return f"{line}  the tensors of {node.home.name} again" if again else line


def print_ast(file: ast.File) -> str:
    """Return the syntax tree, one node a line, without places."""
    return "\n".join(_tree_lines(file, "", 0)) + "\n"


def _tree_lines(node: ast.Node, role: str, depth: int) -> Iterator[str]:
    plain, below = [], []
    for spec in fields(node):
        value = getattr(node, spec.name)
        if isinstance(value, ast.Node):
            below.append((spec.name, value))
        elif isinstance(value, tuple) and value and all(isinstance(item, ast.Node) for item in value):
            below += [(spec.name, item) for item in value]
        elif spec.compare and value != ():
            plain.append(f"{spec.name}={value!r}")
    words = [f"{role}:" if role else "", type(node).__name__, *plain]
    yield "  " * depth + " ".join(word for word in words if word)
    for name, child in below:
        yield from _tree_lines(child, name, depth + 1)


# --- one step ----------------------------------------------------------------------------------


def _step(name: str, op: Op, inputs: Iterable[str], shape: str) -> str:
    return f"{name}: {shape} = {op_call(op, inputs)}"


def op_call(op: Op, inputs: Iterable[str] = ()) -> str:
    """Return an op as a call of the language, with every argument written out."""
    words = list(inputs)
    for name, _, default in op.arguments():
        value = argument_text(getattr(op, name))
        words.append(value if default is MISSING else f"{name}={value}")
    return f"{op.kind}({', '.join(words)})"


def argument_text(value: object) -> str:
    """Return an argument as the language writes it: pairs as sizes."""
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(part, int) for part in value):
        return show(Dims(value))
    return plain_text(value)


def plain_text(value: object) -> str:
    """Return a value as the language writes it: choices as bare names."""
    return show(Symbol(value) if isinstance(value, str) else value)
