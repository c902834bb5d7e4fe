"""What a backend's training script is made of: the records of a checked recipe.

`Backend.recipe_script` gives `render_recipe(recipe: Recipe) -> str`, the text of the script.
"""

from resnet_dsl.recipe.image_steps import (
    CentreCropStep,
    ColourNoiseStep,
    ColourStep,
    CropStep,
    FlipStep,
    ImageStep,
    NormaliseStep,
    PadStep,
    RandomStep,
    ResizedCropStep,
    ResizeStep,
    ScaleJitterStep,
    ScalesStep,
    ShearStep,
    TenCropStep,
    ZoomStep,
)
from resnet_dsl.recipe.losses import BinaryCrossEntropy, CrossEntropy, Loss, WeightedLoss
from resnet_dsl.recipe.mixing import CutMix, Mix, MixUp
from resnet_dsl.recipe.optimisers import LAMB, SGD, Adam, AdamW, Optimiser, RMSprop
from resnet_dsl.recipe.recipe import DropPathRamp, ImageData, Phase, Recipe
from resnet_dsl.recipe.schedules import (
    ConstantRate,
    CosineRate,
    LinearRate,
    OneCycleRate,
    PlateauRate,
    Schedule,
    StepRate,
    WarmUp,
)
from resnet_dsl.recipe.terms import Term

__all__ = [
    "LAMB",
    "SGD",
    "Adam",
    "AdamW",
    "BinaryCrossEntropy",
    "CentreCropStep",
    "ColourNoiseStep",
    "ColourStep",
    "ConstantRate",
    "CosineRate",
    "CropStep",
    "CrossEntropy",
    "CutMix",
    "DropPathRamp",
    "FlipStep",
    "ImageData",
    "ImageStep",
    "LinearRate",
    "Loss",
    "Mix",
    "MixUp",
    "NormaliseStep",
    "OneCycleRate",
    "Optimiser",
    "PadStep",
    "Phase",
    "PlateauRate",
    "RMSprop",
    "RandomStep",
    "Recipe",
    "ResizeStep",
    "ResizedCropStep",
    "ScaleJitterStep",
    "ScalesStep",
    "Schedule",
    "ShearStep",
    "StepRate",
    "TenCropStep",
    "Term",
    "WarmUp",
    "WeightedLoss",
    "ZoomStep",
]
