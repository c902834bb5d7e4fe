"""Answers out of a graph: strides, paddings and what has no tensors are read, never assumed.

Only what the library's blocks can have is looked for. Whatever else the graph holds makes the
restored program's graph differ from it, which `comparison.py` finds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from resnet_dsl.backend.foreign_graph import Drawing, DrawnNode
from resnet_dsl.decompile.conventions import call
from resnet_dsl.decompile.graph_steps import ACTIVATIONS, Steps, norm_text, square
from resnet_dsl.decompile.residual_blocks import BOTTLENECK, Block
from resnet_dsl.decompile.structure import DEEP_STEM
from resnet_dsl.decompile.tensors import BN, NotExpressibleError
from resnet_dsl.decompile.unknowns import Evidence
from resnet_dsl.diagnostics.wording import printable

HEAD = ("AveragePool", "Dropout", "Flatten", "Gemm", "GlobalAveragePool", "Identity", "Softmax")
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
IN_STAGE = re.compile(r"layer[0-9]+(\.[0-9]+)?")
PATH = re.compile(rf"{NAME.pattern}(\.[0-9]+)?")


@dataclass
class Drawn(Evidence):
    """A graph; what a person says beside it has to agree with it."""

    drawing: Drawing = field(kw_only=True)
    metadata: Mapping[str, Any] = field(kw_only=True, default_factory=dict)

    def __post_init__(self) -> None:
        self.steps = Steps(self.drawing)

    def input(self) -> str:
        """The input's size, letters where it is open."""
        if self.given.input:
            return self.given.input
        letters = (str(size) for size in self.drawing.sizes)
        return "x".join(letters) if len(self.drawing.sizes) > 1 else str(self.drawing.sizes[0])

    def stem(self) -> list[str]:
        """The chain from the input to the first block."""
        if self.structure.is_deep:
            return [self._deep_stem()]
        end = self._into_first_block()
        return self.steps.between(self.drawing.input, end, numbers_always=True)

    def head(self) -> list[str]:
        """The chain from the last block to the first output behind it."""
        start, end = self._head()
        return self.steps.between(start, end, numbers_always=False)

    def strides(self) -> list[int]:
        """The strides of each first block; in the others there must be none, or the graphs differ."""
        return [self._stride(stage[0]) for stage in self.structure.stages]

    def stride_on(self) -> str:
        """Where the convolutions say."""
        for stage in self.structure.stages:
            if stage[0].kind == BOTTLENECK and self._conv_stride(f"{stage[0].path}.conv1") > 1:
                return "conv1"
        return "conv2"

    def bare_shortcut(self) -> str:
        """By what the block's input goes to beside the main branch."""
        for block in self.structure.blocks:
            x = self._input(block)
            users = self.drawing.users(x)
            if len(users) == 1:
                return "none"
            if any(node.op in ("Slice", "Pad") for node in users):
                return "A(side=both)" if self._pads_before(x) else "A"
        return "B"

    def pools(self) -> bool:
        """What comes before the projections."""
        paths = (f"{block.path}.shortcut" for block in self.structure.blocks if block.projection == "plain")
        makers = (self.drawing.maker(self._owner(path).inputs[0]) for path in paths)
        return any(maker is not None and maker.op == "AveragePool" for maker in makers)

    def dilations(self) -> list[tuple[int, int]]:
        """Those of the 3x3 convolutions."""
        stages = self.structure.stages
        return [(self._dilation(stage[0]), self._dilation(stage[-1])) for stage in stages]

    def norm(self) -> str:
        """With the numbers of the first one."""
        return self._norm(f"{self.structure.blocks[0].path}.bn1")

    def act(self) -> str:
        """What follows the first block's first norm."""
        return self._act(f"{self.structure.blocks[0].path}.bn1")

    def antialias(self) -> str:
        """What follows the activation before a stride."""
        for stage in self.structure.stages:
            node = self._smoothing(stage[0])
            if node is not None:
                return "avgpool" if node.op == "AveragePool" else "blur"
        return "none"

    def others(self) -> dict[str, str]:
        """Outputs; and what the file says beside its graph, where it is ours."""
        fields = {}
        names = [name for name, _ in self.drawing.outputs]
        if len(names) > 1 or self._is_part(names[0]):
            fields["outputs"] = _value(names)
        frozen, preprocess = (said(self.metadata, name) for name in ("frozen", "preprocess"))
        if isinstance(frozen, list | tuple) and frozen:
            fields["freeze"] = _value(frozen)
        if isinstance(preprocess, dict) and preprocess:
            fields["preprocess"] = _value(preprocess)
        return fields

    # --- stem and head ---------------------------------------------------------------------------

    def _into_first_block(self) -> str:
        """The value that the first block takes."""
        return self._input(self.structure.blocks[0])

    def _deep_stem(self) -> str:
        layers = [self.structure.others.get(name) for name in DEEP_STEM]
        if any(layer is None or layer.kind == "other" for layer in layers):
            raise NotExpressibleError(f"a stem of several convolutions, but not {', '.join(DEEP_STEM)}")
        channels = [layer.channels for layer in layers[::2] if layer is not None]
        norm, act = self._norm("bn1"), self._act("bn1")
        more = ({"norm": norm} if norm != BN else {}) | ({"act": act} if act != "relu" else {})
        named = dict(zip(("first", "second", "width"), channels, strict=True))
        return call("deep_stem", named, {"first": 32, "second": 32, "width": 64}, more)

    def _head(self) -> tuple[str, str]:
        """The values between which the head lies: equal ones without a head."""
        end = value = self.drawing.outputs[-1][1]
        while (node := self.drawing.maker(value)) is not None and self._in_head(node):
            value = node.inputs[0]
        norm = self.drawing.owner("bn")
        if self.structure.pre and norm is not None:
            value = self.steps.norm_input(norm)
        return value, end

    def _in_head(self, node: DrawnNode) -> bool:
        if node.op in ACTIVATIONS:
            before = self.drawing.maker(node.inputs[0])
            return before is not None and before.op in HEAD
        return node.op in HEAD

    # --- blocks ----------------------------------------------------------------------------------

    def _owner(self, path: str) -> DrawnNode:
        node = self.drawing.owner(path)
        if node is None:
            raise NotExpressibleError(f"no node takes {printable(path)}.weight")
        return node

    def _input(self, block: Block) -> str:
        """The value that a block takes."""
        if self.structure.pre:
            return self.steps.norm_input(self._owner(f"{block.path}.bn1"))
        return self._owner(f"{block.path}.conv1").inputs[0]

    def _conv_stride(self, path: str) -> int:
        return square(self._owner(path), "strides", 1)

    def _stride(self, block: Block) -> int:
        convs = (f"{block.path}.conv{number}" for number in (1, 2))
        stride = 1
        for path in convs:
            stride *= self._conv_stride(path)
        smoothing = self._smoothing(block)
        return stride if smoothing is None else stride * square(smoothing, "strides", 1)

    def _dilation(self, block: Block) -> int:
        return square(self._owner(f"{block.path}.conv{2 if block.kind == BOTTLENECK else 1}"), "dilations", 1)

    def _smoothing(self, block: Block) -> DrawnNode | None:
        """The pool or blur between the convolution that would have the stride and the next."""
        first = 2 if block.kind == BOTTLENECK else 1
        before, after = (self._owner(f"{block.path}.conv{number}") for number in (first, first + 1))
        within = {node.name for node in self.drawing.behind(before.result, 6)}
        node = self.drawing.maker(after.inputs[0])
        is_blur = node is not None and node.op == "Conv" and not self.drawing.layers(node)
        if node is not None and node.name in within and (is_blur or node.op == "AveragePool"):
            return node
        return None

    def _norm(self, path: str) -> str:
        return norm_text(self.drawing, self._owner(path))

    def _act(self, path: str) -> str:
        value = self.steps.norm_result(self._owner(path))
        found = self.steps.activation(value)
        if found is None:
            nodes = ", ".join(printable(node.op) for node in self.drawing.users(value)) or "nothing"
            raise NotExpressibleError(f"{nodes} follows {path}, which is no activation of the language's")
        return found[0]

    def _pads_before(self, x: str) -> bool:
        """Whether the zeros of option A come before the channels too."""
        for node in self.drawing.behind(x, 2):
            if node.op == "Pad":
                pads = self.drawing.numbers(node, 1)
                return len(pads) > 1 and pads[1] > 0
        return False

    def _is_part(self, name: str) -> bool:
        """Whether an output is called as a part of the model is; a single one may have any name."""
        return name in ("stem", "head") or IN_STAGE.fullmatch(name) is not None


def said(metadata: Mapping[str, Any], name: str) -> Any:
    """Return a value of the metadata, which may have been read already; None if it says nothing."""
    value = metadata.get(name)
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return None


def _value(value: Any) -> str:
    """A value of JSON in the language; texts only where they cannot be more than a word or a text."""
    match value:
        case dict() if all(NAME.fullmatch(name) for name in value):
            return "{ " + "  ".join(f"{name}: {_value(item)}" for name, item in value.items()) + " }"
        case list() | tuple():
            return f"[{', '.join(map(_value, value))}]"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str() if PATH.fullmatch(value):
            return value
        case str() if value.isprintable() and '"' not in value:
            return f'"{value}"'
    raise NotExpressibleError(
        f"its metadata has {printable(ascii(value))}, which is no value of the language"
    )
