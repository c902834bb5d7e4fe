"""The spec: a structure and the evidence beside it as the fields of a model, defaults left out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from resnet_dsl.decompile.block_numbers import attentions, usual_widths, widths_of
from resnet_dsl.decompile.residual_blocks import BASIC, BOTTLENECK, Block
from resnet_dsl.decompile.structure import Structure
from resnet_dsl.decompile.tensors import BN, NotExpressibleError, listed
from resnet_dsl.decompile.unknowns import Evidence
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.program import Program
from resnet_dsl.syntax.formatter.canonical import format_source

USUAL = {"norm": "bn", "act": "relu"}
USUAL_WIDTH = "64"
POOL = "maxpool(3x3, stride=2)"
USUAL_INPUT = "3x224x224"
CLASSES = 1000


def fields_of(structure: Structure, evidence: Evidence) -> dict[str, str]:
    """Return the fields that the model has to have."""
    firsts = [_alike(stage) for stage in structure.stages]
    fields: dict[str, str] = {}
    _put(fields, "input", evidence.input(), USUAL_INPUT)
    stem = _stem(evidence.stem(), structure.pre)
    _put(fields, "stem", stem, "imagenet_stem")
    fields["stages"] = _list(len(stage) for stage in structure.stages)
    fields["block"] = _each([block.kind for block in firsts]) or BASIC
    fields |= _sizes(firsts)
    strides = evidence.strides()
    if strides != [1, *[2] * (len(firsts) - 1)]:
        fields["strides"] = _each(strides)
    if _which_stride(structure, strides, evidence) == "conv1":
        fields["stride_on"] = "conv1"
    fields |= _dilations(evidence.dilations())
    norm, act = evidence.norm(), evidence.act()
    _put(fields, "shortcut", _shortcut(structure, strides, evidence, norm), "B")
    _put(fields, "norm", norm, BN)
    _put(fields, "act", act, "relu")
    _put(fields, "attention", _each(attentions((block.after, block.gate) for block in firsts), "none"))
    _put(fields, "antialias", evidence.antialias(), "none")
    if structure.pre:
        fields["activation"] = "pre"
    fields |= _head(evidence.head(), structure.pre)
    return fields | evidence.others()


def text_of(name: str, fields: Mapping[str, str], comment: str, program: Program | None = None) -> str:
    """Return the spec in canonical form; of a program that it compiled to, with the figures to expect."""
    lines = [f"{field}: {value}" for field, value in fields.items()]
    if program is not None:
        figures = [f"params == {program.figures.params:_}"]
        if program.figures.macs is not None:
            figures.append(f"macs == {program.figures.macs:_}")
        lines.append(f"expect: [{', '.join(figures)}]")
    body = "\n".join(f"    {line}" for line in lines)
    return format_source(Source("<restored>", f"{comment}model {name} {{\n{body}\n}}\n"))


def _alike(stage: tuple[Block, ...]) -> Block:
    """The first block, if the others are as it: a model has one value a stage."""
    first = stage[0]
    odd = [block.path for block in stage if _build(block) != _build(first)]
    if odd:
        raise NotExpressibleError(f"blocks of one stage differ: {first.path} and {listed(odd)}")
    return first


def _build(block: Block) -> tuple[Any, ...]:
    return block.kind, block.inner, block.after, block.groups, block.norm, block.gate


def _sizes(firsts: list[Block]) -> dict[str, str]:
    """Widths, groups and expansion."""
    found = widths_of(firsts)
    fields: dict[str, str] = {}
    if found.widths != usual_widths(len(firsts)):
        fields["widths"] = _list(found.widths)
    if any(block.kind == BOTTLENECK for block in firsts):
        _put(fields, "groups", _each([block.groups for block in firsts], 1))
        _put(fields, "base_width", _each(found.base_widths, 64))
        _put(fields, "expansion", _each(found.expansions, 4))
    return fields


def _dilations(pairs: list[tuple[int, int]]) -> dict[str, str]:
    """One for each stage, or an expression where its first block has another than the rest."""
    if all(first == rest for first, rest in pairs):
        found = _each([first for first, _ in pairs], 1)
        return {"dilations": found} if found else {}
    cases = [
        f"(if index == 0 then {first} else {rest})" if first != rest else str(first) for first, rest in pairs
    ]
    chosen = (f"if stage == {stage} then {case} else " for stage, case in enumerate(cases[:-1]))
    return {"dilation": "".join(chosen) + cases[-1]}


def _which_stride(structure: Structure, strides: list[int], evidence: Evidence) -> str:
    """The convolution with the stride, where there is a bottleneck with one."""
    strided = any(
        stage[0].kind == BOTTLENECK and stride > 1
        for stage, stride in zip(structure.stages, strides, strict=True)
    )
    if not strided:
        if evidence.given.stride_on:
            raise UsageError("--stride-on: there is no bottleneck with a stride")
        return "conv2"
    return evidence.given.stride_on or evidence.stride_on()


def _shortcut(structure: Structure, strides: list[int], evidence: Evidence, norm: str) -> str:
    """The shortcut of all blocks, as their projections tell."""
    kinds = {block.projection for block in structure.blocks} - {"none"}
    if evidence.given.shortcut:
        return evidence.given.shortcut
    if not kinds:
        return evidence.bare_shortcut()
    if len(kinds) > 1:
        raise NotExpressibleError("its shortcuts are of several kinds")
    kind = kinds.pop()
    pooled = kind == "pooled" or (kind == "plain" and evidence.pools())
    name = "D" if pooled else "C" if _everywhere(structure, strides) else "B"
    return name if norm == BN or kind == "plain" else f"{name}(norm={norm})"


def _everywhere(structure: Structure, strides: list[int]) -> bool:
    """Whether blocks that change nothing have projections too."""
    unchanged = [
        block
        for stage, stride in zip(structure.stages, strides, strict=True)
        for index, block in enumerate(stage)
        if not block.changes and (index or stride == 1)
    ]
    return bool(unchanged) and all(block.projection != "none" for block in unchanged)


def _stem(steps: list[str], pre: bool) -> str:
    """The stem, by the library's name where it is that of He et al. 2015 with other arguments."""
    width = "".join(steps[:1]).removeprefix("conv(").removesuffix(", 7x7, stride=2)")
    middle = steps[1:-1]
    usual = steps[-1:] == [POOL] and len(middle) == (0 if pre else 2)
    if usual and width.isdecimal():
        named = zip(("norm", "act"), (step.removeprefix("bn1: ") for step in middle), strict=False)
        more = {key: value for key, value in named if value != USUAL[key]}
        more |= {"activation": "pre"} if pre and width != USUAL_WIDTH else {}
        words = [
            *([width] if width != USUAL_WIDTH else []),
            *(f"{key}={value}" for key, value in more.items()),
        ]
        return f"imagenet_stem({', '.join(words)})" if words else "imagenet_stem"
    return " -> ".join(steps) or "none"


def _head(steps: list[str], pre: bool) -> dict[str, str]:
    """The head, or only how many classes where it is the usual one."""
    usual = ["bn", "relu", "gap"] if pre else ["gap"]
    last = steps[-1] if steps else ""
    classes = last.removeprefix("fc(").removesuffix(")")
    if steps[:-1] == usual and last.startswith("fc(") and classes.isdecimal():
        return {} if int(classes) == CLASSES else {"classes": classes}
    return {"head": " -> ".join(steps) or "none"}


def _put(fields: dict[str, str], name: str, value: str, default: str = "") -> None:
    if value != default:
        fields[name] = value


def _each(values: Iterable[object], default: object = None) -> str:
    """One value a stage, or one for all; nothing for the default."""
    found = list(values)
    if any(value != found[0] for value in found):
        return _list(found)
    return "" if found[0] == default else str(found[0])


def _list(values: Iterable[object]) -> str:
    return f"[{', '.join(map(str, values))}]"
