"""The functions that a generated file carries: each with what its calls in this file need, and no more.

Their bodies stand in `templates/`, a file a family. A setting that all calls share is written into the
body, one that calls vary is a parameter; a branch that no op of the file asks for is not written.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from resnet_dsl.backend.python_source import (
    Call,
    Expression,
    Literal,
    Name,
    Sequence,
    changed,
    quoted,
    signature,
    template,
    text,
    walk,
)
from resnet_dsl.backend.records import dataclass, replace

TENSOR = "keras.KerasTensor"
NUMBER, REAL, FLAG, WORD = "int", "float", "bool", "str"
PAIR = "tuple[int, int]"  # one number in a file where all pairs are squares
TWO = "tuple[int, int]"  # two numbers in any file
START = "keras.initializers.Initializer"

REQUIRED, COMPUTED = object(), object()  # no usual value, no plain one


@dataclass(frozen=True)
class HelperParameter:
    """A parameter of a helper, by position."""

    name: str
    kind: str


@dataclass(frozen=True)
class HelperSetting:
    """A parameter by keyword, with the value that it has in a call which does not say, if it may not.

    One that is `told` is written into the body only where no call needs another value than the usual:
    else each call says what it does.
    """

    name: str
    kind: str
    usual: Any = REQUIRED
    told: bool = False


@dataclass(frozen=True)
class Helper:
    """A function of the file: the family whose template has its body, and what it takes."""

    family: str
    parameters: tuple[HelperParameter, ...] = ()
    settings: tuple[HelperSetting, ...] = ()
    returns: str = TENSOR


X, LAYER = (HelperParameter("x", TENSOR),), (HelperParameter("x", TENSOR), HelperParameter("name", WORD))
CHANNELS, KERNEL = HelperParameter("channels", NUMBER), HelperParameter("kernel", PAIR)
WINDOW = (KERNEL, HelperParameter("stride", PAIR))
FANS = (HelperParameter("fan_in", NUMBER), HelperParameter("fan_out", NUMBER))
CEIL, PADDING = HelperSetting("ceil", FLAG, False), HelperSetting("padding", PAIR, 0, told=True)
POOL = (HelperSetting("stride", PAIR, told=True), PADDING, CEIL)
EPS, GAMMA = HelperSetting("eps", REAL), HelperSetting("gamma", REAL, 1.0)
AXIS, START_AT = HelperParameter("axis", f"{NUMBER} | None"), HelperSetting("start", REAL)
BIAS, INIT = HelperSetting("bias", FLAG, False), HelperSetting("init", WORD)
CONV = (
    HelperSetting("stride", PAIR, 1, told=True),
    HelperSetting("padding", PAIR, None, told=True),
    HelperSetting("dilation", PAIR, 1, told=True),
    HelperSetting("groups", NUMBER, 1, told=True),
    BIAS,
    INIT,
)
DEPTHWISE_CONV = (
    *(setting for setting in CONV if setting.name != "groups"),
    HelperSetting("multiplier", NUMBER, 1),
)

TENSORS = f"list[{TENSOR}]"  # a map and, where it gets the height and width of another, that one
SIZED = (HelperSetting("size", TWO, None),)
RESIZED = (
    *SIZED,
    HelperSetting("factor", TWO, None),
    HelperSetting("mode", WORD),
    HelperSetting("align_corners", FLAG, False),
)

TRANSPOSED = (
    HelperSetting("stride", TWO, (1, 1)),
    HelperSetting("cut", "list[tuple[int, int]]", [(0, 0), (0, 0)]),
    HelperSetting("dilation", TWO, (1, 1)),
    HelperSetting("groups", NUMBER, 1),
    BIAS,
    INIT,
)

# In the order that a file has them in: each after those that it calls.
HELPERS: Mapping[str, Helper] = {
    "channel_axis": Helper("layout", returns=NUMBER),
    "weight_start": Helper("starts", (HelperParameter("init", WORD),), returns=START),
    "bias_start": Helper(
        "starts", (HelperParameter("init", WORD), HelperParameter("fan_in", NUMBER)), returns=START
    ),
    "depthwise_start": Helper(
        "starts",
        (
            HelperParameter("init", WORD),
            HelperParameter("fan_in", NUMBER),
            HelperParameter("fan_out", NUMBER),
        ),
        returns=START,
    ),
    "StandardizedConv2D": Helper("layers", returns=""),
    "conv": Helper("layers", (*LAYER, CHANNELS, KERNEL), CONV),
    "standardized_conv": Helper("layers", (*LAYER, CHANNELS, KERNEL), (*CONV, EPS)),
    "ScaledStandardizedConv2D": Helper("layers", returns=""),
    "scaled_conv": Helper(
        "layers",
        (*LAYER, CHANNELS, KERNEL),
        (*CONV, EPS, HelperSetting("gamma", REAL), HelperSetting("gain", REAL)),
    ),
    "depthwise_conv": Helper("layers", (*LAYER, KERNEL), DEPTHWISE_CONV),
    "channel_conv": Helper("layers", (*LAYER, HelperParameter("kernel", NUMBER)), (INIT,)),
    "fully_connected": Helper("layers", (*LAYER, CHANNELS), (BIAS, INIT)),
    "batch_norm": Helper(
        "normalisation",
        LAYER,
        (
            EPS,
            HelperSetting("momentum", REAL),
            GAMMA,
            HelperSetting("scale", FLAG, True),
            HelperSetting("center", FLAG, True),
            HelperSetting("frozen", FLAG, False),
        ),
    ),
    "group_norm": Helper("normalisation", (*LAYER, HelperParameter("groups", NUMBER)), (EPS, GAMMA)),
    "layer_norm": Helper("normalisation", LAYER, (EPS, GAMMA)),
    "any_size": Helper("layout", X),
    "in_order": Helper("layout", (*LAYER, HelperParameter("after", TENSOR))),
    "LearnedScale": Helper("learned", returns=""),
    "learned_scale": Helper("learned", (*LAYER, AXIS), (START_AT,)),
    "LearnedShift": Helper("learned", returns=""),
    "learned_shift": Helper("learned", (*LAYER, AXIS), (START_AT,)),
    "GlobalResponseNorm": Helper("learned", returns=""),
    "global_response_norm": Helper("learned", LAYER, (EPS,)),
    "GeneralizedMean": Helper("learned", returns=""),
    "generalized_mean": Helper("learned", LAYER, (START_AT, EPS)),
    "channels_of": Helper("layout", (*X, HelperParameter("first", NUMBER), HelperParameter("end", NUMBER))),
    "part": Helper("layout", (*X, HelperParameter("index", NUMBER), HelperParameter("of", NUMBER))),
    "local_response_norm": Helper(
        "normalisation",
        (*LAYER, HelperParameter("size", NUMBER)),
        (HelperSetting("alpha", REAL), HelperSetting("beta", REAL), HelperSetting("k", REAL)),
    ),
    "leaky_relu": Helper("elementwise", (*X, HelperParameter("slope", REAL))),
    "gelu": Helper("elementwise", LAYER),
    "gelu_by_tanh": Helper("elementwise", LAYER),
    "stochastic_depth": Helper("elementwise", (*LAYER, HelperParameter("rate", REAL))),
    "pad_map": Helper(
        "windows",
        (*X, HelperParameter("before", PAIR), HelperParameter("after", PAIR), HelperParameter("value", REAL)),
    ),
    "padding_after": Helper("windows", (*WINDOW, HelperParameter("padding", PAIR)), returns=PAIR),
    "max_pool": Helper("windows", (*LAYER, KERNEL), POOL),
    "avg_pool": Helper("windows", (*LAYER, KERNEL), (*POOL, HelperSetting("count_pad", FLAG, False))),
    "uneven_avg_pool": Helper(
        "windows",
        (
            *(*LAYER, KERNEL, HelperParameter("stride", PAIR)),
            *(HelperParameter("before", PAIR), HelperParameter("after", PAIR)),
        ),
    ),
    "same_sum": Helper(
        "windows", (*X, HelperParameter("window", "list[list[float]]"), HelperParameter("stride", PAIR))
    ),
    "same_avg_pool": Helper("windows", (*X, *WINDOW)),
    "same_subsample": Helper("windows", (*X, HelperParameter("span", PAIR), HelperParameter("stride", PAIR))),
    "mean_of_parts": Helper(
        "windows", (*X, HelperParameter("axis", NUMBER), HelperParameter("count", NUMBER))
    ),
    "adaptive_avg_pool": Helper("windows", (*LAYER, HelperParameter("size", PAIR))),
    "mirror": Helper("windows", (*X, HelperParameter("rows", NUMBER), HelperParameter("columns", NUMBER))),
    "mean_of": Helper(
        "windows",
        (*LAYER, HelperParameter("window", f"{NUMBER} | {PAIR}"), HelperParameter("stride", NUMBER)),
    ),
    "blur_pool": Helper(
        "windows", (*LAYER, HelperParameter("kernel", NUMBER), HelperParameter("stride", NUMBER))
    ),
    "upsample": Helper("layout", (*LAYER, HelperParameter("factor", PAIR))),
    "upsample_bilinear": Helper("layout", (*LAYER, HelperParameter("factor", PAIR))),
    "global_avg_pool": Helper("windows", LAYER),
    "global_max_pool": Helper("windows", LAYER),
    "flatten": Helper("layout", LAYER),
    "flatten_pixels": Helper("layout", LAYER),
    "subsample": Helper("layout", (*X, HelperParameter("stride", PAIR))),
    "pad_channels": Helper("layout", (*X, CHANNELS), (HelperSetting("side", WORD, "end"),)),
    "zero_pad": Helper("layout", (*LAYER, HelperParameter("amount", PAIR))),
    "ConvTranspose": Helper("transposed", returns=""),
    "conv_transpose": Helper("transposed", (*LAYER, CHANNELS, HelperParameter("kernel", TWO)), TRANSPOSED),
    "PixelShuffle": Helper("shuffling", returns=""),
    "pixel_shuffle": Helper("shuffling", (*LAYER, HelperParameter("factor", NUMBER))),
    "pixel_unshuffle": Helper("shuffling", (*LAYER, HelperParameter("factor", NUMBER))),
    "channel_shuffle": Helper("shuffling", (*X, HelperParameter("groups", NUMBER))),
    "softmax_over_pixels": Helper("attention", LAYER),
    "SoftmaxOverParts": Helper("attention", returns=""),
    "softmax_over_parts": Helper("attention", (*LAYER, HelperParameter("parts", NUMBER))),
    "weighted_sum": Helper("attention", (*X, HelperParameter("weights", TENSOR))),
    "Attention": Helper("attention", returns=""),
    "attention": Helper(
        "attention",
        (
            *(HelperParameter("inputs", f"list[{TENSOR}]"), HelperParameter("name", WORD)),
            HelperParameter("heads", NUMBER),
        ),
        (HelperSetting("relative", TWO, None), HelperSetting("scaled", FLAG, False)),
    ),
    "Positions": Helper("attention", returns=""),
    "positions": Helper("attention", (*LAYER, HelperParameter("size", TWO))),
    "tokens": Helper("attention", LAYER),
    "tokens_and_mean": Helper("attention", LAYER),
    "pixel": Helper("attention", (*X, HelperParameter("row", NUMBER), HelperParameter("column", NUMBER))),
    "Resized": Helper("resizing", returns=""),
    "resized": Helper("resizing", (HelperParameter("x", TENSORS), HelperParameter("name", WORD)), RESIZED),
    "Cropped": Helper("resizing", returns=""),
    "cropped": Helper("resizing", (HelperParameter("x", TENSORS), HelperParameter("name", WORD)), SIZED),
}

# What is asked of helpers for a model that computes in double precision throughout.
EXACT = frozenset({("upsample_bilinear", "exact")})


@dataclass(frozen=True)
class SharedSetting:
    """What a setting is in the calls of a file: `values` are those that are written as such."""

    name: str
    usual: Any
    values: tuple[Any, ...]
    varies: bool

    @property
    def value(self) -> Any:
        """The one value of all calls."""
        return self.values[0]

    @property
    def neutral(self) -> bool:
        """Whether no call needs another value than the usual one."""
        return not self.varies and self.value == self.usual

    def __str__(self) -> str:
        return self.name if self.varies else quoted(self.value)


@dataclass(frozen=True)
class Helpers:
    """The helpers that a file may call: their sources, in the order of the file, and the names they read."""

    sources: Mapping[str, str]
    names: Mapping[str, frozenset[str]]
    square: bool

    def called(self, names: Iterable[str]) -> list[str]:
        """Return those that are among `names`, and those that these call, in the order of the file."""
        found: set[str] = set()
        wanted = set(names)
        while more := (wanted & self.sources.keys()) - found:
            found |= more
            wanted = {name for helper in more for name in self.names[helper]}
        return [name for name in self.sources if name in found]

    def fitted(self, tree: Expression) -> Expression:
        """Return the tree with calls as these helpers take them: nothing that they know by themselves."""
        return changed(tree, lambda node: self._fitted(node) if isinstance(node, Call) else None)

    def _fitted(self, call: Call) -> Expression | None:
        helper = _helper(call)
        if helper is None:
            return None
        arguments = [self.fitted(argument) for argument in call.arguments]
        kinds = [parameter.kind for parameter in helper.parameters]
        arguments = [self._sized(a, kind) for a, kind in zip(arguments, kinds, strict=True)]
        settings = {setting.name: setting for setting in helper.settings}
        kept = self.names[text(call.callee)]
        keywords = [
            (name, self._sized(value, settings[name].kind))
            for name, value in call.keywords
            if name in kept and _value(value) != settings[name].usual
        ]
        return replace(call, arguments=tuple(arguments), keywords=tuple(keywords))

    def _sized(self, tree: Expression, kind: str) -> Expression:
        """A pair as a tuple also where its numbers are alike, but in a file of squares."""
        if self.square or kind != PAIR or isinstance(tree, Sequence) or _value(tree) == "same":
            return tree
        return Sequence("()", (tree, tree))


def helpers_of(trees: Iterable[Expression], cases: Iterable[tuple[str, str]]) -> Helpers:
    """Return the helpers that a file of these expressions needs, `cases` being what its ops ask of them."""
    calls = [n for tree in trees for n in walk(tree) if isinstance(n, Call) and _helper(n)]
    square = not any(isinstance(pair, Sequence) for call in calls for pair in _pairs(call))
    settings = _settings(calls, square)
    asked: dict[str, set[str]] = {}
    for helper, case in cases:
        asked.setdefault(helper, set()).add(case)
    bodies: dict[str, str] = {}
    wanted = [text(call.callee) for call in calls]
    while wanted:
        name = wanted.pop()
        if name not in bodies:
            bodies[name] = _body(name, settings.get(name, {}), asked.get(name, set()), square)
            wanted += HELPERS.keys() & _names(bodies[name])
    sources = {
        name: _source(name, bodies[name], settings.get(name, {}), square)
        for name in HELPERS
        if name in bodies
    }
    return Helpers(sources, {name: _names(body) for name, body in bodies.items()}, square)


def _helper(call: Call) -> Helper | None:
    return HELPERS.get(call.callee.path) if isinstance(call.callee, Name) else None


def _pairs(call: Call) -> Iterator[Expression]:
    """Yield the arguments of a call that are pairs."""
    helper = HELPERS[text(call.callee)]
    kinds = {setting.name: setting.kind for setting in helper.settings}
    for parameter, value in zip(helper.parameters, call.arguments, strict=True):
        if parameter.kind == PAIR:
            yield value
    yield from (value for name, value in call.keywords if kinds[name] == PAIR)


def _value(tree: Expression | None) -> Any:
    """The plain value of an argument, COMPUTED where it has none."""
    match tree:
        case Literal():
            return tree.value
        case Sequence():
            values = tuple(map(_value, tree.items))
            return COMPUTED if COMPUTED in values else values
        case _:
            return COMPUTED


def _settings(calls: Iterable[Call], square: bool) -> dict[str, dict[str, SharedSetting]]:
    """What the settings of each helper are in its calls, and for how weights start all that vary."""
    named: dict[str, list[dict[str, Expression]]] = {}
    for call in calls:
        named.setdefault(text(call.callee), []).append(dict(call.keywords))
    found = {
        name: {setting.name: _found(setting, given, square) for setting in HELPERS[name].settings}
        for name, given in named.items()
    }
    starts = {name: s[INIT.name] for name, s in found.items() if INIT.name in s and s[INIT.name].varies}
    apart = {"depthwise_conv": "depthwise_start"}  # its kernel has other axes
    schemes = {start: set[str]() for start in ("weight_start", "depthwise_start", "bias_start")}
    for name, start in starts.items():
        schemes[apart.get(name, "weight_start")].update(start.values)
    return found | {
        start: {INIT.name: SharedSetting(INIT.name, None, tuple(sorted(values)), varies=True)}
        for start, values in schemes.items()
    }


def _found(setting: HelperSetting, calls: Iterable[Mapping[str, Expression]], square: bool) -> SharedSetting:
    """What a setting is in the calls of its helper."""
    values = [_value(call[setting.name]) if setting.name in call else setting.usual for call in calls]
    plain = sorted({value for value in values if value is not COMPUTED}, key=repr)
    varies = len(plain) != 1 or COMPUTED in values or (setting.told and plain != [setting.usual])
    usual = setting.usual
    if setting.kind == PAIR and not square:
        plain = [(value, value) if isinstance(value, int) else value for value in plain]
        usual = (usual, usual) if isinstance(usual, int) else usual
    return SharedSetting(setting.name, usual, tuple(plain), varies)


def _body(name: str, settings: Mapping[str, SharedSetting], cases: set[str], square: bool) -> str:
    """The body of a helper, as its family's template has it."""
    family = template("resnet_dsl_keras", f"{HELPERS[name].family}.py.jinja")
    macros = family.make_module({"cases": cases, "square": square})
    return str(getattr(macros, name)(**settings)).rstrip()


@lru_cache(maxsize=256)  # most files have the same few bodies
def _names(source: str) -> frozenset[str]:
    """The names that a function's body reads."""
    tree = ast.parse(source if source.startswith(("@", "def")) else f"def f():\n{source}")
    return frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))


def _source(name: str, body: str, settings: Mapping[str, SharedSetting], square: bool) -> str:
    """A helper whole: its signature, of the settings that the body reads, and its body."""
    helper, read = HELPERS[name], _names(body)
    if not helper.returns:
        return body
    kinds = {PAIR: NUMBER, f"{NUMBER} | {PAIR}": NUMBER} if square else {}
    taken = [s for s in helper.settings if s.name in read]
    typed = [(s, kinds.get(s.kind, s.kind) + _further_kinds(s, settings[s.name])) for s in taken]
    parameters = [f"{p.name}: {kinds.get(p.kind, p.kind)}" for p in helper.parameters]
    parameters += [f"{s.name}: {kind}" for s, kind in typed if s.usual is REQUIRED]
    parameters += [
        f"{s.name}: {kind} = {quoted(settings[s.name].usual)}" for s, kind in typed if s.usual is not REQUIRED
    ]
    returns = kinds.get(helper.returns, helper.returns)
    return f"{signature(f'def {name}', parameters, f' -> {returns}:', 0)}\n{body}"


def _further_kinds(setting: HelperSetting, found: SharedSetting) -> str:
    """What a setting in numbers may be beside these."""
    word = " | str" if setting.kind == PAIR and "same" in found.values else ""
    return word + (" | None" if setting.usual is None else "")
