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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from resnet_dsl.decompile.comparison import check_graph, check_tensors
from resnet_dsl.decompile.conventions import facts_by_convention
from resnet_dsl.decompile.facts import Hints, NetworkFacts
from resnet_dsl.decompile.graph_facts import NO_NORM, facts_of_graph, stated
from resnet_dsl.decompile.input_file import InputFile, read_input_file
from resnet_dsl.decompile.model_name import checked_name, model_name
from resnet_dsl.decompile.shipped_match import shipped_text, with_tensors
from resnet_dsl.decompile.spec_writer import fields_of, text_of
from resnet_dsl.decompile.structure import IN_BLOCK, Structure, read_structure
from resnet_dsl.decompile.syntax_nodes import expression, written_by_hand
from resnet_dsl.decompile.tensors import NotExpressibleError as NotExpressibleError
from resnet_dsl.decompile.tensors import check_kind, layers_of, renamed, without_counters
from resnet_dsl.decompile.translated import Reading, by_place, readings
from resnet_dsl.decompile.unfolded import NOTHING_FOLDED, unfolded
from resnet_dsl.decompile.written_out import narrowed_blocks
from resnet_dsl.diagnostics.errors import CompileError, UsageError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.diagnostics.wording import printable
from resnet_dsl.driver import compile_source
from resnet_dsl.program import Program
from resnet_dsl.syntax import ast
from resnet_dsl.zoo.candidates import HEAD

WITH_NORMS = (
    "  = help: norms were folded into its convolutions; "
    "--unfold (in Python, unfold=True) gives the spec with norms"
)
AS_SHIPPED = (
    "its blocks are none of the library's, its tensors those of the shipped {spec}; "
    "what tensors do not tell is taken to be as there"
)

FOLDED = (
    "there are no norms, as where an export folded them into the convolutions; "
    "--unfold gives the spec with norms"
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
    unfold: bool = False,
    **settings: str,
) -> str:
    """Return the spec of the network whose weights or graph a file holds.

    What the file cannot tell is warned about, or asked for by UsageError. Raises NotExpressibleError
    with what the language's blocks do not have; no spec that differs from the file is returned.
    """
    hints = Hints(stride_on or "", shortcut or "", input or "")
    restored = restore(read_input_file(Path(path), unfold), name, hints, settings)
    for note in restored.notes:
        warnings.warn(note, stacklevel=2)
    return restored.text


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
    check_kind(file.shapes)
    request = ImportRequest(model, hints or Hints(), known)
    refusals: list[NotExpressibleError] = []
    own: Restored | None = None
    for way, reading in _ways(file):
        try:
            found = _with_remark(_restored(way, request), reading)
        except NotExpressibleError as error:
            told = f"read with {reading.whose}: {error}" if reading else str(error)
            refusals.append(NotExpressibleError(told))
        else:
            if reading is not None or not _has_own_head(found.program):
                return found
            own = found
    if own is not None:
        return own
    refusal = _best(refusals, file)
    for way, reading in _ways(file):
        shelved = _shipped(way, name)
        if shelved is not None and (request.hints != Hints() or request.settings):
            raise NotExpressibleError(f"{refusal}\n{IF_NOTHING_SAID}")
        if shelved is not None:
            return _with_remark(shelved, reading)
    raise refusal if file.unfold else _with_help(refusal, file, request)


def _ways(file: InputFile) -> Iterator[tuple[InputFile, Reading | None]]:
    """Yield what the file holds as it is, under each library's names, and by place; with norms if asked."""
    found = [*readings(file.shapes), by_place(file.by_place, file.shapes)]
    ways = [(file, None), *((file.read_as(each), each) for each in found if each is not None)]
    if file.unfold:
        ways = [(whole, each) for way, each in ways if (whole := unfolded(way)) is not None]
        if not ways:
            raise UsageError(NOTHING_FOLDED)
    yield from ways


def _with_help(refusal: NotExpressibleError, file: InputFile, request: ImportRequest) -> NotExpressibleError:
    """The refusal, with what to do where the file can be read with norms taken out of its convolutions."""
    for way, _ in _ways(replace(file, unfold=True)) if _may_unfold(file) else ():
        try:
            _restored(way, request)
        except (NotExpressibleError, UsageError):
            continue
        return NotExpressibleError(f"{refusal}\n{WITH_NORMS}")
    return refusal


def _may_unfold(file: InputFile) -> bool:
    return any(unfolded(way) is not None for way, _ in _ways(file))


def _best(refusals: Sequence[NotExpressibleError], file: InputFile) -> NotExpressibleError:
    """The refusal that says most: of the names by place, if the file's own do not tell where layers are."""
    placed = by_place(file.by_place, file.shapes)
    if placed is None:
        return refusals[min(1, len(refusals) - 1)]
    if any(IN_BLOCK.match(ours) and not IN_BLOCK.match(theirs) for theirs, ours in placed.names.items()):
        return refusals[-1]
    return refusals[min(1, len(refusals) - 2)]


def _with_remark(found: Restored, reading: Reading | None) -> Restored:
    """What was restored, with the note on names that are those of another library."""
    return found if reading is None else replace(found, notes=(*found.notes, reading.remark(found.program)))


def _has_own_head(program: Program) -> bool:
    """Whether a classifier is called as it may be in a library, so that names may be that library's."""
    return any(
        node.part == HEAD and node.name not in ("fc", "bn") and any(True for _ in node.parameters())
        for node in program.graph.nodes
    )


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
    structure, facts = _read(file, request.hints)
    fields = {**fields_of(structure, facts), **request.settings}
    if facts.questions:
        raise UsageError("\n".join(facts.questions))
    blocks = [text for text in (*narrowed_blocks(structure), facts.blocks) if text]
    before = "\n".join([f"# Restored from {printable(file.source)}.\n", *blocks])
    before += "\n" if blocks else ""
    program = _compiled(request.model, _written(request.model, fields, before))
    check_tensors(program, renamed(file.shapes, facts.renamed), file.source)
    if file.graph is not None and file.reader is not None:
        check_graph(file.reader.of_program(program), file.graph)
    assumed = facts.assumptions(request.settings)
    folded = [FOLDED] if facts.norm.authority == "graph" and facts.norm.value == expression(NO_NORM) else []
    notes = (*file.notes, *([assumed] if assumed else []), *folded)
    return Restored(_written(request.model, fields, before, program), program, notes)


def _read(file: InputFile, hints: Hints) -> tuple[Structure, NetworkFacts]:
    structure = read_structure(layers_of(file.shapes))
    if file.graph is None or file.reader is None:
        return structure, facts_by_convention(structure, hints)
    return facts_of_graph(structure, hints, file.graph, file.reader.of_op, file.metadata)


def _written(model: str, fields: Mapping[str, ast.Expr], before: str, program: Program | None = None) -> str:
    """Return the text of the model; what of a file is no word of the language makes it inexpressible."""
    try:
        return text_of(model, fields, before, program)
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
