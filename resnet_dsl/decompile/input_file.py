"""What a file holds, as far as a spec goes: the names and shapes of tensors, and a graph if there is one."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from resnet_dsl.backend.discovery import backend_names, find_backend
from resnet_dsl.decompile.pipeline import Held
from resnet_dsl.diagnostics.model import UsageError
from resnet_dsl.diagnostics.wording import printable
from resnet_dsl.weights.source import need_numpy


def read_held(path: Path) -> Held:
    """Return what a file holds; raises UsageError if it cannot be read as what it is called."""
    need_numpy()
    from resnet_dsl.weights.formats.registry import read_contents

    contents = read_contents(path)
    shapes = {name: tuple(stored.shape) for name, stored in contents.tensors.items()}
    module = _graphs(path)
    if module is None:
        return Held(path.name, shapes, contents.metadata, notes=contents.notes)
    source = import_module(module)
    try:
        drawing = source.read(path)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None
    except Exception as error:  # the libraries raise what they like
        message = printable(" ".join(str(error).split()) or type(error).__name__)
        raise UsageError(f"{path}: its graph cannot be read: {message}") from None
    return Held(path.name, dict(drawing.weights), contents.metadata, drawing, source.drawn, contents.notes)


def _graphs(path: Path) -> str | None:
    """The module that reads the graph of a file so called, None where there is none."""
    for name in backend_names():
        for suffix, module in getattr(find_backend(name), "DRAWINGS", {}).items():
            if path.name.lower().endswith(suffix):
                return str(module)
    return None
