"""Steps as statements of a method: what the constructor keeps, and what `forward` computes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

from resnet_dsl.codegen.text_classes import Step, Use
from resnet_dsl.codegen.text_operands import place
from resnet_dsl.codegen.text_parameters import owned
from resnet_dsl.codegen.text_statements import WIDTH, Code, Statements, parsed, statement
from resnet_dsl.ir import ops
from resnet_dsl_torch.helpers import HELPERS
from resnet_dsl_torch.reserved_names import RESERVED, attribute
from resnet_dsl_torch.rules import Lowering, lower

TYPED = ("F.", "torch.", *(f"{helper}(" for helper in HELPERS))


# --- the constructor ---------------------------------------------------------------------------


def keeping(steps: Sequence[Step]) -> list[str]:
    """Return the lines of `__init__` that make what the steps keep."""
    lines = []
    for step in steps:
        if isinstance(step.what, Use):
            lines += _keep_use(step.name, step.what)
        elif (module := lower(step.what, step).module) is not None:
            lines.append(keep(step.name, module))
    return lines


def keep(name: str, code: Code, indent: int = 8) -> str:
    """Return the statement that makes `code` the attribute `name`."""
    if name.isidentifier():
        return statement(f"self.{name} = ", code, indent)
    return statement("", Code("self.add_module", (f'"{name}"', code)), indent)


def _keep_use(name: str, use: Use) -> list[str]:
    """A block; one with a flag is only there where the flag is true."""
    code = construct(use)
    if use.flag is None:
        return [keep(name, code)]
    choice = f"{code} if {use.flag} else nn.Identity()"
    if name.isidentifier() and len(flat := f"        self.{name} = {choice}") <= WIDTH:
        return [flat]
    if name.isidentifier() and len(inner := f"            {choice}") <= WIDTH:
        return [f"        self.{name} = (", inner, "        )"]
    kind = ": nn.Module" if name.isidentifier() else ""
    otherwise = keep(name, Code("nn.Identity"), 8).replace(" =", f"{kind} =", 1)
    return [otherwise, f"        if {use.flag}:", keep(name, code, 12)]


def construct(use: Use) -> Code:
    """Return the call that makes a class for one use; what every layer starts with goes unnamed."""
    plain = [name for name, _ in use.arguments[:2] if name in ("in_channels", "width", "channels")]
    texts = (str(value) if name in plain else f"{name}={value}" for name, value in use.arguments)
    return Code(use.target.name, tuple(texts))


# --- forward -----------------------------------------------------------------------------------


def computing(
    steps: Sequence[Step], result: int, inputs: Sequence[str], reserved: frozenset[str] = frozenset()
) -> tuple[list[str], str]:
    """Return the lines of `forward` and the expression of the result."""
    lines, last = Statements(steps, result, _express, _inline, RESERVED | reserved).write(inputs)
    return [statement(f"{name} = ", parsed(text), 8) for name, text in lines], last


def returning(text: str, lines: Sequence[str]) -> list[str]:
    """Return the end of `forward`; a type checker knows what torch's functions give, modules not."""
    if text == "x" or text.startswith(TYPED):
        return [statement("return ", parsed(text), 8)]
    used = {line.split()[0] for line in lines}
    name = next(n for n in ("out", "result", "out2") if n not in used)
    return [statement(f"{name}: torch.Tensor = ", parsed(text), 8), f"        return {name}"]


def _express(step: Step, operands: list[str]) -> str:
    if isinstance(step.what, Use):
        return f"{attribute('self', step.name)}({', '.join(operands)})"
    return place(_lowered(step).expression, operands, {"module": attribute("self", step.name)})


def _lowered(step: Step) -> Lowering:
    """How a step's op is written in a method, where the constructor's parameters are attributes."""
    assert isinstance(step.what, ops.Op)
    changes = {spec.name: owned(getattr(step.what, spec.name)) for spec in fields(step.what)}
    op = replace(step.what, **changes)
    return lower(op, replace(step, what=op, channels=owned(step.channels)))


def _inline(step: Step) -> bool:
    return not (isinstance(step.what, ops.Op) and step.what.activation)
