"""Shipped networks at other depths, widths and classes: their blocks, with the numbers that a file has."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from resnet_dsl.decompile.classifiers import Classifier, chain_of, classifier_of
from resnet_dsl.decompile.shipped_fields import ShippedModel, shipped_model, specs_with_blocks
from resnet_dsl.decompile.shipped_numbers import Differences, numbers_of
from resnet_dsl.decompile.shipped_texts import words_for
from resnet_dsl.decompile.spec_writer import text_of
from resnet_dsl.decompile.structure import IN_BLOCK
from resnet_dsl.decompile.syntax_nodes import call, expression, pipeline, step_kind
from resnet_dsl.decompile.tensors import Shapes, layers_of, renamed
from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source, compile_spec
from resnet_dsl.ir.ops import CATALOGUE
from resnet_dsl.printing.stages import print_network
from resnet_dsl.program import Program
from resnet_dsl.progress import LongTask
from resnet_dsl.records import dataclass
from resnet_dsl.shipped import models
from resnet_dsl.syntax import ast
from resnet_dsl.zoo.candidates import HEAD, owners

TRIES = 6
Fields = dict[str, ast.Expr]


@dataclass(frozen=True)
class OfShipped:
    """A spec that is made of a shipped one's blocks, and what the person has to know about it."""

    spec: str
    text: str
    program: Program
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Names:
    """What tensors are called within blocks, outside of them, and how many blocks each stage has."""

    inside: frozenset[str]
    outside: frozenset[str]
    depths: tuple[int, ...]


def with_blocks(shapes: Shapes, model: str, comment: str) -> Iterator[OfShipped]:
    """Yield the specs of shipped blocks that have exactly these tensors.

    What is based on another shipped model is taken only where none of those with the blocks fits.
    """
    names = _names(shapes)
    if names is None:
        return
    labels, fits = _labels(names), False
    task = LongTask("looking for its blocks", sum(map(len, specs_with_blocks())), "networks")
    for specs in specs_with_blocks():
        for spec in specs if not fits else ():
            task.advance(1)
            if not labels <= words_for(models()[spec].path):
                continue
            known = _names_of_shipped(spec)
            if known is None or not names.inside <= known.inside:
                continue
            found = _Fitting(spec, shapes, names, model, comment).found()
            if found is not None:
                fits = True
                yield found


def _labels(names: _Names) -> set[str]:
    """What layers of blocks are called that is no number, and no op with or without one."""
    parts = {part for name in names.inside for part in name.split(".")[:-1]}
    return {part for part in parts if part.rstrip("0123456789") not in ("", *CATALOGUE)}


@functools.cache
def _program(spec: str) -> Program:
    return compile_spec(spec)


@functools.cache
def _names_of_shipped(spec: str) -> _Names | None:
    program = _program(spec)
    return _names({name: parameter.shape for name, parameter in program.graph.parameters()})


def _names(shapes: Shapes) -> _Names | None:
    """The names of a network in stages; None for one that has none."""
    inside: set[str] = set()
    outside: set[str] = set()
    blocks: dict[str, set[int]] = {}
    for name in shapes:
        found = IN_BLOCK.fullmatch(name)
        if found is None:
            outside.add(name)
        else:
            inside.add(found[3])
            blocks.setdefault(found[1], set()).add(int(found[2]))
    stages = [blocks.get(f"layer{number + 1}", set()) for number in range(len(blocks))]
    if not stages or any(not stage or max(stage) + 1 != len(stage) for stage in stages):
        return None
    return _Names(frozenset(inside), frozenset(outside), tuple(map(len, stages)))


@dataclass(frozen=True)
class _Fitting:
    """The attempt to write a file's network by the blocks of one shipped spec."""

    spec: str
    shapes: Shapes
    names: _Names
    model: str
    comment: str

    def found(self) -> OfShipped | None:
        """The spec, if there is one that has exactly the tensors."""
        shelf = shipped_model(self.spec)
        head = self._head(shelf)
        if head is None:
            return None
        steps, classifier = head
        shapes = renamed(self.shapes, classifier.renamed)
        for stages in shelf.stages_of(self.names.depths):
            fields: Fields = {"base": expression(self.spec)}
            if stages != shelf.fields["stages"]:
                fields["stages"] = stages
            if steps is not None:
                fields["head"] = steps
            program = self._solved(fields, shelf, classifier.block, shapes)
            if program is not None:
                self._drop_needless(fields, classifier.block, program)
                text = self._text(fields, classifier.block, program)
                return OfShipped(self.spec, text, program, (classifier.note,) if classifier.note else ())
        return None

    def _drop_needless(self, fields: Fields, block: str, program: Program) -> None:
        """Take out what says nothing, such as widths where blocks do not take them."""
        for name in fields.keys() - {"base"}:
            less = {field: value for field, value in fields.items() if field != name}
            shorter = self._compiled(self._text(less, block, None))
            if shorter is not None and print_network(shorter) == print_network(program):
                del fields[name]

    def _head(self, shelf: ShippedModel) -> tuple[ast.Expr | None, Classifier] | None:
        """The head if it is another than the shipped one's: its steps up to the pooling, then the file's."""
        nodes = owners(_program(self.spec).graph)
        own = {node.name for node in nodes if node.part == HEAD}
        body = {node.name for node in nodes if node.part != HEAD and not IN_BLOCK.fullmatch(node.name)}
        layers = {
            path: layer
            for path, layer in layers_of(self.shapes).items()
            if path not in body and not IN_BLOCK.fullmatch(path)
        }
        if set(layers) == own:
            return None, Classifier(())
        steps = shelf.head
        kinds = [step_kind(step.value if isinstance(step, ast.Labelled) else step) for step in steps]
        places = [place for place, kind in enumerate(kinds) if kind == "fc"]
        if not places or "gap" not in kinds:
            return None
        kept = {node.name for node in nodes if node.part == HEAD and node.op.kind != "fc"}
        if not kept <= set(layers):
            return None
        rest = {path: layer for path, layer in layers.items() if path not in kept}
        if not rest:
            return pipeline(steps[: kinds.index("gap")]), Classifier(())
        chains = (chain_of(rest, channels) for channels in self._channels())
        chain = next((each for each in chains if each is not None), None)
        if chain is None:
            return None
        found = classifier_of(chain, rest, call("relu"))
        before, behind = steps[: places[0]], steps[places[-1] + 1 :]
        return pipeline([*before, *found.steps, *behind]), found

    def _channels(self) -> list[int]:
        """The channels that the last stage may give, by the layers of its last block."""
        front = f"layer{len(self.names.depths)}.{self.names.depths[-1] - 1}."
        last = [shape[0] for name, shape in self.shapes.items() if name.startswith(front) and shape]
        norms = [shape[0] for name, shape in self.shapes.items() if "." not in name.replace(".weight", "")]
        return list(dict.fromkeys([*last[::-1], *norms]))

    def _solved(self, fields: Fields, shelf: ShippedModel, block: str, shapes: Shapes) -> Program | None:
        """Compile with the numbers of the file, found where tensors differ, and put them in the fields."""
        for _ in range(TRIES):
            program = self._compiled(self._text(fields, block, None))
            if program is None:
                return None
            ours = {name: parameter.shape for name, parameter in program.graph.parameters()}
            if ours.keys() != shapes.keys():
                return None
            differences = Differences.of(ours, shapes, program)
            if not differences.pairs:
                return program
            more = numbers_of(differences, shelf, fields)
            if not more:
                return None
            fields.update(more)
        return None

    def _compiled(self, text: str) -> Program | None:
        try:
            return compile_source(Source(f"{self.model}.resnet", text), None, self.model, {})
        except CompileError:
            return None

    def _text(self, fields: Fields, block: str, program: Program | None) -> str:
        """The text of the spec."""
        before = f"{self.comment}use {self.spec}\n\n" + (f"{block}\n" if block else "")
        return text_of(self.model, fields, before, program)
