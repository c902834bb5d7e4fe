"""Nodes of a graph as steps of the language: the chains of stem and head, norms and activations.

Ops that can be called without arguments are found by their rules (`op_matcher.py`). What is read here are
those that have to be given arguments, and the two that are written by the size of what they take.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from resnet_dsl.backend.foreign_graph import IDENTITY, ForeignGraph, ForeignNode, decimal
from resnet_dsl.decompile.op_matcher import FoundOp, OpMatcher, WriteOp
from resnet_dsl.decompile.syntax_nodes import (
    STEP_LABEL,
    amounts,
    call,
    call_of_op,
    extents,
    labelled,
    others_than,
    step_kind,
)
from resnet_dsl.decompile.tensors import GN, NotExpressibleError
from resnet_dsl.diagnostics.wording import printable
from resnet_dsl.records import dataclass
from resnet_dsl.syntax import ast

EPS, GROUPS = 1e-5, 32
WITHIN_NORM = 12  # nodes from the input of a group norm to its result
EXTENTS = {"Conv": 4, "ConvTranspose": 4, "Gemm": 2}
"""How many extents a layer's weight has."""
OF_VALUES = (IDENTITY, "Dropout", "Add", "Mul", "Pow")
"""What keeps the shape of its first input, whose values alone it changes."""


@dataclass(frozen=True)
class FoundStep:
    """A step in a graph: the values it takes and gives, and the path of its layer if it has tensors."""

    call: ast.Expr
    start: str
    result: str
    path: str = ""


class GraphSteps:
    """Steps that begin at a value of a graph."""

    def __init__(self, graph: ForeignGraph, write_op: WriteOp) -> None:
        self.graph = graph
        self.matcher = OpMatcher(graph, write_op)

    def between(self, start: str, end: str, numbers_always: bool) -> tuple[ast.Expr, ...]:
        """Return the steps from one value to another; raises NotExpressibleError unless they are a chain."""
        found: list[FoundStep] = []
        value, end = self.graph.origin(start), self.graph.origin(end)
        while value != end:
            found.append(self._next(value))
            value = self.graph.origin(found[-1].result)
        kinds = [step_kind(step.call) for step in found]
        counts, total = Counter[str](), Counter(kinds)
        steps = []
        for step, kind in zip(found, kinds, strict=True):
            counts[kind] += 1
            expected = f"{kind}{counts[kind]}" if numbers_always or total[kind] > 1 else kind
            steps.append(_called(step, expected))
        return tuple(steps)

    def activation(self, value: str) -> FoundStep | None:
        """Return the activation that alone takes a value."""
        found = self.matcher.at(value)
        return _step(found, value) if found is not None and found.op.activation else None

    def norm(self, path: str) -> FoundStep:
        """Return the norm whose weight is called so."""
        owner = self.owner(path)
        # What takes the weight, or what is made of it, and from there back to what the norm takes.
        node = (
            owner
            if not self.graph.is_fixed(owner.result)
            else next(iter(self.graph.users(owner.result)), owner)
        )
        for value in self.graph.before(node.inputs[0], WITHIN_NORM):
            found = None if self.graph.is_fixed(value) else self.matcher.at(value, alone=False)
            if found is not None and found.path == path:
                return _step(found, value)
        return self._group_norm(owner, path)

    def at(self, value: str) -> FoundStep:
        """Return the op without arguments that have to be given that alone takes a value."""
        found = self.matcher.at(value)
        if found is None:
            nodes = ", ".join(printable(node.op) for node in self.graph.users(value)) or "nothing"
            raise NotExpressibleError(
                f"{nodes} follows {printable(value)}, which is no norm of the language's"
            )
        return _step(found, value)

    def before_activated_norm(self, value: str) -> str:
        """Return the value of which another is the norm and activation, where the norm has no tensors."""
        start = value
        for _ in range(WITHIN_NORM):
            node = self.graph.maker(start)
            if node is None:
                break
            start = node.inputs[0]
            norm = self.matcher.at(start, alone=False)
            active = None if norm is None or norm.op.activation else self.activation(norm.result)
            if active is not None and self.graph.origin(active.result) == self.graph.origin(value):
                return start
        raise NotExpressibleError(f"no norm and activation give {printable(value)}")

    def is_sum(self, node: ForeignNode) -> bool:
        """Whether a node adds two values that both depend on the input."""
        return node.op == "Add" and not any(map(self.graph.is_fixed, node.inputs))

    def owner(self, path: str) -> ForeignNode:
        """Return the node that takes the weight of a layer; raises NotExpressibleError if none does."""
        node = self.graph.owner(path)
        if node is None:
            raise NotExpressibleError(f"no node takes {printable(path)}.weight")
        return node

    def _next(self, value: str) -> FoundStep:
        """Return the step that alone takes a value."""
        users = self.graph.users(value)
        node = users[0] if users else None
        if node is not None and node.op == "Flatten":
            after = self.graph.users(node.result)
            if [each.op for each in after] == ["Gemm"] and self._is_pixel(value):
                return self._layer(value, after[0])
        blur = self._blur(value, node) if node is not None else None
        if blur is not None:
            return blur
        found = self.matcher.at(value)
        if found is not None:
            return _step(found, value)
        if node is not None and node.op == "Reshape":
            return self._group_norm_at(value)
        if node is None or len(users) > 1 or node.op not in STEPS:
            what = ", ".join(printable(each.op) for each in users) or "nothing"
            raise NotExpressibleError(
                f"{what} follows {printable(value)}; stems and heads are read as chains of layers"
            )
        return self._layer(value, node)

    def _layer(self, value: str, node: ForeignNode) -> FoundStep:
        layers = self.graph.layers(node)
        if node.op in EXTENTS and len(self.graph.extents(node)) != EXTENTS[node.op]:
            raise NotExpressibleError(
                f"{printable(node.name)} ({node.op}): its weight is computed, not a tensor of the file"
            )
        return FoundStep(STEPS[node.op](self.graph, node), value, node.result, layers[0] if layers else "")

    def _blur(self, value: str, pad: ForeignNode) -> FoundStep | None:
        """A blur: a convolution with constant weights after mirrored edges."""
        users = self.graph.users(pad.result)
        if pad.op != "Pad" or [node.op for node in users] != ["Conv"] or self.graph.layers(users[0]):
            return None
        kernel, stride = (square(users[0], name, 1) for name in ("kernel_shape", "strides"))
        step = call("blur") if (kernel, stride) == (3, 2) else call("blurpool", kernel, stride=stride)
        return FoundStep(step, value, users[0].result)

    def _is_pixel(self, value: str) -> bool:
        """Whether a value is of one pixel, so that `fc` takes it as it is."""
        maker = self.graph.maker(value)
        while maker is not None and all(map(self.graph.is_fixed, maker.inputs[1:])) and maker.op in OF_VALUES:
            maker = self.graph.maker(maker.inputs[0])
        return maker is not None and maker.op in ("GlobalAveragePool", "GlobalMaxPool")

    # --- group norm: several nodes, one of which holds the size of the map --------------------------

    def _group_norm_at(self, value: str) -> FoundStep:
        for node in self.graph.behind(value, WITHIN_NORM):
            for given in node.inputs:
                maker = self.graph.maker(given)
                if maker is not None and maker.op == "Unsqueeze" and self.graph.layers(maker):
                    path = self.graph.layers(maker)[0]
                    return self._group_norm(self.owner(path), path)
        raise NotExpressibleError(f"Reshape follows {printable(value)}, which is no step of a stem or head")

    def _group_norm(self, owner: ForeignNode, path: str) -> FoundStep:
        """The group norm whose weight a node takes: back from there to its input, on to its result."""
        groups, eps, start = GROUPS, EPS, ""
        node: ForeignNode | None = next(iter(self.graph.users(owner.result)), None)
        for _ in range(WITHIN_NORM):
            if node is None or start:
                break
            numbers = self.graph.numbers(node, 1)
            if node.op == "Add" and len(numbers) == 1:
                eps = decimal(numbers[0])
            if node.op == "Reshape" and len(numbers) == 3:
                groups, start = int(numbers[1]), node.inputs[0]
            node = self.graph.maker(node.inputs[-1 if node.op in ("Div", "Sqrt") and not numbers else 0])
        result = next((each.result for each in self.graph.behind(owner.result, 2) if each.op == "Add"), "")
        if not start or not result:
            raise NotExpressibleError(
                f"{printable(owner.name)} ({printable(owner.op)}) is no norm of the library's blocks"
            )
        more = others_than({"groups": GROUPS, "eps": EPS}, {"groups": groups, "eps": eps})
        return FoundStep(call(GN, **more), start, result, path)


def _step(found: FoundOp, start: str) -> FoundStep:
    return FoundStep(call_of_op(found.op), start, found.result, found.path)


def _called(step: FoundStep, expected: str) -> ast.Expr:
    """The step with a label where its layer is not called as it would be."""
    if not step.path:
        return step.call
    if not STEP_LABEL.fullmatch(step.path):
        raise NotExpressibleError(f"a step of a stem or head cannot be called {printable(step.path)}")
    return labelled(step.path, step.call, expected)


def attribute(node: ForeignNode, name: str, default: Any) -> Any:
    """Return an attribute; raises NotExpressibleError for one of another kind than its default."""
    value = node.attributes.get(name, default)
    if type(value) is not type(default):
        raise NotExpressibleError(f"{printable(node.name)}: {name} is {printable(str(value))}")
    return value


def square(node: ForeignNode, name: str, default: int) -> int:
    """Return an attribute that has to be the same for rows and columns."""
    value = node.attributes.get(name, (default, default))
    if not isinstance(value, tuple) or len(set(value)) != 1 or not isinstance(value[0], int):
        raise NotExpressibleError(
            f"{printable(node.name)}: {name} {printable(str(value))}, not the same for both axes"
        )
    return value[0]


# --- steps that have to be given arguments -------------------------------------------------------


def _conv(graph: ForeignGraph, node: ForeignNode) -> ast.Expr:
    channels, _, *kernel = graph.extents(node)
    dilation = _pair(node, "dilations", 1)
    half = tuple(d * (k - 1) // 2 for d, k in zip(dilation, kernel, strict=True))
    more = others_than(
        {"stride": 1, "pad": extents(half), "groups": 1, "dilation": 1, "bias": False},
        {
            "stride": extents(_pair(node, "strides", 1)),
            "pad": _padding(node),
            "groups": attribute(node, "group", 1),
            "dilation": extents(dilation),
            "bias": len(node.inputs) > 2,
        },
    )
    return call("conv", channels, tuple(kernel), **more)


def _conv_transpose(graph: ForeignGraph, node: ForeignNode) -> ast.Expr:
    groups = attribute(node, "group", 1)
    dilation = _pair(node, "dilations", 1)
    _, channels, *kernel = graph.extents(node)
    half = tuple(d * (k - 1) // 2 for d, k in zip(dilation, kernel, strict=True))
    if attribute(node, "auto_pad", "NOTSET") != "NOTSET" or "output_shape" in node.attributes:
        raise NotExpressibleError(f"{printable(node.name)}: padding by the size of the result")
    more = others_than(
        {"stride": 1, "pad": extents(half), "output_padding": 0, "groups": 1, "dilation": 1, "bias": False},
        {
            "stride": extents(_pair(node, "strides", 1)),
            "pad": _padding(node),
            "output_padding": extents(_pair(node, "output_padding", 0)),
            "groups": groups,
            "dilation": extents(dilation),
            "bias": len(node.inputs) > 2,
        },
    )
    return call("conv_transpose", channels * groups, tuple(kernel), **more)


def _pool(kind: str) -> Callable[[ForeignGraph, ForeignNode], ast.Expr]:
    def step(graph: ForeignGraph, node: ForeignNode) -> ast.Expr:
        kernel = _pair(node, "kernel_shape", 1)
        half = tuple((k - 1) // 2 for k in kernel)
        more = others_than(
            {"stride": extents(kernel), "pad": extents(half), "ceil": False, "count_pad": False},
            {
                "stride": extents(_pair(node, "strides", 1)),
                "pad": _padding(node),
                "ceil": bool(attribute(node, "ceil_mode", 0)),
                "count_pad": bool(attribute(node, "count_include_pad", 0)),
            },
        )
        return call(kind, 1 if kernel == (1, 1) else kernel, **more)

    return step


def _fully_connected(graph: ForeignGraph, node: ForeignNode) -> ast.Expr:
    more = others_than({"bias": True}, {"bias": len(node.inputs) > 2})
    return call("fc", graph.extents(node)[0], **more)


def _pair(node: ForeignNode, name: str, default: int) -> tuple[int, ...]:
    value = node.attributes.get(name, (default, default))
    if not isinstance(value, tuple) or len(value) != 2 or not all(isinstance(n, int) for n in value):
        raise NotExpressibleError(
            f"{printable(node.name)}: {name} {printable(str(value))}, not one for each axis"
        )
    return value


def _padding(node: ForeignNode) -> Any:
    """The padding as the language writes it."""
    if attribute(node, "auto_pad", "NOTSET") == "SAME_UPPER":
        return "same"
    pads = attribute(node, "pads", (0, 0, 0, 0))
    if attribute(node, "auto_pad", "NOTSET") != "NOTSET" or len(pads) != 4:
        raise NotExpressibleError(
            f"{printable(node.name)}: padding {printable(str(pads))}, not one for each side of a map"
        )
    return _around(pads)


def _around(pads: tuple[int, ...]) -> Any:
    """What lies above, left, below and right of a map, as the language writes it."""
    above, left, below, right = pads
    return amounts((above, left) if pads[:2] == pads[2:] else ((above, below), (left, right)))


def _zero_pad(graph: ForeignGraph, node: ForeignNode) -> ast.Expr:
    """Zeros around a map; of batch and channels none."""
    pads, fill = tuple(map(int, graph.numbers(node, 1))), graph.numbers(node, 2)
    mode, outside = attribute(node, "mode", "constant"), (*pads[:2], *pads[4:6])
    if len(pads) != 8 or any(outside) or min(pads) < 0 or mode != "constant" or any(fill):
        raise NotExpressibleError(f"{printable(node.name)} (Pad): not known zeros around a map")
    return call("zeropad", _around((*pads[2:4], *pads[6:])))


def _pixel_shuffle(graph: ForeignGraph, node: ForeignNode) -> ast.Expr:
    if attribute(node, "mode", "DCR") != "CRD":
        raise NotExpressibleError(f"{printable(node.name)} (DepthToSpace): another order than CRD")
    return call("pixel_shuffle", attribute(node, "blocksize", 1))


STEPS: dict[str, Callable[[ForeignGraph, ForeignNode], ast.Expr]] = {
    "AveragePool": _pool("avgpool"),
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "DepthToSpace": _pixel_shuffle,
    "Gemm": _fully_connected,
    "MaxPool": _pool("maxpool"),
    "Pad": _zero_pad,
}
