"""What a file of weights is: who made it, what lies in it, and what its tensors tell of a network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from math import prod

from resnet_dsl.backend.contents import KEY, Contents
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.wording import counted, printable
from resnet_dsl.records import dataclass, field, replace
from resnet_dsl.weights.opening import opened
from resnet_dsl.weights.tensor_facts import TensorFacts
from resnet_dsl.zoo.asked import Asked
from resnet_dsl.zoo.whose_names import OURS, WhoseNames, whose_names

AVERAGE = "ema"
PRODUCER = "producer"
MADE_BY = "made by"
# Words of trainers among what a checkpoint has beside its tensors, and who writes them.
TRAINERS = {
    "pytorch-lightning_version": "Lightning",
    "ds_version": "DeepSpeed",
}
SECOND = re.compile(r"\.[0-9]+\.conv2$")
"""A second convolution of a block: those of residual networks have norms, whoever wrote them."""
LISTED = 4


@dataclass(frozen=True)
class NetworkFound:
    """Which network the tensors are of: a sentence, the shipped specs that have them, its numbers."""

    sentence: str
    shipped: tuple[str, ...] = ()
    stages: tuple[int, ...] = ()
    widths: tuple[int, ...] = ()
    command: str = ""
    """What writes its spec."""


@dataclass(frozen=True)
class Description:
    """A file of weights in words and numbers."""

    producer: str
    entries: Mapping[str, int]
    """How many tensors each dictionary of tensors has, by key."""
    entry: str
    """The one that the rest is about."""
    beside: tuple[str, ...]
    averages: tuple[str, ...]
    """The entries that are averages of weights over training."""
    libraries: tuple[str, ...]
    prefix: str
    known: int
    others: tuple[str, ...]
    """Layers whose names are none of those."""
    input_channels: int | None
    classes: Mapping[str, int]
    dtypes: Mapping[str, int]
    batch_norms: int
    other_norms: int
    folded: bool
    """Whether norms were folded into convolutions: blocks that have norms here have biases alone there."""
    convolutions: int
    biased: int
    axes: int
    quantised: str
    parted: tuple[str, ...]
    flat: bool
    """Whether no name tells of a layer."""
    ways: tuple[str, ...] = field(default=())
    network: NetworkFound | None = None

    def facts(self) -> dict[str, object]:
        """Return it as JSON has it."""
        return asdict(self)


def taken(contents: Contents, asked: Asked) -> tuple[Contents, str, bool]:
    """Return the tensors that a description is of, the entry they lie in, and whether it had to be chosen.

    Of several entries that differ it is the largest where none is asked for.
    """
    try:
        found = opened(contents, asked)
    except UsageError:
        if asked.key or len(contents.entries) < 2:
            raise
        largest = max(contents.entries, key=lambda key: len(contents.entries[key].tensors))
        return opened(contents, replace(asked, key=largest)), largest, True
    return found, asked.key or next(iter(contents.entries), ""), False


def described(contents: Contents, found: Contents, entry: str) -> Description:
    """Return what a file is; `found` are the tensors of its `entry` without a wrapper's parts of names."""
    facts = TensorFacts(found.tensors)
    whose = whose_names(found.tensors) or WhoseNames((), "", 0, ())
    return Description(
        _producer(contents, found),
        {key: len(each.tensors) for key, each in contents.entries.items()},
        entry,
        found.beside,
        tuple(key for key in contents.entries if AVERAGE in key.lower()),
        tuple("resnet-dsl" if name == OURS else name for name in whose.libraries),
        whose.prefix,
        whose.known,
        whose.others,
        facts.input_channels,
        facts.classifiers,
        facts.dtypes,
        facts.batch_norms,
        facts.other_norms,
        bool(found.refused) or (facts.is_folded and any(SECOND.search(layer) for layer in facts.kernels)),
        len(facts.convolutions),
        len(facts.biased),
        facts.axes,
        facts.quantised,
        tuple(facts.parted),
        bool(found.tensors) and "" in facts.layers and len(facts.layers) == 1,
        found.ways,
    )


def _producer(contents: Contents, found: Contents) -> str:
    ours = contents.metadata.get(KEY)
    if isinstance(ours, dict):
        return f"resnet-dsl {printable(str(ours.get('version', '')))}"
    if producer := contents.metadata.get(PRODUCER):
        return printable(str(producer))
    return next((who for word, who in TRAINERS.items() if word in found.beside), "")


def elements(contents: Contents) -> int:
    """Return how many numbers there are."""
    return sum(prod(stored.shape) for stored in contents.tensors.values())


def listed(names: tuple[str, ...]) -> str:
    """Return the first of some names."""
    more = len(names) - LISTED
    text = ", ".join(printable(name) for name in names[:LISTED])
    return f"{text} and {more:,} more" if more > 0 else text


def sentences(about: Description) -> dict[str, str]:
    """Return what a person should know, a line each by its subject."""
    found = {
        MADE_BY: about.producer,
        "holds": _entries(about),
        "names": _names(about),
        "network": "" if about.network is None else about.network.sentence,
        "input": "" if about.input_channels is None else counted(about.input_channels, "channel"),
        "classes": ", ".join(f"{count:,} ({printable(layer)})" for layer, count in _few(about.classes)),
        "norms": _norms(about),
        "weights": _weights(about),
    }
    return {subject: text for subject, text in found.items() if text}


def _few(classes: Mapping[str, int]) -> list[tuple[str, int]]:
    return list(classes.items())[:LISTED]


def _entries(about: Description) -> str:
    if not about.entries:
        return ""
    if len(about.entries) == 1:
        text = f"the tensors are in its `{printable(about.entry)}`"
    else:
        average = dict.fromkeys(about.averages, ", an average")
        each = ", ".join(
            f"`{printable(key)}` ({counted(count, 'tensor')}{average.get(key, '')})"
            for key, count in about.entries.items()
        )
        other = next(key for key in about.entries if key != about.entry)
        text = f"{each}; this is `{printable(about.entry)}`, --key {printable(other)} takes the other"
    beside = tuple(name for name in about.beside if name.partition(".")[0] not in about.entries)
    return text + (f"; beside it {listed(beside)}" if beside else "")


def _names(about: Description) -> str:
    if about.flat:
        return "without a dot, so that none tells which layer a tensor is of"
    if not about.libraries:
        return "of no library known here"
    whose = " or ".join(about.libraries[:LISTED])
    text = (
        "those of torchvision, which are ours" if about.libraries == ("resnet-dsl",) else f"those of {whose}"
    )
    text += f", behind `{printable(about.prefix)}`" if about.prefix else ""
    total = about.known + len(about.others)
    if about.others:
        text += f": {about.known} of {counted(total, 'layer')}; not {listed(about.others)}"
    return text


def _norms(about: Description) -> str:
    if about.quantised and not about.batch_norms:
        return "none; they are within the convolutions"
    if about.folded:
        return (
            "none; they were folded into the convolutions, which have a bias each: "
            "start from the weights before that"
        )
    if about.biased > 1 and about.biased == about.convolutions and not about.batch_norms + about.other_norms:
        return "none, and each convolution has a bias: there were none, or they were folded into those"
    parts = []
    if about.batch_norms:
        parts.append(f"{counted(about.batch_norms, 'batch norm')}")
    if about.other_norms:
        parts.append(f"{counted(about.other_norms, 'norm')} without statistics")
    if parts and about.biased:
        parts.append(f"{counted(about.biased, 'convolution')} with a bias")
    return ", ".join(parts)


def _weights(about: Description) -> str:
    found = []
    if about.quantised:
        found.append(f"quantised ({about.quantised}); start from the float weights")
    elif len(about.dtypes) > 1 or set(about.dtypes) - {"float32"}:
        found.append(", ".join(f"{count:,} of {dtype}" for dtype, count in about.dtypes.items()))
    if about.axes != 2:
        word = {1: "one-dimensional", 3: "three-dimensional"}.get(about.axes, f"{about.axes}-dimensional")
        found.append(f"the convolutions are {word}; those of the language have two dimensions")
    if about.parted:
        found.append(f"in parts, by {' and '.join(about.parted)}")
    return "; ".join(found)
