"""Answers where there are tensors alone: what all published nets of such tensors have, and it is said.

Where published nets of the same tensors differ, nothing is assumed: the person is asked.
"""

from __future__ import annotations

from collections.abc import Collection

from resnet_dsl.decompile.structure import DEEP_STEM
from resnet_dsl.decompile.tensors import GN, NORMS, Layer, NotExpressibleError, listed
from resnet_dsl.decompile.unknowns import Evidence, numbered

IMAGENET, CIFAR = 7, 3
SIZES = {IMAGENET: 224, CIFAR: 32}
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


class Assumed(Evidence):
    """Conventions, and what the person says."""

    def input(self) -> str:
        """The size on which such stems were published; it changes no tensor."""
        if self.given.input:
            return self.given.input
        size = SIZES[IMAGENET if self.structure.is_deep else self._stem_kernel()]
        found = f"{self._first().weight[1]}x{size}x{size}"
        self.notes["input"] = f"input {found} (--input CxHxW says another)"
        return found

    def stem(self) -> list[str]:
        """One 7x7 or three 3x3 with stride 2 and a max pool, or one 3x3 that keeps the size."""
        if self.structure.is_deep:
            self.notes["stem"] = "stem of stride 2, then max pooling 3x3 of stride 2"
            return [self._deep_stem()]
        conv = self._first()
        steps = [f"conv({conv.channels}, {conv.weight[2]}x{conv.weight[2]}"]
        imagenet = self._stem_kernel() == IMAGENET
        steps[0] += (", stride=2" if imagenet else "") + (", bias=true)" if conv.has_bias else ")")
        if "bn1" in self.structure.others:
            steps += [numbered("bn1", self._norm_of("bn1"), f"{self._norm_of('bn1')}1"), self.act()]
        if imagenet:
            steps.append("maxpool(3x3, stride=2)")
        self.notes["stem"] = f"stem {' -> '.join(steps)}"
        return steps

    def head(self) -> list[str]:
        """Global average pooling and a fully connected layer; before it, the last norm of pre-activation."""
        stem = {"conv1", "bn1", *DEEP_STEM}
        rest = {path: layer for path, layer in self.structure.others.items() if path not in stem}
        steps = []
        if self.structure.pre and "bn" in rest and rest["bn"].kind in NORMS:
            steps += [numbered("bn", rest.pop("bn").kind, self._norm_of("bn")), self.act()]
        fc = rest.pop("fc", None)
        if fc is not None and fc.kind == "fc":
            steps += ["gap", f"fc({fc.channels})" if fc.has_bias else f"fc({fc.channels}, bias=false)"]
        if rest or (fc is not None and fc.kind != "fc"):
            raise NotExpressibleError(
                "beside blocks, a stem `conv1`, `bn1` or `conv1.0` to `conv1.6` and a head `bn`, `fc` it has "
                + listed(rest or ["fc"])
            )
        if not steps:
            self.notes["head"] = "no head; the result is the last stage's"
        return steps

    def strides(self) -> list[int]:
        """The size halves with each stage but the first."""
        found = [1, *[2] * (len(self.structure.stages) - 1)]
        if len(found) > 1:
            self.notes["strides"] = f"strides {found}"
        return found

    def stride_on(self) -> str:
        """ImportRequest for."""
        self.questions.append(WHICH_STRIDE)
        return "conv2"

    def bare_shortcut(self) -> str:
        """ImportRequest for where channels change."""
        block = next((block for block in self.structure.blocks if block.changes), None)
        if block is None:
            self.notes["shortcut"] = "identities for shortcuts"
            return "B"
        where = f"{block.path} gets {block.before} channels and gives {block.after} without a projection"
        self.questions.append(WHICH_SHORTCUT.format(where=where))
        return "A"

    def pools(self) -> bool:
        """No: He et al. 2016 have none."""
        self.notes["shortcut"] = "projections with the stride and no pool before them (--shortcut D has one)"
        return False

    def dilations(self) -> list[tuple[int, int]]:
        """None."""
        return [(1, 1)] * len(self.structure.stages)

    def norm(self) -> str:
        """As their tensors are, with the usual numbers."""
        return self.structure.norm

    def act(self) -> str:
        """ReLU."""
        return "relu"

    def antialias(self) -> str:
        """None."""
        return "none"

    def summed_up(self, known: Collection[str]) -> str:
        """Return what was taken for granted, but for the fields that the person has set."""
        usual = {"act": "ReLU", "norm": "eps 1e-05", "dilations": "no dilation", "antialias": "no blur"}
        usual["drop_path"] = "no dropout"
        if self.structure.norm == GN:
            usual["norm"] = "32 groups and eps 1e-05 of the norms, weights that are not standardised"
        lines = [text for name, text in self.notes.items() if name not in known]
        lines.append(", ".join(text for name, text in usual.items() if name not in known))
        said = "".join(f"\n  {line}" for line in lines)
        return f"tensors do not tell the following; it is taken to be as usual:{said}"

    def _first(self) -> Layer:
        """The first convolution."""
        name = DEEP_STEM[0] if self.structure.is_deep else "conv1"
        layer = self.structure.others.get(name)
        if layer is None or layer.kind != "conv" or layer.weight[2] != layer.weight[3]:
            others = listed(self.structure.others) or "nothing"
            raise NotExpressibleError(
                f"no stem `conv1`, `bn1` or `conv1.0` to `conv1.6`; beside blocks it has {others}"
            )
        return layer

    def _stem_kernel(self) -> int:
        kernel = self._first().weight[2]
        if kernel not in SIZES:
            raise NotExpressibleError(
                f"conv1 is {kernel}x{kernel}; of stems with such a kernel nothing is known"
            )
        return kernel

    def _deep_stem(self) -> str:
        """`deep_stem` with the channels that are not its own."""
        layers = [self.structure.others.get(name) for name in DEEP_STEM]
        kinds = [None if layer is None else layer.kind for layer in layers]
        norm = self._norm_of("bn1")
        if kinds != ["conv", norm, "conv", norm, "conv"]:
            raise NotExpressibleError(f"a stem of several convolutions, but not {', '.join(DEEP_STEM)}")
        channels = [layer.channels for layer in layers[::2] if layer is not None]
        named = dict(zip(("first", "second", "width"), channels, strict=True))
        return call(
            "deep_stem", named, {"first": 32, "second": 32, "width": 64}, {"norm": norm} if norm == GN else {}
        )

    def _norm_of(self, path: str) -> str:
        layer = self.structure.others.get(path)
        if layer is None or layer.kind not in NORMS:
            raise NotExpressibleError(f"no norm {path}")
        return layer.kind


def call(name: str, values: dict[str, int], defaults: dict[str, int], more: dict[str, str]) -> str:
    """Return a call with the arguments that are not the defaults: in their order as far as can be."""
    last = max((n for n, key in enumerate(values, 1) if values[key] != defaults[key]), default=0)
    words = [str(value) for value in list(values.values())[:last]]
    words += [f"{key}={value}" for key, value in more.items()]
    return f"{name}({', '.join(words)})" if words else name
