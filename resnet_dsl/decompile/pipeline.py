"""A spec restored from a file, in stages, each in a module of its own.

input_file     the file                                  → names and shapes, or a graph beside them
tensors        names and shapes                          → layers by path
structure      layers                                    → stages of residual blocks
conventions,   what tensors cannot tell                  → facts, each with who says so
graph_facts
spec_writer    structure and facts                       → the fields of a model, as syntax
comparison     the program of that model, and the file   → nothing, or why it is not
shipped_match  a file that the blocks do not restore     → the shipped spec that does
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from resnet_dsl.decompile.comparison import check_graph, check_not_folded, check_tensors
from resnet_dsl.decompile.conventions import facts_by_convention
from resnet_dsl.decompile.facts import Hints, NetworkFacts
from resnet_dsl.decompile.graph_facts import facts_of_graph, stated
from resnet_dsl.decompile.input_file import InputFile, read_input_file
from resnet_dsl.decompile.model_name import checked_name, model_name
from resnet_dsl.decompile.shipped_match import shipped_text, with_tensors
from resnet_dsl.decompile.spec_writer import fields_of, text_of
from resnet_dsl.decompile.structure import Structure, read_structure
from resnet_dsl.decompile.syntax_nodes import written_by_hand
from resnet_dsl.decompile.tensors import NotExpressibleError as NotExpressibleError
from resnet_dsl.decompile.tensors import layers_of, without_counters
from resnet_dsl.decompile.translated import Reading, readings
from resnet_dsl.decompile.within_wrapper import inner_files
from resnet_dsl.diagnostics.errors import CompileError, UsageError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.diagnostics.wording import printable
from resnet_dsl.driver import compile_source
from resnet_dsl.program import Program
from resnet_dsl.syntax import ast
from resnet_dsl.zoo.asked import Asked

AS_SHIPPED = (
    "its blocks are none of the library's, its tensors those of the shipped {spec}; "
    "what tensors do not tell is taken to be as there"
)

IF_NOTHING_SAID = (
    "  = help: a shipped spec has just these tensors; it is taken where nothing is said beside the file"
)


@dataclass(frozen=True)
class ImportRequest:
    """What the person asks for and knows."""

    model: str
    hints: Hints
    settings: Mapping[str, ast.Expr]


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
    key: str | None = None,
    prefix: str | None = None,
    **settings: str,
) -> str:
    """Return the spec of the network whose weights or graph a file holds.

    `key` and `prefix` say which of several networks in it is meant. What the file cannot tell is
    warned about, or asked for by UsageError. Raises NotExpressibleError
    with what the language's blocks do not have; no spec that differs from the file is returned.
    """
    hints = Hints(stride_on or "", shortcut or "", input or "")
    file = read_input_file(Path(path), Asked(key=key, prefix=prefix))
    restored = restore_within(file, name, hints, settings)
    for note in restored.notes:
        warnings.warn(note, stacklevel=2)
    return restored.text


def restore_within(
    file: InputFile,
    name: str | None = None,
    hints: Hints | None = None,
    settings: Mapping[str, str] | None = None,
) -> Restored:
    """Return the spec of what a file holds, without a prefix of its names if it is none as it stands."""
    try:
        return restore(file, name, hints, settings)
    except NotExpressibleError as error:
        refusal = error
    for inner, note in inner_files(file):
        try:
            found = restore(inner, name, hints, settings)
        except NotExpressibleError:
            continue
        return replace(found, notes=(note, *found.notes))
    raise refusal


def restore(
    file: InputFile,
    name: str | None = None,
    hints: Hints | None = None,
    settings: Mapping[str, str] | None = None,
) -> Restored:
    """Return the spec of what a file holds; `settings` are fields that the person knows better.

    Names that are not ours are tried as those of other libraries. Where the library's blocks do not do, and
    nothing is said beside the file, the shipped spec that has just its tensors does.
    """
    model = model_name(file.source) if name is None else checked_name(name)
    known = {key: written_by_hand(f"--set {key}", text) for key, text in (settings or {}).items()}
    file = replace(file, shapes=without_counters(file.shapes))
    request = ImportRequest(model, hints or Hints(), known)
    refusals: list[NotExpressibleError] = []
    for way, reading in _ways(file):
        try:
            return _with_remark(_restored(way, request), reading)
        except NotExpressibleError as error:
            told = f"read with the names of {reading.library}: {error}" if reading else str(error)
            refusals.append(NotExpressibleError(told))
    refusal = refusals[min(1, len(refusals) - 1)]
    for way, reading in _ways(file):
        found = _shipped(way, name)
        if found is not None and (request.hints != Hints() or request.settings):
            raise NotExpressibleError(f"{refusal}\n{IF_NOTHING_SAID}")
        if found is not None:
            return _with_remark(found, reading)
    raise refusal


def _ways(file: InputFile) -> Iterator[tuple[InputFile, Reading | None]]:
    """Yield what the file holds as it is, then under each library's names."""
    yield file, None
    for reading in readings(file.shapes):
        yield file.read_as(reading), reading


def _with_remark(found: Restored, reading: Reading | None) -> Restored:
    """What was restored, with the note on names that are those of another library."""
    return found if reading is None else replace(found, notes=(*found.notes, reading.remark(found.program)))


def _shipped(file: InputFile, name: str | None) -> Restored | None:
    """The one shipped spec that has the file's tensors, and its graph if there is one."""
    found = [program for program in with_tensors(file.shapes) if _has_graph_of(program, file)]
    if len(found) != 1:
        return None
    spec = found[0].name
    text = f"# Restored from {printable(file.source)}: the shipped {spec}.\n{shipped_text(spec)}"
    if name is not None:
        text = re.sub(rf"^model {spec}\b", f"model {name}", text, flags=re.MULTILINE)
    notes = () if file.graph is not None else (*file.notes, AS_SHIPPED.format(spec=spec))
    return Restored(text, _compiled(name or spec, text), notes)


def _has_graph_of(program: Program, file: InputFile) -> bool:
    """Whether the program has the file's graph, and what no graph has; so it is where there is none."""
    if file.graph is None or file.reader is None:
        return True
    network, graph = program.network, file.reader.of_program(program)
    beside = {"frozen": list(network.frozen), "preprocess": dict(network.preprocess)}
    if any(stated(file.metadata, key) not in (None, value) for key, value in beside.items()):
        return False
    try:
        check_graph(graph, file.graph)
    except NotExpressibleError:
        return False
    return graph.sizes == file.graph.sizes


def _restored(file: InputFile, request: ImportRequest) -> Restored:
    if file.graph is not None:
        check_not_folded(file.graph)
    structure, facts = _read(file, request.hints)
    fields = {**fields_of(structure, facts), **request.settings}
    if facts.questions:
        raise UsageError("\n".join(facts.questions))
    comment = f"# Restored from {printable(file.source)}.\n"
    program = _compiled(request.model, _written(request.model, fields, comment))
    check_tensors(program, file.shapes, file.source)
    if file.graph is not None and file.reader is not None:
        check_graph(file.reader.of_program(program), file.graph)
    assumed = facts.assumptions(request.settings)
    notes = (*file.notes, *([assumed] if assumed else []))
    return Restored(_written(request.model, fields, comment, program), program, notes)


def _read(file: InputFile, hints: Hints) -> tuple[Structure, NetworkFacts]:
    structure = read_structure(layers_of(file.shapes))
    if file.graph is None or file.reader is None:
        return structure, facts_by_convention(structure, hints)
    return facts_of_graph(structure, hints, file.graph, file.reader.of_op, file.metadata)


def _written(model: str, fields: Mapping[str, ast.Expr], comment: str, program: Program | None = None) -> str:
    """Return the text of the model; what of a file is no word of the language makes it inexpressible."""
    try:
        return text_of(model, fields, comment, program)
    except CompileError as error:
        raise _unlike(error) from None


def _compiled(model: str, text: str) -> Program:
    """Compile the text; what is wrong with it is that the file is no such network."""
    try:
        return compile_source(Source(f"{model}.resnet", text), None, model, {})
    except CompileError as error:
        raise _unlike(error) from None


def _unlike(error: CompileError) -> NotExpressibleError:
    messages = "; ".join(diagnostic.message for diagnostic in error.diagnostics[:3])
    return NotExpressibleError(f"the spec closest to it does not compile: {messages}")
