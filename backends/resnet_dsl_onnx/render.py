"""Graph to ModelProto: nodes and values under canonical names, weights, and where it all came from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import prod
from pathlib import PurePath

import numpy as np
from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    TensorShapeProto,
    ValueInfoProto,
    helper,
    numpy_helper,
)

from resnet_dsl.backend.artefacts import KEY, OPEN, Pieces, __version__, digest, made_for
from resnet_dsl.backend.bounds import CONSTANTS
from resnet_dsl.backend.initial_weights import initial_weights
from resnet_dsl.backend.ir import INPUT, Array, Extent, Graph, GraphNode, Network, Program, Shape
from resnet_dsl.backend.records import replace
from resnet_dsl.backend.refusals import UsageError
from resnet_dsl_onnx.exported_graph import SHARED
from resnet_dsl_onnx.files import one_file
from resnet_dsl_onnx.nodes import Constant, OnnxNode
from resnet_dsl_onnx.preprocessing import NETWORK_INPUT, preprocessing
from resnet_dsl_onnx.rules import lower

# What onnx writes unasked is newer than what released runtimes load (onnx 1.23 writes opset 28 and
# IR 14, onnxruntime 1.31 takes 26 and 13). These two every runtime since 2022 takes.
OPSET = 17
IR_VERSION = 8
ELEMENT = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}
NUMBERS = "numbers"
LEFT_OUT = "left_out"  # the tensors that auxiliary outputs alone need
Lowered = tuple[GraphNode, OnnxNode]
POOLS = ("MaxPool", "AveragePool")
LARGEST_TENSOR = 2_000_000_000  # protobuf cannot hold a field past 2 GiB, not even in memory


def render(program: Program, state: Mapping[str, Array] | None) -> Pieces:
    """Return the model as a file's bytes, the same on every run; weights of seed 0 if none are given.

    Raises UsageError past protobuf's 2 GB: such a model goes through `save`.
    """
    return one_file(*_outline(program, state, "float32"))


def model_of(program: Program, state: Mapping[str, Array] | None, dtype: str) -> ModelProto:
    """Return the model of a program; without a state it has the initial weights of seed 0."""
    model, weights = _outline(program, state, dtype)
    weights.reverse()
    for tensor in model.graph.initializer[: len(weights)]:
        tensor.raw_data = weights.pop().tobytes()  # and is let go, so that none is held twice for long
    return model


def _outline(
    program: Program, state: Mapping[str, Array] | None, dtype: str
) -> tuple[ModelProto, list[Array]]:
    """Return the model with its weights still empty, which are its first initialisers, and their arrays."""
    if dtype not in ELEMENT:
        raise ValueError(f"an onnx model is built in {' or '.join(ELEMENT)}, not {dtype}")
    whole, graph = program.graph, program.graph.inference
    lowered = _lowered(graph)
    check_constants(_constants(lowered, graph.network))
    if state is not None:
        check_weights({name: parameter.shape for name, parameter in whole.parameters()}, state)
    model = ModelProto(
        ir_version=IR_VERSION,
        producer_name="resnet-dsl",
        producer_version=__version__,
        doc_string=graph.network.source.text,
        opset_import=[helper.make_opsetid("", OPSET)],
    )
    _fill(model.graph, graph, lowered, dtype)
    weights = _add_weights(model.graph, graph, initial_weights(program, 0) if state is None else state, dtype)
    _add_constants(model.graph, lowered, graph.network, dtype)
    written = {name for name, _ in graph.parameters()}
    left_out = [program.tensor_name(name) for name, _ in whole.parameters() if name not in written]
    metadata = _metadata(graph, lowered) | _shared(program) | _options(program)
    helper.set_model_props(model, metadata | ({LEFT_OUT: json.dumps(left_out)} if left_out else {}))
    return _renamed(model, program) if program.names else model, weights


def without_weights(program: Program) -> GraphProto:
    """Return the graph of a program without its weights."""
    graph = program.graph.inference
    lowered, result = _lowered(graph), GraphProto()
    _fill(result, graph, lowered, "float32")
    _add_constants(result, lowered, graph.network, "float32")
    return result


def _lowered(graph: Graph) -> list[Lowered]:
    extent = graph.network.extent
    return list(_unfused((node, part) for node in graph.nodes for part in lower(node.op, node, extent)))


def _unfused(lowered: Iterable[Lowered]) -> Iterator[Lowered]:
    """Put a node without effect between a Pad and the pool after it.

    onnxruntime (1.31, `PadFusion`) and the ONNX optimizer make one pool of the two. A MaxPool pads with
    minus infinity where the Pad has zeros, an AveragePool leaves its padding out or refuses one as long
    as its window. What runtimes remove, such as a dropout, keeps the two no further apart.
    """
    padded = set[str | Constant]()
    for node, part in lowered:
        if part.op_type == "Pad" or (_may_vanish(part) and not padded.isdisjoint(part.inputs)):
            padded.add(part.result(node.name))
        if part.op_type in POOLS and part.inputs[0] in padded:
            suffix = f"{part.suffix}/apart" if part.suffix else "apart"
            apart = OnnxNode("Max", part.inputs * 2, {}, suffix)
            yield node, apart
            yield node, replace(part, inputs=(apart.result(node.name),))
        else:
            yield node, part


def _may_vanish(part: OnnxNode) -> bool:
    """Whether runtimes may take a node out, so that a neighbour of it meets the other.

    A number may be so small, or so near to 1, that single precision has no effect of it.
    """
    with_number = any(isinstance(given, Constant) for given in part.inputs)
    return part.op_type in ("Identity", "Dropout") or (part.op_type in ("Add", "Mul") and with_number)


def _fill(result: GraphProto, graph: Graph, lowered: Sequence[Lowered], dtype: str) -> None:
    """Write nodes and values in place: a message that is added to another one is copied."""
    names = _value_names(graph)
    pixels = graph.network.pixels
    result.name = graph.network.name
    known: dict[object, list[AttributeProto]] = {}
    for step in () if pixels is None else preprocessing(pixels):
        _add_step(result, step, INPUT, step.result(INPUT), {}, known)
    for node, part in lowered:
        output = part.result(node.name) if part.suffix else names[node.name]
        _add_step(result, part, node.name, output, names, known)
    result.node.extend(_copies(graph, names))
    _add_input(result.input.add(), graph.network, dtype)
    shapes = {INPUT: graph.network.input, **{node.name: node.shape for node in graph.nodes}}
    for output, name in graph.outputs:
        _add_value(result.output.add(), output, shapes[name], graph.network.extent, dtype)
    _add_inner_values(result, graph, names, dtype)


def _constants(lowered: Sequence[Lowered], network: Network) -> list[Constant]:
    """Each constant once, in order. Their names tell them apart: 0.0 and -0.0 are equal."""
    pixels = network.pixels
    first = [] if pixels is None else preprocessing(pixels)
    inputs = (given for part in (*first, *(part for _, part in lowered)) for given in part.inputs)
    return list({_constant_name(given): given for given in inputs if isinstance(given, Constant)}.values())


# --- names -------------------------------------------------------------------------------------


def _value_names(graph: Graph) -> dict[str, str]:
    """The value that holds each result: an output has the output's name, any other its op's."""
    names = {INPUT: INPUT if graph.network.pixels is None else NETWORK_INPUT}
    for output, result in graph.outputs:
        names.setdefault(result, output)
    taken = {output for output, _ in graph.outputs}
    for node in graph.nodes:
        # The author may have named a step as an output is named that is another step's result.
        names.setdefault(node.name, f"{node.name}/value" if node.name in taken else node.name)
    return names


def _copies(graph: Graph, names: dict[str, str]) -> Iterator[NodeProto]:
    """A result that is a second output, or the input itself, is copied: values have one name."""
    for output, result in graph.outputs:
        if names[result] != output:
            yield helper.make_node("Identity", [names[result]], [output], name=f"{output}/Identity")


def _renamed(model: ModelProto, program: Program) -> ModelProto:
    """The model with its weights called as the program says."""
    names = {name: program.tensor_name(name) for name, _ in program.graph.parameters()}
    for tensor in model.graph.initializer:
        tensor.name = names.get(tensor.name, tensor.name)
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    return model


def _constant_name(constant: Constant) -> str:
    if constant.name:
        return f"constant/{constant.name}"
    values = constant.value if isinstance(constant.value, tuple) else (constant.value,)
    vector = "," if constant.kind == "model" and constant.value == values[:1] else ""  # of one number
    return f"constant/{','.join(map(str, values))}{vector}"


# --- nodes and values --------------------------------------------------------------------------


def _add_step(
    result: GraphProto,
    part: OnnxNode,
    name: str,
    output: str,
    names: dict[str, str],
    known: dict[object, list[AttributeProto]],
) -> None:
    added = result.node.add()
    added.op_type = part.op_type
    added.input.extend(
        _constant_name(given) if isinstance(given, Constant) else names.get(given, given)
        for given in part.inputs
    )
    added.name = part.result(name)
    added.output.append(output)
    key = part.op_type, *part.attributes.items()
    if key not in known:
        known[key] = [helper.make_attribute(name, value) for name, value in sorted(part.attributes.items())]
    added.attribute.extend(known[key])


def _add_input(added: ValueInfoProto, network: Network, dtype: str) -> None:
    """The input's type: maps of the model's precision, or images as bytes."""
    _add_value(added, INPUT, network.input, network.extent, dtype)
    if network.pixels is not None:
        tensor = added.type.tensor_type
        tensor.elem_type = TensorProto.UINT8
        batch, channels, *sizes = tensor.shape.dim
        tensor.shape.CopyFrom(TensorShapeProto(dim=[batch, *sizes, channels]))


def _add_value(added: ValueInfoProto, name: str, shape: Shape, extent: Extent, dtype: str) -> None:
    """A value's type: the batch is free, heights and widths that are not given are formulas."""
    sizes = zip(shape.spatial, shape.at(extent)[1:], strict=True)
    spatial = [size.formula if known is None else known for size, known in sizes]
    added.name = name
    kind = helper.make_tensor_type_proto(ELEMENT[dtype], ["N", shape.channels, *spatial])
    added.type.CopyFrom(kind)


def _add_inner_values(result: GraphProto, graph: Graph, names: dict[str, str], dtype: str) -> None:
    """Our shapes of what is no output: viewers show them, and ONNX's own inference confirms them."""
    outputs = {output for output, _ in graph.outputs}
    alike: dict[int, ValueInfoProto] = {}  # uses of one body have shapes in common
    for node in graph.nodes:
        if (name := names[node.name]) in outputs:
            continue
        added = result.value_info.add()
        if id(node.shape) in alike:
            added.name = name
            added.type.CopyFrom(alike[id(node.shape)].type)
        else:
            _add_value(added, name, node.shape, graph.network.extent, dtype)
            alike[id(node.shape)] = added


# --- tensors -----------------------------------------------------------------------------------


def _add_weights(result: GraphProto, graph: Graph, state: Mapping[str, Array], dtype: str) -> list[Array]:
    """Write the tensors without their contents, and return those in their order."""
    stored = np.dtype(dtype).newbyteorder("<")
    contents = []
    for name, parameter in graph.parameters():
        size = parameter.size * np.dtype(dtype).itemsize
        if size > LARGEST_TENSOR:
            raise UsageError(f"{name} has {size / 1e9:.1f} GB; a tensor of an ONNX model has 2 at most")
        contents.append(np.ascontiguousarray(state[name], stored))
        tensor = result.initializer.add()
        tensor.name, tensor.data_type = name, ELEMENT[dtype]
        tensor.dims.extend(parameter.shape)
    return contents


def check_constants(constants: Iterable[Constant]) -> None:
    """Raise UsageError where constants, which no weight file pays for, would fill the memory."""
    elements = sum(prod(constant.shape) for constant in constants)
    if elements > CONSTANTS.most:
        raise UsageError(
            f"the ONNX model would need {elements:,} numbers for constants such as windows of blurring; "
            f"the limit is {CONSTANTS.most:,}"
        )


def _add_constants(result: GraphProto, lowered: Sequence[Lowered], network: Network, dtype: str) -> None:
    for constant in _constants(lowered, network):
        kind = dtype if constant.kind == "model" else constant.kind
        value = np.array(constant.value, kind)
        filled = np.resize(value, constant.shape) if constant.shape else value
        result.initializer.add().CopyFrom(numpy_helper.from_array(filled, _constant_name(constant)))


def check_weights(expected: Mapping[str, tuple[int, ...]], state: Mapping[str, Array]) -> None:
    """Raise ValueError with every name that is missing, unexpected or of another shape."""
    given = {name: tuple(np.shape(value)) for name, value in state.items()}
    missing = [name for name in expected if name not in given]
    unexpected = [name for name in given if name not in expected]
    misshapen = [
        f"{name} ({given[name]}, not {shape})"
        for name, shape in expected.items()
        if name in given and given[name] != shape
    ]
    kinds = {"missing": missing, "unexpected": unexpected, "of another shape": misshapen}
    faults = [f"{kind}: {', '.join(names)}" for kind, names in kinds.items() if names]
    if faults:
        raise ValueError(f"these weights are not the model's; {'; '.join(faults)}")


# --- where it came from ------------------------------------------------------------------------


def _metadata(graph: Graph, lowered: Sequence[Lowered]) -> dict[str, str]:
    """What the text says beside the computation; lists and records as JSON.

    ONNX keeps attributes in single precision, so their numbers are here too, as they were written.
    """
    network = graph.network
    return {
        "resnet_dsl_version": __version__,
        "spec": PurePath(network.source.name).name,
        "spec_sha256": digest(network),
        KEY: OPEN,
        "settings": json.dumps(dict(network.settings)),
        "preprocess": json.dumps(dict(network.preprocess)),
        "frozen": json.dumps(network.freeze),
        NUMBERS: json.dumps(sorted(_inexact(lowered))),
    }


def _options(program: Program) -> dict[str, str]:
    """What the input and the layers are otherwise than the spec says; `preprocess` has its own entry."""
    return {f"option_{name}": value or "true" for name, value in made_for(program).items()}


def _shared(program: Program) -> dict[str, str]:
    """The weights that several ops take: a tool that joins equal ones would make others so."""
    again = (node for node in program.graph.nodes if node.owner is not None)
    names = {program.tensor_name(name) for node in again for name, _ in node.parameters()}
    return {SHARED: " ".join(sorted(names))} if names else {}


def _inexact(lowered: Sequence[Lowered]) -> set[float]:
    """The numbers of attributes and constants that single precision does not hold."""
    attributes = (value for _, part in lowered for value in part.attributes.values())
    given = (each for _, part in lowered for each in part.inputs)
    constants = (constant.value for constant in given if isinstance(constant, Constant))
    numbers = (value for value in (*attributes, *constants) if isinstance(value, float))
    return {number for number in numbers if float(np.float32(number)) != number}
