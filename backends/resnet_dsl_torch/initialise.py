"""Initial weights in PyTorch's own words: one loop for what most layers share, then the exceptions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

from resnet_dsl.driver import Program
from resnet_dsl.ir import ops
from resnet_dsl.passes.classes import Classes
from resnet_dsl.passes.source import Code, statement

Scheme = str | float

LAYERS: dict[type[ops.Op], str] = {
    ops.Conv: "nn.Conv2d",
    ops.FullyConnected: "nn.Linear",
    ops.BatchNorm: "nn.BatchNorm2d",
}


def reset_lines(program: Program, classes: Classes) -> str:
    """Return the body of `reset_parameters`."""
    sites = list(_sites(program, classes))
    common = {kind: Counter(s.scheme for s in sites if s.kind is kind).most_common(1) for kind in LAYERS}
    usual = {kind: found[0][0] for kind, found in common.items() if found}
    lines = ["        for module in self.modules():"] if usual else ["        pass"]
    for index, (kind, scheme) in enumerate(usual.items()):
        lines.append(f"            {'elif' if index else 'if'} isinstance(module, {LAYERS[kind]}):")
        lines += _init("module", kind, scheme, [s.bias for s in sites if s.kind is kind], 16)
    lines += _exceptions([site for site in sites if site.scheme != usual[site.kind]])
    return "\n".join(lines)


@dataclass(frozen=True)
class Site:
    """A layer as the file writes it: whose class it belongs to, and under which attribute."""

    kind: type[ops.Op]
    scheme: Scheme
    owner: str
    attribute: str
    bias: bool


def _sites(program: Program, classes: Classes) -> Iterator[Site]:
    parts = (program.network.stem, program.network.head)
    steps = [("", classes.step(node, body)) for body in parts if body for node in body.nodes]
    steps += [(block.name, step) for block in classes.classes for step in block.steps]
    for owner, step in steps:
        access = f"[{step.name}]" if step.name.isdigit() else f".{step.name}"
        match step.what:
            case ops.Conv() | ops.FullyConnected():
                yield Site(type(step.what), step.what.init, owner, access, step.what.bias)
            case ops.BatchNorm():
                yield Site(ops.BatchNorm, step.what.gamma, owner, access, True)


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
    if all(biases):
        return [*lines, statement("", bias, indent)]
    if any(biases):
        return [*lines, f"{' ' * indent}if {target}.bias is not None:", statement("", bias, indent + 4)]
    return lines


def _exceptions(odd: list[Site]) -> list[str]:
    """A second pass, for layers that start otherwise than most of their kind."""
    # Norm layers differ in their scale alone; the loop before has set the rest.
    odd = [replace(site, bias=False) if site.kind is ops.BatchNorm else site for site in odd]
    lines = []
    for site in odd:
        if not site.owner:
            lines += _init(f"self{site.attribute}", site.kind, site.scheme, [site.bias], 8)
    owners = list(dict.fromkeys(site.owner for site in odd if site.owner))
    if owners:
        lines.append("        for module in self.modules():")
    for index, owner in enumerate(owners):
        lines.append(f"            {'elif' if index else 'if'} isinstance(module, {owner}):")
        for site in odd:
            if site.owner == owner:
                lines += _init(f"module{site.attribute}", site.kind, site.scheme, [site.bias], 16)
    return lines
