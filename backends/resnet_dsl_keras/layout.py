"""A network as one Python file: functions of blocks, then `build`, placed by a template."""

from __future__ import annotations

import re
from dataclasses import replace

from resnet_dsl.codegen.constants import frozen_constant, has_parameters, preprocess_constant
from resnet_dsl.codegen.printer import docstring
from resnet_dsl.codegen.provenance import origin, spec_lines
from resnet_dsl.codegen.templates import template
from resnet_dsl.codegen.text_classes import classes_of
from resnet_dsl.codegen.text_model_body import outline, used_helpers
from resnet_dsl.ir.network import Body, Node
from resnet_dsl.ir.ops import Op
from resnet_dsl.program import Program
from resnet_dsl_keras.functions import functions_of
from resnet_dsl_keras.helpers import HELPERS
from resnet_dsl_keras.layer_names import LayerNames
from resnet_dsl_keras.model import body_lines, input_lines
from resnet_dsl_keras.recursion import recursion_limit
from resnet_dsl_keras.reserved_names import RESERVED, check_names
from resnet_dsl_keras.rules import lower


def render(program: Program) -> str:
    """Return the source of a program's model; raises CompileError for a name that Keras needs."""
    check_names(program)
    classes = classes_of(program.network, RESERVED)
    names = LayerNames(program, classes)
    functions = functions_of(classes, names)
    whole = outline(program, classes, RESERVED.union(functions.names.values()))
    used = used_helpers(whole, classes, lambda op, step: lower(op, step).helpers)
    helpers = [HELPERS[name] for name in HELPERS if name in used]
    frozen = frozen_constant(_by_blocks(program), _is_frozen_layer, names.at)
    return template("resnet_dsl_keras").render(
        name=program.name,
        origin=list(origin(program)),
        spec=list(spec_lines(program)),
        recursion=recursion_limit(program.graph),
        uses_ops=any(re.search(r"\bops\.", source) for source in helpers),
        preprocess=preprocess_constant(program),
        frozen=frozen,
        separator=names.separator(),
        drops=bool(frozen) and any(n.op.random for n in program.graph.nodes),
        helpers=helpers,
        functions=functions.texts,
        doc=docstring(f"Return {program.name}, with fresh weights, in the layout that Keras is set to", 4),
        body="\n".join([*input_lines(program), *body_lines(program, whole, classes, functions, names)]),
    )


def _is_frozen_layer(node: Node, body: Body) -> bool:
    return (isinstance(node.what, Op) and node.what.random) or has_parameters(node, body)


def _by_blocks(program: Program) -> Program:
    """The program with frozen stages as their blocks, if these are called otherwise than their stage."""
    if not program.names:
        return program
    network = program.network
    blocks = {s.name: [f"{s.name}.{i}" for i in range(len(s.blocks))] for s in network.stages}
    frozen = tuple(path for part in network.frozen for path in blocks.get(part, [part]))
    return replace(program, network=replace(network, frozen=frozen))
