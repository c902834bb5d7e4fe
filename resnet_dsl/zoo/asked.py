"""What a person asks of weights that are given: how they are to be read, and what is to be made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict

from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.suggest import did_you_mean
from resnet_dsl.diagnostics.wording import printable
from resnet_dsl.records import dataclass, field

Called = Mapping[str, str]
"""What layers are called in a file, by their paths here."""
Classes = str | slice | Sequence[int]
"""Rows of a classifier: as text (`1:`, `3,1,2`), or as Python has them."""
LISTED = 16
FORMS = ("weight_norm", "spectral_norm", "masks")
"""What may keep a weight in parts, in a file of torch."""


@dataclass(frozen=True)
class Asked:
    """How weights are to be read.

    `names` is the library whose names they have, `called` what layers are called otherwise there. `partial`
    takes what fits and leaves the rest. `key` is the entry of a container, such as `state_dict_ema`, that
    they are, `prefix` what stands before those names that are meant. `unfold` takes norms that were
    folded into the layers before them out again, exact in evaluation alone.

    `apply` are the forms that weights in parts are put together from, `adapt_input` makes the first
    convolution one of as many input channels as the model has, `classes` are the rows of the classifier
    that are those of the model.
    """

    partial: bool = False
    names: str | None = None
    called: Called = field(default_factory=dict)
    key: str | None = None
    prefix: str | None = None
    unfold: bool = False
    apply: tuple[str, ...] = ()
    adapt_input: bool = False
    classes: Classes | None = None

    @property
    def needs_weights(self) -> str:
        """What is said that makes sense of weights alone, empty if nothing."""
        said: dict[str, object] = {
            "names": self.names,
            "called": self.called,
            "key": self.key,
            "prefix": self.prefix,
        }
        said |= {"unfold": self.unfold}
        return next((name for name, value in (said | self.arithmetic).items() if value), "")

    @property
    def arithmetic(self) -> dict[str, object]:
        """What is to be computed of the weights, by the name of each word that says so."""
        classes = None if self.classes is None else shown(self.classes)
        said = {"apply": list(self.apply), "adapt_input": self.adapt_input, "classes": classes}
        return {name: value for name, value in said.items() if value not in ([], False, None)}


NOTHING = Asked()


class AskedWords(TypedDict, total=False):
    """The same as keyword arguments."""

    partial: bool
    names: str | None
    called: Called | None
    key: str | None
    prefix: str | None
    unfold: bool
    apply: str | Iterable[str] | None
    adapt_input: bool
    classes: Classes | None


def asked_in(words: AskedWords) -> Asked:
    """Return what keyword arguments ask for; None says nothing."""
    said: dict[str, object] = {name: value for name, value in words.items() if value is not None}
    if "apply" in said:
        said["apply"] = forms_in(words["apply"])
    return Asked(**said)  # type: ignore[arg-type]


def forms_in(given: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return the forms that a text with commas, or several texts, name; raises UsageError for any other."""
    if given is None:
        return ()
    parts = given.split(",") if isinstance(given, str) else list(given)
    for part in parts:
        if part not in FORMS:
            hint = did_you_mean(part, FORMS) or f"there are {', '.join(FORMS)}"
            raise UsageError(f"--apply (in Python, apply=): no form `{printable(part)}`; {hint}")
    return tuple(form for form in FORMS if form in parts)


def shown(classes: Classes) -> str:
    """Return rows of a classifier as a command line has them."""
    if isinstance(classes, str):
        return printable(classes)
    if isinstance(classes, slice):
        ends = [classes.start, classes.stop] + ([] if classes.step is None else [classes.step])
        return ":".join("" if end is None else str(end) for end in ends)
    return printable(",".join(map(str, classes[:LISTED])) + (",…" if len(classes) > LISTED else ""))
