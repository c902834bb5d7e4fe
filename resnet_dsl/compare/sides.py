"""What is compared: a spec, a shipped name or a file, each as a program and what of that it tells.

A file of tensors is the other network if it has just its tensors; else it is the spec that `import`
restores, of several that the tensors leave open the one that is most like the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from resnet_dsl.compare.comparison_result import Comparison, Figures
from resnet_dsl.compare.network_differences import UNSAID, compared
from resnet_dsl.compare.one_difference import NetworkDifference
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.driver import compile_spec
from resnet_dsl.program import Program
from resnet_dsl.records import dataclass, field, replace
from resnet_dsl.shipped import SUFFIX
from resnet_dsl.zoo.asked import NOTHING, Asked

if TYPE_CHECKING:
    from resnet_dsl.api import Model
    from resnet_dsl.decompile.input_file import InputFile
    from resnet_dsl.weights.match_report import MatchReport

Tells = Literal["all", "graph", "tensors"]
"""How much of a network a side tells: a spec everything, a graph what is computed, tensors their shapes."""
LISTED = 8
ANSWERS = {"stride_on": ("conv2", "conv1"), "shortcut": ("A", "A(side=both)", "none")}
"""What may be said of what tensors leave open, by the hint of `import`."""


@dataclass(frozen=True)
class SideRequest:
    """What a person says of one side: a path, `-`, a shipped name or a program, and how it is to be read."""

    spec: str | Path | Program
    model: str | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    asked: Asked = NOTHING

    @property
    def name(self) -> str:
        """What the side is called: the settings set it apart from the same spec without them."""
        if isinstance(self.spec, Program):
            return self.spec.name
        said = ", ".join(f"{name}={value}" for name, value in self.settings.items())
        front = Path(self.spec).name if Path(self.spec).is_file() else str(self.spec)
        return " ".join(word for word in (front, self.model or "", f"({said})" if said else "") if word)

    @property
    def is_file(self) -> bool:
        """Whether it is a file of weights or a graph, and no text."""
        if isinstance(self.spec, Program) or str(self.spec) == "-":
            return False
        return self.path.suffix != SUFFIX and self.path.is_file() and _holds_tensors(self.path)

    @property
    def path(self) -> Path:
        """The path of a file."""
        assert not isinstance(self.spec, Program)
        return Path(self.spec)


@dataclass(frozen=True)
class Side:
    """One side: its program, how much of it is told, and what there is to say of that.

    A side that is `fitted` is the other network, as its file has just the tensors of that.
    """

    program: Program
    tells: Tells = "all"
    notes: tuple[str, ...] = ()
    fitted: bool = False

    def figures(self, found: Figures) -> Figures:
        """Return the figures as far as they are told: tensors tell no size of a map."""
        return found if self.tells != "tensors" or self.fitted else replace(found, macs=None)


def compare(a: SideRequest, b: SideRequest) -> Comparison:
    """Return what differs between two sides, as far as both tell it."""
    files = [_opened(side) if side.is_file else None for side in (a, b)]
    known = [None if file is not None else _compiled(side) for side, file in zip((a, b), files, strict=True)]
    if known[0] is None and files[0] is not None:
        known[0] = _restored(a, files[0], known[1])
    if known[1] is None and files[1] is not None:
        known[1] = _restored(b, files[1], known[0])
    mine, theirs = known
    assert mine is not None
    assert theirs is not None
    found = compared(mine.program, theirs.program, (a.name, b.name))
    notes = (*found.notes, *mine.notes, *theirs.notes)
    unsaid = tuple(each for each in found.differences if not _is_said(each, mine, theirs))
    said = tuple(each for each in found.differences if each not in unsaid)
    limited = tuple(side.name for side, file in zip((a, b), files, strict=True) if file is not None)
    figures = mine.figures(found.a), theirs.figures(found.b)
    return Comparison(*figures, said, found.programs, unsaid, limited, notes)


def _is_said(difference: NetworkDifference, a: Side, b: Side) -> bool:
    """Whether both sides tell what differs."""
    for side, value in ((a, difference.a), (b, difference.b)):
        if side.tells == "tensors" and not difference.in_tensors:
            return False
        of_spec = difference.about in ("training", "start") or difference.where == "input"
        if side.tells == "graph" and (of_spec or value == UNSAID):
            return difference.in_tensors
    return True


def diff(
    a: str | Path | Model,
    b: str | Path | Model,
    /,
    *,
    key: str | None = None,
    prefix: str | None = None,
    unfold: bool = False,
) -> Comparison:
    """Return what differs between two networks: specs, shipped names, files of weights or ONNX, or models.

    `str` of it is what the command shows. `key`, `prefix` and `unfold` say how files are to be read.
    Raises CompileError for a spec that is wrong, UsageError for what cannot be read or compared.
    """
    asked = Asked(key=key, prefix=prefix, unfold=unfold)
    mine, theirs = (
        SideRequest(side if isinstance(side, str | Path) else side.program, asked=asked) for side in (a, b)
    )
    return compare(mine, theirs)


def _compiled(side: SideRequest) -> Side:
    if isinstance(side.spec, Program):
        return Side(side.spec)
    return Side(compile_spec(side.spec, side.model, side.settings))


# --- files ---------------------------------------------------------------------------------------


def _holds_tensors(path: Path) -> bool:
    """Whether a file is known by its first bytes or its name as one of weights, or is no text."""
    from resnet_dsl.weights.formats.registry import formats
    from resnet_dsl.weights.formats.signatures import FIRST, kind_of, other_kind

    try:
        with path.open("rb") as file:
            head = file.read(FIRST)
    except OSError:
        return False  # whoever reads it as a text says why it cannot be read
    named = path.name.lower().endswith((*formats(), ".keras"))
    return named or bool(kind_of(path, head) or other_kind(path, head))


def _opened(side: SideRequest) -> InputFile:
    from resnet_dsl.decompile.input_file import read_input_file

    if side.settings or side.model:
        raise UsageError(f"{side.spec}: a file of weights or a graph has no model or settings to choose")
    return read_input_file(side.path, side.asked)


def _restored(side: SideRequest, file: InputFile, other: Side | None) -> Side:
    """The network of a file, as like the other side as the file allows."""
    from resnet_dsl.decompile.tensors import NotExpressibleError

    report = _report(side, other) if file.graph is None and other is not None else None
    if other is not None and report is not None and report.fits:
        note = _fitting(side.name, other.program, report.total)
        return Side(other.program, "tensors", (note,), fitted=True)
    tells: Tells = "tensors" if file.graph is None else "graph"
    try:
        sides = [
            Side(program, tells, (f"{side.name} leaves open what is taken as {answer}",) if answer else ())
            for program, answer in _readings(file)
        ]
    except NotExpressibleError as error:
        held = "" if report is None else f"\nheld against {report.model}: {report.text()}"
        raise UsageError(f"{side.spec}: cannot be written as a spec to compare: {error}{held}") from None
    except UsageError as error:
        raise UsageError(f"{side.spec}: {error}") from None
    if other is None or len(sides) == 1:
        return sides[0]
    return min(sides, key=lambda each: len(compared(each.program, other.program).differences))


def _report(side: SideRequest, other: Side) -> MatchReport | None:
    """The file's tensors held against the other network; None where their names are unknown."""
    from resnet_dsl.weights.source import examine

    try:
        return examine(side.path, other.program, side.asked)[1]
    except UsageError:
        return None  # names that are nobody's; `import` may know them by their shapes


def _fitting(name: str, program: Program, total: int) -> str:
    """Say that the tensors are just those of a network, and of which shipped ones else they are."""
    from resnet_dsl.decompile.shipped_match import with_tensors

    shapes = {name: tensor.shape for name, tensor in program.graph.parameters()}
    others = [each.name for each in with_tensors(shapes) if each.name != program.name]
    listed = ", ".join(others[:LISTED]) + (
        f" and {len(others) - LISTED} more" if len(others) > LISTED else ""
    )
    also = f", and those of the shipped {listed}" if others else ""
    untold = "what has no tensor, such as strides, padding, eps and activations, is not told"
    return f"all {total:,} tensors of {name} are those of {program.name}{also}; {untold}"


def _readings(file: InputFile) -> Iterator[tuple[Program, str]]:
    """Yield what the file may be, with each answer to what tensors leave open."""
    from resnet_dsl.decompile.facts import Hints
    from resnet_dsl.decompile.pipeline import NotExpressibleError, QuestionError, restore_within

    try:
        yield restore_within(file).program, ""
        return
    except QuestionError as error:
        question = error
    count = 0
    for answers in product(*(ANSWERS[hint] for hint in question.hints)):
        said = dict(zip(question.hints, answers, strict=True))
        try:
            yield restore_within(file, hints=Hints(**said)).program, " ".join(map("=".join, said.items()))
            count += 1
        except (NotExpressibleError, UsageError):
            continue  # no network with this answer
    if not count:
        raise question
