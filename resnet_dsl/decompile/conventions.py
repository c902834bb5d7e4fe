"""Facts where there are tensors alone: what all published nets of such tensors have, and it is said.

Where published nets of the same tensors differ, nothing is assumed: the person is asked.
"""

from __future__ import annotations

from resnet_dsl.decompile.classifiers import Classifier, chain_of, classifier_of
from resnet_dsl.decompile.facts import (
    Fact,
    Hints,
    NetworkFacts,
    Steps,
    input_fact,
    shortcut_fact,
    stride_fact,
)
from resnet_dsl.decompile.residual_blocks import activation_of
from resnet_dsl.decompile.structure import DEEP_STEM, Structure
from resnet_dsl.decompile.syntax_nodes import call, call_of_op, expression, labelled, others_than, pipeline
from resnet_dsl.decompile.tensors import BN, GN, NORMS, FileLayer, NotExpressibleError, listed
from resnet_dsl.syntax import ast
from resnet_dsl.syntax.formatter.one_line import whole_line

IMAGENET, CIFAR = 7, 3
SIZES = {IMAGENET: 224, CIFAR: 32}
DEEP_CHANNELS = {"first": 32, "second": 32, "width": 64}
FOLDED = "norms were folded into the convolutions (biases, no norms)"
WHICH_STRIDE = (
    "its tensors are those of v1 and of v1.5 alike, which compute different things; say which:\n"
    "  --stride-on conv2   v1.5: the stride is on the 3x3, as in torchvision, timm and almost all of today\n"
    "  --stride-on conv1   v1: on the first 1x1, as He et al. 2015, Caffe and Keras have it"
)
WHICH_SHORTCUT = (
    "{where}, and no tensor tells what its shortcut does; say which:\n"
    "  --shortcut A                every second pixel, zeros as new channels: He et al. 2015, option A\n"
    "  --shortcut 'A(side=both)'   the same with zeros on both sides, as some repositories have it\n"
    "  --shortcut none             none, a plain net"
)


def facts_by_convention(structure: Structure, hints: Hints) -> NetworkFacts:
    """Return the facts of a network of which there are tensors alone."""
    strides, norm = _strides(structure), _norm(structure)
    head, classifier = _head(structure)
    return NetworkFacts(
        input=input_fact(hints, lambda: _input(structure)),
        stem=_stem(structure),
        strides=strides,
        stride_on=stride_fact(structure, strides.value, hints, _stride_on),
        dilations=Fact([(1, 1)] * len(structure.stages), "convention", "no dilation"),
        norm=norm,
        act=_activation(structure),
        shortcut=shortcut_fact(
            structure, strides.value, norm.value, hints, lambda: _bare_shortcut(structure), _pools
        ),
        antialias=Fact(expression("none"), "convention", "no blur"),
        drop_path=Fact(0.0, "convention", "no dropout"),
        head=head,
        blocks=classifier.block,
        renamed=classifier.renamed,
    )


def _input(structure: Structure) -> Fact[ast.Expr]:
    """The size on which such stems were published; it changes no tensor."""
    size = SIZES[IMAGENET if structure.is_deep else _stem_kernel(structure)]
    found = expression((_first(structure).weight[1], size, size))
    return Fact(found, "convention", f"input {whole_line(found)} (--input CxHxW says another)")


def _stem(structure: Structure) -> Fact[Steps]:
    """One 7x7 or three 3x3 with stride 2 and a max pool, or one 3x3 that keeps the size."""
    if structure.is_deep:
        note = "stem of stride 2, then max pooling 3x3 of stride 2"
        return Fact((_deep_stem(structure),), "convention", note)
    conv, kernel = _first(structure), _stem_kernel(structure)
    more = others_than(
        {"stride": 1, "bias": False}, {"stride": 2 if kernel == IMAGENET else 1, "bias": conv.has_bias}
    )
    steps = [call("conv", conv.channels, (kernel, kernel), **more)]
    if "bn1" in structure.others:
        kind, norm = _norm_of(structure, "bn1")
        steps += [labelled("bn1", norm, f"{kind}1"), _activation(structure).value]
    elif structure.is_folded:
        steps.append(_activation(structure).value)
    if kernel == IMAGENET:
        steps.append(call("maxpool", (3, 3), stride=2))
    return Fact(tuple(steps), "convention", f"stem {whole_line(pipeline(steps))}")


def _head(structure: Structure) -> tuple[Fact[Steps], Classifier]:
    """Global average pooling and what is fully connected; before it, the last norm of pre-activation."""
    rest = {path: layer for path, layer in structure.others.items() if not _is_in_stem(structure, path)}
    steps: list[ast.Expr] = []
    if structure.pre and "bn" in rest and rest["bn"].kind in NORMS:
        kind, norm = _norm_of(structure, "bn")
        del rest["bn"]
        steps += [labelled("bn", norm, kind), _activation(structure).value]
    chain = chain_of(rest, structure.blocks[-1].after)
    if chain is None:
        others = {path: layer for path, layer in rest.items() if path != "fc"} or rest
        raise NotExpressibleError(
            "beside blocks, a stem `conv1`, `bn1` or `conv1.0` to `conv1.6` and a head `bn`, `fc` it has "
            + listed(others)
        )
    found = classifier_of(chain, rest, _activation(structure).value)
    if chain:
        steps += [call("gap"), *found.steps]
    nothing = "no head; the result is the last stage's"
    return Fact(tuple(steps), "convention", found.note if steps else nothing), found


def _is_in_stem(structure: Structure, path: str) -> bool:
    if path in ("conv1", "bn1", *DEEP_STEM):
        return True
    channels = [_first(structure).channels]
    behind_norm = not structure.is_deep and "bn1" in structure.others
    return behind_norm and activation_of(path, structure.others[path], channels) is not None


def _strides(structure: Structure) -> Fact[list[int]]:
    """The size halves with each stage but the first."""
    found = [1, *[2] * (len(structure.stages) - 1)]
    return Fact(found, "convention", f"strides {found}" if len(found) > 1 else "")


def _norm(structure: Structure) -> Fact[ast.Expr]:
    """The norm that has such tensors, with the usual numbers; none where biases took them up."""
    if structure.is_folded:
        return Fact(expression("identity"), "convention", FOLDED)
    if not structure.norm:
        path = structure.blocks[0].path
        raise NotExpressibleError(f"{path} has no tensors of norms; whether and which it has, a graph tells")
    note = "eps 1e-05"
    if structure.norm == GN:
        note = "32 groups and eps 1e-05 of the norms, weights that are not standardised"
    return Fact(_without(structure.norm, structure.lacks), "convention", note)


def _stride_on() -> Fact[str]:
    """Asked for: published nets differ."""
    return Fact("conv2", "nobody", WHICH_STRIDE)


def _activation(structure: Structure) -> Fact[ast.Expr]:
    """The op whose tensors the blocks have between their norms, or ReLU."""
    op = structure.blocks[0].activation
    if op is not None:
        return Fact(call_of_op(op), "tensors")
    return Fact(expression("relu"), "convention", "ReLU")


def _bare_shortcut(structure: Structure) -> Fact[ast.Expr]:
    """Asked for where channels change."""
    block = next((block for block in structure.blocks if block.changes), None)
    if block is None:
        return Fact(call("B"), "convention", "identities for shortcuts")
    where = f"{block.path} gets {block.before} channels and gives {block.after} without a projection"
    return Fact(call("A"), "nobody", WHICH_SHORTCUT.format(where=where))


def _pools() -> Fact[bool]:
    """He et al. 2016 have none."""
    note = "projections with the stride and no pool before them (--shortcut D has one)"
    return Fact(False, "convention", note)


def _first(structure: Structure) -> FileLayer:
    """The first convolution."""
    layer = structure.others.get(DEEP_STEM[0] if structure.is_deep else "conv1")
    if layer is None or layer.kind != "conv" or layer.weight[2] != layer.weight[3]:
        others = listed(structure.others) or "nothing"
        raise NotExpressibleError(
            f"no stem `conv1`, `bn1` or `conv1.0` to `conv1.6`; beside blocks it has {others}"
        )
    return layer


def _stem_kernel(structure: Structure) -> int:
    kernel = _first(structure).weight[2]
    if kernel not in SIZES:
        raise NotExpressibleError(f"conv1 is {kernel}x{kernel}; of stems with such a kernel nothing is known")
    return kernel


def _deep_stem(structure: Structure) -> ast.Expr:
    """`deep_stem` with the channels that are not its own."""
    kinds = [layer.kind if (layer := structure.others.get(name)) else None for name in DEEP_STEM]
    kind, norm = (None, expression("identity")) if structure.is_folded else _norm_of(structure, "bn1")
    if kinds != ["conv", kind, "conv", kind, "conv"]:
        raise NotExpressibleError(f"a stem of several convolutions, but not {', '.join(DEEP_STEM)}")
    return deep_stem(structure, {} if norm == expression(BN) else {"norm": norm})


def deep_stem(structure: Structure, more: dict[str, ast.Expr]) -> ast.Expr:
    """Return `deep_stem` with its channels, in their order as far as can be, and more arguments."""
    convs = [structure.others[name] for name in DEEP_STEM[::2]]
    if all(conv.has_bias for conv in convs):
        more = {**more, "bias": expression(True)}
    channels = [conv.channels for conv in convs]
    defaults = list(DEEP_CHANNELS.values())
    last = max((n for n in range(1, 4) if channels[n - 1] != defaults[n - 1]), default=0)
    return call("deep_stem", *channels[:last], **more)


def _norm_of(structure: Structure, path: str) -> tuple[str, ast.Expr]:
    """The kind of a norm outside of the blocks, and the norm itself."""
    layer = structure.others.get(path)
    if layer is None or layer.kind not in NORMS:
        raise NotExpressibleError(f"no norm {path}")
    return layer.kind, _without(layer.kind, layer.lacks)


def _without(kind: str, lacks: tuple[str, ...]) -> ast.Expr:
    """A norm of a kind, without something."""
    return call(kind, **dict.fromkeys(lacks, False))
