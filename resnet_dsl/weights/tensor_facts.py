"""What kinds and shapes of tensors tell of a network: no name of a layer is needed, and no value is read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property

from resnet_dsl.backend.contents import COUNTER, FLOATS, Stored
from resnet_dsl.records import dataclass

WEIGHTS = ("weight", "kernel", "weight_orig", "weight_v")
SEPARATORS = ("/", ".")
STATISTICS = ("running_mean", "running_var", "moving_mean", "moving_variance", "_mean", "_variance")
# The last part of the name of a tensor, and what keeps a layer's weights so.
PARTED = {
    "weight_g": "weight norm", "parametrizations.weight.original1": "weight norm",
    "weight_u": "spectral norm", "weight_mask": "a pruning mask",
}  # fmt: skip
QUANTISED = re.compile(r"q\w*int\w*|u?int[248]|u?int4")
SCALES = ("zero_point", "_packed_params", "SCB", "absmax", "weight_scale", "scales", "qweight")
FLOAT8 = "float8"


@dataclass(frozen=True)
class TensorFacts:
    """The tensors of one network, and what can be said of them."""

    tensors: Mapping[str, Stored]

    @cached_property
    def layers(self) -> dict[str, dict[str, Stored]]:
        """The tensors by layer, without torch's batch counters."""
        found: dict[str, dict[str, Stored]] = {}
        for name, stored in self.tensors.items():
            if not name.endswith(COUNTER):
                layer, tensor = split(name)
                found.setdefault(layer, {})[tensor] = stored
        return found

    @cached_property
    def kernels(self) -> dict[str, tuple[int, ...]]:
        """The shapes of kernels by layer, the channels that are given first, then those that are taken."""
        return dict(self._kernels())

    def _kernels(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        for layer, tensors in self.layers.items():
            for name, stored in tensors.items():
                shape = tuple(stored.shape)
                if len(shape) < 3 and not (len(shape) == 2 and name in WEIGHTS):
                    continue  # of a matrix by another name nobody knows which axis is which
                if name in STATISTICS or name in PARTED:
                    continue
                # JAX and TensorFlow have the spatial axes first; files of Keras are read as torch's are.
                yield layer, (*shape[-1:-3:-1], *shape[:-2]) if name == "kernel" else shape
                break

    @property
    def convolutions(self) -> dict[str, tuple[int, ...]]:
        """The kernels with spatial axes."""
        return {layer: shape for layer, shape in self.kernels.items() if len(shape) > 2}

    @property
    def axes(self) -> int:
        """How many spatial dimensions the convolutions have, 2 where there are none.

        A kernel over channels, as of an attention, takes one channel; it has one dimension in any network.
        """
        counts = {len(shape) - 2 for shape in self.convolutions.values() if shape[1] > 1 or len(shape) > 3}
        return 2 if 2 in counts or not counts else max(counts)

    @property
    def input_channels(self) -> int | None:
        """What the first convolution takes: channels that no layer gives. None if that is open."""
        given = {shape[0] for shape in self.kernels.values()}
        taken = Counter(shape[1] for shape in self.convolutions.values() if shape[1] not in given)
        return min((channels for channels, count in taken.items() if count == 1), default=None)

    @property
    def classifiers(self) -> dict[str, int]:
        """Layers at the end, whose result no other takes, and how many classes they tell apart.

        They are fully connected, or one convolution of 1x1 that is alike.
        """
        dense = {layer: shape for layer, shape in self.kernels.items() if len(shape) == 2}
        taken = {shape[1] for shape in dense.values()}
        found = {layer: shape[0] for layer, shape in dense.items() if shape[0] not in taken}
        if found:
            return found
        taken = {shape[1] for shape in self.kernels.values()}
        given = Counter(shape[0] for shape in self.kernels.values())
        biased = {layer: self.kernels[layer] for layer in self.biased}
        return {
            layer: shape[0]
            for layer, shape in biased.items()
            if set(shape[2:]) == {1} and shape[0] not in taken and given[shape[0]] == 1
        }

    @property
    def batch_norms(self) -> int:
        """How many layers have running statistics."""
        return sum(any(name in STATISTICS for name in tensors) for tensors in self.layers.values())

    @property
    def other_norms(self) -> int:
        """How many layers have a scale and a shift for each channel, and no statistics."""
        return sum(
            not any(name in STATISTICS for name in tensors)
            and ({"weight", "bias"} <= tensors.keys() or {"gamma", "beta"} <= tensors.keys())
            and all(len(stored.shape) == 1 for stored in tensors.values())
            for tensors in self.layers.values()
        )

    @property
    def biased(self) -> list[str]:
        """The convolutions that have a bias."""
        return [layer for layer in self.convolutions if "bias" in self.layers[layer]]

    @property
    def is_folded(self) -> bool:
        """Whether there is no norm, and every convolution has the bias that one leaves behind."""
        several = len(self.convolutions) > 1
        return (
            several and not self.batch_norms + self.other_norms and len(self.biased) == len(self.convolutions)
        )

    @property
    def quantised(self) -> str:
        """The dtype of weights that are whole numbers with a scale, empty if none are."""
        for name, stored in self.tensors.items():
            whole = QUANTISED.fullmatch(stored.dtype) is not None and len(stored.shape) > 1
            if stored.dtype.startswith("q") or (whole and stored.dtype not in FLOATS):
                return stored.dtype
            if split(name)[1] in SCALES:
                return "with scales"
        return ""

    @property
    def parted(self) -> list[str]:
        """What keeps weights in parts."""
        return sorted({what for name in self.tensors for end, what in PARTED.items() if name.endswith(end)})

    @property
    def dtypes(self) -> dict[str, int]:
        """How many tensors there are of each dtype, the batch counters aside."""
        kept = (stored.dtype for name, stored in self.tensors.items() if not name.endswith(COUNTER))
        return dict(Counter(kept).most_common())


def split(name: str) -> tuple[str, str]:
    """Return the layer and the tensor that a name speaks of."""
    for joint in SEPARATORS:
        if joint in name:
            layer, _, tensor = name.rpartition(joint)
            return layer, tensor
    return "", name
