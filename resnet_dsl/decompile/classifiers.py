"""The fully connected layers behind the blocks, whatever they are called: in which order, and as what."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from itertools import permutations

from resnet_dsl.decompile.syntax_nodes import NAME, STEP_LABEL, call, labelled, others_than, pipeline
from resnet_dsl.decompile.tensors import FileLayer, listed
from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.diagnostics.wording import printable
from resnet_dsl.driver import compile_source
from resnet_dsl.records import dataclass, field
from resnet_dsl.syntax import ast
from resnet_dsl.syntax.formatter.one_line import whole_line

USUAL = "fc"
MOST = 6
LONGEST = 60
BLOCK = """\
# What is fully connected behind the blocks, under its names in the file.
block named_head(classes) {{
    return {steps}
}}
"""


@dataclass(frozen=True)
class Classifier:
    """What is fully connected behind the pooling: steps, the block they may need, and names of ours."""

    steps: tuple[ast.Expr, ...]
    note: str = ""
    block: str = ""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Our paths of layers that no step can be called as."""


def chain_of(layers: Mapping[str, FileLayer], channels: int) -> list[str] | None:
    """Return the order in which fully connected layers take what others give; None if there is none.

    The order of the file is taken if it is one, else the only one that there is.
    """
    if len(layers) > MOST or any(layer.kind != "fc" for layer in layers.values()):
        return None
    fitting = (list(order) for order in permutations(layers) if _fits(order, layers, channels))
    first = next(fitting, None)
    return first if first == list(layers) or next(fitting, None) is None else None


def _fits(order: Sequence[str], layers: Mapping[str, FileLayer], channels: int) -> bool:
    for path in order:
        if layers[path].weight[1] != channels:
            return False
        channels = layers[path].channels
    return True


def classifier_of(chain: Sequence[str], layers: Mapping[str, FileLayer], act: ast.Expr) -> Classifier:
    """Return the steps of a chain, called as in the file as far as can be."""
    if not chain:
        return Classifier(())
    fronts = {path.partition(".")[0] for path in chain}
    ends = [path.partition(".")[2] for path in chain]
    found = [layers[path] for path in chain]
    if all(_is_label(path) for path in chain):
        steps = _steps(chain, found, act)
        return Classifier(steps, _assumed(steps))
    front = chain[0].partition(".")[0]
    if fronts == {front} and _is_label(front) and all(STEP_LABEL.fullmatch(end) for end in ends):
        inner = _steps(ends, found, act)
        *before, _ = inner
        last = labelled(ends[-1], _fc(found[-1], "classes"), "")
        text = BLOCK.format(steps=whole_line(pipeline([call("x"), *before, last])))
        step = labelled(front, call("named_head", found[-1].channels), "")
        return Classifier((step,), _assumed(inner), text)
    ours = [USUAL] if len(chain) == 1 else [f"{USUAL}{number + 1}" for number in range(len(chain))]
    return Classifier(
        _steps(ours, found, act), _renamed(chain, layers), "", dict(zip(chain, ours, strict=True))
    )


def _steps(names: Sequence[str], layers: Sequence[FileLayer], act: ast.Expr) -> tuple[ast.Expr, ...]:
    """The layers under these names, with an activation between each two."""
    usual = USUAL if len(names) == 1 else ""
    steps = [labelled(name, _fc(layer), usual) for name, layer in zip(names, layers, strict=True)]
    return tuple(each for step in steps for each in (act, step))[1:]


def _fc(layer: FileLayer, channels: str | None = None) -> ast.Expr:
    bias = others_than({"bias": True}, {"bias": layer.has_bias})
    return call("fc", layer.channels if channels is None else channels, **bias)


def _assumed(steps: Sequence[ast.Expr]) -> str:
    """The note on activations between layers, if there are several."""
    if len(steps) == 1:
        return ""
    return f"behind the pooling {whole_line(pipeline(steps))}; what is between the layers is assumed"


def _renamed(chain: Sequence[str], layers: Mapping[str, FileLayer]) -> str:
    if len(chain) == 1:
        classes = layers[chain[0]].channels
        name = chain[0] if len(chain[0]) <= LONGEST else f"{chain[0][:LONGEST]}…"
        return (
            f"`{printable(name)}` is a classifier of {classes:,} classes under another name, "
            "which `weights convert` finds by itself"
        )
    return f"{listed(chain)} are fully connected layers in this order; what is between them is assumed"


def _is_label(path: str) -> bool:
    return bool(NAME.fullmatch(path)) and len(path) <= LONGEST and _is_label_of_step(path)


@functools.cache
def _is_label_of_step(path: str) -> bool:
    """Whether a layer can be called so: no word of the language, and no name that a framework keeps."""
    text = f"model m {{ stages: [1]  block: basic  head: gap -> {path}: fc(2) }}"
    try:
        compile_source(Source("m", text))
    except CompileError:
        return False
    return True
