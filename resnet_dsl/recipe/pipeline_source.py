"""Pipelines of images as Python: each step a call of the function of its name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from resnet_dsl.codegen.printer import quoted
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.recipe.image_steps import ImageStep, NormaliseStep, ScalesStep
from resnet_dsl.recipe.recipe import Recipe
from resnet_dsl.recipe.script_lines import WIDTH, fitted
from resnet_dsl.recipe.terms import Term
from resnet_dsl.records import MISSING, dataclass, fields

LARGEST = 255  # of a pixel that is a byte


@dataclass(frozen=True)
class PipelineSource:
    """Lines of the functions of a recipe's pipelines, and the expressions that make numbers of images.

    `statistics` is the function that takes those of the training images, where any are asked for; `single`
    says that views differ in size between images, so that each is evaluated alone.
    """

    train: tuple[str, ...]
    test: tuple[str, ...]
    prepared: tuple[str, ...]
    statistics: str
    single: bool
    numbers: tuple[tuple[str, tuple[str, ...]], ...]


def pipeline_source(recipe: Recipe) -> PipelineSource:
    """Return a recipe's pipelines as Python; raises UsageError where `normalise` is not the last step."""
    train, last = split(recipe.name, "train", recipe.train)
    test, test_last = split(recipe.name, "test", recipe.test)
    asked = {statistics_of(each) for each in (last, test_last)} - {""}
    if len(asked) > 1:
        raise UsageError(f"{recipe.name} asks for a mean by channel and one by pixel: one of them is known")
    own, of_test = number_lines(last), number_lines(test_last)
    return PipelineSource(
        train=chain("image", (step_call(step) for step in train)),
        test=tuple(view_lines(test)),
        prepared=chain("image", (step_call(step) for step in undrawn(train))),
        statistics=next(iter(asked), ""),
        single=any(isinstance(step, ScalesStep) for step in test),
        numbers=(("numbers", own), *([("test_numbers", of_test)] if of_test != own else [])),
    )


def chain(name: str, calls: Iterable[str]) -> tuple[str, ...]:
    """Return the lines that make one value of another, and return the last."""
    *first, last = [*calls] or [name]
    return *(f"{name} = {each}" for each in first), f"return {last}"


def split(
    name: str, pipeline: str, steps: tuple[ImageStep, ...]
) -> tuple[tuple[ImageStep, ...], NormaliseStep | None]:
    """Return the steps on bytes, and the one that makes numbers of them, which has to be the last."""
    if steps and isinstance(steps[-1], NormaliseStep):
        first, last = steps[:-1], steps[-1]
    else:
        first, last = steps, None
    if any(isinstance(step, NormaliseStep) for step in first):
        raise UsageError(f"`normalise` is not the last step of `{pipeline}` in recipe {name}: write it last")
    return first, last


def undrawn(steps: tuple[ImageStep, ...]) -> Iterator[ImageStep]:
    """Yield what takes the place of steps where nothing is drawn."""
    for step in steps:
        yield from step.without_draws()


def view_lines(steps: tuple[ImageStep, ...]) -> Iterator[str]:
    """Yield the lines of an evaluation: from the first step that makes several views on, of each view."""
    first = next((place for place, step in enumerate(steps) if step.views), None)
    if first is None:
        yield from (f"image = {step_call(step)}" for step in steps)
        yield "return [image]"
        return
    yield from (f"image = {step_call(step)}" for step in steps[:first])
    calls = [step_call(steps[first])]
    for step in steps[first + 1 :]:
        inner = step_call(step, "view")
        each = f"each for view in views for each in {inner}" if step.views else f"{inner} for view in views"
        calls.append(f"[{each}]")
    yield from chain("views", calls)


def step_call(step: ImageStep, image: str = "image") -> str:
    """Return the call of a step's function on an image."""
    return call(step, image, *(["draw"] if step.draws else []))


def call(term: Term, *given: str, function: str = "", **named: str) -> str:
    """Return the call of a term's function: what it needs by place, what differs from defaults by name."""
    arguments = list(given)
    for each in fields(term):
        value = getattr(term, each.name)
        if each.default is MISSING:
            arguments.append(literal(value))
        elif value != each.default:
            arguments.append(f"{each.name}={literal(value)}")
    arguments += [f"{name}={value}" for name, value in named.items()]
    return f"{function or term.kind}({', '.join(arguments)})"


def literal(value: object) -> str:
    """Return a value as Python; a fraction of bytes as one."""
    if isinstance(value, float) and value in (1 / LARGEST, 2 / LARGEST):
        return f"{round(value * LARGEST)} / {LARGEST}"
    return quoted(value) if isinstance(value, str) else repr(value)


# --- numbers -----------------------------------------------------------------------------------


def statistics_of(step: NormaliseStep | None) -> str:
    """Return the function that takes the statistics that a step needs, or nothing."""
    if step is None:
        return ""
    asked = {step.mean, step.std}
    return "pixel_means" if "pixel" in asked else "channel_statistics" if "channel" in asked else ""


def number_lines(step: NormaliseStep | None) -> tuple[str, ...]:
    """Return the lines that return numbers for `images`, with what `statistics` knows."""
    if step is None:
        return ("return images.astype(np.float64)",)
    arguments = [
        "images[..., ::-1]" if step.order == "bgr" else "images",
        f"mean={known('mean', step.mean, step.scale)}",
        f"std={known('std', step.std, step.scale)}",
        *([] if step.scale == 1 / LARGEST else [f"scale={literal(step.scale)}"]),
    ]
    return tuple(fitted("return normalise(", arguments, ")", WIDTH - 4))


def known(name: str, value: object, scale: float) -> str:
    """Return a number of `normalise` as Python, one of the statistics where it is of the training images."""
    if value not in ("channel", "pixel"):
        return literal(value)
    if scale == 1 / LARGEST:
        return f"statistics.{name} / {LARGEST}"
    return f"statistics.{name}" if scale == 1 else f"{literal(scale)} * statistics.{name}"
