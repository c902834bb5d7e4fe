"""Syntax tree to network: a model's settings become stem, stages and head, every shape known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, dataclass, field, replace
from typing import Any

from resnet_dsl.diagnostics import Diagnostic, Findings, Span, did_you_mean
from resnet_dsl.evaluate import MAX_OPS, Builder, Env, Evaluator
from resnet_dsl.ir.arguments import LARGEST, Dims, Symbol
from resnet_dsl.ir.network import Body, Network, Stage, renamed
from resnet_dsl.ir.shapes import Extent, Shape
from resnet_dsl.ir.sizes import Size
from resnet_dsl.scope import Scope
from resnet_dsl.settings import Setting, Settings, layer_of
from resnet_dsl.syntax import ast
from resnet_dsl.values import BAD, Bad, Definition, Function, Repeat, Staged, Tensor, show

FIELDS = (
    "input", "stem", "stages", "block", "head", "base",
    "outputs", "freeze", "preprocess", "expect",
)  # fmt: skip
PREPROCESS = ("color", "range", "mean", "std", "size", "crop", "interpolation")
COLORS = ("rgb", "bgr", "gray")
MAX_BASES = 16


@dataclass
class Plan:
    """A model being elaborated: its settings and the parts made so far."""

    model: ast.Model
    settings: Settings
    findings: Findings
    evaluator: Evaluator
    overridden: bool
    shape: Shape = field(default_factory=lambda: Shape(1))
    features: dict[str, Shape] = field(default_factory=dict)
    names: dict[str, Span] = field(default_factory=dict)
    head_features: tuple[str, ...] = ()

    def error(self, code: str, message: str, span: Span, hint: str = "") -> Bad:
        """Report an error of the model."""
        return self.evaluator.error(code, message, span, hint)

    def span(self, name: str) -> Span:
        """Return where a setting was made, or where the model is if it was not."""
        setting = self.settings.find(name)
        return self.model.span if setting is None or setting.scope.source.ours else setting.span


def elaborate(
    model: ast.Model, scope: Scope, overrides: dict[str, Setting], defaults: Scope, findings: Findings
) -> tuple[Network, Plan]:
    """Return the network of a model and the plan it came from; errors go to `findings`."""
    evaluator = Evaluator(findings, Extent())
    settings = Settings(evaluator, [])
    plan = Plan(model, settings, findings, evaluator, bool(overrides))
    settings.layers = [overrides, *_layers(plan, model, scope, overrides)]
    settings.layers += [layer_of(default, home) for default, home in defaults.models.values()]
    if (shape := _input(plan)) is None:
        raise_found(findings)
    plan.shape = shape or plan.shape
    start = plan.shape
    stem = _part(plan, "stem")
    if isinstance(stem, Body):
        plan.features["stem"] = stem.output
    stages = _stages(plan)
    head = _part(plan, "head")
    raise_found(findings)
    assert not isinstance(stem, Bad) and not isinstance(head, Bad)
    network = Network(
        name=model.name,
        input=start,
        extent=evaluator.extent,
        stem=stem,
        stages=stages,
        head=head,
        features=plan.head_features,
        outputs=_paths(plan, "outputs"),
        frozen=_paths(plan, "freeze"),
        preprocess=_preprocess(plan),
        settings=tuple((name, _text(setting)) for name, setting in overrides.items()),
        source=scope.source,
    )
    network = _only_needed(plan, network)
    _check_frozen(plan, network)
    _check_use(plan)
    raise_found(findings)
    return network, plan


def raise_found(findings: Findings) -> None:
    """Stop here if there are errors: what follows would only repeat them."""
    findings.check()


def _text(setting: Setting) -> str:
    return setting.span.source.text[setting.span.start : setting.span.end]


def _layers(
    plan: Plan, model: ast.Model, scope: Scope, overrides: dict[str, Setting]
) -> list[dict[str, Setting]]:
    """The layers of a model and of those it is based on, nearest first."""
    layers, seen = [], [model]
    while True:
        _no_duplicates(plan, model)
        layer = layer_of(model, scope)
        layers.append(layer)
        base = layer.pop("base", None)
        if base is None or base.value is None:
            return layers
        plan.settings.read.add("base")
        callee = base.value.callee if isinstance(base.value, ast.Call) else base.value
        found = scope.find_model(callee.id) if isinstance(callee, ast.Name) else None
        if found is None:
            hint = "`use` the file that declares it; `use resnet50` for a shipped model"
            plan.error("E0201", "`base` names no known model", base.span, hint)
            return layers
        model, home = found
        if any(model is other for other in seen) or len(seen) >= MAX_BASES:
            plan.error("E0209", f"model `{model.name}` is based on itself", base.span)
            return layers
        seen.append(model)
        if isinstance(base.value, ast.Call):
            layers.append(_base_arguments(plan, base.value, model, scope))
        scope = home


def _no_duplicates(plan: Plan, model: ast.Model) -> None:
    seen: set[str] = set()
    items: tuple[ast.Parameter | ast.Field, ...] = (*model.parameters, *model.fields)
    for item in items:
        if item.name in seen:
            plan.error("E0208", f"`{item.name}` is given twice", item.span)
        seen.add(item.name)


def _base_arguments(plan: Plan, call: ast.Call, model: ast.Model, scope: Scope) -> dict[str, Setting]:
    """The settings that `base: name(arguments)` makes."""
    names = [parameter.name for parameter in model.parameters]
    layer = {}
    for index, argument in enumerate(call.arguments):
        name = argument.name or (names[index] if index < len(names) else None)
        if name is None:
            plan.error("E0202", f"too many arguments for model `{model.name}`", argument.span)
            continue
        layer[name] = Setting(argument.value, scope, argument.span, "field")
    return layer


# --- input, stem and head ----------------------------------------------------------------------


def _input(plan: Plan) -> Shape | None:
    """The input's shape; sets the extent that concrete sizes are checked at."""
    value = plan.settings.value("input")
    if isinstance(value, Bad):
        return None
    if type(value) is int and 0 < value <= LARGEST:
        return Shape(value)
    span = plan.span("input")
    if not (isinstance(value, tuple) and len(value) == 3 and type(value[0]) is int):
        plan.error("E0204", f"`input` must be a size such as `3x224x224`, not {show(value)}", span)
        return None
    channels, height, width = value
    known: list[int | None] = []
    for size, axis in ((height, "H"), (width, "W")):
        if type(size) is int and 0 < size <= LARGEST:
            known.append(size)
        elif size == axis:
            known.append(None)
        else:
            hint = f"write a number, or `{axis}` for any"
            plan.error("E0204", f"`{show(size)}` is no extent of `input`", span, hint)
            return None
    if not 0 < channels <= LARGEST:
        plan.error("E0204", f"`input` must have a positive number of channels, not {channels}", span)
        return None
    plan.evaluator.extent = Extent(known[0], known[1])
    return Shape(channels, (Size("H"), Size("W")))


def _part(plan: Plan, name: str) -> Body | Bad | None:
    """Elaborate the stem or the head on the shape reached so far."""
    setting = plan.settings.find(name)
    if setting is None or setting.value is None:
        return None
    plan.settings.read.add(name)
    builder = Builder([plan.shape])
    origin = "the model's input" if name == "stem" else "the last stage"
    seen: dict[str, Tensor] = {}
    env = _part_env(plan, setting, builder, Tensor(-1, plan.shape, origin), seen)
    with plan.evaluator.within(f"in the {name} of model {plan.model.name}", setting.span):
        value = plan.evaluator.evaluate(setting.value, env)
        if value is None:
            return None
        result = value if isinstance(value, Tensor | Bad) else _applied(plan, value, env, setting)
    if isinstance(result, Bad):
        return BAD
    body = Body(name, (), tuple(builder.inputs), tuple(builder.nodes), result.value)
    if name == "head":
        body = _numbered_as_head(body, builder, plan)
        plan.head_features = tuple(seen)
    _claim(plan, body)
    plan.shape = body.output
    return body if body.nodes else None


def _applied(plan: Plan, value: Any, env: Env, setting: Setting) -> Any:
    label = value.label if isinstance(value, Staged) else None
    function = value.value if isinstance(value, Staged) else value
    if isinstance(function, Function):
        return plan.evaluator.apply(function, env.x, env, setting.span, label)
    return plan.error("E0206", f"a pipeline or `none` belongs here, not {show(value)}", setting.span)


def _part_env(plan: Plan, setting: Setting, builder: Builder, x: Tensor, seen: dict[str, Tensor]) -> Env:
    """The environment of stem or head: settings, and for a head the parts before it."""
    env = plan.settings.env(setting, x=x)
    env.builder = builder
    lookup = env.setting
    assert lookup is not None

    def find(name: str, span: Span) -> Any:
        if name in plan.features and setting is plan.settings.find("head"):
            if name not in seen:
                shape = plan.features[name]
                builder.inputs.append(shape)
                seen[name] = Tensor(-len(builder.inputs), shape, f"the result of {name}")
            return seen[name]
        return lookup(name, span)

    env.setting = find
    return env


def _numbered_as_head(body: Body, builder: Builder, plan: Plan) -> Body:
    """In a head, a kind that occurs once has no number; others count on from the stem."""
    names = {}
    taken = set(plan.names) | set(builder.names)
    for kind, count in builder.counts.items():
        if count == 1 and kind not in taken:
            names[f"{kind}1"] = kind
            continue
        shift = next(
            n
            for n in range(len(taken) + 1)
            if not any(f"{kind}{n + i}" in plan.names for i in range(1, count + 1))
        )
        names |= {f"{kind}{i}": f"{kind}{i + shift}" for i in range(1, count + 1)}
    auto = {name: new for name, new in names.items() if name in builder.automatic}
    return renamed(body, auto)


def _claim(plan: Plan, body: Body) -> None:
    """Stem, stages and head share the model's own level of names."""
    for node in body.nodes:
        if node.name in plan.names:
            message = f"`{node.name}` is the name of two steps of the model"
            plan.error("E0211", message, node.span, "name one of them: `-> name: step`")
        plan.names[node.name] = node.span


# --- stages ------------------------------------------------------------------------------------


def _stages(plan: Plan) -> tuple[Stage, ...]:
    value = plan.settings.value("stages")
    if isinstance(value, Bad):
        return ()
    if value is MISSING or not isinstance(value, tuple) or isinstance(value, Dims):
        message = "a model needs `stages`: a list with the number of blocks of each"
        plan.error("E0203", message, plan.span("stages"), "`stages: [3, 4, 6, 3]`, or `[]` for none")
        return ()
    stages: list[Stage] = []
    for index, item in enumerate(value):
        name, item = (item.label, item.value) if isinstance(item, Staged) else (f"layer{index + 1}", item)
        span = plan.span("stages")
        if name in plan.names or name in ("stem", "head"):
            plan.error("E0211", f"`{name}` is the name of two parts of the model", span)
        plan.names[name] = span
        stage = _stage(plan, name, item, index, len(value))
        if stage is None:
            plan.findings.check()
            return tuple(stages)
        stages.append(stage)
        plan.features[name] = plan.shape
    return tuple(stages)


def _stage(plan: Plan, name: str, item: Any, stage: int, stages: int) -> Stage | None:
    runs = list(_runs(plan, item, stage, stages))
    if any(run is None for run in runs):
        return None
    if sum(count for count, _ in runs) > MAX_OPS:
        plan.error("E0501", f"a stage of more than {MAX_OPS:,} blocks", plan.span("stages"))
        return None
    blocks: list[Body] = []
    for count, function in runs:
        for _ in range(count):
            body = _block(plan, function, name, stage, len(blocks), stages)
            if isinstance(body, Bad):
                return None
            blocks.append(body)
            plan.shape = body.output
    return Stage(name, tuple(blocks))


def _runs(plan: Plan, item: Any, stage: int, stages: int) -> Iterator[Any]:
    """Yield (count, block) for what a stage is given as, or None after an error."""
    span = plan.span("stages")
    match item:
        case bool():
            pass
        case int() if item > 0:
            block = _per_stage(plan, "block", plan.settings.value("block", stage=stage), stage, stages)
            if isinstance(block, Function):
                yield item, block
            elif block is MISSING:
                yield plan.error("E0203", "a model with stages needs a `block`", plan.model.span,
                                 "`block: basic` or `block: bottleneck`") and None  # fmt: skip
            else:
                if not isinstance(block, Bad):
                    message = f"`block` must be a block, not {show(block)}"
                    plan.error("E0206", message, plan.span("block"))
                yield None
            return
        case Function():
            yield 1, item
            return
        case Repeat(count=count) if count > 0:
            yield count, item.function
            return
        case tuple() if item and not isinstance(item, Dims):
            for part in item:
                if isinstance(part, Function | Repeat):
                    yield from _runs(plan, part, stage, stages)
                else:
                    plan.error("E0204", f"a stage lists blocks, not {show(part)}", span)
                    yield None
            return
    message = f"a stage is a positive number of blocks, or blocks written out, not {show(item)}"
    plan.error("E0204", message, span)
    yield None


def _block(plan: Plan, function: Function, name: str, stage: int, index: int, stages: int) -> Body | Bad:
    """Elaborate one block of a stage with the arguments that the model's settings give it."""
    evaluator = plan.evaluator
    if not isinstance(function.target, Definition):
        message = f"a stage is made of blocks; {function.name} is an op"
        return plan.error("E0206", message, plan.span("block"), "wrap it in a block of your own")
    given = dict(function.bound)
    frame = f"in stage {name}, block {index} of model {plan.model.name}"
    with evaluator.within(frame, plan.span("block") if plan.settings.find("block") else plan.span("stages")):
        for parameter in evaluator.signature(function):
            if parameter.name in given:
                _mark_read(plan, parameter.name)
                continue
            value = _argument(plan, parameter.name, parameter.choices, stage, index, stages)
            if isinstance(value, Bad):
                return BAD
            if value is not MISSING:
                given[parameter.name] = value
        missing = [p.name for p in evaluator.signature(function) if p.required and p.name not in given]
        if missing:
            names = ", ".join(f"`{name}`" for name in missing)
            return plan.error(
                "E0203",
                f"{function.name} needs {names}",
                plan.span("block"),
                f"write `{missing[0]}:` in the model",
            )
        return evaluator.body(function.target, given, plan.shape, plan.span("block"))


def _mark_read(plan: Plan, name: str) -> None:
    plan.settings.read |= {name, f"{name}s"}


def _argument(plan: Plan, name: str, choices: tuple[str, ...], stage: int, index: int, stages: int) -> Any:
    """The value of a block's parameter: the field of its name, or of its plural."""
    for setting in (name, f"{name}s"):
        if plan.settings.find(setting) is None:
            continue
        if setting == "strides" and index > 0:
            plan.settings.read.add(setting)
            return MISSING  # a stage's stride is that of its first block
        value = plan.settings.value(setting, choices=choices, stage=stage, index=index)
        return _per_stage(plan, setting, value, stage, stages)
    return MISSING


def _per_stage(plan: Plan, name: str, value: Any, stage: int, stages: int) -> Any:
    """One value of a list with a value a stage; anything else serves every stage."""
    if not isinstance(value, tuple) or isinstance(value, Dims):
        return value
    if len(value) != stages:
        message = f"`{name}` has {len(value)} values for {stages} stages"
        return plan.error("E0207", message, plan.span(name), "give one value, or one a stage")
    return value[stage]


# --- what the model returns, freezes and says of its data --------------------------------------


def _paths(plan: Plan, name: str) -> tuple[str, ...]:
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


def _only_needed(plan: Plan, network: Network) -> Network:
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
    left = [name for name in order[last + 1 :] if "." not in name and not name == order[last].split(".")[0]]
    if left:
        message = f"no output needs {', '.join(left)}: left out"
        plan.evaluator.warn("W0603", message, span, "list what should stay, or write `head: none`")
    return replace(network, head=None, features=(), stages=tuple(s for s in stages if s.blocks))


def _check_frozen(plan: Plan, network: Network) -> None:
    known = {"stem", "head"} | {path for _, path, _ in network.parts()} | {s.name for s in network.stages}
    known |= {node.name for part in (network.stem, network.head) if part for node in part.nodes}
    known.discard("")
    for path in network.frozen:
        if path not in known:
            message = f"the model has no part `{path}` to freeze"
            plan.error("E0201", message, plan.span("freeze"), did_you_mean(path, known))


def _preprocess(plan: Plan) -> tuple[tuple[str, Any], ...]:
    setting = plan.settings.find("preprocess")
    if setting is None or setting.value is None:
        return ()
    plan.settings.read.add("preprocess")
    env = plan.settings.env(setting, **{color: Symbol(color) for color in COLORS})
    value = plan.evaluator.evaluate(setting.value, env)
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


def _check_use(plan: Plan) -> None:
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
                plan.evaluator.warn("W0602", f"`{name}` has no effect here", setting.span)
            else:
                message = f"`{name}` is neither a field of models nor a parameter of the block"
                blocks = {p.name for b in _definitions(plan) for p in b.block.parameters}
                hint = did_you_mean(name, known | blocks | {f"{n}s" for n in blocks})
                plan.error("E0205", message, setting.span, hint)


def _definitions(plan: Plan) -> Iterator[Definition]:
    return (key[0] for key in plan.evaluator.bodies)


def check_expectations(plan: Plan, figures: dict[str, Any]) -> None:
    """Check `expect:` against the true figures; skipped where a setting was overridden."""
    # Only the model's own: what its base expects holds for the base.
    setting = plan.settings.layers[1].get("expect")
    if setting is None or setting.value is None or plan.overridden:
        return
    items = setting.value.items if isinstance(setting.value, ast.List) else (setting.value,)
    for item in items:
        env = plan.settings.env(setting, **figures)
        held = plan.evaluator.evaluate(item, env)
        if isinstance(held, Bad) or held is True:
            continue
        used = [name for name in figures if ast.mentions(item, name)]
        truth = ", ".join(f"{name} is {_shown(figures[name])}" for name in used)
        message = "this expectation does not hold" + (f": {truth}" if truth else "")
        plan.findings.add(Diagnostic("E0401", message, item.span))
    plan.findings.check()


def _shown(value: Any) -> str:
    return f"{value:_}" if isinstance(value, int) else show(value)
