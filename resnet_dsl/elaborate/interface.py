"""What a model shows the world: outputs, frozen parts, preprocessing, expectations; nothing unused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from resnet_dsl.diagnostics import Diagnostic, did_you_mean
from resnet_dsl.elaborate.plan import Plan
from resnet_dsl.elaborate.values import Bad, Definition, show
from resnet_dsl.ir.arguments import Symbol
from resnet_dsl.ir.network import Network, Stage
from resnet_dsl.syntax import ast

FIELDS = (
    "input", "stem", "stages", "block", "head", "base",
    "outputs", "freeze", "preprocess", "expect",
)  # fmt: skip
PREPROCESS = ("color", "range", "mean", "std", "size", "crop", "interpolation")
COLORS = ("rgb", "bgr", "gray")


def paths(plan: Plan, name: str) -> tuple[str, ...]:
    """The dotted names that `outputs` or `freeze` lists."""
    setting = plan.settings.find(name)
    if setting is None or setting.value is None:
        return ()
    plan.settings.read.add(name)
    items = setting.value.items if isinstance(setting.value, ast.List) else (setting.value,)
    if isinstance(setting.value, ast.Constant) and setting.value.value is None:
        return ()
    paths = []
    for item in items:
        if (path := _dotted(item)) is None:
            plan.error("E0204", f"`{name}` lists names such as `stem`, `layer2` or `layer2.0`", item.span)
        elif path in paths:
            plan.error("E0208", f"`{path}` is listed twice", item.span)
        else:
            paths.append(path)
    return tuple(paths)


def _dotted(expr: ast.Expr) -> str | None:
    match expr:
        case ast.Name():
            return expr.id
        case ast.String():
            return expr.value
        case ast.Attribute():
            front = _dotted(expr.value)
            return None if front is None else f"{front}.{expr.name}"
        case _:
            return None


def only_needed(plan: Plan, network: Network) -> Network:
    """Check `outputs` and leave out the parts that none of them needs, saying so."""
    if not network.outputs:
        return network
    order = [name for name in ("stem",) if network.stem is not None]
    for stage in network.stages:
        order += [*(f"{stage.name}.{i}" for i in range(len(stage.blocks))), stage.name]
    order += ["head"] if network.head is not None else []
    span = plan.span("outputs")
    for output in network.outputs:
        if output not in order:
            hint = did_you_mean(output, order) or f"there are {', '.join(n for n in order if '.' not in n)}"
            plan.error("E0201", f"the model has no part `{output}`", span, hint)
    plan.findings.check()
    if "head" in network.outputs:
        return network
    last = max(order.index(output) for output in network.outputs)
    stages = tuple(
        Stage(
            stage.name,
            tuple(b for i, b in enumerate(stage.blocks) if order.index(f"{stage.name}.{i}") <= last),
        )
        for stage in network.stages
    )
    left = [name for name in order[last + 1 :] if "." not in name and name != order[last].split(".")[0]]
    if left:
        message = f"no output needs {', '.join(left)}: left out"
        plan.context.warn("W0603", message, span, "list what should stay, or write `head: none`")
    return replace(network, head=None, features=(), stages=tuple(s for s in stages if s.blocks))


def check_frozen(plan: Plan, network: Network) -> None:
    """Report parts to freeze that the model does not have."""
    known = {"stem", "head"} | {path for _, path, _ in network.parts()} | {s.name for s in network.stages}
    known |= {node.name for part in (network.stem, network.head) if part for node in part.nodes}
    known.discard("")
    for path in network.frozen:
        if path not in known:
            message = f"the model has no part `{path}` to freeze"
            plan.error("E0201", message, plan.span("freeze"), did_you_mean(path, known))


def preprocess(plan: Plan) -> tuple[tuple[str, Any], ...]:
    """Return what the model says of its input data, checked."""
    setting = plan.settings.find("preprocess")
    if setting is None or setting.value is None:
        return ()
    plan.settings.read.add("preprocess")
    env = plan.settings.env(setting, **{color: Symbol(color) for color in COLORS})
    value = plan.context.evaluate(plan.context, setting.value, env)
    if value is None or isinstance(value, Bad):
        return ()
    if not isinstance(setting.value, ast.Record):
        plan.error("E0204", "`preprocess` is a record: `{ color: rgb  mean: [0.5, 0.5, 0.5] }`", setting.span)
        return ()
    for name, item in value:
        if name not in PREPROCESS:
            plan.error("E0202", f"`preprocess` has no `{name}`", setting.span, did_you_mean(name, PREPROCESS))
        if name == "color" and item not in COLORS:
            plan.error("E0204", f"`color` must be one of {', '.join(COLORS)}", setting.span)
    return tuple((name, str(item) if isinstance(item, Symbol) else item) for name, item in value)


def check_use(plan: Plan) -> None:
    """Nothing set may go unused: an error for an unknown name, a warning for one without effect."""
    known = {name for layer in plan.settings.layers for name, s in layer.items() if s.by != "field"}
    known |= set(FIELDS)
    for layer in plan.settings.layers:
        for name, setting in layer.items():
            if name in plan.settings.read or setting.by in ("parameter", "library") or name == "expect":
                continue
            declared = any(
                name in other and (other[name].by in ("parameter", "library") or other is not layer)
                for other in plan.settings.layers
            )
            if declared or name in FIELDS:
                plan.context.warn("W0602", f"`{name}` has no effect here", setting.span)
            else:
                message = f"`{name}` is neither a field of models nor a parameter of the block"
                blocks = {p.name for b in _definitions(plan) for p in b.block.parameters}
                hint = did_you_mean(name, known | blocks | {f"{n}s" for n in blocks})
                plan.error("E0205", message, setting.span, hint)


def _definitions(plan: Plan) -> Iterator[Definition]:
    return (key[0] for key in plan.context.bodies)


def check_expectations(plan: Plan, figures: dict[str, Any]) -> None:
    """Check `expect:` against the true figures; skipped where a setting was overridden."""
    # Only the model's own: what its base expects holds for the base.
    setting = plan.settings.layers[1].get("expect")
    if setting is None or setting.value is None or plan.overridden:
        return
    items = setting.value.items if isinstance(setting.value, ast.List) else (setting.value,)
    for item in items:
        env = plan.settings.env(setting, **figures)
        held = plan.context.evaluate(plan.context, item, env)
        if isinstance(held, Bad) or held is True:
            continue
        used = [name for name in figures if ast.mentions(item, name)]
        truth = ", ".join(f"{name} is {_shown(figures[name])}" for name in used)
        message = "this expectation does not hold" + (f": {truth}" if truth else "")
        plan.findings.add(Diagnostic("E0401", message, item.span))
    plan.findings.check()


def _shown(value: Any) -> str:
    return f"{value:_}" if isinstance(value, int) else show(value)
