"""Names in generated files: classes as the field writes them, and what Python keeps to itself."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Container

# Python's own names: what a spec calls so is called otherwise in a generated file.
PYTHON = frozenset((*dir(builtins), *keyword.kwlist))

# What every generated function or method may call so itself: its input, its instance, a value nobody reads.
OWN = frozenset({"x", "self", "_"})

# How the field spells the parts of the names of networks and blocks, in place of a capital first letter.
SPELLED = {
    "se": "SE", "sk": "SK", "eca": "ECA", "wrn": "WRN", "vgg": "VGG", "google": "GoogLe", "fc": "FC",
    "res": "Res", "resnet": "ResNet", "resnext": "ResNeXt", "preresnet": "PreResNet", "u": "U",
}  # fmt: skip
CORE = re.compile(r"(?P<front>[a-z0-9]*?)(?P<core>resnext|resnet|net(?![a-z]))(?P<rest>.*)")
LETTERS = re.compile(r"([a-z]*)(.*)")


def camel(name: str) -> str:
    """Return a name of the language as a class name: `my_block` as `MyBlock`."""
    result = ""
    for word in filter(None, name.split("_")):
        apart = "_" if result[-1:].isdigit() and word[0].isdigit() else ""
        result += apart + _spelled(word)
    return result if result[:1].isalpha() else f"Block{result}"


def _spelled(word: str) -> str:
    found = CORE.fullmatch(word)
    if found is not None:
        core = SPELLED.get(found["core"], "Net")
        return _part(found["front"]) + core + _part(found["rest"])
    return _part(word)


def _part(word: str) -> str:
    letters = LETTERS.match(word)
    front = letters[1] if letters else ""
    return (
        SPELLED.get(front, front.capitalize()) + word[len(front) :] if front else word[:1].upper() + word[1:]
    )


def free_name(name: str, taken: Container[str]) -> str:
    """Return a name of the author's, with what it takes behind it to mean nothing else."""
    while name in taken:
        name += "_"
    return name


def class_name(name: str, reserved: Container[str], suffix: str = "Block") -> str:
    """Return a name of the language as the name of a class that is not taken."""
    found = camel(name)
    while found in PYTHON or found in reserved:
        found += suffix
    return found
