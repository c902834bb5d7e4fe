"""What tensors cannot tell, as a question to whoever knows: a convention, a person or a graph."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from resnet_dsl.decompile.structure import Structure


@dataclass(frozen=True)
class Hints:
    """What the person says: texts of the language, empty where nothing is said."""

    stride_on: str = ""
    shortcut: str = ""
    input: str = ""


@dataclass
class Evidence(ABC):
    """Answers for one file: `notes` by field are what was assumed, `questions` are for the person."""

    structure: Structure
    given: Hints
    notes: dict[str, str] = field(default_factory=dict)
    questions: list[str] = field(default_factory=list)

    @abstractmethod
    def input(self) -> str:
        """Return `input:` of the spec."""

    @abstractmethod
    def stem(self) -> list[str]:
        """Return the steps of the stem."""

    @abstractmethod
    def head(self) -> list[str]:
        """Return the steps of the head, none without one."""

    @abstractmethod
    def strides(self) -> list[int]:
        """Return the stride of each stage."""

    @abstractmethod
    def stride_on(self) -> str:
        """Return which convolution of a bottleneck has the stride: conv1 or conv2."""

    @abstractmethod
    def bare_shortcut(self) -> str:
        """Return the shortcut of a net without projections: B where identities are enough."""

    @abstractmethod
    def pools(self) -> bool:
        """Return whether the bare projections of pre-activation have a pool before them."""

    @abstractmethod
    def dilations(self) -> list[tuple[int, int]]:
        """Return the dilation of each stage, in its first block and in the others."""

    @abstractmethod
    def norm(self) -> str:
        """Return the norm of the blocks."""

    @abstractmethod
    def act(self) -> str:
        """Return the activation of the blocks."""

    @abstractmethod
    def antialias(self) -> str:
        """Return what smooths before a stride."""

    def others(self) -> dict[str, str]:
        """Return further fields."""
        return {}


def numbered(path: str, step: str, expected: str) -> str:
    """Return a step, with a label where it is not called as it would be."""
    return step if path == expected else f"{path}: {step}"
