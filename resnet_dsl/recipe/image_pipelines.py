"""The pipelines of images, of training and of evaluation, up to what the network takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from resnet_dsl.diagnostics.model import Span
from resnet_dsl.ir.network import Network
from resnet_dsl.program import Program
from resnet_dsl.recipe.image_steps import CropTooLarge, ImageStep, KnownImage, NormaliseStep, sized
from resnet_dsl.recipe.reader import RecipeReader
from resnet_dsl.recipe.vocabulary import IMAGE_STEPS
from resnet_dsl.records import replace
from resnet_dsl.syntax import ast

LARGEST = 255  # of a byte


class PlacedStep(NamedTuple):
    """A step, where it stands, and the arguments that are written there."""

    step: ImageStep
    span: Span
    given: tuple[str, ...] = ()


Pipeline = tuple[ImageStep, ...]


def pipelines(
    reader: RecipeReader, fields: dict[str, ast.Field], program: Program | None
) -> tuple[Pipeline, Pipeline]:
    """Return what is done with an image in training and in evaluation; report what cannot be."""
    train = _steps(reader, fields.get("train"))
    test = _steps(reader, fields["test"]) if "test" in fields else _without_draws(train)
    for name, placed in (("train", train), ("test", test)):
        if placed is not None and (name == "train" or "test" in fields):
            _check_order(reader, name, placed)
    made = [_completed(reader, placed, program) for placed in (train, test)]
    if program is not None:
        fine = train is None or _check_images(reader, train, program.network, fields.get("train"))
        if test is not None and (fine or "test" in fields):  # or it would be said twice
            _check_images(reader, test, program.network, fields.get("test"), "test" in fields)
    return made[0], made[1]


def _steps(reader: RecipeReader, field: ast.Field | None) -> list[PlacedStep] | None:
    """The steps of a pipeline as they are written; None after an error."""
    if field is None:
        usual = NormaliseStep("preprocess", "preprocess", 1 / LARGEST, "rgb")
        return [PlacedStep(usual, reader.recipe.name_at)]
    value = field.value
    exprs = (value.first, *value.steps) if isinstance(value, ast.Pipe) else (value,)
    placed = []
    for expr in exprs:
        step = reader.term(expr, IMAGE_STEPS)
        if step is not None:
            assert isinstance(step, ImageStep)
            placed.append(PlacedStep(step, expr.span, tuple(_given(step, expr))))
    return placed if len(placed) == len(exprs) else None


def _given(step: ImageStep, expr: ast.Expr) -> Iterator[str]:
    names = [name for name, _, _ in step.arguments()]
    if isinstance(expr, ast.Call):
        for place, argument in enumerate(expr.arguments):
            yield argument.name or names[place]


def _without_draws(train: list[PlacedStep] | None) -> list[PlacedStep] | None:
    if train is None:
        return None
    return [
        PlacedStep(step, each.span, each.given if step is each.step else ())
        for each in train
        for step in each.step.without_draws()
    ]


def _check_order(reader: RecipeReader, name: str, placed: Sequence[PlacedStep]) -> None:
    """Report a pipeline that does not end in its one `normalise`, and steps that belong to the other."""
    at = [index for index, each in enumerate(placed) if isinstance(each.step, NormaliseStep)]
    if not at:
        span = placed[-1].span if placed else reader.recipe.name_at
        message = f"`{name}` has no `normalise`: the network takes numbers, and images are bytes"
        reader.error("E0705", message, span, "end it with `-> normalise`")
    for index in at[1:]:
        reader.error("E0705", f"`normalise` a second time in `{name}`", placed[index].span, "delete it")
    if len(at) == 1 and at[0] < len(placed) - 1:
        step = placed[at[0] + 1]
        message = f"`{step.step.kind}` is behind `normalise`: it works on images of bytes"
        reader.error("E0705", message, step.span, "put `normalise` last")
    views = 0
    for each in placed:
        views += each.step.views
        if name == "test" and each.step.draws:
            message = f"`{each.step.kind}` draws at random, and an evaluation does not"
            instead = " -> ".join(step.written for step in each.step.without_draws())
            reader.error("E0705", message, each.span, f"write `{instead}`" if instead else "leave it out")
        elif name == "train" and each.step.views:
            message = f"`{each.step.kind}` makes several images of one: it is for `test`"
            reader.error("E0705", message, each.span, "leave it out")
        elif each.step.views and views > 1:
            message = f"`{each.step.kind}` makes several images of one for the second time"
            reader.error("E0705", message, each.span, "leave one of them out")


# --- numbers of `normalise` ----------------------------------------------------------------------


def _completed(reader: RecipeReader, placed: list[PlacedStep] | None, program: Program | None) -> Pipeline:
    """The steps with the numbers of the model's own `preprocess` where `normalise` means those."""
    steps = []
    for each in placed or ():
        step = each.step
        if isinstance(step, NormaliseStep) and program is not None:
            step = _with_numbers(reader, step, each, program.network)
        steps.append(step)
    return tuple(steps)


def _with_numbers(
    reader: RecipeReader, step: NormaliseStep, placed: PlacedStep, network: Network
) -> NormaliseStep:
    given = set(placed.given) & {"mean", "std"}
    said: dict[str, Any] = dict(network.preprocess)
    asked = any(getattr(step, name) == "preprocess" for name in given)
    if asked or (not given and (said.keys() & {"mean", "std", "range"})):
        return _of_model(reader, step, placed, network, said)
    if not given:
        return _checked(reader, replace(step, mean="channel", std="channel"), placed, network)
    if "mean" not in given:
        step = replace(step, mean="channel" if step.std == "channel" else 0.0)
    if "std" not in given:
        step = replace(step, std="channel" if step.mean == "channel" else 1.0)
    return _checked(reader, step, placed, network)


def _of_model(
    reader: RecipeReader, step: NormaliseStep, placed: PlacedStep, network: Network, said: dict[str, Any]
) -> NormaliseStep:
    """The step with what the model says of its images: their range, then mean and deviation."""
    wrong = ""
    if not said:
        wrong = f"`{network.name}` has no `preprocess`, which `normalise` is to take"
    elif {"scale", "order"} & {*placed.given} or {step.mean, step.std} != {"preprocess"}:
        wrong = "`mean`, `std`, `scale` and `order` are the model's together"
    elif not isinstance(said.get("range", ()), tuple) or len(said.get("range", (0, 1))) != 2:
        wrong = f"`preprocess` of `{network.name}` does not say what range pixels are in"
    if wrong:
        reader.error("E0204", wrong, placed.span, "write numbers, or `normalise(mean=channel)`")
        return step
    low, high = map(float, said.get("range", (0.0, 1.0)))
    mean, std = said.get("mean", 0.0), said.get("std", 1.0)
    less = tuple(float(m) - low for m in mean) if isinstance(mean, tuple) else float(mean) - low
    each = tuple(map(float, std)) if isinstance(std, tuple) else float(std)
    order = "bgr" if said.get("color") == "bgr" else "rgb"
    return _checked(reader, NormaliseStep(less, each, (high - low) / LARGEST, order), placed, network)


def _checked(
    reader: RecipeReader, step: NormaliseStep, placed: PlacedStep, network: Network
) -> NormaliseStep:
    channels = network.input.channels
    for name in ("mean", "std"):
        value = getattr(step, name)
        if isinstance(value, tuple) and len(value) != channels:
            message = f"`{name}` has {len(value)} numbers, and the network takes {channels} channels"
            reader.error("E0704", message, placed.span, "give one number a channel, or one for all")
    return step


# --- what becomes of the size --------------------------------------------------------------------


def _check_images(
    reader: RecipeReader,
    placed: Sequence[PlacedStep],
    network: Network,
    field: ast.Field | None,
    own: bool = True,
) -> bool:
    """Report where images do not become what the network takes, as far as the steps say; or return true."""
    image = KnownImage()
    for each in placed:
        try:
            image = each.step.after(image)
        except CropTooLarge as wrong:
            if own:
                reader.error("E0704", str(wrong), each.span, "resize or pad before, or cut out less")
            return False
    at = reader.recipe.name_at if field is None else field.value.span
    if network.input.is_vector:
        reader.error("E0704", f"`{network.name}` takes vectors, and no images", reader.recipe.name_at)
        return False
    return _check_end(reader, placed, network, image, at)


def _check_end(
    reader: RecipeReader, placed: Sequence[PlacedStep], network: Network, image: KnownImage, at: Span
) -> bool:
    """Report channels and a size at the end that are not the network's; or return true."""
    fine = True
    channels, *size = network.input.at(network.extent)
    wanted = "x".join("any" if side is None else str(side) for side in size)
    if image.channels not in (None, channels):
        message = f"images of {image.channels} channels at the end, and `{network.name}` takes {channels}"
        hint = "`colour(grey)`" if channels == 1 else "`colour(rgb)`"
        reader.error("E0704", message, at, hint)
        fine = False
    if image.shorter and not any(each.step.views for each in placed):
        message = "images keep their own aspects to the end, and those of a batch have to be of one size"
        reader.error("E0704", message, at, f"such as `centre_crop({min(filter(None, size), default=224)})`")
        return False
    if image.size is not None and any(
        side not in (None, given) for side, given in zip(size, image.size, strict=True)
    ):
        message = f"images of {sized(image.size)} at the end, and `{network.name}` takes {wanted}"
        hint = f"end in {wanted}, or give the model that size: `input={channels}x{sized(image.size)}`"
        reader.error("E0704", message, at, hint)
        return False
    return fine
