"""Blocks as classes: one for each structure, a plain chain of modules as a Sequential."""

from __future__ import annotations

import re
from dataclasses import dataclass

from resnet_dsl.codegen.text_classes import BlockClass
from resnet_dsl.codegen.text_statements import Code, docstring, signature, statement
from resnet_dsl.ir import ops
from resnet_dsl_torch.rules import lower
from resnet_dsl_torch.statements import computing, keeping, returning

MAX_GAP = 8  # numbers left out in a chain become modules that do nothing


@dataclass(frozen=True)
class ClassText:
    """A class as the template places it."""

    name: str
    parent: str
    doc: str
    init: str
    forward: str


def class_text(block: BlockClass) -> ClassText:
    """Return the text of a block's class."""
    doc = docstring(block.doc or f"Block `{block.definition}`", 4)
    parameters = [f"{p.name}: {p.kind}" for p in block.parameters]
    opening = signature("def __init__", ["self", *parameters], " -> None:", 4)
    if (chain := _as_sequence(block)) is not None:
        init = statement("", Code("super().__init__", tuple(chain)), 8)
        return ClassText(block.name, "nn.Sequential", doc, f"{opening}\n{init}", "")
    lines, last = computing(block.steps, block.result, ["x", *block.inputs])
    inputs = [f"{name}: torch.Tensor" for name in ("x", *block.inputs)]
    takes = signature("def forward", ["self", *inputs], " -> torch.Tensor:", 4)
    forward = "\n".join([takes, *lines, *returning(last, lines)])
    numbers = [p.name for p in block.parameters if p.kind != "bool"]
    own = [name for name in numbers if re.search(rf"\bself\.{name}\b", forward)]
    inits = ["        super().__init__()", *(f"        self.{name} = {name}" for name in own)]
    init = "\n".join([opening, *inits, *keeping(block.steps)])
    return ClassText(block.name, "nn.Module", doc, init, forward)


def _as_sequence(block: BlockClass) -> list[Code] | None:
    """The modules of a class that is a plain chain under the names 0, 1, …, else None."""
    if block.inputs or block.result != len(block.steps) - 1:
        return None
    modules: list[Code] = []
    for index, step in enumerate(block.steps):
        alone = lower(step.what, step).alone if isinstance(step.what, ops.Op) else None
        chained = step.inputs == ((index - 1,) if index else (-1,))
        if alone is None or not chained or not step.name.isdigit() or str(int(step.name)) != step.name:
            return None
        gap = int(step.name) - len(modules)
        if not 0 <= gap <= MAX_GAP:
            return None
        modules += [*[Code("nn.Identity")] * gap, alone]
    return modules
