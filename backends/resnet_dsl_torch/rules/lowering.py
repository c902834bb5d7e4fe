"""What a rule makes of an op in PyTorch, and how rules make it."""

from __future__ import annotations

from functools import singledispatch

from resnet_dsl.backend.ir import ops
from resnet_dsl.backend.python_source import (
    Argument,
    Attribute,
    Call,
    Expression,
    Kept,
    Literal,
    Lowering,
    Name,
    Operand,
    Site,
    call,
)
from resnet_dsl.backend.records import dataclass
from resnet_dsl_torch.initialise import Starts, starts_of

X = Operand(0)


@dataclass(frozen=True)
class TorchLowering(Lowering):
    """An op in PyTorch.

    `module` is kept by the class, as an instance of `kind`, whose tensors start as `starts` says;
    `alone` is the module that does the whole op in a Sequential; `is_norm` says that it is a norm
    with weights to train.
    """

    module: Expression | None = None
    alone: Expression | None = None
    kind: str = ""
    starts: Starts = ()
    is_norm: bool = False

    @property
    def in_place(self) -> bool:
        """Whether the result takes an operand's place: `inplace=True`, or a method as `add_`."""
        match self.expression:
            case Call(Attribute(_, name)) if name.endswith("_"):
                return True
            case Call(keywords=keywords):
                return dict(keywords).get("inplace") == Literal(True)
            case _:
                return False


def layer(site: Site, made: Call, x: Expression = X, *helpers: str, kind: str = "") -> TorchLowering:
    """An op that is one module; one on another operand than its own is no module of a Sequential."""
    assert isinstance(made.callee, Name)
    found = kind or made.callee.path
    alone = made if x == X else None
    starts, trained = starts_of(site), any(tensor.learned for tensor in site.parameters())
    return TorchLowering(call(Kept(), x), helpers, made, alone, found, starts, site.op.normalises and trained)


def function(expression: Expression, *helpers: str, alone: Expression | None = None) -> TorchLowering:
    """An op that keeps nothing."""
    return TorchLowering(expression, helpers, alone=alone)


def functional(name: str, module: str, *arguments: Argument, **keywords: Argument) -> TorchLowering:
    """An op that torch has as a function of its operand and as a module, with the same arguments."""
    return function(call(name, X, *arguments, **keywords), alone=call(module, *arguments, **keywords))


def activation(site: Site, name: str, module: str) -> TorchLowering:
    """An activation, in place where nothing else reads its operand: a copy of the map less."""
    keywords = {"inplace": True} if site.overwrites else {}
    return functional(name, module, **keywords)


@singledispatch
def lower(op: ops.Op, site: Site) -> TorchLowering:
    """Return how an op is written; raises for an op without a rule."""
    raise TypeError(f"the torch backend has no rule for {type(op).__name__}")


def lowered(site: Site) -> TorchLowering:
    """Return how a step is written where it is used."""
    return lower(site.op, site)
