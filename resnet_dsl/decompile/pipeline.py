"""A spec restored from a file, in stages, each in a module of its own.

read      the file                                → names and shapes, or a graph beside them
layers    names and shapes                        → Layer by path               layers.py
structure Layers                                  → stages of Blocks            structure.py
evidence  what tensors cannot tell                → assumed.py, or drawn.py from a graph
draft     Structure and Evidence                  → fields of a model           draft.py
compare   the program of that model and the file  → nothing, or why it is not   comparison.py
shelf     a file that the blocks do not restore   → the shipped spec that does  shelved.py
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from resnet_dsl.backend.foreign_graph import Drawing
from resnet_dsl.decompile.comparison import check_graph, check_not_folded, check_tensors
from resnet_dsl.decompile.conventions import Assumed
from resnet_dsl.decompile.graph_facts import Drawn, said
from resnet_dsl.decompile.model_name import checked_name, model_name
from resnet_dsl.decompile.shipped_match import shipped_text, with_tensors
from resnet_dsl.decompile.spec_writer import fields_of, text_of
from resnet_dsl.decompile.structure import read_structure
from resnet_dsl.decompile.tensors import NotExpressibleError as NotExpressibleError
from resnet_dsl.decompile.tensors import Shapes, layers_of, without_counters
from resnet_dsl.decompile.translated import Reading, readings
from resnet_dsl.decompile.unknowns import Evidence, Given
from resnet_dsl.diagnostics.model import CompileError, Source, UsageError
from resnet_dsl.diagnostics.wording import printable
from resnet_dsl.driver import compile_source
from resnet_dsl.program import Program
from resnet_dsl.syntax.parser import parse_value

AS_SHIPPED = (
    "its blocks are none of the library's, its tensors those of the shipped {spec}; "
    "what tensors do not tell is taken to be as there"
)

IF_NOTHING_SAID = (
    "  = help: a shipped spec has just these tensors; it is taken where nothing is said beside the file"
)


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
    from resnet_dsl.decompile.input_file import read_held

    given = Given(stride_on or "", shortcut or "", input or "")
    restored = restore(read_held(Path(path)), name, given, settings)
    for note in restored.notes:
        warnings.warn(note, stacklevel=2)
    return restored.text


def restore(
    held: Held, name: str | None = None, given: Given | None = None, settings: Mapping[str, str] | None = None
) -> Restored:
    """Return the spec of what a file holds; `settings` are fields that the person knows better.

    Names that are not ours are tried as those of other libraries. Where the library's blocks do not do, and
    nothing is said beside the file, the shipped spec that has just its tensors does.
    """
    model = model_name(held.source) if name is None else checked_name(name)
    for key, text in (settings or {}).items():
        parse_value(Source(f"--set {key}", text))
    held = replace(held, shapes=without_counters(held.shapes))
    asked = Asked(model, given or Given(), settings or {})
    refusals: list[NotExpressibleError] = []
    for way, reading in _ways(held):
        try:
            return _with_remark(_restored(way, asked), reading)
        except NotExpressibleError as error:
            told = f"read with the names of {reading.library}: {error}" if reading else str(error)
            refusals.append(NotExpressibleError(told))
    refusal = refusals[min(1, len(refusals) - 1)]
    for way, reading in _ways(held):
        found = _shelved(way, name)
        if found is not None and (asked.given != Given() or asked.settings):
            raise NotExpressibleError(f"{refusal}\n{IF_NOTHING_SAID}")
        if found is not None:
            return _with_remark(found, reading)
    raise refusal


def _ways(held: Held) -> Iterator[tuple[Held, Reading | None]]:
    """Yield what the file holds as it is, then under each library's names."""
    yield held, None
    for reading in readings(held.shapes):
        yield held.read_as(reading), reading


def _with_remark(found: Restored, reading: Reading | None) -> Restored:
    """What was restored, with the note on names that are those of another library."""
    return found if reading is None else replace(found, notes=(*found.notes, reading.remark(found.program)))


def _shelved(held: Held, name: str | None) -> Restored | None:
    """The one shipped spec that has the file's tensors, and its graph if there is one."""
    found = [program for program in with_tensors(held.shapes) if _is_drawn_alike(program, held)]
    if len(found) != 1:
        return None
    spec = found[0].name
    text = f"# Restored from {printable(held.source)}: the shipped {spec}.\n{shipped_text(spec)}"
    if name is not None:
        text = re.sub(rf"^model {spec}\b", f"model {name}", text, flags=re.MULTILINE)
    notes = () if held.drawing is not None else (*held.notes, AS_SHIPPED.format(spec=spec))
    return Restored(text, _compiled(name or spec, text), notes)


def _is_drawn_alike(program: Program, held: Held) -> bool:
    """Whether the program has the file's graph, and what no graph has; so it is where there is none."""
    if held.drawing is None or held.draw is None:
        return True
    network, drawing = program.network, held.draw(program)
    beside = {"frozen": list(network.frozen), "preprocess": dict(network.preprocess)}
    if any(said(held.metadata, key) not in (None, value) for key, value in beside.items()):
        return False
    try:
        check_graph(drawing, held.drawing)
    except NotExpressibleError:
        return False
    return drawing.sizes == held.drawing.sizes


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
    comment = f"# Restored from {printable(held.source)}.\n"
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
