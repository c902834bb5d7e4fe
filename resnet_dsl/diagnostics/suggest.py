"""Names that were perhaps meant: those spelled almost alike, and what other libraries call the same."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from itertools import islice

MAX_NAMES = 1_000

# What other languages and libraries call things, without their underscores and `2d`.
FOREIGN = {
    "batchnorm": "bn", "batchnormalization": "bn", "norm": "bn", "convolution": "conv",
    "linear": "fc", "dense": "fc", "avgpooling": "avgpool", "averagepool": "avgpool",
    "averagepooling": "avgpool", "maxpooling": "maxpool", "globalavgpool": "gap",
    "globalaveragepooling": "gap", "adaptiveavgpool": "gap", "concatenate": "concat", "cat": "concat",
    "kernelsize": "kernel", "size": "kernel", "poolsize": "kernel", "padding": "pad",
    "outchannels": "channels", "filters": "channels", "units": "channels", "outfeatures": "channels",
    "dilationrate": "dilation", "usebias": "bias", "ceilmode": "ceil", "epsilon": "eps", "p": "rate",
    "countincludepad": "count_pad", "numclasses": "classes", "layers": "stages", "blocks": "stages",
    "imagesize": "input", "inputshape": "input", "outplanes": "channels", "planes": "width",
}  # fmt: skip


def close_names(name: str, known: Iterable[str]) -> list[str]:
    """Return the known names that `name` may stand for, the likeliest first."""
    names = sorted(set(islice(known, MAX_NAMES)))
    bare = name.replace("_", "").lower().removesuffix("2d")
    same = [other for other in names if other.lower() == name.lower()]
    foreign = [FOREIGN[bare]] if FOREIGN.get(bare) in names else []
    foreign += [other for other in names if other == bare]
    return same or foreign[:1] or difflib.get_close_matches(name, names, n=3, cutoff=0.6)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint with the known names closest to `name`, or an empty string."""
    close = [f"`{match}`" for match in close_names(name, known)]
    return f"did you mean {one_of(close)}?" if close else ""


def one_of(words: list[str]) -> str:
    """Return words as a choice: `a`, `a or b`, `a, b or c`."""
    *front, last = words
    return f"{', '.join(front)} or {last}" if front else last
