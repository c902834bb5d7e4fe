"""What a file holds, as far as a spec goes: the names and shapes of tensors, and a graph if there is one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from resnet_dsl.backend.discovery import sound_backends
from resnet_dsl.backend.foreign_graph import ForeignGraph
from resnet_dsl.backend.interface import GraphReader
from resnet_dsl.decompile.tensors import Shapes
from resnet_dsl.decompile.translated import Reading
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.wording import printable
from resnet_dsl.records import dataclass, field, replace
from resnet_dsl.weights.source import need_numpy
from resnet_dsl.zoo.asked import NOTHING, Asked


@dataclass(frozen=True)
class InputFile:
    """What a file holds, as far as a spec goes."""

    source: str
    shapes: Shapes
    metadata: Mapping[str, Any] = field(default_factory=dict)
    graph: ForeignGraph | None = None
    reader: GraphReader | None = None
    """Knows what programs and ops are written as in such files."""
    notes: tuple[str, ...] = ()
    unfold: bool = False
    """Whether norms are to be put where they were folded into convolutions."""
    by_place: Mapping[str, str] = field(default_factory=dict)
    """The names of a graph by those that our layers have in such places."""

    def read_as(self, reading: Reading) -> InputFile:
        """Return the same under our names."""
        graph = None if self.graph is None else self.graph.renamed(reading.names)
        return replace(self, shapes=reading.shapes, graph=graph)


def read_input_file(path: Path, asked: Asked = NOTHING) -> InputFile:
    """Return what a file holds, of several networks the one that is asked for.

    Raises UsageError if it cannot be read, or does not hold that.
    """
    need_numpy()
    from resnet_dsl.weights.arithmetic.in_parts import put_together
    from resnet_dsl.weights.formats.registry import read_contents
    from resnet_dsl.weights.opening import opened

    contents, in_parts = put_together(opened(read_contents(path), asked), ())
    contents = replace(contents, notes=(*contents.notes, *(f"for its weights, {each}" for each in in_parts)))
    shapes = {name: tuple(stored.shape) for name, stored in contents.tensors.items()}
    reader = _graph_reader(path)
    if reader is None:
        return InputFile(path.name, shapes, contents.metadata, notes=contents.notes, unfold=asked.unfold)
    try:
        graph = reader.read(path) if contents.graph is None else contents.graph
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    except Exception as error:  # the libraries raise what they like
        message = printable(" ".join(str(error).split()) or type(error).__name__)
        raise UsageError(f"{path}: its graph cannot be read: {message}") from None
    return InputFile(
        path.name, dict(graph.weights), contents.metadata, graph, reader, contents.notes, asked.unfold,
        contents.by_place,
    )  # fmt: skip


def _graph_reader(path: Path) -> GraphReader | None:
    """What reads the graph of a file so called, None where there is none."""
    for backend in sound_backends()[0]:
        if backend.graph_reader is not None and path.name.lower().endswith(backend.suffix):
            return backend.graph_reader.load()
    return None
