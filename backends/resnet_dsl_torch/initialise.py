"""Initial weights in PyTorch's own words: one loop for what most layers share, then the exceptions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from resnet_dsl.codegen.text_classes import Classes, Step
from resnet_dsl.codegen.text_statements import Code, statement
from resnet_dsl.ir import ops
from resnet_dsl.program import Program
from resnet_dsl_torch.reserved_names import attribute

Scheme = str | float

LAYERS: dict[type[ops.Op], str] = {
    ops.Conv: "nn.Conv2d",
    ops.ChannelConv: "nn.Conv1d",
    ops.FullyConnected: "nn.Linear",
    ops.BatchNorm: "nn.BatchNorm2d",
    ops.GroupNorm: "nn.GroupNorm",
    ops.LayerNorm: "nn.LayerNorm",
}
Norm = ops.BatchNorm | ops.GroupNorm | ops.LayerNorm


def reset_lines(program: Program, classes: Classes) -> list[str]:
    """Return the body of `reset_parameters`."""
    sites = list(_sites(program, classes))
    common = {kind: Counter(s.scheme for s in sites if s.kind is kind).most_common(1) for kind in LAYERS}
    usual = {kind: found[0][0] for kind, found in common.items() if found}
    alike: dict[tuple[str, ...], list[str]] = {}
    for kind, scheme in usual.items():
        body = _init("module", kind, scheme, [s.bias for s in sites if s.kind is kind], 16)
        if kind is ops.BatchNorm:
            body.append("                module.reset_running_stats()")
        layers = [LAYERS[kind]] if kind is not ops.BatchNorm else _norms(program)
        alike.setdefault(tuple(body), []).extend(layers)
    lines = ["        for module in self.modules():"] if usual else ["        pass"]
    for index, (once, layers) in enumerate(alike.items()):
        kinds = layers[0] if len(layers) == 1 else f"({', '.join(layers)})"
        lines += [f"            {'elif' if index else 'if'} isinstance(module, {kinds}):", *once]
    return lines + _exceptions([site for site in sites if site.scheme != usual[site.kind]])


def _norms(program: Program) -> list[str]:
    """The kinds of batch norm there are: on maps, on vectors, or both."""
    nodes = [node for node in program.graph.nodes if isinstance(node.op, ops.BatchNorm)]
    return sorted({f"nn.BatchNorm{1 if node.input_shapes[0].is_vector else 2}d" for node in nodes})


@dataclass(frozen=True)
class Site:
    """A layer as the file writes it: whose class it belongs to, and the expression of it there."""

    kind: type[ops.Op]
    scheme: Scheme
    owner: str
    access: str
    bias: bool


def _sites(program: Program, classes: Classes) -> Iterator[Site]:
    parts = (program.network.stem, program.network.head)
    for step in (classes.step(node, body) for body in parts if body for node in body.nodes):
        yield from _site("", step, attribute("self", step.name))
    for block in classes.classes:
        for step in block.steps:
            yield from _site(block.name, step, attribute("module", step.name))


def _site(owner: str, step: Step, access: str) -> Iterator[Site]:
    match step.what:
        case ops.Conv() | ops.FullyConnected():
            yield Site(type(step.what), step.what.init, owner, access, step.what.bias)
        case ops.ChannelConv():
            yield Site(ops.ChannelConv, step.what.init, owner, access, False)
        case ops.BatchNorm() | ops.GroupNorm() | ops.LayerNorm():
            yield Site(type(step.what), step.what.gamma, owner, access, True)


def _init(target: str, kind: type[ops.Op], scheme: Scheme, biases: list[bool], indent: int) -> list[str]:
    """The lines that start one layer, or every layer of a kind."""
    weight, bias = f"{target}.weight", Code("nn.init.zeros_", (f"{target}.bias",))
    codes: list[str | Code] = []
    match scheme:
        case float():
            codes = [Code("nn.init.constant_", (weight, str(scheme)))]
        case "he" | "he_fan_in":
            mode = "fan_out" if scheme == "he" else "fan_in"
            codes = [Code("nn.init.kaiming_normal_", (weight, f'mode="{mode}"', 'nonlinearity="relu"'))]
        case "glorot":
            codes = [Code("nn.init.xavier_uniform_", (weight,))]
        case "small":
            codes = [Code("nn.init.normal_", (weight, "0.0", "0.01"))]
        case _:
            codes = [f"bound = 1 / math.sqrt({weight}[0].numel())"]
            codes.append(Code("nn.init.uniform_", (weight, "-bound", "bound")))
            bias = Code("nn.init.uniform_", (f"{target}.bias", "-bound", "bound"))
    lines = [statement("", code, indent) for code in codes]
    if all(biases) and kind is not ops.Conv:  # that of a Conv2d is optional to a type checker
        return [*lines, statement("", bias, indent)]
    if any(biases):
        return [*lines, f"{' ' * indent}if {target}.bias is not None:", statement("", bias, indent + 4)]
    return lines


def _exceptions(odd: list[Site]) -> list[str]:
    """A second pass, for layers that start otherwise than most of their kind."""
    # Norm layers differ in their scale alone; the loop before has set the rest.
    odd = [replace(site, bias=False) if issubclass(site.kind, Norm) else site for site in odd]
    lines = []
    for site in odd:
        if not site.owner:
            lines += _init(site.access, site.kind, site.scheme, [site.bias], 8)
    owners = list(dict.fromkeys(site.owner for site in odd if site.owner))
    if owners:
        lines.append("        for module in self.modules():")
    for index, owner in enumerate(owners):
        lines.append(f"            {'elif' if index else 'if'} isinstance(module, {owner}):")
        for site in odd:
            if site.owner == owner:
                lines += _init(site.access, site.kind, site.scheme, [site.bias], 16)
    return lines
