"""Shapes beside the steps that change them, and beside stages: what an editor shows within the text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from resnet_dsl.editor.analysis import Analysis
from resnet_dsl.editor.hover import facts_text
from resnet_dsl.editor.step_facts import StepFacts, facts_of
from resnet_dsl.elaborate.watching import Applied

SEVERAL = "…"


class ShapeHint(NamedTuple):
    """A shape behind a place of the text, and more about it."""

    offset: int
    text: str
    about: str


def shape_hints(found: Analysis, start: int, end: int) -> list[ShapeHint]:
    """Return the shapes to show between two places of the text that was analysed."""
    hints = [*_of_steps(found), *_of_stages(found)]
    return sorted({hint.offset: hint for hint in reversed(hints) if start <= hint.offset <= end}.values())


def _of_steps(found: Analysis) -> Iterator[ShapeHint]:
    """A shape behind each step that changes it; `…` says that elsewhere it is another."""
    places: dict[int, dict[str, Applied]] = {}
    for step in found.steps:
        if _changes(step):
            places.setdefault(step.span.end, {}).setdefault(_after(step), step)
    for offset, steps in places.items():
        first, *more = (facts_of(step) for step in steps.values())
        yield ShapeHint(offset, f" {first.after}{SEVERAL if more else ''}", _about(first, *more))


def _changes(step: Applied) -> bool:
    before, after = (step.builder.shape_of(value) for value in (step.inputs[0], step.result))
    return len(step.inputs) == 1 and before != after


def _after(step: Applied) -> str:
    return step.builder.shape_of(step.result).text(step.extent)


def _about(*facts: StepFacts) -> str:
    return "\n\n".join(map(facts_text, facts[:4]))


def _of_stages(found: Analysis) -> Iterator[ShapeHint]:
    """The shape that a stage leaves, behind what it is written as."""
    for name, program in found.programs:
        extent = program.network.extent
        for stage in program.network.stages:
            if stage.span is not None and stage.span.source == found.source:
                shape = stage.blocks[-1].output.text(extent)
                yield ShapeHint(stage.span.end, f" {shape}", f"stage {stage.name} of {name}")
