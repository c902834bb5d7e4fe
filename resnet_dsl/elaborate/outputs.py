"""What a model shows the world: outputs, preprocessing, expectations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from resnet_dsl.diagnostics.model import Diagnostic, Label, Span
from resnet_dsl.elaborate.elaborator import Env
from resnet_dsl.elaborate.model_state import ModelState
from resnet_dsl.elaborate.values import Bad, Value, show
from resnet_dsl.ir.arguments import Symbol
from resnet_dsl.ir.narrowing import needed_only, with_steps
from resnet_dsl.ir.network import WITHIN, BlockCall, Body, Network
from resnet_dsl.limits import PARAMETERS
from resnet_dsl.records import replace
from resnet_dsl.syntax import ast

PREPROCESS = ("color", "range", "mean", "std", "size", "crop", "interpolation")
AUXILIARY = "auxiliary"
COLORS = ("rgb", "bgr", "gray")


def paths(state: ModelState, name: str) -> tuple[str, ...]:
    """The dotted names that `outputs` or `freeze` lists."""
    setting = state.settings.find(name)
    if setting is None or setting.value is None:
        return ()
    state.settings.read.add(name)
    items = setting.value.items if isinstance(setting.value, ast.List) else (setting.value,)
    if isinstance(setting.value, ast.Constant) and setting.value.value is None:
        return ()
    paths: dict[str, Span] = {}
    for item in items:
        if (path := _dotted(item)) is None:
            state.error("E0204", f"`{name}` lists names such as `stem`, `layer2` or `layer2.0`", item.span)
        elif path in paths:
            labels = (Label(paths[path], "listed here first"),)
            state.error("E0208", f"`{path}` is listed twice", item.span, labels=labels)
        else:
            paths[path] = item.span
    return tuple(paths)


def item_at(state: ModelState, name: str, path: str) -> Span:
    """Return the place of one of the names that `outputs` or `freeze` lists."""
    setting = state.settings.find(name)
    value = None if setting is None else setting.value
    items = value.items if isinstance(value, ast.List) else ()
    return next((item.span for item in items if _dotted(item) == path), state.value_at(name))


def part_hint(
    state: ModelState, path: str, listed: Sequence[str], known: Iterable[str], steps: Iterable[str] = ()
) -> str:
    """Return a hint with parts, or steps, that may be meant: none that is listed, each of the same level."""
    names = [name for name in known if name not in listed]
    near = [name for name in (*names, *steps) if name.count(".") == path.count(".")]
    outer = ", ".join(name for name in names if "." not in name)
    return state.elaborator.suggest(path, near) or (f"there are {outer}" if outer else "")


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


def with_fields(network: Network) -> Network:
    """Return the network with the fields of a record as its outputs, where that is one or is the result."""
    fields = _fields(network)
    last = network.stages[-1].name if network.stages else ""
    named = network.outputs or fields.get(last if network.head is None else "head", ())
    outputs = (each for name in named for each in fields.get(name, (name,)))
    return replace(network, outputs=tuple(dict.fromkeys(outputs)))


def with_auxiliary(state: ModelState, network: Network) -> Network:
    """Return the network with those of its outputs marked that exist in training only."""
    taken = any(p.name == AUXILIARY for definition in state.blocks for p in definition.block.parameters)
    if state.settings.find(AUXILIARY) is None or taken or state.settings.is_parameter(AUXILIARY):
        return network  # or it is somebody's own word
    fields = _fields(network)
    known = dict.fromkeys((*network.outputs, *(name for name in fields if name in network.places())))
    found: dict[str, None] = {}
    for path in paths(state, AUXILIARY):
        names = [name for name in fields.get(path, (path,)) if name in network.outputs]
        found.update(dict.fromkeys(names))
        if not names:
            hint = (
                part_hint(state, path, (), known) if network.outputs else "a head of several results has some"
            )
            at = item_at(state, AUXILIARY, path)
            state.error("E0201", f"the model has no output `{path}`", at, hint)
    if found and len(found) == len(network.outputs):
        message = "every output is auxiliary: after training nothing would be returned"
        state.error(
            "E0204", message, state.value_at(AUXILIARY), "leave one out, or list another in `outputs`"
        )
    return replace(network, auxiliary=tuple(found))


def _fields(network: Network) -> dict[str, tuple[str, ...]]:
    """The fields of each part that is a record, under their names as outputs; of fields of the head too."""
    ends = {stage.name: stage.last.fields for stage in network.stages}
    fields = {name: tuple(f"{name}.{each}" for each in own) for name, own in ends.items() if own}
    lasts = {f"{stage.name}.{stage.count - 1}": stage.name for stage in network.stages}
    fields |= {last: fields[name] for last, name in lasts.items() if name in fields}
    if network.head is not None and network.head.fields:
        fields["head"] = network.head.fields
        for name in network.head.fields:
            if "." in name:
                front = name.partition(".")[0]
                fields[front] = (*fields.get(front, ()), name)
    return fields


def only_needed(state: ModelState, network: Network) -> Network:
    """Check `outputs` and leave out the parts that none of them needs, saying so."""
    if not network.outputs:
        return network
    network = with_steps(network)
    known = network.places()
    unknown = [output for output in network.outputs if output not in known]
    for output in unknown:
        names = (name for name in known if WITHIN not in name)
        hint = part_hint(state, output, network.outputs, names, dict.fromkeys(_steps(network)))
        at = item_at(state, "outputs", output)
        state.error("E0201", f"the model has no part `{output}`", at, hint)
    if unknown:
        return network
    needed = needed_only(network)
    if left := list(_left_out(network, needed)):
        message = f"no output needs {', '.join(left)}: left out"
        hint = "list what should stay, or write `head: none`" if left == ["head"] else "list what should stay"
        state.elaborator.warn("W0603", message, state.value_at("outputs"), hint)
    return needed


def _steps(network: Network) -> Iterator[str]:
    """Yield the paths of all steps inside of parts."""
    for _, path, body in network.parts():
        yield from _inside(body, path)


def _inside(body: Body, path: str) -> Iterator[str]:
    for node in body.steps():
        own = f"{path}.{node.name}".lstrip(".")
        yield own
        if isinstance(node.what, BlockCall):
            yield from _inside(node.what.body, own)


def _left_out(network: Network, needed: Network) -> Iterator[str]:
    """Yield the parts of a network, and the fields of parts, that the needed ones lack."""
    kept = {stage.name: stage for stage in needed.stages}
    for stage in network.stages:
        if stage.name not in kept:
            yield stage.name
        elif kept[stage.name].count == stage.count:
            fields = kept[stage.name].last.fields
            yield from (f"{stage.name}.{name}" for name in stage.last.fields if name not in fields)
    if network.head is not None:
        fields = network.head.fields if needed.head is None else needed.head.fields
        yield from ["head"] if needed.head is None else (f for f in network.head.fields if f not in fields)


def preprocess(state: ModelState) -> tuple[tuple[str, Value], ...]:
    """Return what the model says of its input data, checked."""
    setting = state.settings.find("preprocess")
    if setting is None or setting.value is None:
        return ()
    state.settings.read.add("preprocess")
    env = state.settings.env(setting, **{color: Symbol(color) for color in COLORS})
    if isinstance(setting.value, ast.Record):
        unknown_color = _check_preprocess(state, setting.value, env)
        if unknown_color:
            return ()
    value = state.elaborator.evaluate(setting.value, env)
    if value is None or isinstance(value, Bad):
        return ()
    if not isinstance(setting.value, ast.Record):
        message = f"`preprocess` must be a record, not {show(value)}"
        state.error("E0204", message, setting.value_at, "`{ color: rgb  mean: [0.5, 0.5, 0.5] }`")
        return ()
    assert isinstance(value, tuple)
    if _is_for_other_channels(state, dict(value)):
        return ()
    _check_channels(state, setting.value, dict(value))
    return tuple((name, str(item) if isinstance(item, Symbol) else item) for name, item in value)


def _is_for_other_channels(state: ModelState, values: dict[str, Value]) -> bool:
    """Whether a nearer layer sets an input that the preprocessing is not for: it is left out, and said."""
    size, layers = state.settings.value("input"), state.settings.layers
    input_layer, own_layer = (
        next(depth for depth, layer in enumerate(layers) if name in layer) for name in ("input", "preprocess")
    )
    if not (isinstance(size, tuple) and size and input_layer < own_layer):
        return False
    lists = (values.get(name) for name in ("mean", "std"))
    length = next((len(each) for each in lists if isinstance(each, tuple) and len(each) != size[0]), None)
    if length is None:
        return False
    message = f"`preprocess` is for {length} channels, and the input has {show(size[0])}: it is left out"
    hint = "give `preprocess` for this input, or write `preprocess: none`"
    state.elaborator.warn("W0602", message, state.value_at("input"), hint)
    return True


def _check_channels(state: ModelState, record: ast.Record, values: dict[str, Value]) -> None:
    """Means and deviations are one number, or one a channel."""
    size = state.settings.value("input")
    channels = size[0] if isinstance(size, tuple) and size else None
    for item in record.fields:
        value = values.get(item.name)
        parts = value if isinstance(value, tuple) else (value,)
        if not (parts and all(isinstance(part, int | float | str) for part in parts)):
            message = f"`{item.name}` must be a number, a name or a list of them, not {show(value)}"
            state.error("E0204", message, item.value.span)
        elif item.name in ("mean", "std") and isinstance(value, tuple) and channels not in (None, len(value)):
            message = f"`{item.name}` has {len(value)} numbers for {channels} channels"
            state.error("E0204", message, item.value.span, "give one number a channel")


def _check_preprocess(state: ModelState, record: ast.Record, env: Env) -> bool:
    """Report fields that there are not; return whether the colour is a name that means nothing."""
    bad = False
    for item in record.fields:
        if item.name not in PREPROCESS:
            hint = state.elaborator.suggest(item.name, PREPROCESS) or f"it takes {_listed(PREPROCESS)}"
            state.error("E0202", f"`preprocess` has no `{item.name}`", item.name_at, hint)
        if item.name == "color" and not (isinstance(item.value, ast.Name) and item.value.id in COLORS):
            bad = isinstance(item.value, ast.Name) and not env.knows(item.value.id)
            hint = state.elaborator.suggest(item.value.id, COLORS) if isinstance(item.value, ast.Name) else ""
            state.error("E0204", f"`color` must be one of {_listed(COLORS)}", item.value.span, hint)
    return bad


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def check_size(state: ModelState, params: int, largest: str) -> None:
    """Refuse a model that no machine could hold; `largest` is its largest layer."""
    if params <= PARAMETERS.most:
        return
    message = f"the model has {params:_} parameters; the limit is {PARAMETERS.most:_}"
    note = f"the largest layer is {largest}"
    at = state.value_at("widths") if state.origin("widths") else state.model.name_at
    state.findings.add(Diagnostic("E0502", message, at, notes=(note,)))
    state.findings.check()


def check_expectations(state: ModelState, cost: dict[str, Value]) -> None:
    """Check `expect:` against the true cost; skipped where a setting was overridden."""
    # Only the model's own: what its base expects holds for the base.
    setting = next((layer["expect"] for layer in state.own_layers if "expect" in layer), None)
    if setting is None or setting.value is None or state.overridden:
        return
    items = setting.value.items if isinstance(setting.value, ast.List) else (setting.value,)
    if isinstance(setting.value, ast.Constant) and setting.value.value is None:
        return
    for item in items:
        env = state.settings.env(setting, **cost)
        held = state.elaborator.evaluate(item, env)
        if isinstance(held, Bad) or held is True:
            continue
        if held is not False:
            message = f"an expectation is a comparison, not {_shown(held)}"
            state.error("E0206", message, item.span, "`params == 11_689_512`")
            continue
        used = [name for name in cost if ast.mentions(item, name)]
        truth = ", ".join(f"{name} is {_shown(cost[name])}" for name in used)
        message = "this expectation does not hold" + (f": {truth}" if truth else "")
        state.findings.add(Diagnostic("E0401", message, item.span))
    state.findings.check()


def _shown(value: Value) -> str:
    return f"{value:_}" if isinstance(value, int) else show(value)
