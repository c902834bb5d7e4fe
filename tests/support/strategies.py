"""Random specs: syntax trees with a plain printer, texts of models that compile, and damaged texts."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from hypothesis import strategies as st

from resnet_dsl.diagnostics.model import Source, Span
from resnet_dsl.syntax import ast

NOWHERE = Span(Source("generated", ""), 0, 0)

# --- syntax trees ------------------------------------------------------------------------------

NAMES = (
    *("x", "x3", "e5", "H", "_", "recipe", "returned", "usef", "a_long_name"),
    *("conv", "bn", "relu", "gap", "fc", "concat", "maxpool", "se", "basic", "B", "A"),
    *("width", "stride", "stage", "channels", "min", "round", "post", "he", "n"),
)
INTEGERS = ("0", "1", "3", "08", "64", "1_000", "269_722", "999999999999999999")
REALS = ("0.5", "1e-5", "2.5E3", "1_0.0", "3.0")

names = st.sampled_from(NAMES)
long_names = names.filter(lambda name: name != "_").map(lambda name: f"{name}_or_{name}_at_length")
names_of_any_length = names | names | long_names
labels = names | st.sampled_from(["0", "1", "12"])
quoted = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Cf"), exclude_characters='"'), max_size=8
) | st.sampled_from(["#", "# no comment", "}", "a -> b", "\t"])

# What may stand where: a kind of node is allowed at its own level and at every lower one.
LEVELS: tuple[tuple[str, int], ...] = (
    *(("leaf", 12),) * 8,
    ("if", 0),
    ("pipe", 1),
    ("labelled", 2),
    ("or", 3),
    ("and", 4),
    ("not", 5),
    ("compare", 6),
    ("sum", 7),
    ("product", 8),
    ("minus", 9),
    ("power", 10),
    ("call", 11),
    ("attribute", 11),
    ("index", 11),
    ("list", 12),
    ("record", 12),
    ("group", 12),
)
OPERATORS = {
    "or": (["or"], 3, 4),
    "and": (["and"], 4, 5),
    "compare": (["==", "!=", "<=", ">=", "<", ">"], 7, 7),
    "sum": (["+", "-"], 7, 8),
    "product": (["*", "/", "//", "%"], 8, 9),
    "power": (["**"], 11, 9),
}
POSTFIX = 11
Draw = Callable[[st.SearchStrategy[Any]], Any]
Pick = Callable[..., Any]


@st.composite
def expressions(draw: Draw, level: int = 0, depth: int = 3) -> ast.Expr:
    """An expression that may stand where the grammar asks for `level` or higher."""
    kinds = [kind for kind, at in LEVELS if at >= level] if depth else ["leaf"]
    return _expression(draw, draw(st.sampled_from(kinds)), depth - 1)


def _expression(draw: Draw, kind: str, depth: int) -> ast.Expr:
    def below(level: int = 0) -> Any:
        return draw(expressions(level, depth))

    if kind in OPERATORS:
        signs, left, right = OPERATORS[kind]
        return ast.Binary(NOWHERE, draw(st.sampled_from(signs)), below(left), below(right), NOWHERE)
    match kind:
        case "if":
            return ast.If(NOWHERE, below(), below(), below())
        case "pipe":
            count = draw(st.integers(1, 4))
            return ast.Pipe(NOWHERE, below(2), tuple(_step(draw, depth) for _ in range(count)))
        case "labelled":
            return ast.Labelled(NOWHERE, draw(labels), below(3))
        case "not":
            return ast.Unary(NOWHERE, "not", below(5))
        case "minus":
            return ast.Unary(NOWHERE, "-", below(9))
        case "call":
            given = _several(draw, arguments(depth), 6)
            rest = (ast.Argument(NOWHERE, None, ast.Rest(NOWHERE)),) * draw(st.booleans())
            return ast.Call(NOWHERE, below(POSTFIX), (*given, *rest))
        case "index":
            value = below(POSTFIX)  # a list itself is indexed in parentheses only
            value = ast.Group(NOWHERE, value) if isinstance(value, ast.List) else value
            return ast.Index(NOWHERE, value, below())
        case "attribute":
            return ast.Attribute(NOWHERE, below(POSTFIX), draw(labels))
        case "list":
            return ast.List(NOWHERE, _several(draw, expressions(0, depth), 8))
        case "record":
            return ast.Record(NOWHERE, _several(draw, fields(depth), 4))
        case "group":
            return ast.Group(NOWHERE, below())
        case _:
            return draw(leaves)


def _several(draw: Draw, item: st.SearchStrategy[Any], most: int) -> tuple[Any, ...]:
    return tuple(draw(item) for _ in range(draw(st.integers(0, most))))


def _step(draw: Draw, depth: int) -> ast.Expr:
    step = draw(expressions(POSTFIX, depth))
    return ast.Labelled(NOWHERE, draw(labels), step) if draw(st.booleans()) else step


def _dims(parts: list[int | str]) -> ast.Dims:
    return ast.Dims(NOWHERE, (3, *parts))


leaves: st.SearchStrategy[ast.Expr] = st.one_of(
    names_of_any_length.map(lambda name: ast.Name(NOWHERE, name)),
    st.sampled_from(INTEGERS).map(lambda text: ast.Number(NOWHERE, int(text), text)),
    st.sampled_from(REALS).map(lambda text: ast.Number(NOWHERE, float(text), text)),
    quoted.map(lambda text: ast.String(NOWHERE, text)),
    st.sampled_from([True, False, None]).map(lambda value: ast.Constant(NOWHERE, value)),
    st.lists(st.sampled_from([0, 1, 3, 224, "H", "W"]), min_size=1, max_size=2).map(_dims),
)


def arguments(depth: int = 2) -> st.SearchStrategy[ast.Argument]:
    """An argument of a call, by position or by name."""
    return st.builds(ast.Argument, st.just(NOWHERE), st.none() | names, expressions(0, depth))


def fields(depth: int = 3) -> st.SearchStrategy[ast.Field]:
    """A field; `block` and `model` are words of the language that may name one."""
    called = names | st.sampled_from(["block", "model", "recipe"])
    return st.builds(ast.Field, st.just(NOWHERE), called, expressions(0, depth))


@st.composite
def parameters(draw: Draw) -> ast.Parameter:
    """A parameter of a block or model: bare, with a default, or with choices."""
    name = draw(names)
    if draw(st.booleans()):
        return ast.Parameter(NOWHERE, name, draw(st.none() | expressions(0, 2)))
    choices = tuple(draw(st.lists(names, min_size=2, max_size=4)))
    return ast.Parameter(NOWHERE, name, ast.Name(NOWHERE, choices[0]), choices)


@st.composite
def declarations(draw: Draw) -> ast.Declaration:
    """Any declaration."""
    name = draw(names)
    match draw(st.sampled_from(["use", "const", "block", "model", "row", "recipe"])):
        case "use":
            shipped = draw(st.booleans())
            return ast.Use(NOWHERE, name if shipped else draw(quoted), shipped)
        case "const":
            return ast.Const(NOWHERE, name, draw(expressions()))
        case "block":
            steps = st.builds(ast.Assign, st.just(NOWHERE), names, expressions())
            given = _several(draw, parameters(), 4)
            rest = draw(st.none() | st.just(ast.Rest(NOWHERE)))
            return ast.Block(NOWHERE, name, given, _several(draw, steps, 3), draw(expressions()), rest)
        case "recipe":
            return ast.Recipe(NOWHERE, name, _several(draw, fields(), 4))
        case "row":
            base = ast.Field(NOWHERE, "base", draw(expressions()))
            return ast.Row(NOWHERE, name, (), (base,))
        case _:
            return ast.Model(NOWHERE, name, _several(draw, parameters(), 4), _several(draw, fields(), 4))


def files() -> st.SearchStrategy[ast.File]:
    """A file of a few declarations: valid syntax, mostly without a meaning."""
    return st.lists(declarations(), max_size=4).map(lambda items: ast.File(NOWHERE, tuple(items)))


# --- a printer that owes the formatter nothing --------------------------------------------------


def tokens(node: ast.Node, chance: random.Random) -> Iterator[str]:
    """Yield the words and signs of a tree; what may be left out is there or not, by chance."""

    def listed(items: tuple[ast.Node, ...]) -> Iterator[str]:
        for index, item in enumerate(items):
            yield from tokens(item, chance)
            if index < len(items) - 1 or chance.random() < 0.3:
                yield ","

    def header(node: ast.Block | ast.Model) -> Iterator[str]:
        rest = (node.rest,) if isinstance(node, ast.Block) and node.rest is not None else ()
        if node.parameters or rest or chance.random() < 0.5:
            yield from ("(", *listed((*node.parameters, *rest)), ")")

    def several(items: tuple[ast.Node, ...]) -> Iterator[str]:
        for item in items:
            yield from tokens(item, chance)

    def one(item: ast.Node) -> Iterator[str]:
        return tokens(item, chance)

    match node:
        case ast.File():
            yield from several(node.declarations)
        case ast.Use():
            yield from ("use", node.target if node.shipped else f'"{node.target}"')
        case ast.Const():
            yield from ("const", node.name, "=", *one(node.value))
        case ast.Block():
            yield from ("block", node.name, *header(node), "{", *several(node.statements))
            yield from ("return", *one(node.result), "}")
        case ast.Row():
            yield from ("model", node.name, "=", *one(node.fields[0].value))
        case ast.Model():
            yield from ("model", node.name, *header(node), "{", *several(node.fields), "}")
        case ast.Recipe():
            yield from ("recipe", node.name, "{", *several(node.fields), "}")
        case ast.Parameter():
            yield node.name
            if node.default is not None:
                yield from ("=", *one(node.default))
            for choice in node.choices[1:]:
                yield from ("|", choice)
        case ast.Assign():
            yield from (node.name, "=", *one(node.value))
        case ast.Field():
            yield from (node.name, ":", *one(node.value))
        case ast.Rest():
            yield "..."
        case ast.Name():
            yield node.id
        case ast.Number():
            yield node.text
        case ast.String():
            yield f'"{node.value}"'
        case ast.Constant():
            yield {True: "true", False: "false", None: "none"}[node.value]
        case ast.Dims():
            yield "x".join(map(str, node.parts))
        case ast.List():
            yield from ("[", *listed(node.items), "]")
        case ast.Record():
            yield from ("{", *several(node.fields), "}")
        case ast.Group():
            yield from ("(", *one(node.value), ")")
        case ast.Call():
            yield from (*one(node.callee), "(", *listed(node.arguments), ")")
        case ast.Argument():
            yield from () if node.name is None else (node.name, "=")
            yield from one(node.value)
        case ast.Attribute():
            yield from (*one(node.value), ".", node.name)
        case ast.Index():
            yield from (*one(node.value), "[", *one(node.index), "]")
        case ast.Unary():
            yield from (node.operator, *one(node.value))
        case ast.Binary():
            yield from (*one(node.left), node.operator, *one(node.right))
        case ast.If():
            yield from ("if", *one(node.condition), "then", *one(node.yes), "else", *one(node.no))
        case ast.Labelled():
            yield from (node.label, ":", *one(node.value))
        case ast.Pipe():
            yield from one(node.first)
            for step in node.steps:
                yield from ("->", *one(step))
        case _:
            raise NotImplementedError(type(node))


GAPS = (" ", " ", " ", "  ", "\n", "\n", "\n\n", "\n\n\n    ", "\t", "\r\n", " \r\n\r\n ")
REMARKS = (
    "#",
    "# note",
    "#note",
    '# "half',
    "# { [ (",
    "# return",
    "#   wide   ",
    "# é → 日本 # #",
    "# ) , ->",
)


def printed(node: ast.Node, seed: int) -> str:
    """Return a text of the tree; seed 0 is plain, others put blanks, lines and comments anywhere."""
    chance = random.Random(seed)
    remarks = chance.choice([0.0, 0.05, 0.3]) if seed else 0.0
    text, last = "", ""
    for token in (*tokens(node, chance), ""):
        text += _gap(last, token, chance, remarks) if seed else " "
        text += token
        last = token
    return text


def _gap(left: str, right: str, chance: random.Random, remarks: float) -> str:
    gap = chance.choice(GAPS)
    if _may_touch(left, right) and chance.random() < 0.3:
        gap = ""
    while chance.random() < remarks:
        gap += chance.choice(REMARKS) + chance.choice(("\n", "\n\n", "\r\n", "\n  \n  "))
    return gap


def _may_touch(left: str, right: str) -> bool:
    return left in ("", *"()[]{},") or right in ("", *"()[]{},")


def texts(node: st.SearchStrategy[ast.File] | None = None) -> st.SearchStrategy[str]:
    """A random tree as text, with comments and blanks in random places."""
    return st.builds(printed, files() if node is None else node, st.integers(0, 2**32))


# --- models that compile -----------------------------------------------------------------------

SIZES = (16, 17, 19, 21, 24, 27, 32, 33)
STEM_POOLS = (
    "maxpool(3x3, stride=2)",
    "maxpool(2x2)",
    "maxpool(3x3, stride=2, pad=same)",
    "maxpool(3x3, stride=2, ceil=true)",
    "avgpool(3x3, stride=2)",
    "avgpool(3x3, stride=2, count_pad=true)",
    "avgpool(2x2, ceil=true)",
    "avgpool(3x3, stride=2, pad=same)",
)
HEADS = (
    "none",
    "gap -> fc(5)",
    "gap -> flatten -> fc(3, bias=false)",
    "gap -> fc(4) -> softmax",
    "bn -> relu -> gap -> fc(6)",
    "gap -> dropout(0.5) -> fc(2)",
    "conv(4, 1x1, bias=true) -> gap",
    "maxpool(3x3, stride=1) -> gap -> fc1: fc(8) -> tanh -> fc2: fc(2)",
    "classifier(3)",
)
OWN_SHORTCUTS = {
    "A": "",
    "B": "",
    "C": "",
    "averaged": """block averaged(channels, stride = 1) {
    return x -> avgpool(3x3, stride=stride) -> conv(channels, 1x1) -> bn
}
""",
    "folded": """block folded(channels, stride = 1) {
    y = x -> conv(channels, 3x3, stride=stride, pad=same)
    return if x.channels == channels and stride == 1 then x + y else y
}
""",
}
# What a block does with its main path: {main} is drawn, {short} names a shortcut.
OWN_BLOCKS = (
    """    main = {main}
    return relu(main + (x -> downsample: {short}(width, stride)))
""",
    """    main = {main}
    return main + (x -> {short}(width, stride)) -> bn -> relu
""",
    """    main = {main} -> se(2)
    return relu(main + (x -> {short}(width, stride)))
""",
    """    main = {main}
    gate = main -> gap -> squeeze: conv(width // 2, 1x1, bias=true) -> relu
                -> excite: conv(width, 1x1, bias=true) -> sigmoid
    return main * gate + (x -> shortcut: {short}(width, stride))
""",
    """    left = {main}
    right = {other}
    return concat(left, right, x -> {short}(width, stride)) -> conv(width, 1x1) -> bn -> relu
""",
    """    gate = {main} -> sigmoid
    return ({other}) * gate + (x -> {short}(width, stride))
""",
    """    new = x -> bn -> relu -> conv(width, 3x3, stride=stride)
    return concat(x -> subsample(stride), new)
""",
    """    first = {main}
    second = first -> bn -> relu -> conv(width, 3x3)
    return first + second + (x -> {short}(width, stride))
""",
    """    return x -> zeropad(1) -> conv(width, 3x3, stride=stride, pad=valid) -> bn
             -> inner: basic(width, shortcut={short}) -> relu
""",
    """    return {main}
""",
)


@st.composite
def valid_specs(draw: Draw) -> str:
    """A small model that compiles: its blocks, strides, sizes, stem and head are drawn at random."""

    def pick(*choices: Any) -> Any:
        return draw(st.sampled_from(choices))

    count = pick(1, 2, 3)
    widths = sorted(pick(4, 8, 16) for _ in range(count))  # so that every shortcut has a meaning
    symbolic = pick(False, False, False, True)
    size = "HxW" if symbolic else f"{pick(*SIZES)}x{pick(*SIZES)}"
    blocks, settings = _blocks(pick, widths)
    lines = [f"input: {pick(1, 2, 3)}x{size}", f"stem: {_stem(pick, widths[0])}"]
    lines += [f"stages: {_listed(pick(1, 1, 2) for _ in widths)}", f"widths: {_listed(widths)}", *settings]
    lines += _end(pick, count, symbolic)
    body = "".join(f"    {line}\n" for line in lines)
    return f"{blocks}model t {{\n{body}}}\n"


def _listed(items: Iterable[object]) -> str:
    return f"[{', '.join(map(str, items))}]"


def _stem(pick: Pick, width: int) -> str:
    options = pick("", ", bias=true") + pick("", "", ", pad=same", ", pad=valid", ", pad=1x2")
    kernel, stride = pick("3x3", "5x5", "7x7", "3x5", "4x4"), pick("1", "1", "2", "2x1")
    conv = f"conv({width}, {kernel}, stride={stride}{options})"
    steps = [conv, *pick(("bn",), ("bn", "relu"), ()), *pick((), (), (pick(*STEM_POOLS),))]
    pipeline = " -> ".join(steps)
    return pick(pipeline, pipeline, f"cifar_stem({width})", f"imagenet_stem({width})")


def _end(pick: Pick, count: int, symbolic: bool) -> Iterator[str]:
    head = pick(*HEADS) if symbolic else pick(*HEADS, "flatten -> fc(3)")
    yield f"head: {head}"
    if pick(False, False, True):
        features = [f"layer{index + 1}" for index in range(count)]
        yield f"outputs: {_listed(features if head == 'none' else [*features, 'head'])}"
    if pick(False, False, True):
        yield f"freeze: {pick('[stem]', '[stem, layer1]', '[layer1.0]')}"


def _blocks(pick: Pick, widths: list[int]) -> tuple[str, list[str]]:
    """The blocks that a model declares, and the settings that make its stages of them."""
    family = pick("basic", "bottleneck", "plain", "own", "own", "own", "own")
    strides = [pick("1", "2") for _ in widths]
    settings = [f"block: {family}"]
    if family == "own":
        strides = [pick(stride, stride, "2x1") for stride in strides]
        blocks = _own(pick)
    else:
        blocks = ""
    if family in ("basic", "bottleneck"):
        still = set(strides) == {"1"} and len(set(widths)) == 1 and family == "basic"
        settings.append(f"shortcut: {pick('A', 'B', 'C', 'none', 'identity' if still else 'B')}")
        settings += [f"activation: {pick('post', 'pre')}", f"init: {pick('he', 'zero_gamma')}"]
    if family == "bottleneck":
        settings += [f"expansion: {pick(1, 2)}", f"groups: {pick(1, 2)}"]
        settings += [f"stride_on: {pick('conv1', 'conv2')}"]
    return blocks, [*settings, f"strides: {_listed(strides)}"]


def _own(pick: Pick) -> str:
    short = pick(*OWN_SHORTCUTS)
    body = pick(*OWN_BLOCKS).format(main=_path(pick), other=_path(pick), short=short)
    return f"{OWN_SHORTCUTS[short]}block own(width, stride = 1) {{\n{body}}}\n"


def _path(pick: Pick) -> str:
    """One to three convolutions that end in `width` channels; the stride is on one of them."""
    count = pick(1, 1, 2, 3)
    strided = pick(*range(count))
    steps = ["x"]
    for index in range(count):
        channels = "width" if index == count - 1 else pick("width", "width * 2")
        options = ", stride=stride" if index == strided else ""
        options += pick("", "", ", groups=2", ", groups=4") + pick("", "", ", dilation=2", ", pad=same")
        options += pick("", ", bias=true", ", init=he_fan_in")
        kernel = pick("1x1", "3x3", "3x3", "5x5", "3x1", "1x5")
        steps.append(f"conv({channels}, {kernel}{options})")
        steps += pick((), ("bn",), ("bn", "relu"), ("bn", "relu"), ("tanh",), ("sigmoid",))
    return " -> ".join(steps)


# --- damaged texts -----------------------------------------------------------------------------

TOKEN = re.compile(r'\s+|#[^\n]*|"[^"\n]*"|->|//|\*\*|[=!<>]=|[0-9][0-9a-zA-Z_.]*|\w+|.', re.DOTALL)
STRANGE_NUMBERS = ("0", "1", "2", "5", "7", "33", "1.5", "1e9", "1_000", "100000", "999999999999999999",
                   "0x0", "1x1", "2x3", "9x9", "3x3x3", "3xH", "-1", "none", "true", "1_")  # fmt: skip
STRANGE_TOKENS = ("(", ")", "[", "]", "{", "}", "->", ",", ":", "=", "+", "*", "**", "x", "stage", "n",
                  "if", "then", "else", "not", "none", "pre", "se", "gap", "relu", "B", "layer1", "H",
                  '"', "'", "\\", ";", "\x00", "\r", "\ufeff", "é", "block", "model", "return",
                  "main", "own")  # fmt: skip


STRANGE_NAMES = ("x", "stage", "index", "width", "stride", "none", "true", "pre", "he", "conv", "gap",
                 "se", "fc", "relu", "B", "A", "basic", "identity", "concat", "layer1", "stem",
                 "channels", "unknown", "m", "own", "min", "zeropad", "dropout", "same", "flatten",
                 "stages", "strides")  # fmt: skip
DAMAGES = ("delete", "double", "swap", "token", *("number",) * 4, *("name",) * 4)


@st.composite
def damaged(draw: Draw, specs: st.SearchStrategy[str]) -> str:
    """A text of which a few tokens were deleted, doubled, swapped or replaced."""
    parts = TOKEN.findall(draw(specs))
    for _ in range(draw(st.integers(1, 3))):
        solid = [index for index, part in enumerate(parts) if part.strip()]
        if not solid:
            break
        index, other = draw(st.sampled_from(solid)), draw(st.sampled_from(solid))
        match draw(st.sampled_from(DAMAGES)):
            case "delete":
                parts[index] = " "
            case "double":
                parts[index] += f" {parts[index]}"
            case "swap":
                parts[index], parts[other] = parts[other], parts[index]
            case "number":
                _replace(parts, r"[0-9]", index, draw(st.sampled_from(STRANGE_NUMBERS)))
            case "name":
                _replace(parts, r"[A-Za-z_]", index, draw(st.sampled_from(STRANGE_NAMES)))
            case _:
                parts[index] = draw(st.sampled_from(STRANGE_TOKENS))
    return "".join(parts)


def _replace(parts: list[str], kind: str, index: int, text: str) -> None:
    """Replace the token of a kind that the index leads to, so that the syntax mostly stays."""
    found = [place for place, part in enumerate(parts) if re.match(kind, part)]
    if found:
        parts[found[index % len(found)]] = text


# --- models of random parts --------------------------------------------------------------------

SETTINGS = ("input", "stem", "stages", "block", "widths", "strides", "head", "shortcut", "activation",
            "outputs", "freeze", "preprocess", "expect", "init", "kernel", "base")  # fmt: skip
PLAIN = {"input": "3x16x16", "stem": "conv(4, 3x3)", "stages": "[1, 1]", "block": "own", "head": "gap"}


@st.composite
def models_of_random_parts(draw: Draw) -> str:
    """A model that is fine but for a few settings or its block, which are any expressions."""
    settings = dict(PLAIN)
    for _ in range(draw(st.integers(0, 3))):
        settings[draw(st.sampled_from(SETTINGS))] = printed(draw(expressions(0, 2)), 0)
    steps = [f"{name} = {printed(draw(expressions(0, 2)), 0)}\n" for name in "ab"[: draw(st.integers(0, 2))]]
    result = printed(draw(expressions(0, 3)), 0) if draw(st.booleans()) else "x"
    block = f"block own(width = 8, stride = 1) {{ {''.join(steps)} return {result} }}\n"
    return block + "".join(["model m {\n", *(f"{name}: {text}\n" for name, text in settings.items()), "}\n"])
