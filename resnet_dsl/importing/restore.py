"""A spec restored from a file, in stages, each in a module of its own.

read      the file                                → names and shapes, or a graph beside them
layers    names and shapes                        → Layer by path               layers.py
structure Layers                                  → stages of Blocks            structure.py
evidence  what tensors cannot tell                → assumed.py, or drawn.py from a graph
draft     Structure and Evidence                  → fields of a model           draft.py
compare   the program of that model and the file  → nothing, or why it is not   comparison.py
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from resnet_dsl.diagnostics import CompileError, Source, UsageError
from resnet_dsl.driver import compile_source
from resnet_dsl.importing.assumed import Assumed
from resnet_dsl.importing.comparison import check_graph, check_not_folded, check_tensors
from resnet_dsl.importing.draft import fields_of, text_of
from resnet_dsl.importing.drawing import Drawing
from resnet_dsl.importing.drawn import Drawn
from resnet_dsl.importing.evidence import Evidence, Given
from resnet_dsl.importing.layers import NotExpressibleError as NotExpressibleError
from resnet_dsl.importing.layers import Shapes, layers_of, without_counters
from resnet_dsl.importing.naming import checked_name, model_name
from resnet_dsl.importing.structure import read_structure
from resnet_dsl.importing.worlds import Reading, readings
from resnet_dsl.program import Program
from resnet_dsl.syntax.parser import parse_value
from resnet_dsl.weights.account import shown


@dataclass(frozen=True)
class Held:
    """What a file holds, as far as a spec goes."""

    source: str
    shapes: Shapes
    metadata: Mapping[str, Any] = field(default_factory=dict)
    drawing: Drawing | None = None
    draw: Callable[[Program], Drawing] | None = None
    """Draws a program as the file's own backend does."""
    notes: tuple[str, ...] = ()

    def read_as(self, reading: Reading) -> Held:
        """Return the same under our names."""
        drawing = None if self.drawing is None else self.drawing.renamed(reading.names)
        return replace(self, shapes=reading.shapes, drawing=drawing)


@dataclass(frozen=True)
class Asked:
    """What the person asks for and knows."""

    model: str
    given: Given
    settings: Mapping[str, str]


@dataclass(frozen=True)
class Restored:
    """The text of a spec, the program it is, and what the person has to know about it."""

    text: str
    program: Program
    notes: tuple[str, ...]


def import_spec(
    path: str | Path,
    /,
    *,
    name: str | None = None,
    stride_on: str | None = None,
    shortcut: str | None = None,
    input: str | None = None,
    **settings: str,
) -> str:
    """Return the spec of the network whose weights or graph a file holds.

    What the file cannot tell is warned about, or asked for by UsageError. Raises NotExpressibleError
    with what the language's blocks do not have; no spec that differs from the file is returned.
    """
    from resnet_dsl.importing.reading import read_held

    given = Given(stride_on or "", shortcut or "", input or "")
    restored = restore(read_held(Path(path)), name, given, settings)
    for note in restored.notes:
        warnings.warn(note, stacklevel=2)
    return restored.text


def restore(
    held: Held, name: str | None = None, given: Given | None = None, settings: Mapping[str, str] | None = None
) -> Restored:
    """Return the spec of what a file holds; `settings` are fields that the person knows better.

    Names that are not ours are tried as those of other worlds.
    """
    model = model_name(held.source) if name is None else checked_name(name)
    for key, text in (settings or {}).items():
        parse_value(Source(f"--set {key}", text))
    held = replace(held, shapes=without_counters(held.shapes))
    asked = Asked(model, given or Given(), settings or {})
    try:
        return _restored(held, asked)
    except NotExpressibleError as error:
        refusal = error
        for reading in readings(held.shapes):
            try:
                found = _restored(held.read_as(reading), asked)
            except NotExpressibleError as again:
                if refusal is error:
                    refusal = NotExpressibleError(f"read with the names of {reading.world}: {again}")
                continue
            return replace(found, notes=(*found.notes, reading.remark(found.program)))
        raise refusal from None


def _restored(held: Held, asked: Asked) -> Restored:
    if held.drawing is not None:
        check_not_folded(held.drawing)
    structure = read_structure(layers_of(held.shapes))
    evidence: Evidence
    if held.drawing is None:
        evidence = Assumed(structure, asked.given)
    else:
        evidence = Drawn(structure, asked.given, drawing=held.drawing, metadata=held.metadata)
    fields = {**fields_of(structure, evidence), **asked.settings}
    if evidence.questions:
        raise UsageError("\n".join(evidence.questions))
    comment = f"# Restored from {shown(held.source)}.\n"
    program = _compiled(asked.model, text_of(asked.model, fields, comment))
    check_tensors(program, held.shapes, held.source)
    if held.drawing is not None and held.draw is not None:
        check_graph(held.draw(program), held.drawing)
    notes = [*held.notes, *([evidence.summed_up(asked.settings)] if isinstance(evidence, Assumed) else [])]
    return Restored(text_of(asked.model, fields, comment, program), program, tuple(notes))


def _compiled(model: str, text: str) -> Program:
    """Compile the draft; what is wrong with it is that the file is no such network."""
    try:
        return compile_source(Source(f"{model}.resnet", text), None, model, {})
    except CompileError as error:
        messages = "; ".join(diagnostic.message for diagnostic in error.diagnostics[:3])
        raise NotExpressibleError(f"the spec closest to it does not compile: {messages}") from None
