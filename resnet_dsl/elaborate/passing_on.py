"""`...`: what a call passes on of the parameters around it, and what a block takes to pass on."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping

from resnet_dsl.diagnostics.errors import Findings
from resnet_dsl.diagnostics.model import Diagnostic
from resnet_dsl.elaborate.values import Definition
from resnet_dsl.records import replace
from resnet_dsl.syntax import ast


def passed_on(
    rest: ast.Argument, takes: Iterable[str], given: Container[str], known: Container[str]
) -> Iterator[ast.Argument]:
    """Yield an argument for each name that a function takes, that is not given yet and known around it."""
    for name in takes:
        if name not in given and name in known:
            yield ast.Argument(rest.span, name, ast.Name(rest.span, name))


class Signatures:
    """The blocks of a file with all their parameters, those that `...` stands for among them."""

    def __init__(self, blocks: Mapping[str, Definition], findings: Findings) -> None:
        self.blocks = blocks
        self.findings = findings
        self.known: dict[str, ast.Block] = {}

    def complete(self, name: str) -> ast.Block:
        """Return a block of this file with the parameters that its calls take."""
        if name not in self.known:
            block = self.blocks[name].block
            self.known[name] = block  # while it is looked at: blocks may call each other, if in vain
            if block.rest is not None:
                self.known[name] = replace(block, parameters=self._parameters(block, block.rest), rest=None)
        return self.known[name]

    def _parameters(self, block: ast.Block, rest: ast.Rest) -> tuple[ast.Parameter, ...]:
        own = {parameter.name: parameter for parameter in block.parameters}
        taken = dict(own)
        for call, leading in _calls_passing_on(block):
            for parameter in self._open(call, leading):
                taken.setdefault(parameter.name, parameter)
        if len(taken) == len(own):
            message = f"`...` stands for nothing: no call in `{block.name}` passes on a parameter of a block"
            hint = "end a call in it with `...`, or delete it"
            self.findings.add(Diagnostic("E0202", message, rest.span, hint=hint))
        return tuple(taken.values())

    def _open(self, call: ast.Call, leading: int) -> Iterator[ast.Parameter]:
        """Yield the parameters of the block that a call names, but for those it gives itself."""
        callee = self._callee(call.callee.id) if isinstance(call.callee, ast.Name) else None
        if callee is not None:
            named = {argument.name for argument in call.arguments}
            yield from (p for p in callee.parameters[leading:] if p.name not in named)

    def _callee(self, name: str) -> ast.Block | None:
        if name in self.blocks:
            return self.complete(name)
        definition = next(iter(self.blocks.values()))
        found = definition.scope.find(name)
        return found[1].block if found is not None and isinstance(found[1], Definition) else None


def _calls_passing_on(node: ast.Node, piped: bool = False) -> Iterator[tuple[ast.Call, int]]:
    """Yield each call that ends with `...`, and how many parameters its positions give."""
    if isinstance(node, ast.Call) and node.arguments and isinstance(node.arguments[-1].value, ast.Rest):
        positional = sum(argument.name is None for argument in node.arguments[:-1])
        # Outside a pipeline the first position is the block's input, no parameter.
        yield node, positional if piped else max(positional - 1, 0)
    for child in ast.children(node):
        step = isinstance(node, ast.Pipe) and child is not node.first
        yield from _calls_passing_on(child, step or (piped and isinstance(node, ast.Labelled)))
