"""Numbers of the language from numbers of tensors: widths, groups, expansions, reductions."""

from __future__ import annotations

from collections.abc import Iterable

from resnet_dsl.decompile.residual_blocks import BOTTLENECK, Gate, ResidualBlock
from resnet_dsl.decompile.syntax_nodes import call, expression
from resnet_dsl.decompile.tensors import NotExpressibleError
from resnet_dsl.records import dataclass
from resnet_dsl.syntax import ast

BASE = 64
EXPANSION = 4
EXPANSIONS = range(1, 65)
DIVISORS = (1, 8, 4, 16, 2, 32)
REDUCTIONS = range(1, 129)


@dataclass(frozen=True)
class Widths:
    """`widths`, `base_width` and `expansion` for each stage."""

    widths: list[int]
    base_widths: list[int]
    expansions: list[int]

    @property
    def said(self) -> int:
        """How much of it a spec has to say."""
        rest = ((self.base_widths, BASE), (self.expansions, EXPANSION))
        words = sum(len(set(values)) - 1 + (values[0] != default) for values, default in rest)
        return words + (self.widths != usual_widths(len(self.widths)))


def usual_widths(count: int) -> list[int]:
    """Return the widths of a model that says nothing."""
    return [BASE * 2**stage for stage in range(count)]


def widths_of(stages: Iterable[ResidualBlock]) -> Widths:
    """Return the widths that give such stages, those that a spec says in the fewest words."""
    blocks = list(stages)
    found = [each for expansion in EXPANSIONS if (each := _widths(blocks, expansion)) is not None]
    if not found:
        shapes = ", ".join(f"{block.inner} to {block.after}" for block in blocks)
        raise NotExpressibleError(f"no expansion gives bottlenecks of {shapes} channels")
    return min(found, key=lambda each: each.said)


def _widths(blocks: list[ResidualBlock], expansion: int) -> Widths | None:
    widths, bases = [], []
    for block in blocks:
        if block.kind != BOTTLENECK:
            widths.append(block.after)
            bases.append(BASE)
            continue
        width, left = divmod(block.after, expansion)
        each = block.inner // block.groups
        if left or not width or not each:
            return None
        base = -(-each * BASE // width)
        if width * base // BASE != each:
            return None
        widths.append(width)
        bases.append(base)
    return Widths(widths, bases, [expansion] * len(blocks))


def attentions(stages: Iterable[tuple[int, Gate | None]]) -> list[ast.Expr]:
    """Return the attention of each stage, given its channels and what gate its blocks have."""
    found = list(stages)
    squeezes = [(channels, gate.number) for channels, gate in found if gate is not None and gate.kind == "se"]
    common = _reduction(squeezes)
    result = []
    for channels, gate in found:
        if gate is None:
            result.append(expression("none"))
        elif gate.kind == "eca":
            result.append(call("eca", *([] if gate.number == 3 else [gate.number])))
        else:
            pair = common or _reduction([(channels, gate.number)])
            if pair is None:
                raise NotExpressibleError(
                    f"no reduction of {channels} channels gives the {gate.number} of its `se`"
                )
            result.append(_squeeze(*pair))
    return result


def _reduction(cases: list[tuple[int, int]]) -> tuple[int, int] | None:
    """The reduction and divisor of `se` that give these inner channels; 16 and 1 if they do."""
    pairs = ((reduction, divisor) for divisor in DIVISORS for reduction in sorted(REDUCTIONS, key=_unusual))
    return next((pair for pair in pairs if all(_inner(c, *pair) == inner for c, inner in cases)), None)


def _unusual(reduction: int) -> tuple[bool, bool, int]:
    return reduction != 16, reduction.bit_count() != 1, reduction


def _inner(channels: int, reduction: int, divisor: int) -> int:
    """The rule of the library's `se`."""
    return max(divisor, (channels // reduction + divisor // 2) // divisor * divisor)


def _squeeze(reduction: int, divisor: int) -> ast.Expr:
    if divisor != 1:
        return call("se", reduction, divisor)
    return call("se") if reduction == 16 else call("se", reduction)
