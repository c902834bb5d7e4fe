"""What a name is, in Markdown: from the catalogue's declarations, or the text that declares it."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator

from resnet_dsl.diagnostics.model import Span
from resnet_dsl.editor.entities import Entity
from resnet_dsl.elaborate.scope import Scope
from resnet_dsl.elaborate.values import Definition, show
from resnet_dsl.ir.arguments import Dims
from resnet_dsl.ir.ops import CATALOGUE, Op
from resnet_dsl.records import MISSING
from resnet_dsl.shipped import description, file_of
from resnet_dsl.syntax import ast

KEYWORDS = {
    "use": "`use NAME` makes the blocks, constants and models of a shipped spec known; `use \"file.resnet\"` "
    "those of a file in the same folder or below it.",
    "const": "`const name = value`: a value for the whole file, computed before anything else.",
    "block": "`block name(parameters) { … return result }`: a function of its input `x`. In a model, "
    "`block:` is what the stages are made of.",
    "model": "`model name(parameters) { field: value … }`: a network. `model name = base(…)` is another with "
    "other settings.",
    "return": "`return` gives the result of a block: a tensor, or a record of several.",
    "if": "`if condition then one else other` chooses while the network is built.",
    "then": "`if condition then one else other` chooses while the network is built.",
    "else": "`if condition then one else other` chooses while the network is built.",
    "and": "`a and b` is true where both are.",
    "or": "`a or b` is true where one of them is.",
    "not": "`not a` is true where `a` is false.",
    "true": "`true`, a value of conditions and flags.",
    "false": "`false`, a value of conditions and flags.",
    "none": "`none`: nothing of the kind.",
}  # fmt: skip

MODEL_FIELDS = {
    "input": "The input's size, `CxHxW`: numbers, or the letters `H` and `W` for any; or one number, the "
    "length of a vector.",
    "stem": "What comes before the stages: a pipeline from the input, or `none`.",
    "stages": "The stages: how many blocks each has, or the blocks written out, perhaps with a name.",
    "block": "The block that stages are made of, once or one a stage.",
    "strides": "The stride of the first block of each stage.",
    "head": "What comes after the stages: a pipeline, or `none`.",
    "base": "The model that this one is based on; it has everything that this one does not set.",
    "outputs": "The parts whose results the model returns.",
    "auxiliary": "The outputs that exist in training only.",
    "freeze": "The parts that are not trained; `norms` are all norms.",
    "preprocess": "What the input has to be like: data for the user, no op.",
    "expect": "One condition or a list of them, checked: `params == 269_722`.",
}  # fmt: skip

KINDS = {
    "constant": "constant", "parameter": "parameter", "variable": "step", "label": "name of a step",
    "stage": "stage", "choice": "choice", "argument": "argument",
}  # fmt: skip


def described(entity: Entity, scope: Scope | None) -> str:
    """Return what a name stands for, in Markdown; empty where nothing is to be said."""
    match entity.kind:
        case "op":
            return op_text(CATALOGUE[entity.name])
        case "argument":
            return _argument_of_op(CATALOGUE[entity.owner], entity.name)
        case "field":
            return _titled(f"{entity.name}:", "field of a model", MODEL_FIELDS.get(entity.name, ""))
        case "input":
            about = f"The input of block `{entity.owner}`." if entity.owner else ""
            return _titled(entity.name, "tensor", about)
        case "block":
            found = None if scope is None else scope.declared(entity.name)
            whole = found[1] if found is not None and isinstance(found[1], Definition) else None
            return block_text(whole) if whole is not None else _declared(entity)
        case "file":
            path = file_of(entity.name)
            return _titled(entity.name, "spec", description(path) if path is not None else "")
        case _:
            return _declared(entity)


def op_text(op: type[Op]) -> str:
    """Return what an op does, its arguments, and what it takes and gives."""
    arguments = [*op.operands, *(_argument(name, default) for name, _, default in op.arguments())]
    rules = [f"- `{name}`: {rule.what}" for name, rule, _ in op.arguments()]
    shapes = f"*takes* {op.takes} · *gives* {op.gives}"
    return _joined(f"```resnet\n{op.kind}({', '.join(arguments)})\n```", _doc(op), shapes, "\n".join(rules))


def block_text(definition: Definition) -> str:
    """Return the head of a block and the comment above it."""
    block = definition.block
    parameters = ", ".join(_text(parameter.span) for parameter in block.parameters)
    return _joined(f"```resnet\nblock {block.name}({parameters})\n```", definition.doc)


def _argument_of_op(op: type[Op], name: str) -> str:
    for argument, rule, default in op.arguments():
        if argument == name:
            usual = (
                "" if default is MISSING else f"; without it `{_argument(name, default).partition('=')[2]}`"
            )
            return _titled(name, f"argument of `{op.kind}`", f"Must be {rule.what}{usual}.")
    return ""


def _argument(name: str, default: object) -> str:
    """An argument as a signature has it; one without a value is worked out from the others."""
    if default is MISSING:
        return name
    if isinstance(default, tuple):
        alike = len(set(default)) == 1
        return f"{name}=…" if not any(default) else f"{name}={default[0] if alike else show(Dims(default))}"
    return f"{name}={default}" if isinstance(default, str) else f"{name}={show(default)}"


def _doc(op: type[Op]) -> str:
    return inspect.cleandoc(op.__doc__ or "")


def _declared(entity: Entity) -> str:
    """The text that declares something, up to the end of its line, and the comment above it."""
    if entity.at is None:
        return _titled(entity.name, KINDS.get(entity.kind, entity.kind), "")
    source = entity.at.source
    line = source.line(entity.at.place[0]).strip()
    owner = f" of `{entity.owner.partition('.')[0]}`" if entity.owner else ""
    where = f", {source.name} line {entity.at.place[0]}"
    what = f"*{KINDS.get(entity.kind, entity.kind)}{owner}{where}*"
    return _joined(f"```resnet\n{line}\n```", what, _comment(entity.at))


def _comment(at: Span) -> str:
    """The comment right above the line of a place."""
    lines: list[str] = []
    number = at.place[0] - 1
    while number > 0 and (line := at.source.line(number).strip()).startswith("#"):
        lines.insert(0, line.lstrip("#").strip())
        number -= 1
    return " ".join(line for line in lines if not line.startswith("resnet-dsl:"))


RECIPE = "`recipe name { field: value … }`: how a network is trained. Elsewhere it is a name like any other."


def keyword_text(word: str) -> str:
    """Return what a word of the language means."""
    return KEYWORDS.get(word, "")


def signature_of(node: ast.Block | ast.Model) -> str:
    """Return the parameters of a block or model as they are written."""
    return f"({', '.join(_text(parameter.span) for parameter in node.parameters)})"


def _text(span: Span) -> str:
    return " ".join(span.source.text[span.start : span.end].split())


def _titled(name: str, kind: str, about: str) -> str:
    return _joined(f"`{name}` *{kind}*", about)


def _joined(*parts: str) -> str:
    return "\n\n".join(part for part in parts if part)


def numbered(values: Iterable[object], most: int = 6) -> Iterator[str]:
    """Yield the first of some values as texts, and how many more there are."""
    found = list(dict.fromkeys(map(show, values)))
    yield from found[:most]
    if len(found) > most:
        yield f"… {len(found) - most} more"
