"""The words of recipes: the fields, and the terms that each of them takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from resnet_dsl.recipe import image_steps as steps
from resnet_dsl.recipe import losses, mixing, optimisers, schedules
from resnet_dsl.recipe.recipe import DropPathRamp, ImageData
from resnet_dsl.recipe.terms import Term


class Family(NamedTuple):
    """The terms of a kind, by name; `example` is what a hint shows."""

    title: str
    terms: Mapping[str, type[Term]]
    example: str


def _family(title: str, example: str, *terms: type[Term]) -> Family:
    return Family(title, {each.kind: each for each in terms}, example)


DATA = _family("data", 'images("data/imagenet")', ImageData)
OPTIMISERS = _family(
    "optimiser",
    "sgd(lr=0.1, momentum=0.9)",
    optimisers.SGD,
    optimisers.Adam,
    optimisers.AdamW,
    optimisers.RMSprop,
    optimisers.LAMB,
)
SCHEDULES = _family(
    "schedule",
    "steps(at=[30, 60])",
    schedules.ConstantRate,
    schedules.StepRate,
    schedules.PlateauRate,
    schedules.CosineRate,
    schedules.LinearRate,
    schedules.OneCycleRate,
    schedules.WarmUp,
)
LOSSES = _family("loss", "cross_entropy", losses.CrossEntropy, losses.BinaryCrossEntropy)
MIXES = _family("mix", "mixup(0.2)", mixing.MixUp, mixing.CutMix)
RAMPS = _family("ramp", "ramp(0, 5)", DropPathRamp)
IMAGE_STEPS = _family(
    "image step",
    "flip -> normalise",
    steps.PadStep,
    steps.CropStep,
    steps.FlipStep,
    steps.ScaleJitterStep,
    steps.ResizedCropStep,
    steps.ColourNoiseStep,
    steps.ShearStep,
    steps.ZoomStep,
    steps.ResizeStep,
    steps.CentreCropStep,
    steps.TenCropStep,
    steps.ScalesStep,
    steps.ColourStep,
    steps.NormaliseStep,
)
FAMILIES = (DATA, IMAGE_STEPS, OPTIMISERS, SCHEDULES, LOSSES, MIXES, RAMPS)

PRECISIONS = ("float32", "bfloat16", "float64")
METRICS = {"top1": 1, "top5": 5}


class RecipeField(NamedTuple):
    """A field of a recipe: what it says, what takes its place, and whether a phase may have its own."""

    about: str
    usual: str = ""
    """Empty where the field has to be given, or nothing takes its place."""
    takes: Family | None = None
    in_phases: bool = False


FIELDS: dict[str, RecipeField] = {
    "base": RecipeField("Another recipe, whose fields are those that this one does not have.", "none"),
    "model": RecipeField("The network: the name of a model, shipped or not, or `name(setting=value)`."),
    "data": RecipeField("Where images and their labels lie.", takes=DATA),
    "train": RecipeField(
        "What is done with an image in training, step by step. In a phase: the parts that learn.",
        "`normalise`",
        IMAGE_STEPS,
        True,
    ),
    "test": RecipeField(
        "What is done with an image in evaluation.", "`train`, each step without its draws", IMAGE_STEPS
    ),
    "batch": RecipeField("The images of a step, over all processes and accumulated parts."),
    "epochs": RecipeField("How often each image is taken.", in_phases=True),
    "optimiser": RecipeField("How weights follow gradients.", takes=OPTIMISERS, in_phases=True),
    "schedule": RecipeField(
        "What becomes of the rate, perhaps behind a warm-up: `warmup(5) -> cosine`.",
        "`constant`",
        SCHEDULES,
        True,
    ),
    "loss": RecipeField(
        "What becomes small: a loss, or a record with one for each output, each perhaps times a number.",
        "`cross_entropy`",
        LOSSES,
    ),
    "evaluate": RecipeField("The figures of an evaluation, `top1` and `top5`; the first counts.", "`top1`"),
    "mix": RecipeField(
        "What is mixed of the images of a batch; of several, one is drawn a batch.", "none", MIXES
    ),
    "ema": RecipeField("The decay of the mean of weights that is evaluated and saved.", "none"),
    "drop_path": RecipeField("How the network's rates of `drop_path` grow.", "as they are", RAMPS),
    "precision": RecipeField(
        "`float32`, `bfloat16` (the layers; weights are float32) or `float64`.", "`float32`"
    ),
    "clip": RecipeField("The largest norm that all gradients have together.", "none"),
    "accumulate": RecipeField("In how many parts a process computes its batch, one after the other.", "1"),
    "bn_batch": RecipeField(
        "How many images share the statistics of a batch norm.", "all that a process computes at once"
    ),
    "seed": RecipeField("What all draws and initial weights come from.", "0"),
    "weights": RecipeField("A file of weights to start from; what it lacks starts by the seed.", "none"),
    "freeze": RecipeField("The parts that do not learn, `norms` for all norms.", "none", in_phases=True),
    "phases": RecipeField(
        "A record of phases, one after the other, each a record of fields; what one lacks the recipe says.",
        "one",
    ),
}
REQUIRED = ("model", "data", "batch", "epochs", "optimiser")
SPELLED = {"optimizer": "optimiser"}
"""Other spellings that are the same field."""

# What other libraries call the words here, in lower case and without underscores.
FOREIGN = (
    ("learningrate", "lr"), ("decay", "weight_decay"), ("wd", "weight_decay"), ("l2", "weight_decay"),
    ("epsilon", "eps"), ("rho", "alpha"), ("milestones", "at"), ("gamma", "factor"),
    ("labelsmoothing", "smoothing"),
    ("batchsize", "batch"), ("dataset", "data"), ("network", "model"), ("lrscheduler", "schedule"),
    ("scheduler", "schedule"), ("criterion", "loss"), ("metrics", "evaluate"), ("metric", "evaluate"),
    ("validation", "test"), ("eval", "test"), ("dtype", "precision"), ("clipnorm", "clip"),
    ("clipgrad", "clip"), ("gradaccum", "accumulate"), ("accum", "accumulate"), ("checkpoint", "weights"),
    ("pretrained", "weights"), ("frozen", "freeze"), ("modelema", "ema"),
    ("multistep", "steps"), ("multisteplr", "steps"), ("steplr", "steps"), ("step", "steps"),
    ("reducelronplateau", "plateau"), ("cosineannealing", "cosine"), ("cosineannealinglr", "cosine"),
    ("onecyclelr", "one_cycle"), ("crossentropyloss", "cross_entropy"), ("ce", "cross_entropy"),
    ("bce", "binary_cross_entropy"), ("bcewithlogits", "binary_cross_entropy"),
    ("randomcrop", "crop"), ("randomhorizontalflip", "flip"), ("horizontalflip", "flip"),
    ("randomresizedcrop", "resized_crop"), ("centercrop", "centre_crop"), ("normalize", "normalise"),
    ("color", "colour"), ("grayscale", "colour"), ("tencrop", "ten_crop"), ("colorjitter", "colour_noise"),
    ("colornoise", "colour_noise"), ("imagefolder", "images"), ("folder", "images"),
    ("fp32", "float32"), ("float", "float32"), ("bf16", "bfloat16"), ("fp64", "float64"),
    ("double", "float64"),
    ("acc", "top1"), ("accuracy", "top1"),
)  # fmt: skip
