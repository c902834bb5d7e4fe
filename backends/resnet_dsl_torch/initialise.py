"""Initial weights in PyTorch's own words: one loop for what most layers share, then the exceptions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from resnet_dsl.backend.ir import TensorSpec
from resnet_dsl.backend.python_source import (
    Assignment,
    Attribute,
    Call,
    Expression,
    Kept,
    Literal,
    Name,
    Negative,
    Site,
    Subscript,
    binary,
    call,
    changed,
    method,
    names,
    statement,
    text,
)
from resnet_dsl.backend.records import dataclass

Line = Assignment | Call
Starts = tuple[tuple[str, tuple[Line, ...]], ...]
"""The lines that start each tensor of a layer, which stands in them as `Kept`."""

BOUND = Name("bound")
# To a type checker these may have no bias, whatever they are made with.
BIAS_IS_OPTIONAL = ("nn.Conv1d", "nn.Conv2d", "nn.ConvTranspose2d", "ScaledStandardizedConv2d")


def starts_of(site: Site) -> Starts:
    """Return how the tensors of an op start, from what the op itself says of them."""
    own = [parameter for parameter in site.parameters() if not parameter.is_statistic]
    found = [(parameter.name, _lines(parameter, own[0])) for parameter in own]
    if len(own) < len(site.parameters()):
        found.append(("running statistics", (method(Kept(), "reset_running_stats"),)))
    return tuple(found)


def _lines(parameter: TensorSpec, first: TensorSpec) -> tuple[Line, ...]:
    tensor = Attribute(Kept(), parameter.name)
    match parameter.init.scheme or parameter.init.kind:
        case "he" | "he_fan_in" as scheme:
            mode = "fan_out" if scheme == "he" else "fan_in"
            return (call("nn.init.kaiming_normal_", tensor, mode=mode, nonlinearity="relu"),)
        case "glorot":
            return (call("nn.init.xavier_uniform_", tensor),)
        case "small" | "normal":
            return (call("nn.init.normal_", tensor, 0.0, parameter.init.value),)
        case "uniform":
            drawn = call("nn.init.uniform_", tensor, Negative(BOUND), BOUND)
            size = method(Subscript(tensor, (Literal(0),)), "numel")
            bound = Assignment(("bound",), binary(1, "/", call("math.sqrt", size)))
            return (bound, drawn) if parameter is first else (drawn,)
        case _ if parameter.init.value in (0.0, 1.0):
            return (call(f"nn.init.{'ones' if parameter.init.value else 'zeros'}_", tensor),)
        case _:
            return (call("nn.init.constant_", tensor, parameter.init.value),)


@dataclass(frozen=True)
class StartSite:
    """A layer as the file writes it: its kind, whose class it belongs to, and the expression of it there."""

    kind: str
    owner: str
    access: Expression
    starts: Starts
    is_norm: bool = False


def reset_lines(sites: Sequence[StartSite]) -> list[str]:
    """Return the body of `reset_parameters`."""
    # A class of the file is asked for before one of torch's, from which it may be derived.
    kinds = sorted(dict.fromkeys(s.kind for s in sites if s.starts), key=lambda kind: kind.startswith("nn."))
    usual = {kind: _usual([site for site in sites if site.kind == kind]) for kind in kinds}
    alike: dict[tuple[str, ...], list[str]] = {}
    for kind in kinds:
        alike.setdefault(tuple(_loop_body(kind, usual[kind], sites)), []).append(kind)
    lines = ["        for module in self.modules():"] if kinds else ["        pass"]
    for index, (body, layers) in enumerate(alike.items()):
        names = sorted(layers)
        tested = names[0] if len(names) == 1 else f"({', '.join(names)})"
        lines += [f"            {'elif' if index else 'if'} isinstance(module, {tested}):", *body]
    return lines + list(_exceptions(sites, usual))


def _usual(sites: Sequence[StartSite]) -> dict[str, tuple[Line, ...]]:
    """How the tensors of a kind of layer start in most of them.

    What the first tensor starts with decides: a bias under `uniform` is drawn up to the weight's bound.
    """
    first = Counter(site.starts[0] for site in sites if site.starts).most_common(1)[0][0]
    alike = [site for site in sites if site.starts and site.starts[0] == first]
    names = dict.fromkeys(name for site in alike for name, _ in site.starts)
    counted = {name: Counter(dict(s.starts)[name] for s in alike if name in dict(s.starts)) for name in names}
    return {name: found.most_common(1)[0][0] for name, found in counted.items()}


def _loop_body(kind: str, usual: dict[str, tuple[Line, ...]], sites: Sequence[StartSite]) -> Iterator[str]:
    """The lines of the loop for a kind; a tensor that some of them lack is asked for."""
    module = Name("module")
    for name, lines in usual.items():
        lacking = any(s.kind == kind and name not in dict(s.starts) for s in sites)
        optional = lacking or (name == "bias" and kind in BIAS_IS_OPTIONAL)
        if optional:
            yield f"                if module.{name} is not None:"
        yield from _written(lines, module, 20 if optional else 16)


def _exceptions(sites: Sequence[StartSite], usual: dict[str, dict[str, tuple[Line, ...]]]) -> Iterator[str]:
    """A second pass, for tensors that start otherwise than most of their kind."""
    odd: dict[str, list[str]] = {}
    for site in sites:
        differing = [(n, lines) for n, lines in site.starts if lines != usual[site.kind].get(n)]
        indent = 16 if site.owner else 8
        for name, lines in differing:
            optional = name == "bias" and site.kind in BIAS_IS_OPTIONAL
            asked = [f"{' ' * indent}if {text(site.access)}.bias is not None:"] if optional else []
            lines_of = _written(lines, site.access, indent + 4 * optional)
            odd.setdefault(site.owner, []).extend([*asked, *lines_of])
    yield from odd.pop("", ())
    if odd:
        yield "        for module in self.modules():"
    for index, (owner, written) in enumerate(odd.items()):
        yield f"            {'elif' if index else 'if'} isinstance(module, {owner}):"
        yield from written


def _written(lines: Sequence[Line], layer: Expression, indent: int) -> Iterator[str]:
    def placed(tree: Expression) -> Expression | None:
        return layer if isinstance(tree, Kept) else None

    for line in lines:
        if isinstance(line, Assignment):
            yield statement(f"{line.targets[0]} = ", changed(line.value, placed), indent)
        else:
            yield statement("", changed(line, placed), indent)


def uses_math(sites: Sequence[StartSite]) -> bool:
    """Whether the lines that start the layers call the standard library's `math`."""
    lines = (line for site in sites for _, found in site.starts for line in found)
    return "math" in names(line.value for line in lines if isinstance(line, Assignment))
