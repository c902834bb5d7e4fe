"""Facts out of a graph: strides, paddings and what has no tensors are read, never assumed.

Only what the library's blocks can have is looked for. Whatever else the graph holds makes the
restored program's graph differ from it, which `comparison.py` finds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from resnet_dsl.backend.foreign_graph import ForeignGraph, ForeignNode
from resnet_dsl.decompile.conventions import deep_stem
from resnet_dsl.decompile.facts import (
    Fact,
    Hints,
    NetworkFacts,
    Steps,
    input_fact,
    shortcut_fact,
    stride_fact,
)
from resnet_dsl.decompile.graph_steps import FoundStep, GraphSteps, square
from resnet_dsl.decompile.op_matcher import WITHIN_OP, WriteOp
from resnet_dsl.decompile.residual_blocks import BOTTLENECK, ResidualBlock
from resnet_dsl.decompile.structure import DEEP_STEM, IN_BLOCK, Structure
from resnet_dsl.decompile.syntax_nodes import call, expression, of_json
from resnet_dsl.decompile.tensors import BN, NotExpressibleError
from resnet_dsl.diagnostics.wording import printable
from resnet_dsl.records import dataclass, replace
from resnet_dsl.syntax import ast

NO_NORM = "identity"
IN_STAGE = re.compile(r"layer[0-9]+(\.[0-9]+)?")


def facts_of_graph(
    structure: Structure, hints: Hints, graph: ForeignGraph, write_op: WriteOp, metadata: Mapping[str, Any]
) -> tuple[Structure, NetworkFacts]:
    """Return the facts of a network as its graph has them, and its structure where that told too little.

    What a person says has to agree with the graph.
    """
    steps = GraphSteps(graph, write_op)
    if not structure.norm:
        structure = replace(structure, pre=_is_pre(structure.blocks[0], steps))
    read = _GraphOfBlocks(structure, graph, steps)
    strides = [read.stride(stage[0]) for stage in structure.stages]
    norm = read.first_norm()
    act = read.activation(norm).call
    facts = NetworkFacts(
        input=input_fact(hints, lambda: Fact(_input(graph), "graph")),
        stem=Fact(read.stem(), "graph"),
        strides=Fact(strides, "graph"),
        stride_on=stride_fact(structure, strides, hints, lambda: Fact(read.stride_on(), "graph")),
        dilations=Fact(read.dilations(), "graph"),
        norm=Fact(norm.call, "graph"),
        act=Fact(act, "graph"),
        shortcut=shortcut_fact(
            structure,
            strides,
            norm.call,
            hints,
            lambda: Fact(read.bare_shortcut(), "graph"),
            lambda: Fact(read.pools(), "graph"),
        ),
        antialias=Fact(read.antialias(), "graph"),
        drop_path=Fact(0.0, "graph"),
        head=Fact(read.head(act), "graph"),
        more=_more(graph, metadata),
    )
    return structure, facts


def _is_pre(block: ResidualBlock, steps: GraphSteps) -> bool:
    """Whether norms without tensors come before convolutions: then none follows the last one.

    Where there are none at all, an activation takes the sum.
    """
    last = steps.owner(f"{block.path}.conv{3 if block.kind == BOTTLENECK else 2}")
    if steps.activation(steps.owner(f"{block.path}.conv1").result) is None:
        return steps.matcher.at(last.result) is None
    sums = (node for node in steps.graph.behind(last.result, WITHIN_OP) if steps.is_sum(node))
    joined = next(sums, None)
    if joined is not None and steps.activation(joined.result) is None:
        raise NotExpressibleError(
            f"{block.path} has no norms and no activation behind its sum, as no block of the library"
        )
    return False


def _input(graph: ForeignGraph) -> ast.Expr:
    """The input's size, letters where it is open."""
    return expression(graph.sizes if len(graph.sizes) > 1 else graph.sizes[0])


def _more(graph: ForeignGraph, metadata: Mapping[str, Any]) -> dict[str, ast.Expr]:
    """Outputs; and what the file says beside its graph, where it is ours."""
    fields = {}
    names = [name for name, _ in graph.outputs]
    if len(names) > 1 or _is_part(names[0]):
        fields["outputs"] = of_json(names)
    frozen, preprocess = (stated(metadata, name) for name in ("frozen", "preprocess"))
    if isinstance(frozen, list | tuple) and frozen:
        fields["freeze"] = of_json(frozen)
    if isinstance(preprocess, dict) and preprocess:
        fields["preprocess"] = of_json(preprocess)
    return fields


def _is_part(name: str) -> bool:
    """Whether an output is called as a part of the model is; a single one may have any name."""
    return name in ("stem", "head") or IN_STAGE.fullmatch(name) is not None


@dataclass(frozen=True)
class _GraphOfBlocks:
    """A graph whose blocks are known by their tensors."""

    structure: Structure
    graph: ForeignGraph
    steps: GraphSteps

    # --- stem and head ---------------------------------------------------------------------------

    def stem(self) -> Steps:
        """The chain from the input to the first block."""
        if self.structure.is_deep:
            return (self._deep_stem(),)
        end = self._input(self.structure.blocks[0])
        return self.steps.between(self.graph.input, end, numbers_always=True)

    def _deep_stem(self) -> ast.Expr:
        bare = self._is_bare("conv1.0")
        layers = [self.structure.others.get(name) for name in DEEP_STEM[:: 2 if bare else 1]]
        if any(layer is None or layer.kind == "other" for layer in layers):
            raise NotExpressibleError(f"a stem of several convolutions, but not {', '.join(DEEP_STEM)}")
        norm = self._no_norm("conv1.6") if bare else self.steps.norm("bn1")
        named = {"norm": norm.call, "act": self.activation(norm).call}
        usual = {"norm": expression(BN), "act": expression("relu")}
        return deep_stem(self.structure, {name: node for name, node in named.items() if node != usual[name]})

    def head(self, act: ast.Expr) -> Steps:
        """The chain from the last block to the last output, given the activation of the blocks."""
        end = self.graph.outputs[-1][1]
        return self.steps.between(self._end_of_blocks(end, act), end, numbers_always=False)

    def _end_of_blocks(self, end: str, act: ast.Expr) -> str:
        """The result of the last block, back from an output by nodes of one input."""
        if self.structure.pre and self.graph.owner("bn") is not None:
            return self.steps.norm("bn").start
        passed = [end]
        while (node := self.graph.maker(passed[-1])) is not None and not self._is_of_a_block(node):
            passed.append(node.inputs[0])
        if self.structure.pre:
            return passed[-1]
        # The walk may have ended before the block's activation or, where that is several nodes, within it.
        for value in (*self.graph.before(passed[-1], WITHIN_OP), *reversed(passed)):
            found = self.steps.activation(value)
            if found is not None and found.call == act and found.result in passed:
                return found.result
        return passed[-1]

    def _is_of_a_block(self, node: ForeignNode) -> bool:
        """Whether a node joins values or has a tensor of a block."""
        computed = [name for name in node.inputs if name and not self._is_size(name)]
        return computed != [node.inputs[0]] or any(map(IN_BLOCK.match, self.graph.layers(node)))

    def _is_size(self, name: str) -> bool:
        """Whether a value is fixed, or made of the sizes of values alone."""
        waiting, seen = [name], set[str]()
        while waiting:
            value = waiting.pop()
            maker = self.graph.maker(value)
            if not value or value in seen or self.graph.is_fixed(value):
                continue
            seen.add(value)
            if maker is None or len(seen) > WITHIN_OP:
                return False
            waiting += () if maker.op == "Shape" else maker.inputs[:WITHIN_OP]
        return True

    # --- blocks ----------------------------------------------------------------------------------

    def stride_on(self) -> str:
        """Where the convolutions say."""
        for stage in self.structure.stages:
            if stage[0].kind == BOTTLENECK and self._conv_stride(f"{stage[0].path}.conv1") > 1:
                return "conv1"
        return "conv2"

    def stride(self, block: ResidualBlock) -> int:
        """The stride of a block; only first ones may have one, or the graphs differ."""
        smoothing = self._smoothing(block)
        own = self._conv_stride(f"{block.path}.conv1") * self._conv_stride(f"{block.path}.conv2")
        return own if smoothing is None else own * square(smoothing, "strides", 1)

    def dilations(self) -> list[tuple[int, int]]:
        """Those of the 3x3 convolutions, of the first block of each stage and of the last."""
        return [(self._dilation(stage[0]), self._dilation(stage[-1])) for stage in self.structure.stages]

    def first_norm(self) -> FoundStep:
        """The norm of the first block, by its tensors; one without tensors follows the first convolution."""
        path = self.structure.blocks[0].path
        if self.structure.norm:
            return self.steps.norm(f"{path}.bn1")
        if self._is_bare(f"{path}.conv1"):
            return self._no_norm(f"{path}.conv1")
        return self.steps.at(self.steps.owner(f"{path}.conv1").result)

    def _is_bare(self, path: str) -> bool:
        """Whether an activation follows a convolution, and no norm."""
        return self.steps.activation(self.steps.owner(path).result) is not None

    def _no_norm(self, path: str) -> FoundStep:
        result = self.steps.owner(path).result
        return FoundStep(expression(NO_NORM), result, result)

    def activation(self, norm: FoundStep) -> FoundStep:
        """The activation that follows a norm."""
        found = self.steps.activation(norm.result)
        if found is None:
            nodes = ", ".join(printable(node.op) for node in self.graph.users(norm.result)) or "nothing"
            path = printable(norm.path or norm.result)
            raise NotExpressibleError(f"{nodes} follows {path}, which is no activation of the language's")
        return found

    def bare_shortcut(self) -> ast.Expr:
        """The shortcut of a net without projections: by what takes a block's input beside the main branch."""
        for block in self.structure.blocks:
            x = self._input(block)
            users = self.graph.users(x)
            if len(users) == 1:
                return expression("none")
            if any(node.op in ("Slice", "Pad") for node in users):
                return call("A", side="both") if self._pads_before(x) else call("A")
        return call("B")

    def pools(self) -> bool:
        """Whether a pool comes before the bare projections of pre-activation."""
        paths = (f"{block.path}.shortcut" for block in self.structure.blocks if block.projection == "plain")
        makers = (self.graph.maker(self.steps.owner(path).inputs[0]) for path in paths)
        return any(maker is not None and maker.op == "AveragePool" for maker in makers)

    def antialias(self) -> ast.Expr:
        """What follows the activation before a stride."""
        for stage in self.structure.stages:
            node = self._smoothing(stage[0])
            if node is not None:
                return call("avgpool" if node.op == "AveragePool" else "blur")
        return expression("none")

    def _input(self, block: ResidualBlock) -> str:
        """The value that a block takes."""
        value = self.steps.owner(f"{block.path}.conv1").inputs[0]
        if not self.structure.pre:
            return value
        if self.structure.norm:
            return self.steps.norm(f"{block.path}.bn1").start
        return self.steps.before_activated_norm(value)

    def _conv_stride(self, path: str) -> int:
        return square(self.steps.owner(path), "strides", 1)

    def _dilation(self, block: ResidualBlock) -> int:
        conv = f"{block.path}.conv{2 if block.kind == BOTTLENECK else 1}"
        return square(self.steps.owner(conv), "dilations", 1)

    def _smoothing(self, block: ResidualBlock) -> ForeignNode | None:
        """The pool or blur between the convolution that would have the stride and the next."""
        first = 2 if block.kind == BOTTLENECK else 1
        before, after = (self.steps.owner(f"{block.path}.conv{number}") for number in (first, first + 1))
        within = {node.name for node in self.graph.behind(before.result, 6)}
        node = self.graph.maker(after.inputs[0])
        is_blur = node is not None and node.op == "Conv" and not self.graph.layers(node)
        if node is not None and node.name in within and (is_blur or node.op == "AveragePool"):
            return node
        return None

    def _pads_before(self, x: str) -> bool:
        """Whether the zeros of option A come before the channels too."""
        for node in self.graph.behind(x, 2):
            if node.op == "Pad":
                pads = self.graph.numbers(node, 1)
                return len(pads) > 1 and pads[1] > 0
        return False


def stated(metadata: Mapping[str, Any], name: str) -> Any:
    """Return a value of the metadata, read as JSON if it is still text; None if it says nothing."""
    value = metadata.get(name)
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return None
