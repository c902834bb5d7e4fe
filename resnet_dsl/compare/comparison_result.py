"""What a comparison of two networks comes to: differences, each told once, and what is said beside them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import asdict
from typing import Any

from resnet_dsl.codegen.seal import sealed
from resnet_dsl.compare.one_difference import NONE, About, NetworkDifference
from resnet_dsl.diagnostics.wording import counted
from resnet_dsl.printing.table import aligned
from resnet_dsl.program import Program
from resnet_dsl.records import dataclass, field

TITLES: dict[About, str] = {
    "computes": "what they compute",
    "training": "training alone",
    "start": "how they start",
    "beside": "beside the network",
}


@dataclass(frozen=True)
class Figures:
    """A side of a comparison as a whole."""

    name: str
    model: str
    params: int
    macs: int | None


@dataclass(frozen=True)
class Comparison:
    """Two networks: whether they mean the same, and if not, what differs.

    `unsaid` are differences of what `files` do not tell; `notes` are sentences on names and files.
    """

    a: Figures
    b: Figures
    differences: tuple[NetworkDifference, ...]
    programs: tuple[Program, Program] = field(compare=False, repr=False)
    unsaid: tuple[NetworkDifference, ...] = ()
    files: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """Whether nothing differs that either side tells."""
        return not self.differences

    def __str__(self) -> str:
        """What differs, a line each, by what it is of; then the figures of both."""
        return "\n".join(_lines(self))

    @property
    def paths(self) -> tuple[frozenset[str], frozenset[str]]:
        """The canonical paths of all steps that differ, on either side."""
        a = (path for each in self.differences for path in each.paths_a)
        b = (path for each in self.differences for path in each.paths_b)
        return frozenset(a), frozenset(b)

    def draw(self, format: str = "svg", *, prefix: str = "") -> str:
        """Return a picture of the second network with what differs marked, and of the first what differs.

        `format` and `prefix` are as for `Model.draw`.
        """
        from resnet_dsl.compare.marked_picture import marked_picture
        from resnet_dsl.drawing.writers import id_prefix, writer  # who compares as text draws nothing

        names, said = (self.a.name, self.b.name), [*_said_beside(self)]
        picture = marked_picture(self.programs, names, self.differences, said, id_prefix(prefix))
        return sealed(writer(format)(picture))


# --- text and JSON ---------------------------------------------------------------------------------


def _lines(found: Comparison) -> Iterator[str]:
    names = "" if found.same else f"{found.a.name} against {found.b.name}: "
    yield f"{names}{conclusion(found)}"
    for about, title in TITLES.items():
        differences = [each for each in found.differences if each.about == about]
        yield from _section(title, differences)
    if found.unsaid:
        yield ""
        yield unsaid_line(found)
    if found.notes:
        yield ""
        yield from (f"note: {note}" for note in found.notes)
    yield ""
    yield from aligned([_figures(found, name) for name in ("params", "macs")])


def conclusion(found: Comparison) -> str:
    """Return how many differences there are, as far as files can tell."""
    limit = f", as far as {_files(found)} can tell" if found.files else ""
    if found.same:
        return f"{found.a.name} and {found.b.name} mean the same{limit}"
    return f"{counted(len(found.differences), 'difference')}{limit}"


def unsaid_line(found: Comparison) -> str:
    """Return what files do not tell."""
    subjects = dict.fromkeys(map(_subject, found.unsaid))
    return f"not told by {_files(found)}: {', '.join(subjects)}"


def _said_beside(found: Comparison) -> Iterator[str]:
    """Yield what is said beside the differences: first how many there are."""
    yield conclusion(found)
    if found.unsaid:
        yield unsaid_line(found)
    yield from (f"note: {note}" for note in found.notes)


def _files(found: Comparison) -> str:
    return "these files" if len(found.files) > 1 else "".join(found.files)


def _section(title: str, differences: list[NetworkDifference]) -> Iterator[str]:
    if differences:
        yield ""
        yield title
    for each in differences:
        yield f"  {each.text}"
        yield from (f"    {detail}" for detail in each.details)


def _subject(difference: NetworkDifference) -> str:
    """What a difference is about, in a word: an argument, or the steps that one side has."""
    if difference.kind == "property":
        return f"{difference.where} {difference.what}".strip()
    if difference.what:
        return difference.what
    return difference.b if difference.a == NONE else difference.a


def _figures(found: Comparison, name: str) -> tuple[str, str]:
    title = {"params": "parameters", "macs": "multiply-adds"}[name]
    a, b = (_number(side, name, found.files) for side in (found.a, found.b))
    return title, f"{a} in both" if a == b else f"{a} against {b}"


def _number(side: Figures, name: str, files: Collection[str]) -> str:
    value = getattr(side, name)
    if value is None:
        return "not told" if side.name in files else "open"
    return f"{value:,}"


def difference_facts(found: Comparison) -> dict[str, Any]:
    """Return a comparison as JSON has it."""
    a, b = found.paths
    return {
        "a": asdict(found.a),
        "b": asdict(found.b),
        "same": found.same,
        "differences": [_facts(each) for each in found.differences],
        "unsaid": [_facts(each) for each in found.unsaid],
        "notes": list(found.notes),
        "paths": {"a": sorted(a), "b": sorted(b)},
    }


def _facts(difference: NetworkDifference) -> dict[str, Any]:
    return {
        "text": difference.text,
        "kind": difference.kind,
        "about": difference.about,
        "where": difference.where,
        "what": difference.what,
        "op": difference.op,
        "a": difference.a,
        "b": difference.b,
        "details": list(difference.details),
        "paths": {"a": list(difference.paths_a), "b": list(difference.paths_b)},
    }
