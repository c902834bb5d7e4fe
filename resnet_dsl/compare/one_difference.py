"""One thing that differs between two networks, at all its places."""

from __future__ import annotations

from typing import Literal

from resnet_dsl.records import dataclass

About = Literal["computes", "training", "start", "beside"]
"""What a difference is of: the result, training alone, the initial weights, what is said beside the net."""
DifferenceKind = Literal["argument", "moved", "steps", "ways", "blocks", "count", "property"]
SIGNS: dict[DifferenceKind, str] = {"argument": "=", "moved": " on ", "ways": " takes ", "steps": "="}
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
