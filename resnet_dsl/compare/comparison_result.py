"""What a comparison of two networks comes to: differences, each told once, and what is said beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

About = Literal["computes", "training", "start", "beside"]
"""What a difference is of: the result, training alone, the initial weights, what is said beside the net."""
DifferenceKind = Literal["argument", "moved", "steps", "ways", "blocks", "count", "property"]
SIGNS: dict[DifferenceKind, str] = {"argument": "=", "moved": " on ", "ways": " takes ", "steps": "="}


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
            return f"{self.where}: {self.a} {self.what} against {self.b}"
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

    @property
    def paths(self) -> tuple[frozenset[str], frozenset[str]]:
        """The canonical paths of all steps that differ, on either side."""
        a = (path for each in self.differences for path in each.paths_a)
        b = (path for each in self.differences for path in each.paths_b)
        return frozenset(a), frozenset(b)
