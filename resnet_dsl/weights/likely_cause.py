"""Why weights do not fit, in one sentence, and what would help: the likeliest of what is seen most often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from resnet_dsl.backend.contents import Contents
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.wording import counted, dimensions, printable
from resnet_dsl.program import Program
from resnet_dsl.records import dataclass, replace
from resnet_dsl.weights.match_report import MatchReport
from resnet_dsl.weights.opening import as_ours
from resnet_dsl.weights.tensor_facts import TensorFacts
from resnet_dsl.zoo.asked import Asked
from resnet_dsl.zoo.candidates import HEAD
from resnet_dsl.zoo.prefixes import leading
from resnet_dsl.zoo.whose_names import OURS, whose_names

DIMENSIONS = {1: "one-dimensional", 3: "three-dimensional"}
PREFIXES = 4
"""So many prefixes are tried."""
MOST_OF = 0.8
"""A prefix is the cause if this share of the tensors fit without it."""
MOST = 6_000
"""In a larger file no other prefix is tried."""


@dataclass(frozen=True)
class Cause:
    """A sentence, and what helps; `is_plain` if the list of what does not fit says as much."""

    sentence: str
    help: str = ""
    is_plain: bool = False


def explained(
    report: MatchReport, given: Contents, ours: Contents, program: Program, asked: Asked
) -> MatchReport:
    """Return the report with the likely cause of what does not fit; `ours` is what became of the `given`."""
    report = replace(report, ways=ours.ways)
    if report.fits:
        return report
    cause = next(_causes(report, given, ours, program, asked), None)
    if cause is None:
        return report
    return replace(report, cause=cause.sentence, cause_is_plain=cause.is_plain, cause_help=cause.help)


def _causes(
    report: MatchReport, given: Contents, ours: Contents, program: Program, asked: Asked
) -> Iterator[Cause]:
    facts = TensorFacts(ours.tensors)
    if facts.quantised:
        norms = "" if facts.batch_norms else ", and its norms are within the convolutions"
        yield Cause(
            f"it is a quantised model ({facts.quantised}): its weights are whole numbers with scales{norms}",
            "start from the float weights that it was made from",
        )
    if facts.axes != 2:
        word = DIMENSIONS.get(facts.axes, f"{facts.axes}-dimensional")
        kernel = next(shape for shape in facts.convolutions.values() if len(shape) == facts.axes + 2)
        yield Cause(
            f"its convolutions are {word} ({dimensions(kernel)}); those of the language have two dimensions"
        )
    if report.advice:
        yield Cause(report.advice)
    if asked.prefix is None and len(ours.tensors) <= MOST:
        yield from _behind_a_prefix(report, given, ours, program, asked)
    yield from _at_the_ends(report, ours, program)
    if not report.lacking:
        names = [each.name for each in report.mismatches["unexpected"]]
        some = ", ".join(printable(name) for name in names[:3]) + (", …" if len(names) > 3 else "")
        yield Cause(
            f"the file has {counted(len(names), 'tensor')} more: {some}", "--partial leaves them aside"
        )
    yield from _of_another(report, ours, program)


def _behind_a_prefix(
    report: MatchReport, given: Contents, ours: Contents, program: Program, asked: Asked
) -> Iterator[Cause]:
    wanted = {name: parameter.shape for name, parameter in program.graph.parameters()}
    best, most = "", len(report.fitting)
    for prefix in leading(ours.tensors)[:PREFIXES]:
        try:
            found = as_ours(given, program, replace(asked, prefix=prefix)).tensors
        except UsageError:
            continue
        fitting = sum(name in found and tuple(found[name].shape) == shape for name, shape in wanted.items())
        if fitting > max(most, MOST_OF * len(wanted)):
            best, most = prefix, fitting
    if best:
        front = printable(best)
        fit = f"{most} of {counted(report.total, 'tensor')}"
        yield Cause(f"without the prefix `{front}` {fit} fit", f"--prefix {front}")


def _at_the_ends(report: MatchReport, ours: Contents, program: Program) -> Iterator[Cause]:
    """Yield that nothing but the classifier or the first convolution is another."""
    wanted = {name: parameter.shape for name, parameter in program.graph.parameters()}
    strange = {kind for kind, found in report.mismatches.items() if found} - {"misshapen"}
    misshapen = {each.name for each in report.mismatches["misshapen"]}
    lost = misshapen | {each.name for each in report.mismatches["missing"]}
    head = {name for node in program.graph.nodes if node.part == HEAD for name, _ in node.parameters()}
    if not lost:
        return
    if lost <= head and not strange:
        name = max(lost, key=lambda name: len(wanted[name]))
        there = ours.tensors[name].shape
        what = (
            f"{there[0]:,} classes, not {wanted[name][0]:,}"
            if there and there[1:] == wanted[name][1:]
            else "another shape"
        )
        yield Cause(f"its classifier has {what}", is_plain=True)
    elif lost <= head and strange <= {"missing"} and not misshapen:
        yield Cause("it has no classifier", "--partial starts that from a seed", True)
    elif lost <= head and strange <= {"missing", "unexpected"}:
        others = ", ".join(printable(each.name) for each in report.mismatches["unexpected"][:3])
        what = f"its head is another one{': ' if others else ''}{others}"
        yield Cause(what, "--partial starts ours from a seed", True)
    first = next(program.graph.parameters())[0]
    if lost == {first} and not strange and len(ours.tensors[first].shape) > 1:
        channels = ours.tensors[first].shape[1:2]
        yield Cause(
            f"its first convolution takes {counted(channels[0], 'channel')}, not {wanted[first][1]}",
            is_plain=True,
        )


def _of_another(report: MatchReport, ours: Contents, program: Program) -> Iterator[Cause]:
    lost, strange = (Counter(e.detail for e in report.mismatches[kind]) for kind in ("missing", "unexpected"))
    if lost and lost == strange:
        first = report.mismatches["missing"][0]
        alike = [each.name for each in report.mismatches["unexpected"] if each.detail == first.detail]
        last = first.name.rpartition(".")[2]
        there = next((name for name in alike if name.endswith(last)), alike[0])
        yield Cause(
            f"the rest has the same shapes under other names: {first.name} may be {printable(there)}",
            "--name LAYER=NAME says what a layer is called there",
        )
    whose = whose_names(ours.tensors) if not report.fitting else None
    if whose is not None and whose.libraries != (OURS,):
        libraries = " or ".join(name or "ours" for name in whose.libraries)
        yield Cause(f"its names are those of {libraries}, and the network is another than {program.name}")
