"""The spec: a structure and the facts beside it as the fields of a model, defaults left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from resnet_dsl.decompile.block_numbers import attentions, usual_widths, widths_of
from resnet_dsl.decompile.facts import NetworkFacts, Steps
from resnet_dsl.decompile.residual_blocks import BOTTLENECK, ResidualBlock
from resnet_dsl.decompile.structure import Structure
from resnet_dsl.decompile.syntax_nodes import NOWHERE, Written, call, each, expression, pipeline, step_kind
from resnet_dsl.decompile.tensors import BN
from resnet_dsl.decompile.written_out import differ, written_out
from resnet_dsl.program import Program
from resnet_dsl.syntax import ast
from resnet_dsl.syntax.formatter.format import format_tree

USUAL_WIDTH = 64
USUAL_INPUT = (3, 224, 224)
CLASSES = 1000
POOL = call("maxpool", (3, 3), stride=2)
Fields = dict[str, ast.Expr]


def fields_of(structure: Structure, facts: NetworkFacts) -> Fields:
    """Return the fields that the model has to have."""
    firsts = [stage[0] for stage in structure.stages]
    strides = facts.strides.value
    fields: Fields = {}
    _put(fields, "input", facts.input.value, USUAL_INPUT)
    _put(fields, "stem", _stem(facts.stem.value, structure.pre), "imagenet_stem")
    fields |= written_out(structure) if differ(structure) else _stages(structure, firsts)
    if strides != [1, *[2] * (len(firsts) - 1)]:
        fields["strides"] = each(strides)
    _put(fields, "stride_on", facts.stride_on.value, "conv2")
    fields |= _dilations(facts.dilations.value)
    _put(fields, "shortcut", facts.shortcut.value, "B")
    _put(fields, "norm", facts.norm.value, BN)
    _put(fields, "act", facts.act.value, "relu")
    _put(fields, "antialias", facts.antialias.value, "none")
    if structure.pre:
        fields["activation"] = expression("pre")
    return {**fields, **_head(facts.head.value, structure.pre), **facts.more}


def text_of(name: str, fields: Mapping[str, ast.Expr], before: str, program: Program | None = None) -> str:
    """Return the spec in canonical form; of a program that it compiled to, with the cost to expect."""
    written = dict(fields)
    if program is not None:
        written["expect"] = expression(list(_expected(program)))
    nodes = tuple(ast.Field(NOWHERE, field, value) for field, value in written.items())
    return before + format_tree(ast.File(NOWHERE, (ast.Model(NOWHERE, name, (), nodes),)))


def _expected(program: Program) -> Iterable[ast.Expr]:
    expected = {"params": program.cost.params, "macs": program.cost.macs}
    for name, count in expected.items():
        if count is not None:
            number = ast.Number(NOWHERE, count, f"{count:_}")
            yield ast.Binary(NOWHERE, "==", expression(name), number, NOWHERE)


def _stages(structure: Structure, firsts: list[ResidualBlock]) -> Fields:
    """Depths, and a value a stage for what its blocks are."""
    fields: Fields = {
        "stages": expression([len(stage) for stage in structure.stages]),
        "block": each(block.kind for block in firsts),
    }
    fields |= _sizes(firsts)
    _put(fields, "bias", each(block.bias for block in firsts), False)
    _put(fields, "attention", each(attentions((block.after, block.gate) for block in firsts)), "none")
    return fields


def _sizes(firsts: list[ResidualBlock]) -> Fields:
    """Widths, groups and expansion."""
    found = widths_of(firsts)
    fields: Fields = {}
    _put(fields, "widths", expression(found.widths), usual_widths(len(firsts)))
    if any(block.kind == BOTTLENECK for block in firsts):
        _put(fields, "groups", each(block.groups for block in firsts), 1)
        _put(fields, "base_width", each(found.base_widths), 64)
        _put(fields, "expansion", each(found.expansions), 4)
    return fields


def _dilations(pairs: list[tuple[int, int]]) -> Fields:
    """One for each stage, or an expression where its first block has another than the rest."""
    if all(first == rest for first, rest in pairs):
        fields: Fields = {}
        _put(fields, "dilations", each(first for first, _ in pairs), 1)
        return fields
    *before, chosen = (_of_stage(first, rest) for first, rest in pairs)
    for stage, case in reversed(list(enumerate(before))):
        chosen = _chosen("stage", stage, case, chosen)
    return {"dilation": chosen}


def _of_stage(first: int, rest: int) -> ast.Expr:
    """The dilation of a stage's blocks, in parentheses where it depends on which block."""
    if first == rest:
        return expression(first)
    return ast.Group(NOWHERE, _chosen("index", 0, expression(first), expression(rest)))


def _chosen(counter: str, number: int, yes: ast.Expr, no: ast.Expr) -> ast.Expr:
    """`if counter == number then yes else no`."""
    condition = ast.Binary(NOWHERE, "==", expression(counter), expression(number), NOWHERE)
    return ast.If(NOWHERE, condition, yes, no)


def _stem(steps: Steps, pre: bool) -> ast.Expr:
    """The stem, by the library's name where it is that of He et al. 2015 with other arguments."""
    match steps:
        case (ast.Call(arguments=(ast.Argument(value=ast.Number(value=int(width))), *_)), *middle, last):
            bias = steps[0] == call("conv", width, (7, 7), stride=2, bias=True)
            usual = (bias or steps[0] == call("conv", width, (7, 7), stride=2)) and last == POOL
            if usual and len(middle) == (0 if pre else 2) and (pre or _is_first_norm(middle[0])):
                return _imagenet_stem(width, middle, pre, bias)
    return pipeline(steps)


def _imagenet_stem(width: int, middle: Sequence[ast.Expr], pre: bool, bias: bool) -> ast.Expr:
    more: dict[str, Written] = {"bias": True} if bias else {}
    if pre and (width != USUAL_WIDTH or bias):
        more["activation"] = "pre"
    for name, step, usual in zip(("norm", "act"), middle, (BN, "relu"), strict=False):
        bare = step.value if isinstance(step, ast.Labelled) else step
        if bare != expression(usual):
            more[name] = bare
    return call("imagenet_stem", *([width] if width != USUAL_WIDTH else []), **more)


def _is_first_norm(step: ast.Expr) -> bool:
    """Whether a step is called `bn1`, as the norm of the library's stem is."""
    return step.label == "bn1" if isinstance(step, ast.Labelled) else step_kind(step) == BN


def _head(steps: Steps, pre: bool) -> Fields:
    """The head, or only how many classes where it is the usual one."""
    usual = tuple(map(call, ("bn", "relu", "gap") if pre else ("gap",)))
    match steps[-1:]:
        case (ast.Call(arguments=(ast.Argument(value=ast.Number(value=int(classes))),)) as last,):
            if last == call("fc", classes) and steps[:-1] == usual:
                return {} if classes == CLASSES else {"classes": expression(classes)}
    return {"head": pipeline(steps)}


def _put(fields: Fields, name: str, value: Written, default: Written) -> None:
    if expression(value) != expression(default):
        fields[name] = expression(value)
