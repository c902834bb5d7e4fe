"""Graphs as exporters write them, brought into one plain form: the one in which we would have written them.

rewriting         a walk over the nodes, each of which a form may take
fixed_values      what depends on no input is a tensor
shape_arithmetic  shapes that are computed, and what is reshaped by them
channel_order     transposes, and values whose channels come last
usual_forms       ops that have several spellings
layer_forms       what follows a layer and can be part of it
tensor_names      each layer has tensors of its own, called as its weight is
"""

from __future__ import annotations

from pathlib import Path

from onnx import ModelProto

from resnet_dsl_onnx.exported_graph import ExportedGraph, check_order, exported, opset_of
from resnet_dsl_onnx.plain.channel_order import ORDER_FORMS, is_channels_last
from resnet_dsl_onnx.plain.fixed_values import fixed
from resnet_dsl_onnx.plain.layer_forms import LAYER_FORMS
from resnet_dsl_onnx.plain.rewriting import Form, Rewriting
from resnet_dsl_onnx.plain.shape_arithmetic import SHAPE_FORMS
from resnet_dsl_onnx.plain.tensor_names import with_own_tensors
from resnet_dsl_onnx.plain.usual_forms import USUAL_FORMS

FORMS: tuple[dict[str, Form], ...] = (SHAPE_FORMS, LAYER_FORMS, ORDER_FORMS, USUAL_FORMS)


def plain(model: ModelProto, path: Path) -> ExportedGraph:
    """Return the graph of a model by another exporter in plain form; what has none stays as it is."""
    graph = exported(model.graph, opset_of(model), path)
    check_order(graph)
    rewriting = Rewriting(graph, is_channels_last(graph))
    for node in graph.nodes:
        found = fixed(rewriting, node)
        if found is not None:
            rewriting.tensors[node.result] = found
        elif not any(node.op in forms and forms[node.op](rewriting, node) for forms in FORMS):
            rewriting.keep(node)
    return with_own_tensors(rewriting.result())
