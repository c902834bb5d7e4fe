"""Numbers that vary between the uses of a class, written as its parameters and formulas of them.

A formula is written only where elaboration derived the number by it (`resnet_dsl/ir/formulas.py`) and
it gives the right number in every use; any other number that varies is a parameter of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import chain, count

from resnet_dsl.codegen.python import Binary, Call, Expression, Literal, Name
from resnet_dsl.ir.formulas import (
    Fixed,
    Formula,
    Named,
    Number,
    Operation,
    evaluated,
    names_of,
    simplified,
    substituted,
)
from resnet_dsl.ir.network import channels_name
from resnet_dsl.records import dataclass, field

IN_CHANNELS = "in_channels"


@dataclass(frozen=True)
class ClassParameter:
    """A parameter of a class or function; `kind` is int, float or bool, `default` its value if it has one."""

    name: str
    kind: str
    default: Number | None = None


def parameter_name(formula_name: str) -> str:
    """Return what a name of formulas is called in code: `x.channels` is `in_channels`."""
    if formula_name == channels_name("x"):
        return IN_CHANNELS
    return formula_name.replace(".", "_")


@dataclass
class Varying:
    """The numbers of one class in the making.

    `values` has, for each name that formulas may use, its number in each body; `used` those that
    become parameters, under the name they have in code.
    """

    values: Mapping[str, Sequence[Number]]
    taken: frozenset[str]
    used: dict[str, Sequence[Number]] = field(default_factory=dict)
    own: dict[str, Sequence[Number]] = field(default_factory=dict)

    def expression(
        self, label: str, numbers: Sequence[Number], among: Sequence[int], formula: Formula | None
    ) -> Expression:
        """Return what stands for a number that is `numbers` in the bodies `among`."""
        if len(set(numbers)) == 1:
            return Literal(numbers[0])
        written = None if formula is None else self._written(formula, numbers, among)
        if written is not None:
            for name in names_of(written):
                self.used[parameter_name(name)] = self.values[name]
            return tree_of(written)
        name = self._free(label)
        spread = [numbers[0]] * self._count
        for index, value in zip(among, numbers, strict=True):
            spread[index] = value
        self.own[name] = self.used[name] = spread
        return Name(name)

    @property
    def _count(self) -> int:
        return len(next(iter(self.values.values())))

    def _written(self, formula: Formula, numbers: Sequence[Number], among: Sequence[int]) -> Formula | None:
        """The formula with what is the same in all uses computed; None where it does not give the numbers."""
        names = set(names_of(formula))
        if not names <= self.values.keys() or any(map(self._is_taken, names)):
            return None
        fixed: dict[str, Formula | None] = {}
        for name in names:
            same = {self.values[name][index] for index in among}
            fixed[name] = Fixed(same.pop()) if len(same) == 1 else Named(name)
        known = substituted(formula, fixed)
        if known is None:
            return None
        found = simplified(known)
        for index, number in zip(among, numbers, strict=True):
            result = evaluated(found, {name: self.values[name][index] for name in names})
            if result != number or type(result) is not type(number):
                return None
        return found

    def _is_taken(self, name: str) -> bool:
        """Whether code cannot call a number so: frameworks keep attributes with an underscore, too."""
        return parameter_name(name) in self.taken or name.startswith("_")

    def _free(self, label: str) -> str:
        label = f"step_{label}" if label[0].isdigit() else label
        tries = chain((label,), (f"{label}_{i}" for i in count(2)))
        return next(n for n in tries if not (n in self.taken or n in self._meant or n in self.own))

    @cached_property
    def _meant(self) -> frozenset[str]:
        """What the names that formulas use are called in code."""
        return frozenset(map(parameter_name, self.values))


def tree_of(formula: Formula) -> Expression:
    """Return a formula as an expression over parameters."""
    match formula:
        case Named():
            return Name(parameter_name(formula.name))
        case Fixed():
            return Literal(formula.value)
        case Operation(sign="max" | "min"):
            return Call(Name(formula.sign), (tree_of(formula.left), tree_of(formula.right)))
        case Operation():
            return Binary(tree_of(formula.left), formula.sign, tree_of(formula.right))
