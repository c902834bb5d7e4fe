"""What a comparison of two networks comes to: differences, each told once, and what is said beside them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import asdict
from typing import Any, Literal

from resnet_dsl.diagnostics.wording import counted
from resnet_dsl.printing.table import aligned
from resnet_dsl.records import dataclass

About = Literal["computes", "training", "start", "beside"]
"""What a difference is of: the result, training alone, the initial weights, what is said beside the net."""
DifferenceKind = Literal["argument", "moved", "steps", "ways", "blocks", "count", "property"]
SIGNS: dict[DifferenceKind, str] = {"argument": "=", "moved": " on ", "ways": " takes ", "steps": "="}


TITLES: dict[About, str] = {
    "computes": "what they compute",
    "training": "training alone",
    "start": "how they start",
    "beside": "beside the network",
}
NONE = "nothing"
"""What a side has that has none of the steps that the other has."""


@dataclass(frozen=True)
class NetworkDifference:
    """One thing that differs, at all its places.

    `what` is the argument or property, `op` the op that it is of, where there is one. `a` and `b` are how
    it is on either side, in the words of the language. `paths_a` and `paths_b` are the canonical paths of
    the steps it is about, `in_tensors` says whether a file of weights tells it. `details` say in steps
    what `a` and `b` say in the words of a block.
    """

    kind: DifferenceKind
    about: About
    where: str
    what: str
    op: str
    a: str
    b: str
    paths_a: tuple[str, ...]
    paths_b: tuple[str, ...]
    in_tensors: bool
    details: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The difference as one line."""
        if self.kind == "count":
            what = self.what.removesuffix("s") if self.a == "1" else self.what
            return f"{self.where}: {self.a} {what} against {self.b}"
        what = f"{self.what}{SIGNS.get(self.kind, ' ')}" if self.what else ""
        return f"{self.where}: {what}{self.a} against {self.b}"


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


# --- text and JSON ---------------------------------------------------------------------------------


def _lines(found: Comparison) -> Iterator[str]:
    a, b = found.a.name, found.b.name
    files = "these files" if len(found.files) > 1 else "".join(found.files)
    limit = f", as far as {files} can tell" if files else ""
    if found.same:
        yield f"{a} and {b} mean the same{limit}"
    else:
        yield f"{a} against {b}: {counted(len(found.differences), 'difference')}{limit}"
    for about, title in TITLES.items():
        differences = [each for each in found.differences if each.about == about]
        yield from _section(title, differences)
    if found.unsaid:
        yield ""
        subjects = dict.fromkeys(map(_subject, found.unsaid))
        yield f"not told by {files}: {', '.join(subjects)}"
    if found.notes:
        yield ""
        yield from (f"note: {note}" for note in found.notes)
    yield ""
    yield from aligned([_figures(found, name) for name in ("params", "macs")])


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
