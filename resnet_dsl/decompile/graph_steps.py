"""Nodes of a graph as steps of the language: the chains of stem and head, norms and activations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from resnet_dsl.backend.foreign_graph import IDENTITY, Drawing, DrawnNode, single
from resnet_dsl.decompile.tensors import BN, GN, NotExpressibleError
from resnet_dsl.decompile.unknowns import numbered
from resnet_dsl.diagnostics.wording import printable

EPS, MOMENTUM, GROUPS = 1e-5, 0.1, 32
SLOPE = 0.01
WITHIN_NORM = 12  # nodes from the input of a group norm to its result
LAYERS = {"Conv": 4, "Gemm": 2}
"""The extents of a layer's weight."""
Step = tuple[str, str]
"""A step's text and the value that is its result."""


class Steps:
    """Steps that begin at a value of a graph."""

    def __init__(self, drawing: Drawing) -> None:
        self.drawing = drawing

    def between(self, start: str, end: str, numbers_always: bool) -> list[str]:
        """Return the steps from one value to another; raises NotExpressibleError unless they are a chain."""
        found: list[tuple[str, str]] = []  # a step and the path of its layer
        value = start
        while value != end:
            text, path, value = self._next(value)
            found.append((text, path))
        kinds = [_kind(text) for text, _ in found]
        counts, total = Counter[str](), Counter(kinds)
        texts = []
        for (text, path), kind in zip(found, kinds, strict=True):
            counts[kind] += 1
            expected = f"{kind}{counts[kind]}" if numbers_always or total[kind] > 1 else kind
            texts.append(numbered(path, text, expected) if path else text)
        return texts

    def activation(self, value: str) -> Step | None:
        """Return the activation that alone takes a value, and its result."""
        users = self.drawing.users(value)
        ops = [node.op for node in users]
        if ops in (["Sigmoid", "Mul"], ["Mul", "Sigmoid"]):
            product = next(node for node in users if node.op == "Mul")
            gate = next(node for node in users if node.op == "Sigmoid")
            return ("silu", product.result) if gate.result in product.inputs else None
        if not users or len(ops) > 1 or ops[0] not in ACTIVATIONS:
            return None
        return ACTIVATIONS[ops[0]](users[0]), users[0].result

    def norm_input(self, owner: DrawnNode) -> str:
        """Return the value that a norm takes; `owner` is the node that takes its weight."""
        if owner.op == "BatchNormalization":
            return owner.inputs[0]
        node: DrawnNode | None = next(iter(self.drawing.users(owner.result)), None)
        for _ in range(WITHIN_NORM):
            if node is None:
                break
            if node.op == "Reshape" and len(self.drawing.numbers(node, 1)) == 3:
                return node.inputs[0]
            node = self.drawing.maker(node.inputs[0])
        raise NotExpressibleError(
            f"{printable(owner.name)} ({printable(owner.op)}) is no norm of the library's blocks"
        )

    def norm_result(self, owner: DrawnNode) -> str:
        """Return the value that a norm gives."""
        if owner.op == "BatchNormalization":
            return owner.result
        for node in self.drawing.behind(owner.result, 2):
            if node.op == "Add":
                return node.result
        raise NotExpressibleError(
            f"{printable(owner.name)} ({printable(owner.op)}) is no norm of the library's blocks"
        )

    def _next(self, value: str) -> tuple[str, str, str]:
        """Return the step that takes a value, the path of its layer if it has one, and its result."""
        found = self.activation(value)
        if found is not None:
            return found[0], "", found[1]
        users = self.drawing.users(value)
        node = users[0] if users else None
        if node is not None and node.op == "Reshape":
            return self._group_norm(value)
        if node is not None and node.op == "Pad":
            return self._blur(value, node)
        if node is None or len(users) > 1 or node.op not in STEPS:
            what = ", ".join(printable(each.op) for each in users) or "nothing"
            raise NotExpressibleError(
                f"{what} follows {printable(value)}; stems and heads are read as chains of layers"
            )
        if node.op == "Flatten":
            after = self.drawing.users(node.result)
            if [each.op for each in after] == ["Gemm"] and self._is_pixel(value):
                node = after[0]
        layers = self.drawing.layers(node)
        if node.op in LAYERS and len(self.drawing.extents(node)) != LAYERS[node.op]:
            raise NotExpressibleError(
                f"{printable(node.name)} ({node.op}): its weight is computed, not a tensor of the file"
            )
        return STEPS[node.op](self.drawing, node), layers[0] if layers else "", node.result

    def _blur(self, value: str, pad: DrawnNode) -> tuple[str, str, str]:
        """A blur: a convolution with constant weights after mirrored edges."""
        users = self.drawing.users(pad.result)
        if [node.op for node in users] != ["Conv"] or self.drawing.layers(users[0]):
            raise NotExpressibleError(f"Pad follows {printable(value)}, which is no step of a stem or head")
        kernel, stride = (square(users[0], name, 1) for name in ("kernel_shape", "strides"))
        text = "blur" if (kernel, stride) == (3, 2) else f"blurpool({kernel}, stride={stride})"
        return text, "", users[0].result

    def _is_pixel(self, value: str) -> bool:
        """Whether a value is of one pixel, so that `fc` takes it as it is."""
        maker = self.drawing.maker(value)
        while maker is not None and maker.op in (IDENTITY, "Dropout"):
            maker = self.drawing.maker(maker.inputs[0])
        return maker is not None and maker.op == "GlobalAveragePool"

    def _group_norm(self, value: str) -> tuple[str, str, str]:
        """A group norm, which ONNX of our opset writes in several nodes."""
        for node in self.drawing.behind(value, WITHIN_NORM):
            for given in node.inputs:
                owner = self.drawing.maker(given)
                if owner is not None and owner.op == "Unsqueeze" and self.drawing.layers(owner):
                    path = self.drawing.layers(owner)[0]
                    weight = self.drawing.owner(path)
                    assert weight is not None
                    return norm_text(self.drawing, weight), path, self.norm_result(weight)
        raise NotExpressibleError(f"Reshape follows {printable(value)}, which is no step of a stem or head")


def attribute(node: DrawnNode, name: str, default: Any) -> Any:
    """Return an attribute; raises NotExpressibleError for one of another kind than its default."""
    value = node.attributes.get(name, default)
    if type(value) is not type(default):
        raise NotExpressibleError(f"{printable(node.name)}: {name} is {printable(str(value))}")
    return value


def square(node: DrawnNode, name: str, default: int) -> int:
    """Return an attribute that has to be the same for rows and columns."""
    value = node.attributes.get(name, (default, default))
    if not isinstance(value, tuple) or len(set(value)) != 1 or not isinstance(value[0], int):
        raise NotExpressibleError(
            f"{printable(node.name)}: {name} {printable(str(value))}, not the same for both axes"
        )
    return value[0]


def norm_text(drawing: Drawing, owner: DrawnNode) -> str:
    """Return the norm whose weight a node takes, with its numbers."""
    if owner.op == "BatchNormalization":
        eps = decimal(attribute(owner, "epsilon", EPS))
        # ONNX has the weight of the old statistics, in single precision.
        momentum = round(1 - decimal(attribute(owner, "momentum", 1 - MOMENTUM)), 12)
        return _call(BN, {"eps": (eps, EPS), "momentum": (momentum, MOMENTUM)})
    groups, eps = GROUPS, EPS
    node: DrawnNode | None = next(iter(drawing.users(owner.result)), None)
    for _ in range(WITHIN_NORM):
        if node is None:
            break
        numbers = drawing.numbers(node, 1)
        if node.op == "Add" and len(numbers) == 1:
            eps = decimal(numbers[0])
        if node.op == "Reshape" and len(numbers) == 3:
            groups = int(numbers[1])
        node = drawing.maker(node.inputs[-1 if node.op in ("Div", "Sqrt") and not numbers else 0])
    return _call(GN, {"groups": (groups, GROUPS), "eps": (eps, EPS)})


def decimal(value: float) -> float:
    """Return the shortest decimal that is this number in single precision: what was written once."""
    candidates = (float(f"{value:.{digits}g}") for digits in range(1, 10))
    return next((each for each in candidates if single(each) == single(value)), value)


def _call(name: str, values: dict[str, tuple[Any, Any]], first: tuple[str, ...] = ()) -> str:
    """Return a call: what has to be given, then what is not as usual."""
    words = [
        *first,
        *(f"{key}={_word(value)}" for key, (value, default) in values.items() if value != default),
    ]
    return f"{name}({', '.join(words)})" if words else name


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _kind(text: str) -> str:
    return text.partition("(")[0]


# --- one node, one step ------------------------------------------------------------------------


def _conv(drawing: Drawing, node: DrawnNode) -> str:
    channels, _, *kernel = drawing.extents(node)
    dilation = _pair(node, "dilations", 1)
    half = tuple(d * (k - 1) // 2 for d, k in zip(dilation, kernel, strict=True))
    values = {
        "stride": (_size(_pair(node, "strides", 1)), "1"),
        "pad": (_padding(node), _size(half)),
        "groups": (attribute(node, "group", 1), 1),
        "dilation": (_size(dilation), "1"),
        "bias": (len(node.inputs) > 2, False),
    }
    return _call("conv", values, (str(channels), f"{kernel[0]}x{kernel[1]}"))


def _pool(kind: str) -> Callable[[Drawing, DrawnNode], str]:
    def text(drawing: Drawing, node: DrawnNode) -> str:
        kernel = _pair(node, "kernel_shape", 1)
        half = tuple((k - 1) // 2 for k in kernel)
        values = {
            "stride": (_size(_pair(node, "strides", 1)), _size(kernel)),
            "pad": (_padding(node), _size(half)),
            "ceil": (bool(attribute(node, "ceil_mode", 0)), False),
        }
        if kind == "avgpool":
            values["count_pad"] = (bool(attribute(node, "count_include_pad", 0)), False)
        return _call(
            kind, values, (f"{kernel[0]}x{kernel[1]}" if len(set(kernel)) > 1 or kernel[0] > 1 else "1",)
        )

    return text


def _fully_connected(drawing: Drawing, node: DrawnNode) -> str:
    channels = drawing.extents(node)[0]
    return _call("fc", {"bias": (len(node.inputs) > 2, True)}, (str(channels),))


def _dropout(drawing: Drawing, node: DrawnNode) -> str:
    rate = next(iter(drawing.numbers(node, 1)), 0.5)
    return _call("dropout", {"rate": (decimal(rate), 0.5)})


def _pair(node: DrawnNode, name: str, default: int) -> tuple[int, ...]:
    value = node.attributes.get(name, (default, default))
    if not isinstance(value, tuple) or len(value) != 2:
        raise NotExpressibleError(
            f"{printable(node.name)}: {name} {printable(str(value))}, not one for each axis"
        )
    return value


def _padding(node: DrawnNode) -> str:
    """The padding as the language writes it."""
    if attribute(node, "auto_pad", "NOTSET") == "SAME_UPPER":
        return "same"
    pads = attribute(node, "pads", (0, 0, 0, 0))
    if attribute(node, "auto_pad", "NOTSET") != "NOTSET" or len(pads) != 4 or pads[:2] != pads[2:]:
        raise NotExpressibleError(
            f"{printable(node.name)}: padding {printable(str(pads))}, not the same on both sides"
        )
    return _size(pads[:2])


def _size(pair: tuple[int, ...]) -> str:
    return str(pair[0]) if len(set(pair)) == 1 else "x".join(map(str, pair))


def _leaky(node: DrawnNode) -> str:
    return _call("leaky_relu", {"slope": (decimal(attribute(node, "alpha", SLOPE)), SLOPE)})


ACTIVATIONS: dict[str, Callable[[DrawnNode], str]] = {
    "HardSwish": lambda node: "hard_swish",
    "LeakyRelu": _leaky,
    "Relu": lambda node: "relu",
    "Sigmoid": lambda node: "sigmoid",
    "Tanh": lambda node: "tanh",
}
STEPS: dict[str, Callable[[Drawing, DrawnNode], str]] = {
    "AveragePool": _pool("avgpool"),
    "BatchNormalization": norm_text,
    "Conv": _conv,
    "Dropout": _dropout,
    "Flatten": lambda drawing, node: "flatten",
    "Gemm": _fully_connected,
    "GlobalAveragePool": lambda drawing, node: "gap",
    "MaxPool": _pool("maxpool"),
    "Softmax": lambda drawing, node: "softmax",
}
