"""Files in which the network is part of a larger one: its names begin with a prefix."""

from __future__ import annotations

from collections.abc import Iterator

from resnet_dsl.decompile.input_file import InputFile
from resnet_dsl.decompile.tensors import listed, without_counters
from resnet_dsl.diagnostics.wording import counted, printable
from resnet_dsl.records import replace
from resnet_dsl.zoo.whose_names import whose_names


def inner_files(file: InputFile) -> Iterator[tuple[InputFile, str]]:
    """Yield the file without the prefix behind which its names are known, and what was done.

    What does not have the prefix belongs to the network, if that makes one, and is left aside otherwise. A
    graph says itself where it begins.
    """
    shapes = without_counters(file.shapes)
    whose = whose_names(shapes) if file.graph is None else None
    if whose is None or not whose.prefix:
        return
    prefix, note = whose.prefix, f"without the prefix `{printable(whose.prefix)}`"
    within = {key.removeprefix(prefix): s for key, s in shapes.items() if key.startswith(prefix)}
    others = {key: s for key, s in shapes.items() if not key.startswith(prefix)}
    if others and not others.keys() & within.keys():
        yield replace(file, shapes=within | others), note
    left = f"; {counted(len(others), 'tensor')} left aside: {listed(others)}" if others else ""
    yield replace(file, shapes=within), note + left
