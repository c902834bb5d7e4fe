"""What becomes of tensors where steps are joined: which step's numbers another takes up, and how.

A fold names steps and roles of tensors alone; `optimize/fold_numbers.py` computes with what they hold.
"""

from __future__ import annotations

from typing import Self

from resnet_dsl.ir.network import Body, Node
from resnet_dsl.ir.ops import Op, Role
from resnet_dsl.records import dataclass, replace


@dataclass(frozen=True)
class TensorOwner:
    """A step that owns tensors: its path, the op as it was, and the tensors by their roles."""

    path: str
    op: Op
    tensors: tuple[tuple[Role, str], ...]

    def below(self, path: str) -> TensorOwner:
        """Return the same step where its body is used at a path."""
        return replace(self, path=f"{path}.{self.path}") if path else self

    def tensor(self, role: Role) -> str | None:
        """Return the name of the tensor in a role, None if the step has none."""
        return next((f"{self.path}.{name}" for own, name in self.tensors if own == role), None)


@dataclass(frozen=True)
class Fold:
    """A layer of which the tensors change; it has a weight, and may be given a bias."""

    layer: TensorOwner

    @property
    def bias(self) -> str:
        """The name of the layer's bias, which it may not have had."""
        return self.layer.tensor("bias") or f"{self.layer.path}.bias"

    def below(self, path: str) -> Self:
        """Return the fold where the body is used at a path."""
        return replace(self, layer=self.layer.below(path))


@dataclass(frozen=True)
class PlainWeight(Fold):
    """The layer takes the weight as it is that it made of its own."""


@dataclass(frozen=True)
class ChannelMapFold(Fold):
    """The layer takes up a scale and a shift of each channel: of its result, or of its input."""

    map: TensorOwner
    of_input: bool = False

    def below(self, path: str) -> Self:
        """Return the fold where the body is used at a path."""
        return replace(super().below(path), map=self.map.below(path))

    @property
    def shifts(self) -> bool:
        """Whether the map adds anything, whatever its tensors hold."""
        own = self.map.op.channel_map
        offset = own is not None and own.offset != 0.0
        return offset or any(self.map.tensor(role) is not None for role in ("shift", "mean"))


def owner_of(node: Node, body: Body) -> TensorOwner:
    """Return a step that is an op as the owner of its tensors."""
    assert isinstance(node.what, Op)
    specs = node.what.parameters(*map(body.shape_of, node.inputs))
    return TensorOwner(node.name, node.what, tuple((spec.role, spec.name) for spec in specs))
