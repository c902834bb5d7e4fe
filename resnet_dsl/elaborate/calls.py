"""Calls as text: what a hint shows of a call that lacks an argument or needs another value."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Sequence

from resnet_dsl.diagnostics.model import Source, Span
from resnet_dsl.elaborate.elaborator import Elaborator, Env
from resnet_dsl.elaborate.unknown_names import unknown_argument_hint
from resnet_dsl.elaborate.values import Function, Staged, Tensor
from resnet_dsl.syntax import ast
from resnet_dsl.syntax.parser import parse_value

# What an argument could be where nothing better is known, and the names it often has in a block.
EXAMPLES = {"channels": "64", "width": "64", "kernel": "3x3", "stride": "2", "amount": "1"}
ALIASES = {"channels": ("width",), "width": ("channels",)}


def written_call(function: Function, missing: Sequence[str], env: Env) -> str:
    """Return the call of a function with the missing arguments filled in."""
    call = function.call
    written = () if call is None else call.arguments
    given = [_text(argument.span) for argument in written if not isinstance(argument.value, ast.Rest)]
    rest = ["..."] * (len(written) - len(given))
    named = any(argument.name for argument in written) or bool(rest)
    examples = [_example(name, env) for name in missing]
    if named or len(missing) < len(_leading(function, missing)):
        examples = [f"{name}={example}" for name, example in zip(missing, examples, strict=True)]
    callee = function.name if call is None else _text(call.callee.span)
    return f"{callee}({', '.join([*given, *examples, *rest])})"


def taken_as_input(function: Function, inputs: Sequence[Tensor]) -> str:
    """What to write where a block works on a tensor that was meant for one of its parameters."""
    if isinstance(function.target, type) or function.call is None:
        return ""
    for argument in function.call.arguments:
        if argument.name is None and any(tensor.at == argument.value.span for tensor in inputs):
            first = (
                f"{function.name} works on `{_text(argument.value.span)}`, the first tensor that it is given"
            )
            return f"{first}; write `x -> {_text(function.call.span)}`"
    return ""


def _leading(function: Function, missing: Sequence[str]) -> list[str]:
    """The parameters that positions reach before the last missing one."""
    if isinstance(function.target, type):
        names = [name for name, _, _ in function.target.arguments()]
    else:
        names = [parameter.name for parameter in function.target.block.parameters]
    bound = {name for name, _ in function.bound}
    free = [name for name in names if name not in bound]
    return free[: free.index(missing[-1]) + 1]


def _example(name: str, env: Env) -> str:
    known = (other for other in (name, *ALIASES.get(name, ())) if other in env.names)
    return next(known, EXAMPLES.get(name, "…"))


def with_argument(step: Span, order: Sequence[str], name: str, value: str) -> str:
    """Return the text of the step at `step`, a call or a bare name, with one argument set to `value`."""
    call = parse_value(Source("", _text(step)))
    if not isinstance(call, ast.Call):
        return f"{_text(step)}({name}={value})"
    place = next((argument for argument in call.arguments if argument.name == name), None)
    positional = [a for a in call.arguments if a.name is None and not isinstance(a.value, ast.Rest)]
    if place is None and order.index(name) < len(positional):
        place = positional[order.index(name)]
    texts = [_text(argument.span) for argument in call.arguments if argument is not place]
    end = len(texts) - bool(texts and texts[-1] == "...")
    texts.insert(
        end if place is None else call.arguments.index(place),
        value if place in positional else f"{name}={value}",
    )
    return f"{_text(call.callee.span)}({', '.join(texts)})"


def _text(span: Span) -> str:
    return " ".join(span.source.text[span.start : span.end].split())


def is_mistaken(function: Function, value: Staged, parameters: Container[str]) -> bool:
    """Whether `name: value` in a call was to be an argument: it names one, or an op takes no such value."""
    return value.label.name in parameters or isinstance(function.target, type)


def report_label(
    ctx: Elaborator, function: Function, call: ast.Call, value: Staged, parameters: Iterable[str]
) -> None:
    """Report `name: value` in a call, which is a label there, once for all arguments so written."""
    start, source = call.span.start, call.span.source
    text = source.text[start : call.span.end]
    takes = tuple(parameters)
    for other in reversed(call.arguments):
        if isinstance(other.value, ast.Labelled) and other.value.label in takes:
            label, at = other.value.name_at, other.value.value.span
            text = f"{text[: label.end - start]}={text[at.start - start :]}"
    name, span = value.label
    if name not in takes:
        names = ", ".join(f"`{other}`" for other in takes) or "tensors alone"
        hint = unknown_argument_hint(ctx, function, name, takes)
        message = f"{function.name} has no argument `{name}`; it takes {names}"
        ctx.error("E0202", message, span, hint, origin=function.origin)
        return
    colon = source.text.index(":", span.end)
    message = f"an argument is given with `=`; `{name}:` is a label, the name of a step"
    ctx.error("E0202", message, Span(source, colon, colon + 1), f"write `{' '.join(text.split())}`")


def of_thousands(at: Span) -> str:
    """A hint where an argument is the end of a number with commas: `1,000`."""
    text = at.source.text
    digits = re.search(r"\b(\d{1,3}),\Z", text[max(0, at.start - 5) : at.start])
    rest = text[at.start : at.end]
    return f"a number has no commas: `{digits[1]}_{rest}`" if digits and re.fullmatch(r"\d{3}", rest) else ""
