"""The walk over a graph: what has become of each value so far, and the nodes that stand for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from math import prod
from typing import Any

from resnet_dsl.backend.foreign_graph import ForeignNode
from resnet_dsl.backend.records import replace
from resnet_dsl_onnx.exported_graph import FEW, WHOLE, ExportedGraph, GraphTensor

Order = tuple[int, ...]
Extents = tuple[int | None, ...]
Size = int | tuple[str, int]
"""An element of a shape: a number, or the extent of a value along an axis."""
IMAGES = (0, 1, 2, 3)
CHANNELS_LAST: Order = (0, 2, 3, 1)
ACTIVATIONS = (
    "Clip", "Elu", "Erf", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Mish", "Relu", "Selu", "Sigmoid",
    "Softplus", "Softsign", "Swish", "Tanh",
)  # fmt: skip
KEEPS_EXTENTS = (*ACTIVATIONS, "BatchNormalization", "Dropout", "Identity", "PRelu", "Softmax")


class Rewriting:
    """A graph on its way to plain form; values keep their names as far as can be."""

    def __init__(self, graph: ExportedGraph, channels_last: bool) -> None:
        self.graph = graph
        self.tensors: dict[str, GraphTensor] = dict(graph.tensors)
        self.origins: dict[str, str] = {}
        """The tensors that others are, in another shape, order or precision."""
        self.nodes: dict[str, ForeignNode] = {}
        """The nodes so far, by their first results."""
        self.passed: dict[str, str] = {}
        """Values of the file that others stand for."""
        self.orders: dict[str, Order] = {}
        """The order of a value's axes in the file, where it is another than that of what stands for it."""
        self.vectors: dict[str, tuple[Size, ...]] = {}
        """Shapes that are computed; one number is a vector of one, too."""
        self.strided: dict[str, dict[int, int]] = {}
        """Values that are every so many rows and columns of others, by axis."""
        self.extents: dict[str, Extents] = {}
        self.takers = Counter(name for node in graph.nodes for name in node.inputs) + Counter(
            value for _, value in graph.outputs
        )
        self.last_takers = {name: node for node in graph.nodes for name in node.inputs}
        self.sizes, self.notes = graph.sizes, graph.notes
        if channels_last:
            self.orders[graph.input] = CHANNELS_LAST
            self.sizes = tuple(graph.sizes[CHANNELS_LAST.index(axis)] for axis in IMAGES)
            self.notes = (*self.notes, "its images have their channels last, those of the spec first")
        self.extents[graph.input] = self.sizes

    # --- values ----------------------------------------------------------------------------------

    def stands(self, name: str) -> tuple[str, Order]:
        """Return what stands for a value of the file, and the order of the file's axes."""
        value = self.passed.get(name, name)
        return value, self.orders.get(name, tuple(range(len(self.extents.get(value, IMAGES)))))

    def is_reordered(self, name: str) -> bool:
        """Whether a value has its axes in another order in the file."""
        order = self.orders.get(name, ())
        return order != tuple(range(len(order)))

    def value(self, name: str) -> str:
        """Return a value as it is in the file, by a transpose of its own where it has to be."""
        if not self.is_reordered(name):
            return self.passed.get(name, name)
        given, order = self.stands(name)
        result = f"{name}/reordered"
        if result not in self.nodes:
            self.add(ForeignNode(result, "Transpose", (given,), (result,), {"perm": order}))
        return result

    def shape(self, name: str) -> Extents | None:
        """Return the extents of a value as it is in the file, None where nothing is known."""
        value, order = self.stands(name)
        found = self.extents.get(value)
        return None if found is None or len(order) != len(found) else tuple(found[axis] for axis in order)

    def maker(self, name: str) -> ForeignNode | None:
        """Return the node that gives what stands for a value, if nothing else takes that."""
        return self.nodes.get(self.passed.get(name, name)) if self.takers[name] == 1 else None

    def taker(self, name: str) -> ForeignNode | None:
        """Return the node of the file that alone takes a value."""
        return self.last_takers.get(name) if self.takers[name] == 1 else None

    def numbers(self, name: str) -> tuple[Size, ...] | None:
        """Return a vector of whole numbers, or a single one; None where it is none."""
        if name in self.vectors:
            return self.vectors[name]
        tensor = self.tensors.get(name)
        if tensor is None or tensor.dtype not in WHOLE or len(tensor.shape) > 1 or prod(tensor.shape) > FEW:
            return None
        return tuple(map(int, tensor.load().ravel())) if tensor.within else None

    def whole(self, node: ForeignNode, place: int, attribute: str) -> tuple[int, ...] | None:
        """Return numbers that a node is given: as an input today, as an attribute in older opsets."""
        given = node.attributes.get(attribute)
        if given is None and place < len(node.inputs) and node.inputs[place]:
            given = self.numbers(node.inputs[place])
        elif given is None:
            return ()
        if isinstance(given, int):
            given = (given,)
        return given if isinstance(given, tuple) and all(isinstance(n, int) for n in given) else None

    def scalar(self, name: str) -> float | None:
        """Return a number that is a tensor of one element."""
        tensor = self.tensors.get(name)
        if tensor is None or prod(tensor.shape) != 1 or not tensor.within:
            return None
        return float(tensor.load().ravel()[0])

    # --- nodes -----------------------------------------------------------------------------------

    def add(self, node: ForeignNode) -> None:
        """Put a node behind the others, whose inputs are already what stands for them."""
        self.nodes[node.result] = node
        found = self._extents(node)
        if found is not None:
            self.extents[node.result] = found

    def keep(self, node: ForeignNode) -> None:
        """Take a node over as it is."""
        self.add(replace(node, inputs=tuple(map(self.value, node.inputs))))

    def become(self, node: ForeignNode, op: str, *inputs: str, **attributes: Any) -> None:
        """Put another op in a node's place."""
        name = node.name or node.result
        self.add(ForeignNode(name, op, inputs, node.outputs[:1], attributes))

    def alias(self, result: str, value: str, order: Order | None = None) -> None:
        """Let a value stand for a result of the file."""
        self.passed[result] = value
        if order is not None and order != tuple(range(len(order))):
            self.orders[result] = order

    def derived(self, tensor: GraphTensor, result: str, source: str) -> None:
        """Put a tensor among the others that is another one in another form."""
        self.tensors[result] = tensor
        self.origins[result] = self.origins.get(source, source)

    def _extents(self, node: ForeignNode) -> Extents | None:
        given = self.extents.get(node.inputs[0]) if node.inputs else None
        if node.op in KEEPS_EXTENTS:
            return given
        weight = (
            self.tensors[node.inputs[1]].shape if node.inputs[1:] and node.inputs[1] in self.tensors else ()
        )
        match node.op:
            case "Conv" if len(weight) == 3 and given is not None and weight[0] == 1:
                return given
            case "Conv" if len(weight) == 4:
                return (
                    None if given is None else given[0],
                    weight[0],
                    *self._window(node, given, weight[2:]),
                )
            case "Gemm" if len(weight) == 2 and node.attributes.get("transB", 0):
                return (None if given is None else given[0], weight[0])
            case "GlobalAveragePool" if given is not None:
                return (*given[:2], *(1 for _ in given[2:]))
            case "Slice" if node.result in self.strided and given is not None:
                steps = self.strided[node.result]
                return tuple(
                    size if size is None else -(-size // steps.get(axis, 1))
                    for axis, size in enumerate(given)
                )
            case "MaxPool" | "AveragePool" | "Pad" if given is not None and len(given) == 4:
                kernel = () if node.op == "Pad" else node.attributes.get("kernel_shape", ())
                return (*given[:2], *self._window(node, given, kernel))
            case "Add" | "Mul":
                both = [found for each in node.inputs if (found := self.extents.get(each)) is not None]
                return next((each for each in both if len(each) == 4 and each[2:] != (1, 1)), given)
            case "Flatten" if given is not None and node.attributes.get("axis", 1) == 1:
                rest = [n for n in given[1:] if n is not None]
                return (given[0], prod(rest) if len(rest) == len(given) - 1 else None)
            case "Transpose" if given is not None and len(node.attributes.get("perm", ())) == len(given):
                return tuple(given[axis] for axis in node.attributes["perm"])
        return None

    def _window(self, node: ForeignNode, given: Extents | None, kernel: tuple[int, ...]) -> Extents:
        """The height and width that a window gives, None where they are open or not that simple."""
        pads = node.attributes.get("pads", (0,) * 4)
        simple = node.attributes.get("auto_pad", "NOTSET") in ("NOTSET", "VALID")
        if (
            given is None
            or len(kernel) != 2
            or len(pads) != 4
            or node.attributes.get("ceil_mode", 0)
            or not simple
        ):
            return None, None
        steps = [node.attributes.get(name, (1, 1)) for name in ("strides", "dilations")]
        if any(not isinstance(each, tuple) or len(each) != 2 or min(each) < 1 for each in steps):
            return None, None
        return tuple(
            None
            if size is None
            else (size + pads[axis] + pads[axis + 2] - (kernel[axis] - 1) * steps[1][axis] - 1)
            // steps[0][axis]
            + 1
            for axis, size in enumerate(given[2:4])
        )

    def result(self) -> ExportedGraph:
        """Return the graph, without what nothing comes of."""
        outputs = tuple((name, self.value(value)) for name, value in self.graph.outputs)
        makers = {name: node for node in self.nodes.values() for name in node.outputs}
        needed: set[str] = set()
        waiting = [value for _, value in outputs]
        while waiting:
            name = waiting.pop()
            if name not in needed:
                needed.add(name)
                waiting += makers[name].inputs if name in makers else ()
        nodes = tuple(node for node in self.nodes.values() if not needed.isdisjoint(node.outputs))
        return replace(
            self.graph,
            sizes=self.sizes,
            nodes=nodes,
            outputs=outputs,
            tensors={name: tensor for name, tensor in self.tensors.items() if name in needed},
            origins={name: origin for name, origin in self.origins.items() if name in needed},
            notes=self.notes,
        )


Form = Callable[[Rewriting, ForeignNode], bool]
"""Takes a node in another form; false where it is none of the kind."""
Attributes = Mapping[str, Any]
