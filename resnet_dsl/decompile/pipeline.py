"""A spec restored from a file, in stages, each in a module of its own.

input_file     the file                                  → names and shapes, or a graph beside them
tensors        names and shapes                          → layers by path
structure      layers                                    → stages of residual blocks
conventions,   what tensors cannot tell                  → facts, each with who says so
graph_facts
spec_writer    structure and facts                       → the fields of a model, as syntax
comparison     the program of that model, and the file   → nothing, or why it is not
shipped_match  a file that the blocks do not restore     → the shipped spec that does
shipped_blocks such a file                               → a shipped spec with other numbers
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

from resnet_dsl.decompile.comparison import check_graph, check_tensors, computation
from resnet_dsl.decompile.conventions import facts_by_convention
from resnet_dsl.decompile.facts import Hints, NetworkFacts
from resnet_dsl.decompile.graph_facts import NO_NORM, facts_of_graph, stated
from resnet_dsl.decompile.input_file import InputFile, read_input_file
from resnet_dsl.decompile.model_name import checked_name, model_name
from resnet_dsl.decompile.shipped_blocks import with_blocks
from resnet_dsl.decompile.shipped_match import with_tensors
from resnet_dsl.decompile.shipped_texts import shipped_text
from resnet_dsl.decompile.spec_writer import fields_of, text_of
from resnet_dsl.decompile.structure import IN_BLOCK, Structure, read_structure
from resnet_dsl.decompile.syntax_nodes import expression, written_by_hand
from resnet_dsl.decompile.tensors import NotExpressibleError as NotExpressibleError
from resnet_dsl.decompile.tensors import check_kind, layers_of, renamed, without_counters
from resnet_dsl.decompile.translated import Reading, by_place, reading_by_shape, readings
from resnet_dsl.decompile.unfolded import NOTHING_FOLDED, unfolded
from resnet_dsl.decompile.within_wrapper import inner_files
from resnet_dsl.decompile.written_out import narrowed_blocks
from resnet_dsl.diagnostics.errors import CompileError, UsageError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.diagnostics.wording import printable
from resnet_dsl.driver import compile_source
from resnet_dsl.program import Program
from resnet_dsl.records import dataclass, replace
from resnet_dsl.syntax import ast
from resnet_dsl.zoo.asked import Asked
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
OF_SHIPPED = "its blocks are those of the shipped {spec}; what tensors do not tell is taken to be as there"

IF_NOTHING_SAID = (
    "  = help: a shipped spec has just these tensors; it is taken where nothing is said beside the file"
)

STRIDES = ("conv2", "conv1")
MOST_NAMED = 10_000
"""In a file of more tensors no names but ours are tried, and no shipped spec: those have 6,100 at most."""


class QuestionError(UsageError):
    """What tensors leave open and no convention settles: the person has to say, by `hints`."""

    def __init__(self, questions: Mapping[str, str]) -> None:
        self.hints = tuple(questions)
        super().__init__("\n".join(questions.values()))


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
    file = read_input_file(Path(path), Asked(key=key, prefix=prefix, unfold=unfold))
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
    check_kind(file.shapes)
    request = ImportRequest(model, hints or Hints(), known)
    ways = list(_ways(file))
    tried = [_tried(way, reading, request) for way, reading in ways]
    for each in tried:
        if each.question is not None and each.reading is None and not each.is_biased:
            raise each.question
        if each.restored is not None and each.is_sure:
            return each.restored
    others = () if _tells_of_blocks(file) else tried[1:]
    refusal = next((each.refusal for each in others if each.refusal is not None), tried[0].refusal)
    is_small = len(file.shapes) <= MOST_NAMED
    shelved = _from_shelf(file, ways, name, model) if is_small else None
    nothing_said = request.hints == Hints() and not request.settings
    if shelved is not None and nothing_said:
        return shelved
    for each in chain(tried, _by_shape(file, request) if is_small else ()):
        if each.restored is not None:
            return each.restored
        if each.question is not None:
            raise each.question
    assert refusal is not None
    if shelved is not None:
        raise NotExpressibleError(f"{refusal}\n{IF_NOTHING_SAID}")
    raise refusal if file.unfold else _with_help(refusal, ways, request)


@dataclass(frozen=True)
class _Tried:
    """What came of a file read in one way: a spec, a question or a refusal."""

    reading: Reading | None
    restored: Restored | None = None
    question: QuestionError | None = None
    refusal: NotExpressibleError | None = None
    is_biased: bool = False
    """Whether the blocks have biases, as those of some shipped specs do."""

    @property
    def is_sure(self) -> bool:
        """Whether nothing else is likely: a library's names for a network that it has, or all names ours."""
        if self.restored is None or self.is_biased:
            return False
        if self.reading is None:
            return not _has_own_head(self.restored.program)
        return self.reading.refusal(self.restored.program) is None


def _tried(way: InputFile, reading: Reading | None, request: ImportRequest) -> _Tried:
    """Restore a network by the library's blocks; a library whose names it has may say where strides are."""
    biased = any(name.endswith("conv1.bias") and name.startswith("layer") for name in way.shapes)
    try:
        return _Tried(reading, _with_remark(_restored(way, request), reading), is_biased=biased)
    except QuestionError as question:
        answers = [] if reading is None else list(_answers(way, reading, request))
        if len(answers) == 1:
            return _Tried(reading, answers[0], is_biased=biased)
        return _Tried(reading, question=question, is_biased=biased)
    except NotExpressibleError as error:
        told = f"read with {reading.whose}: {error}" if reading else str(error)
        return _Tried(reading, refusal=NotExpressibleError(told), is_biased=biased)


def _answers(way: InputFile, reading: Reading, request: ImportRequest) -> Iterator[Restored]:
    """Yield what the file is with each answer that the library of its names has a network for."""
    for stride_on in STRIDES:
        hints = replace(request.hints, stride_on=stride_on)
        try:
            found = _restored(way, replace(request, hints=hints))
        except (NotExpressibleError, UsageError):
            continue
        if reading.refusal(found.program) is None:
            note = f"the stride of bottlenecks is on {stride_on}, as {reading.library} has it"
            yield _with_remark(replace(found, notes=(*found.notes, note)), reading)


def _by_shape(file: InputFile, request: ImportRequest) -> Iterator[_Tried]:
    """Yield what comes of the file if kinds, shapes and order tell what its names do not."""
    reading = reading_by_shape(file.shapes) if file.graph is None else None
    if reading is not None:
        yield _tried(file.read_as(reading), reading, request)


def _from_shelf(
    file: InputFile, ways: Sequence[tuple[InputFile, Reading | None]], name: str | None, model: str
) -> Restored | None:
    """The shipped spec that has just the file's tensors; else one made of a shipped spec's blocks.

    Of several such that compute the same the shortest is taken: tensors tell no more.
    """
    for way, reading in ways:
        shelved = _shipped(way, name)
        if shelved is not None:
            return _with_remark(shelved, reading)
    if file.graph is not None:
        return None
    comment = f"# Restored from {printable(file.source)}.\n"
    found: dict[Hashable, list[Restored]] = {}
    for way, reading in ways:
        for each in with_blocks(way.shapes, model, comment):
            if reading is None or reading.refusal(each.program) is None:
                notes = (*file.notes, OF_SHIPPED.format(spec=each.spec), *each.notes)
                restored = _with_remark(Restored(each.text, each.program, notes), reading)
                found.setdefault(computation(each.program.graph), []).append(restored)
    if len(found) != 1:
        return None
    (same,) = found.values()
    return min(same, key=lambda restored: restored.text.count("\n"))


def _ways(file: InputFile) -> Iterator[tuple[InputFile, Reading | None]]:
    """Yield what the file holds as it is, under each library's names, and by place; with norms if asked."""
    theirs = readings(file.shapes) if len(file.shapes) <= MOST_NAMED else ()
    found = [*theirs, by_place(file.by_place, file.shapes)]
    ways = [(file, None), *((file.read_as(each), each) for each in found if each is not None)]
    if file.unfold:
        ways = [(whole, each) for way, each in ways if (whole := unfolded(way)) is not None]
        if not ways:
            raise UsageError(NOTHING_FOLDED)
    yield from ways


def _with_help(
    refusal: NotExpressibleError, ways: Sequence[tuple[InputFile, Reading | None]], request: ImportRequest
) -> NotExpressibleError:
    """The refusal, with what to do where the file can be read with norms taken out of its convolutions."""
    for way, _ in ways:
        whole = unfolded(way)
        if whole is None:
            continue
        try:
            _restored(whole, request)
        except (NotExpressibleError, UsageError):
            continue
        return NotExpressibleError(f"{refusal}\n{WITH_NORMS}")
    return refusal


def _tells_of_blocks(file: InputFile) -> bool:
    """Whether the names tell where layers are, and those of no layer of a block were lost."""
    lost = (ours for ours, theirs in file.by_place.items() if not IN_BLOCK.match(theirs))
    return any(map(IN_BLOCK.fullmatch, file.shapes)) and not any(map(IN_BLOCK.match, lost))


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
    """The shipped spec that has the file's tensors and graph; of those that compute the same the first."""
    found: dict[Hashable, Program] = {}
    for program in with_tensors(file.shapes):
        if _has_graph_of(program, file):
            found.setdefault(computation(program.graph), program)
    if len(found) != 1:
        return None
    (spec,) = (program.name for program in found.values())
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
    beside = {"frozen": list(network.freeze), "preprocess": dict(network.preprocess)}
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
        raise QuestionError(facts.questions)
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
