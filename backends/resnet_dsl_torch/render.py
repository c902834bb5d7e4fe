"""A network as one Python file: classes of blocks, then the model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from resnet_dsl.backend.artefacts import origin, spec_lines
from resnet_dsl.backend.ir import Program
from resnet_dsl.backend.python_source import (
    BlockClass,
    BlockStep,
    Classes,
    ModelBody,
    ModelPart,
    Name,
    class_name,
    classes_of,
    docstring,
    frozen_constant,
    has_parameters,
    listed,
    model_body,
    norms_constant,
    preprocess_constant,
    statement,
    used_helpers,
)
from resnet_dsl_torch import model
from resnet_dsl_torch.blocks import SELF, attribute, class_text
from resnet_dsl_torch.helpers import HELPERS
from resnet_dsl_torch.initialise import StartSite, reset_lines, uses_math
from resnet_dsl_torch.module_text import ModelText, ModuleText, PixelText
from resnet_dsl_torch.reserved_names import MODULE, RESERVED
from resnet_dsl_torch.rules import TorchLowering, lowered


def render(program: Program) -> str:
    """Return the source of a program's model."""
    classes = classes_of(program.network, lowered, RESERVED | MODULE)
    body = model_body(program, classes, RESERVED | MODULE)
    used = used_helpers(body, classes)
    helpers = [HELPERS[name] for name in HELPERS if name in used]
    texts = [class_text(block) for block in classes.classes]
    forward = "\n".join(model.forward_lines(body))
    sites = list(_start_sites(body, classes))
    return ModuleText(
        name=program.name,
        origin=list(origin(program)),
        spec=list(spec_lines(program)),
        uses_math=uses_math(sites),
        uses_functional="F." in "\n".join([forward, *(text.forward for text in texts), *helpers]),
        preprocess=preprocess_constant(program),
        frozen=frozen_constant(program, has_parameters),
        norms=norms_constant(program, (site.kind for site in sites if site.is_norm)),
        inference=program.network.inference,
        pixels=_pixels(program),
        takes_map=not program.network.input.is_vector,
        helpers=helpers,
        classes=texts,
        model=ModelText(
            name=class_name(program.name, _taken(classes), "Model"),
            doc=docstring(model.doc(program), 4),
            opening=model.opening(body),
            init="\n".join(model.init_lines(body, classes)),
            reset="\n".join(reset_lines(sites)),
            returns="dict[str, torch.Tensor]" if body.outputs else "torch.Tensor",
            forward=forward,
        ),
    ).text()


def model_class(program: Program) -> tuple[str, bool]:
    """Return what the model's class is called, and whether it returns its results by name."""
    classes = classes_of(program.network, lowered, RESERVED | MODULE)
    body = model_body(program, classes, RESERVED | MODULE)
    return class_name(program.name, _taken(classes), "Model"), bool(body.outputs)


def _taken(classes: Classes) -> frozenset[str]:
    """The names that the model's class cannot have."""
    return RESERVED.union(block.name for block in classes.classes)


def _pixels(program: Program) -> PixelText | None:
    """What the module says of images: numbers of each channel, and whether their order turns."""
    pixels = program.network.pixels
    if pixels is None:
        return None
    numbers = {"SCALE": pixels.scale, "SHIFT": pixels.shift}
    lines = [statement(f"PIXEL_{name} = ", listed(*values), 0) for name, values in numbers.items()]
    return PixelText("\n".join(lines), pixels.reversed)


def _start_sites(body: ModelBody, classes: Classes) -> Iterator[StartSite]:
    """Every layer of the file, where the model or a class keeps it, in the order of the data."""
    parts = [part for part in body.parts if isinstance(part, ModelPart)]
    for part in (p for p in parts if p.name == "stem"):
        yield from _sites(None, part.steps)
    for block in classes.classes:
        yield from _sites(block, block.steps)
    for part in (p for p in parts if p.name != "stem"):
        yield from _sites(None, part.steps)


def _sites(block: BlockClass | None, steps: Iterable[BlockStep]) -> Iterator[StartSite]:
    owner, holder = ("", SELF) if block is None else (block.name, Name("module"))
    for step in steps:
        if isinstance(step.what, TorchLowering) and step.what.module is not None and step.owner is None:
            what, place = step.what, attribute(holder, step.name)
            yield StartSite(what.kind, owner, place, what.starts, what.is_norm)
