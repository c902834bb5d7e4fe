"""A network as one Python file: functions of blocks, then `build`, placed by a template."""

from __future__ import annotations

from collections.abc import Iterator

from resnet_dsl.backend.artefacts import origin, spec_lines
from resnet_dsl.backend.ir import Body, Node, Op, Program
from resnet_dsl.backend.python_source import (
    Classes,
    Expression,
    ModelBody,
    classes_of,
    frozen_constant,
    has_parameters,
    model_body,
    norms_constant,
    preprocess_constant,
    template,
)
from resnet_dsl.backend.records import replace
from resnet_dsl_keras.functions import function_name, functions_of
from resnet_dsl_keras.helpers import EXACT, helpers_of
from resnet_dsl_keras.layer_names import LayerNames
from resnet_dsl_keras.model import IMAGES, INPUTS, build_function
from resnet_dsl_keras.recursion import recursion_limit
from resnet_dsl_keras.reserved_names import RESERVED
from resnet_dsl_keras.rules import KerasLowering, lowered, lowered_node
from resnet_dsl_keras.shared_layers import blocks_calls, helper_calls


def render(program: Program, exact: bool = False) -> str:
    """Return the source of a program's model.

    `exact` asks for ops in place of those layers of Keras that compute in single precision whatever
    the model's own is: slower, and of use to a comparison in double precision alone.
    """
    reserved = RESERVED | ({IMAGES.path} if program.network.pixels is not None else set())
    classes = classes_of(program.network, lowered, reserved, function_name)
    layer_names = LayerNames(program, classes)
    body = model_body(program, classes, reserved, INPUTS.path)
    cases = {case for node in program.graph.nodes for case in lowered_node(node).cases}
    cases |= EXACT if exact else set()
    trees = [*_trees(body, classes), *blocks_calls(program.network)]
    helpers = helpers_of(trees, cases)
    functions = functions_of(classes, helpers, layer_names)
    frozen = frozen_constant(_by_blocks(program), _is_frozen_layer, layer_names.at)
    norms = norms_constant(program, _norm_kinds(program))
    inference = program.network.inference
    build = build_function(
        program, body, classes, functions, layer_names, returns=not (frozen or norms or inference)
    )
    used = build.names.union(*(function.names for function in functions.found.values()))
    called = helpers.called(used)
    drops = bool(frozen) and any(node.op.random for node in program.graph.nodes)
    used = used.union(["layers"] * (drops or bool(norms)), *(helpers.names[name] for name in called))
    return template("resnet_dsl_keras").render(
        name=program.name,
        origin=[*origin(program), *further_work(program)],
        spec=list(spec_lines(program)),
        recursion=recursion_limit(program.graph),
        imports=[name for name in ("layers", "ops") if name in used],
        preprocess=preprocess_constant(program),
        frozen=frozen,
        norms=norms,
        inference=inference,
        separator=layer_names.separator(),
        drops=drops,
        helpers=[helpers.sources[name] for name in called],
        functions=[function.text for function in functions.found.values()],
        build=build,
    )


def further_work(program: Program) -> Iterator[str]:
    """Yield lines that say what Keras computes beyond the network's own multiply-adds, op by op."""
    macs = {layer.node.name: layer.macs for layer in program.layers}
    lines = []
    total = program.cost.macs or 0
    for node in program.graph.nodes:
        if (computed := lowered_node(node).computed) is not None:
            extent = program.network.extent
            sizes = computed.shape(*node.input_shapes, extent=extent).at(extent)
            known = [size for size in sizes if size is not None]
            own = macs[node.name]
            if own is None or len(known) < len(sizes):
                lines.append(f"  {node.name}")
                continue
            count = computed.macs(node.input_shapes, tuple(known))
            total += count - own
            lines.append(f"  {node.name}: {count:,} for {own:,}")
    if lines:
        needs = f"{total:,} multiply-adds" if program.cost.macs is not None else "more"
        yield f"Keras needs {needs}, since no convolution of it both strides and dilates:"
        yield "every pixel is computed, and then some are taken, in"
        yield from lines


def _trees(body: ModelBody, classes: Classes) -> list[Expression]:
    """What all ops of the file are written with."""
    steps = [*body.steps(), *(step for block in classes.classes for step in block.steps)]
    lowerings = [step.what for step in steps if isinstance(step.what, KerasLowering)]
    parts = [lowering.parts.whole for lowering in lowerings if lowering.parts is not None]
    sharing = [tree for step in steps for tree in helper_calls(step)]
    return [*(lowering.expression for lowering in lowerings), *parts, *sharing]


def _is_frozen_layer(node: Node, body: Body) -> bool:
    return (isinstance(node.what, Op) and node.what.random) or has_parameters(node, body)


def _norm_kinds(program: Program) -> Iterator[str]:
    """Yield the classes of the norms that could be trained."""
    for node in program.graph.nodes:
        kind = "" if node.op.stays else lowered_node(node).norm
        yield from [f"layers.{kind}"] * bool(kind)


def _by_blocks(program: Program) -> Program:
    """The program with frozen stages as their blocks, if these are called otherwise than their stage."""
    if not program.names:
        return program
    network = program.network
    blocks = {s.name: [f"{s.name}.{i}" for i in range(s.count)] for s in network.stages}
    frozen = tuple(path for part in network.frozen for path in blocks.get(part, [part]))
    return replace(program, network=replace(network, frozen=frozen))
