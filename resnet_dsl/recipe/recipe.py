"""A checked recipe: a network, its data, and how one is trained on the other."""

from __future__ import annotations

from typing import ClassVar

from resnet_dsl.diagnostics.model import Diagnostic
from resnet_dsl.ir.arguments import COUNT, INDEX, RATE, ArgumentRule, argument
from resnet_dsl.program import Program
from resnet_dsl.recipe.image_steps import ImageStep
from resnet_dsl.recipe.losses import WeightedLoss
from resnet_dsl.recipe.mixing import Mix
from resnet_dsl.recipe.optimisers import Optimiser
from resnet_dsl.recipe.schedules import Schedule, WarmUp
from resnet_dsl.recipe.terms import TEXT, Term, term
from resnet_dsl.records import dataclass, field

HELD_OUT = ArgumentRule(
    "a whole number of images, or a share of them below 1",
    lambda value: (
        value if (type(value) is int and value >= 0) or (type(value) is float and 0 <= value < 1) else None
    ),
)
NAMES = ArgumentRule(
    "a list of different texts in quotes",
    lambda value: value if _are_names(value) else None,
)


def _are_names(value: object) -> bool:
    texts = isinstance(value, tuple) and all(type(item) is str for item in value)
    return isinstance(value, tuple) and texts and len(set(value)) == len(value)


@term
class ImageData(Term):
    """Where images lie: a folder by class, .npz, IDX or CIFAR's own files; which is found when it is read.

    `validation` are so many images of the training set, its last ones, that are held out; below 1 a share
    of it. 0 holds out none: then the test set is what is evaluated. `subset` is how many of the training
    images are used, 0 for all. `classes` are those that are expected, if any are named.
    """

    kind: ClassVar[str] = "images"
    path: str = argument(TEXT)
    validation: float = argument(HELD_OUT, 0)
    subset: int = argument(INDEX, 0)
    classes: tuple[str, ...] = argument(NAMES, ())


@dataclass(frozen=True)
class Phase:
    """Epochs with one optimiser, in which some parts are frozen: a canonical path freezes all below it.

    `frozen` comes on top of what the model itself freezes. An optimiser starts each phase anew.
    """

    name: str
    """Empty where a recipe has one phase without a name."""
    epochs: int
    optimiser: Optimiser
    schedule: Schedule
    warmup: WarmUp | None = None
    frozen: tuple[str, ...] = ()


@term
class DropPathRamp(Term):
    """The network's rates of `drop_path` times a number that goes from `start` to 1 in `epochs`."""

    kind: ClassVar[str] = "ramp"
    start: float = argument(RATE)
    epochs: int = argument(COUNT)


@dataclass(frozen=True)
class Recipe:
    """A recipe after the check; `batch` is of a step, over all processes and accumulated parts.

    Precision is that of parameters and sums but for `bfloat16`, which means float32 parameters and layers
    that compute in bfloat16 (autocast, `mixed_bfloat16`).
    """

    name: str
    program: Program
    text: str
    """The recipe as it was written, then those that it is based on, and what was set from outside."""
    data: ImageData
    train: tuple[ImageStep, ...]
    test: tuple[ImageStep, ...]
    """Without draws; the last that makes several views of an image, if any, comes before `normalise`."""
    batch: int
    phases: tuple[Phase, ...]
    losses: tuple[WeightedLoss, ...]
    metrics: tuple[str, ...]
    """`top1`, `top5`; the first counts."""
    mixes: tuple[Mix, ...] = ()
    """One of them is drawn for each batch."""
    ema: float = 0.0
    """The decay of the mean of weights that is evaluated and saved; 0 for none."""
    drop_path: DropPathRamp | None = None
    precision: str = "float32"
    clip: float = 0.0
    """The largest norm of all gradients together; 0 for no bound."""
    accumulate: int = 1
    """Parts that a process computes a batch in, one after the other."""
    bn_batch: int = 0
    """Images that share the statistics of a batch norm; 0: all that a process computes at once."""
    seed: int = 0
    weights: str = ""
    """A file of weights to start from; what it lacks starts by the seed."""
    warnings: tuple[Diagnostic, ...] = field(default=(), compare=False, repr=False)
    """What the check remarked on without refusing, of the network too."""

    @property
    def epochs(self) -> int:
        """The epochs of all phases."""
        return sum(phase.epochs for phase in self.phases)
