"""A network as one Python file: functions of blocks, then `build`, placed by a template."""

from __future__ import annotations

import re

from resnet_dsl.ir.network import Body, Node
from resnet_dsl.ir.ops import Op
from resnet_dsl.program import Program
from resnet_dsl.rendering.classes import classes_of
from resnet_dsl.rendering.constants import frozen_constant, has_parameters, preprocess_constant
from resnet_dsl.rendering.header import origin, spec_lines
from resnet_dsl.rendering.outline import outline, used_helpers
from resnet_dsl.rendering.source import docstring
from resnet_dsl.rendering.templates import template
from resnet_dsl_keras.functions import functions_of
from resnet_dsl_keras.helpers import HELPERS
from resnet_dsl_keras.model import body_lines, input_lines
from resnet_dsl_keras.names import RESERVED, check_names
from resnet_dsl_keras.naming import layer_name
from resnet_dsl_keras.recursion import recursion_limit
from resnet_dsl_keras.rules import lower


def render(program: Program) -> str:
    """Return the source of a program's model; raises CompileError for a name that Keras needs."""
    check_names(program.network)
    classes = classes_of(program.network, RESERVED)
    functions = functions_of(classes)
    whole = outline(program, classes, RESERVED.union(functions.names.values()))
    used = used_helpers(whole, classes, lambda op, step: lower(op, step).helpers)
    helpers = [HELPERS[name] for name in HELPERS if name in used]
    frozen = frozen_constant(program, _is_frozen_layer, layer_name)
    return template("resnet_dsl_keras").render(
        name=program.name,
        origin=list(origin(program)),
        spec=list(spec_lines(program)),
        recursion=recursion_limit(program.graph),
        uses_ops=any(re.search(r"\bops\.", source) for source in helpers),
        preprocess=preprocess_constant(program),
        frozen=frozen,
        drops=bool(frozen) and any(n.op.random for n in program.graph.nodes),
        helpers=helpers,
        functions=functions.texts,
        doc=docstring(f"Return {program.name}, with fresh weights, in the layout that Keras is set to", 4),
        body="\n".join([*input_lines(program), *body_lines(program, whole, classes, functions)]),
    )


def _is_frozen_layer(node: Node, body: Body) -> bool:
    return (isinstance(node.what, Op) and node.what.random) or has_parameters(node, body)
