"""What a file holds, as far as a spec goes: the names and shapes of tensors, and a graph if there is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from resnet_dsl.backend.discovery import backend_names, find_backend
from resnet_dsl.backend.foreign_graph import Drawing, GraphReader
from resnet_dsl.decompile.tensors import Shapes
from resnet_dsl.decompile.translated import Reading
from resnet_dsl.diagnostics.model import UsageError
from resnet_dsl.diagnostics.wording import printable
from resnet_dsl.weights.source import need_numpy


@dataclass(frozen=True)
class InputFile:
    """What a file holds, as far as a spec goes."""

    source: str
    shapes: Shapes
    metadata: Mapping[str, Any] = field(default_factory=dict)
    graph: Drawing | None = None
    reader: GraphReader | None = None
    """Knows what programs and ops are written as in such files."""
    notes: tuple[str, ...] = ()

    def read_as(self, reading: Reading) -> InputFile:
        """Return the same under our names."""
        graph = None if self.graph is None else self.graph.renamed(reading.names)
        return replace(self, shapes=reading.shapes, graph=graph)


def read_input_file(path: Path) -> InputFile:
    """Return what a file holds; raises UsageError if it cannot be read as what it is called."""
    need_numpy()
    from resnet_dsl.weights.formats.registry import read_contents

    contents = read_contents(path)
    shapes = {name: tuple(stored.shape) for name, stored in contents.tensors.items()}
    module = _graphs(path)
    if module is None:
        return InputFile(path.name, shapes, contents.metadata, notes=contents.notes)
    reader = cast(GraphReader, import_module(module))
    try:
        graph = reader.read(path)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    except Exception as error:  # the libraries raise what they like
        message = printable(" ".join(str(error).split()) or type(error).__name__)
        raise UsageError(f"{path}: its graph cannot be read: {message}") from None
    return InputFile(path.name, dict(graph.weights), contents.metadata, graph, reader, contents.notes)


def _graphs(path: Path) -> str | None:
    """The module that reads the graph of a file so called, None where there is none."""
    for name in backend_names():
        for suffix, module in getattr(find_backend(name), "DRAWINGS", {}).items():
            if path.name.lower().endswith(suffix):
                return str(module)
    return None
