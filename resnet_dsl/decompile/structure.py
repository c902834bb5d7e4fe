"""A whole network as its tensors tell: what lies before the stages, the blocks, what lies behind."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from resnet_dsl.decompile.residual_blocks import BOTTLENECK, ResidualBlock, read_block
from resnet_dsl.decompile.tensors import NORMS, FileLayer, NotExpressibleError, listed
from resnet_dsl.records import dataclass

IN_BLOCK = re.compile(r"(layer[0-9]{1,6})\.([0-9]{1,6})\.(.+)")
STAGE = re.compile(r"layer([0-9]+)")
DEEP_STEM = ("conv1.0", "conv1.1", "conv1.3", "conv1.4", "conv1.6")


@dataclass(frozen=True)
class Structure:
    """Blocks by stage, in order, and the layers that are in none."""

    stages: tuple[tuple[ResidualBlock, ...], ...]
    others: Mapping[str, FileLayer]
    pre: bool
    """Whether norms and activations come before the convolutions."""

    @property
    def blocks(self) -> list[ResidualBlock]:
        """Every block in order."""
        return [block for stage in self.stages for block in stage]

    @property
    def is_deep(self) -> bool:
        """Whether the stem is of three convolutions, called as those of ResNet-C."""
        return any(name in self.others for name in DEEP_STEM)

    @property
    def bottlenecks(self) -> bool:
        """Whether there are bottlenecks."""
        return any(block.kind == BOTTLENECK for block in self.blocks)

    def strided_bottlenecks(self, strides: Sequence[int]) -> bool:
        """Whether there is a bottleneck with a stride, given that of each stage."""
        return any(
            stage[0].kind == BOTTLENECK and stride > 1
            for stage, stride in zip(self.stages, strides, strict=True)
        )

    def projects_everywhere(self, strides: Sequence[int]) -> bool:
        """Whether blocks that change nothing have projections too."""
        unchanged = [
            block
            for stage, stride in zip(self.stages, strides, strict=True)
            for index, block in enumerate(stage)
            if not block.changes and (index or stride == 1)
        ]
        return bool(unchanged) and all(block.projection != "none" for block in unchanged)

    @property
    def is_folded(self) -> bool:
        """Whether there are biases where the norms would be."""
        return all(block.bias and not block.norm for block in self.blocks)

    @property
    def norm(self) -> str:
        """The kind of norm of the blocks, empty where it has no tensors."""
        return self.stages[0][0].norm

    @property
    def lacks(self) -> tuple[str, ...]:
        """Which arguments of the norms of the blocks say what they are without."""
        return self.stages[0][0].lacks


def read_structure(layers: Mapping[str, FileLayer]) -> Structure:
    """Return the structure of a network; raises NotExpressibleError for blocks that the library lacks."""
    stages: dict[str, dict[int, dict[str, FileLayer]]] = {}
    others: dict[str, FileLayer] = {}
    for path, layer in layers.items():
        found = IN_BLOCK.fullmatch(path)
        if found is None:
            others[path] = layer
        else:
            stages.setdefault(found[1], {}).setdefault(int(found[2]), {})[found[3]] = layer
    _check_names(stages, others)
    read = tuple(
        tuple(read_block(f"{stage}.{index}", stages[stage][index]) for index in sorted(stages[stage]))
        for stage in sorted(stages, key=lambda name: int(name.removeprefix("layer")))
    )
    return Structure(read, others, _is_pre(read, others))


def _check_names(stages: Mapping[str, Mapping[int, object]], others: Mapping[str, FileLayer]) -> None:
    """Stages are `layer1`, `layer2` …, their blocks numbered from 0, none left out."""
    if not stages:
        held = f"it holds {listed(path for path in others if path)}"
        if "" in others:  # tensors of no layer
            bare = listed(others[""].tensors)
            held = f"{held}, and without a dot {bare}" if len(others) > 1 else f"no name has a dot: {bare}"
        raise NotExpressibleError(f"no blocks `layer1.0` … in stages; {held}")
    if set(stages) != {f"layer{number + 1}" for number in range(len(stages))}:
        raise NotExpressibleError(f"the stages are not layer1, layer2 …: {listed(sorted(stages))}")
    for stage, blocks in stages.items():
        if max(blocks) + 1 != len(blocks):
            raise NotExpressibleError(
                f"{stage} has {len(blocks)} blocks, but one is called {stage}.{max(blocks)}"
            )


def _is_pre(stages: tuple[tuple[ResidualBlock, ...], ...], others: Mapping[str, FileLayer]) -> bool:
    """Whether the blocks are pre-activated; where channels do not tell, the stem's norm does."""
    blocks = [block for stage in stages for block in stage]
    post, pre = all(b.fits_post for b in blocks), all(b.fits_pre for b in blocks)
    if post and pre and not any(b.norm for b in blocks) and all(b.bias for b in blocks):
        return False  # the norms are in the biases
    if post and pre:
        return not any(layer.kind in NORMS and path.endswith("1") for path, layer in others.items())
    if post or pre:
        return pre
    odd = next((b for b in blocks if not b.fits_post and not b.fits_pre), None)
    if odd is not None:
        raise NotExpressibleError(f"{odd.path}: its norms do not fit its convolutions")
    raise NotExpressibleError("some blocks have their norms before the convolutions, some behind")
