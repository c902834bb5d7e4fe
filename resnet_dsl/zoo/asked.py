"""What a person asks of weights that are given: how they are to be read, and what is to be made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypedDict

Called = Mapping[str, str]
"""What layers are called in a file, by their paths here."""


@dataclass(frozen=True)
class Asked:
    """How weights are to be read.

    `names` is the library whose names they have, `called` what layers are called otherwise there. `partial`
    takes what fits and leaves the rest. `key` is the entry of a container, such as `state_dict_ema`, that
    they are, `prefix` what stands before those names that are meant. `unfold` takes norms that were
    folded into the layers before them out again, exact in evaluation alone.
    """

    partial: bool = False
    names: str | None = None
    called: Called = field(default_factory=dict)
    key: str | None = None
    prefix: str | None = None
    unfold: bool = False

    @property
    def needs_weights(self) -> str:
        """What is said that makes sense of weights alone, empty if nothing."""
        said: dict[str, object] = {"names": self.names, "called": self.called}
        said |= {"key": self.key, "prefix": self.prefix, "unfold": self.unfold}
        return next((name for name, value in said.items() if value), "")


NOTHING = Asked()


class AskedWords(TypedDict, total=False):
    """The same as keyword arguments."""

    partial: bool
    names: str | None
    called: Called | None
    key: str | None
    prefix: str | None
    unfold: bool


def asked_in(words: AskedWords) -> Asked:
    """Return what keyword arguments ask for; None says nothing."""
    said = {name: value for name, value in words.items() if value is not None}
    return Asked(**said)  # type: ignore[arg-type]
