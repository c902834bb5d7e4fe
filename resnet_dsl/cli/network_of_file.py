"""Which network the tensors of a file are of: the shipped spec that has them, or what `import` restores."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.weights.description import Description, NetworkFound
from resnet_dsl.zoo.asked import Asked

if TYPE_CHECKING:
    from resnet_dsl.decompile.input_file import InputFile
    from resnet_dsl.decompile.pipeline import Restored

MOST = 6_000
"""Of a file with more tensors it takes too long to find the network unasked."""
LONGEST = 160


def network_of(path: Path, asked: Asked, about: Description, tensors: int) -> NetworkFound | None:
    """Return which network it is, or why none; None where that is said of its weights already."""
    if about.quantised or about.axes != 2 or about.flat:
        return None
    if tensors > MOST:
        return NetworkFound(f"not looked for among so many tensors; `{_command(path, asked)}` does")
    from resnet_dsl.decompile.facts import Hints
    from resnet_dsl.decompile.input_file import read_input_file
    from resnet_dsl.decompile.pipeline import NotExpressibleError, restore_within

    try:
        file = read_input_file(path, asked)
        for stride_on in ("", "conv2"):
            try:
                restored = restore_within(file, "found", Hints(stride_on=stride_on))
            except UsageError as error:
                question = error
                continue
            return _found(restored, file, _command(path, asked, stride_on), stride_on)
    except (NotExpressibleError, UsageError) as error:
        return NetworkFound(f"none that `import` writes a spec of: {_short(error)}")
    named = _shipped(file.shapes)
    return NetworkFound(_as_shipped(named) or _short(question), named)


def _found(restored: Restored, file: InputFile, command: str, stride_on: str) -> NetworkFound:
    network, graph = restored.program.network, restored.program.graph
    named = _shipped({name: parameter.shape for name, parameter in graph.parameters()})
    stages = tuple(stage.count for stage in network.stages)
    first = [stage.runs[0].body for stage in network.stages]
    widths = tuple(width for body in first if type(width := dict(body.arguments).get("width")) is int)
    parts = [f"stages {list(stages)}"] if stages else []
    parts += [f"widths {list(widths)}"] if len(widths) == len(stages) else []
    parts += [" and ".join(dict.fromkeys(body.definition for body in first))] if first else []
    parts += [_as_shipped(named)] if named else []
    open_question = "" if not stride_on else ", strides on the 3x3 (--stride-on conv1: on the 1x1)"
    sentence = f"{', '.join(parts)}; `{command}` writes the spec{open_question}"
    return NetworkFound(sentence, named, stages, widths, command)


def _as_shipped(names: tuple[str, ...]) -> str:
    return f"the tensors of the shipped {', '.join(names)}" if names else ""


def _shipped(shapes: Mapping[str, tuple[int, ...]]) -> tuple[str, ...]:
    from resnet_dsl.decompile.shipped_match import with_tensors

    return tuple(program.name for program in with_tensors(shapes))


def _command(path: Path, asked: Asked, stride_on: str = "") -> str:
    said = {"--key": asked.key, "--prefix": asked.prefix, "--stride-on": stride_on}
    words = [word for option, value in said.items() if value for word in (option, value)]
    return shlex.join(["resnet-dsl", "import", str(path), *words])


def _short(error: Exception) -> str:
    text = str(error).splitlines()[0].rstrip(":")
    return text if len(text) <= LONGEST else f"{text[:LONGEST].rpartition(' ')[0]} …"
