"""One residual block, recognised by what its layers are called and shaped like."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal, NamedTuple

from resnet_dsl.decompile.op_matcher import usual_calls
from resnet_dsl.decompile.tensors import NORMS, FileLayer, NotExpressibleError, listed
from resnet_dsl.ir.ops import CATALOGUE, Op
from resnet_dsl.ir.shapes import Shape
from resnet_dsl.records import dataclass

BASIC = "basic"
BOTTLENECK = "bottleneck"
KERNELS = {(3, 3): BASIC, (1, 3, 1): BOTTLENECK}

Projection = Literal["none", "normed", "pooled", "plain"]
# The layers of a projection after their paths: B and C, D, and the bare one of pre-activation.
PROJECTIONS: Mapping[frozenset[str], tuple[Projection, str]] = {
    frozenset(): ("none", ""),
    frozenset({"downsample.0", "downsample.1"}): ("normed", "downsample.0"),
    frozenset({"downsample.1", "downsample.2"}): ("pooled", "downsample.1"),
    frozenset({"shortcut"}): ("plain", "shortcut"),
}

# The same where norms have no tensors.
BARE_PROJECTIONS: Mapping[frozenset[str], tuple[Projection, str]] = {
    frozenset(): ("none", ""),
    frozenset({"downsample.0"}): ("normed", "downsample.0"),
    frozenset({"downsample.1"}): ("pooled", "downsample.1"),
    frozenset({"shortcut"}): ("plain", "shortcut"),
}


class Gate(NamedTuple):
    """An attention: squeeze and excitation with so many inner channels, or ECA with such a kernel."""

    kind: Literal["se", "eca"]
    number: int


@dataclass(frozen=True)
class ResidualBlock:
    """A block: what of it the tensors tell."""

    path: str
    kind: str
    before: int
    inners: tuple[int, ...]
    """What its convolutions give, but for the last."""
    after: int
    groups: int
    norm: str
    normed: tuple[int, ...]
    """The channels that each norm is on, by their tensors; none where they have no tensors."""
    projection: Projection
    gate: Gate | None
    activation: Op | None = None
    """The op of its first activation that has tensors, if one has."""
    bias: bool = False
    """Whether the convolutions of the main branch have biases."""
    projection_bias: bool = False
    lacks: tuple[str, ...] = ()
    """Which arguments of its norms say what they are without."""

    @property
    def changes(self) -> bool:
        """Whether it gives other channels than it gets."""
        return self.before != self.after

    @property
    def inner(self) -> int:
        """What its first convolution gives."""
        return self.inners[0]

    @property
    def is_narrowed(self) -> bool:
        """Whether channels within it are others than a width says, as pruning leaves them."""
        usual = {self.after} if self.kind == BASIC else {self.inner}
        return set(self.inners) != usual

    @property
    def fits_post(self) -> bool:
        """Whether each norm is on what its convolution gives."""
        return self.normed in ((), (*self.inners, self.after))

    @property
    def fits_pre(self) -> bool:
        """Whether each norm is on what its convolution gets."""
        return self.normed in ((), (self.before, *self.inners))


def read_block(path: str, layers: Mapping[str, FileLayer]) -> ResidualBlock:
    """Return the block that has these layers; raises NotExpressibleError for one that the library lacks."""
    rest = dict(layers)
    convs = _numbered(rest, "conv")
    norms = _numbered(rest, "bn")
    kernels = tuple(conv.weight[2] for conv in convs if conv.kind == "conv" and _is_square(conv))
    kind = KERNELS.get(kernels)
    if kind is None or len(convs) != len(kernels) or len(norms) not in (0, len(convs)):
        raise _unknown(path, layers)
    if len({conv.has_bias for conv in convs}) > 1:
        biased = [f"conv{number + 1}" for number, conv in enumerate(convs) if conv.has_bias]
        raise NotExpressibleError(
            f"{path}: a bias on {listed(biased)} only; in the library's blocks all convolutions "
            "have one (`bias: true`) or none"
        )
    kinds = {norm.kind for norm in norms}
    if len({(norm.kind, norm.lacks) for norm in norms}) > 1 or not kinds <= set(NORMS):
        raise _unknown(path, layers)
    gate = _gate(rest)
    projection, projection_bias = _projection(path, rest, kinds)
    activation = _activation(rest, [count for conv in convs for count in conv.weight[:2]])
    if rest:
        raise _unknown(path, layers)
    first, middle, last = convs[0], convs[len(convs) - 2 if kind == BOTTLENECK else 0], convs[-1]
    groups = 1
    if kind == BOTTLENECK:
        groups, left = divmod(first.channels, middle.weight[1]) if middle.weight[1] else (0, 1)
        if left or not groups:
            raise NotExpressibleError(
                f"{path}.conv2: its {middle.weight[1]} inputs do not divide {first.channels}"
            )
    inners = tuple(conv.channels for conv in convs[:-1])
    return ResidualBlock(
        path, kind, first.weight[1], inners, last.channels, groups, next(iter(kinds), ""),
        tuple(norm.channels for norm in norms), projection, gate, activation,
        convs[0].has_bias, projection_bias, norms[0].lacks if norms else (),
    )  # fmt: skip


def _numbered(rest: dict[str, FileLayer], kind: str) -> list[FileLayer]:
    """Take the layers `conv1`, `conv2` … out."""
    found: list[FileLayer] = []
    while (name := f"{kind}{len(found) + 1}") in rest:
        found.append(rest.pop(name))
    return found


def _is_square(conv: FileLayer) -> bool:
    return conv.weight[2] == conv.weight[3]


def _gate(rest: dict[str, FileLayer]) -> Gate | None:
    """Take the attention out, where it is one that the library has."""
    down, up, conv = (rest.get(f"se.{name}") for name in ("fc1", "fc2", "conv"))
    if down is not None and up is not None and _is_gate(down) and _is_gate(up):
        del rest["se.fc1"], rest["se.fc2"]
        return Gate("se", down.channels)
    if conv is not None and conv.kind == "channel_conv" and not conv.has_bias and conv.weight[:2] == (1, 1):
        del rest["se.conv"]
        return Gate("eca", conv.weight[2])
    return None


def _is_gate(layer: FileLayer) -> bool:
    return layer.kind == "conv" and layer.has_bias and layer.weight[2:] == (1, 1)


def activation_of(path: str, layer: FileLayer, channels: Collection[int]) -> Op | None:
    """Return the activation that is so called and has such tensors, by its declaration."""
    kind = CATALOGUE.get(path.rstrip("0123456789"))
    if kind is None or not kind.activation:
        return None
    return next((op for op in usual_calls(kind) for count in channels if _owns(op, count, layer)), None)


def _owns(op: Op, channels: int, layer: FileLayer) -> bool:
    tensors = op.parameters(Shape(channels))
    return {tensor.name: tensor.shape for tensor in tensors} == dict(layer.tensors)


def _activation(rest: dict[str, FileLayer], channels: Collection[int]) -> Op | None:
    """Take the activations out; of which kind they are is read off the first."""
    found = {path: op for path, layer in rest.items() if (op := activation_of(path, layer, channels))}
    for path in found:
        del rest[path]
    return next(iter(found.values()), None)


def _projection(path: str, rest: dict[str, FileLayer], norms: set[str]) -> tuple[Projection, bool]:
    """Take the projection out; return its kind and whether it has a bias."""
    names = frozenset(name for name in rest if name.partition(".")[0] in ("downsample", "shortcut"))
    known = PROJECTIONS if norms else BARE_PROJECTIONS
    if names not in known:
        raise NotExpressibleError(f"{path}: no shortcut of the library has {listed(sorted(names))}")
    projection, conv = known[names]
    bias = conv in rest and rest[conv].has_bias
    for name in names:
        layer = rest.pop(name)
        right = layer.kind == "conv" if name == conv else layer.kind in norms
        if not right:
            raise NotExpressibleError(f"{path}.{name}: not as any shortcut of the library has it")
    return projection, bias


def _unknown(path: str, layers: Mapping[str, FileLayer]) -> NotExpressibleError:
    return NotExpressibleError(
        f"{path} is neither `basic` nor `bottleneck`; it has {listed(_described(layers))}"
    )


def _described(layers: Mapping[str, FileLayer]) -> list[str]:
    return [
        f"{name} ({'x'.join(map(str, layer.weight[2:]))})" if layer.kind == "conv" else name
        for name, layer in layers.items()
    ]
