"""What a spec needs to know of a network beside its blocks: each a fact with where it comes from.

`conventions.py` fills the record for a file of tensors alone, `graph_facts.py` from a graph. What the
person has to be told or asked is read off the record.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Generic, Literal, TypeVar

from resnet_dsl.decompile.structure import Structure
from resnet_dsl.decompile.syntax_nodes import Written, call, expression, written_by_hand
from resnet_dsl.decompile.tensors import BN, NotExpressibleError
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.records import dataclass, field
from resnet_dsl.syntax import ast

Value = TypeVar("Value")
Authority = Literal["tensors", "graph", "hint", "convention", "nobody"]
BRIEF = ("act", "norm", "dilations", "antialias", "drop_path")
"""Facts whose notes stand on one line."""


@dataclass(frozen=True)
class Hints:
    """What the person says: texts of the language, empty where nothing is said."""

    stride_on: str = ""
    shortcut: str = ""
    input: str = ""


@dataclass(frozen=True)
class Fact(Generic[Value]):
    """A value and who says so. `note` tells what a convention assumes, or asks for what nobody knows."""

    value: Value
    authority: Authority
    note: str = ""


Steps = tuple[ast.Expr, ...]


@dataclass(frozen=True)
class NetworkFacts:
    """Everything that a model says beside what its blocks are, in the order in which it is told."""

    input: Fact[ast.Expr]
    stem: Fact[Steps]
    strides: Fact[list[int]]
    stride_on: Fact[str]
    dilations: Fact[list[tuple[int, int]]]
    """The dilation of each stage, in its first block and in the others."""
    norm: Fact[ast.Expr]
    act: Fact[ast.Expr]
    shortcut: Fact[ast.Expr]
    antialias: Fact[ast.Expr]
    drop_path: Fact[float]
    head: Fact[Steps]
    more: Mapping[str, ast.Expr] = field(default_factory=dict)
    """Further fields, as the file has them."""
    blocks: str = ""
    """The text of blocks that the head needs."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Our names of layers that have none there that the language takes."""

    @property
    def facts(self) -> dict[str, Fact[object]]:
        """Each fact by its name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Fact)}

    @property
    def questions(self) -> dict[str, str]:
        """What the person has to say, by the hint that says it."""
        return {name: fact.note for name, fact in self.facts.items() if fact.authority == "nobody"}

    def assumptions(self, known: Collection[str]) -> str:
        """Return what is taken for granted, but for fields that the person has set; empty if nothing."""
        notes = {
            name: fact.note
            for name, fact in self.facts.items()
            if fact.authority == "convention" and fact.note and name not in known
        }
        lines = [note for name, note in notes.items() if name not in BRIEF]
        brief = ", ".join(notes[name] for name in BRIEF if name in notes)
        text = "".join(f"\n  {line}" for line in (*lines, *([brief] if brief else [])))
        return f"tensors do not tell the following; it is taken to be as usual:{text}" if text else ""


# --- what both sources of facts share ----------------------------------------------------------


def input_fact(hints: Hints, otherwise: Callable[[], Fact[ast.Expr]]) -> Fact[ast.Expr]:
    """Return the input as the person says it, or else."""
    return Fact(written_by_hand("--input", hints.input), "hint") if hints.input else otherwise()


def stride_fact(
    structure: Structure, strides: list[int], hints: Hints, otherwise: Callable[[], Fact[str]]
) -> Fact[str]:
    """Return which convolution of a bottleneck has the stride; raises UsageError for a needless hint."""
    if not structure.strided_bottlenecks(strides):
        if hints.stride_on:
            raise UsageError("--stride-on: there is no bottleneck with a stride")
        return Fact("conv2", "tensors")
    return Fact(hints.stride_on, "hint") if hints.stride_on else otherwise()


def shortcut_fact(
    structure: Structure,
    strides: list[int],
    norm: ast.Expr,
    hints: Hints,
    bare: Callable[[], Fact[ast.Expr]],
    pools: Callable[[], Fact[bool]],
) -> Fact[ast.Expr]:
    """Return the shortcut of all blocks, as their projections tell.

    `bare` answers for a network without projections, `pools` whether the bare projections of
    pre-activation have a pool before them.
    """
    if hints.shortcut:
        return Fact(written_by_hand("--shortcut", hints.shortcut), "hint")
    projecting = [block for block in structure.blocks if block.projection != "none"]
    kinds = {(block.projection, block.projection_bias) for block in projecting}
    if not kinds:
        return bare()
    if len(kinds) > 1:
        raise NotExpressibleError("its shortcuts are of several kinds")
    ((kind, bias),) = kinds
    pooled = pools() if kind == "plain" else Fact(kind == "pooled", "tensors")
    name = "D" if pooled.value else "C" if structure.projects_everywhere(strides) else "B"
    more: dict[str, Written] = {} if norm == expression(BN) or kind == "plain" else {"norm": norm}
    if bias and kind != "plain":  # that of pre-activation has the bias of its block
        more["bias"] = True
    if kind == "plain" and any(block.bias != bias for block in projecting):
        raise NotExpressibleError("a bias on its shortcuts or on its convolutions only")
    return Fact(call(name, **more), pooled.authority, pooled.note)
