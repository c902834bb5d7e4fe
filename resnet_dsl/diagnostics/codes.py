"""The catalogue of diagnostics: every code with a title, why it is one, a wrong and a right spec.

E01xx the text, E02xx names and values, E03xx shapes, E04xx expectations, E05xx limits,
W06xx warnings (from W0610 on in `advice_pages.py`), E07xx recipes (`recipe_pages.py`). A code keeps
its meaning for ever; `explain` prints these pages.
"""

from __future__ import annotations

from resnet_dsl.diagnostics.advice_pages import ADVICE
from resnet_dsl.diagnostics.page import Page, model, with_block
from resnet_dsl.diagnostics.recipe_pages import RECIPE_ADVICE, RECIPES


def render_page(page: Page) -> str:
    """Return a page as Markdown."""
    return (
        f"# {page.code}: {page.title}\n\n{page.why}\n\n"
        f"## Wrong\n\n{_indented(page.wrong)}\n\n## Right\n\n{_indented(page.right)}\n"
    )


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.strip("\n").split("\n"))


# The language nests 64 levels at most; a person would never write this out.
_DEEP = "(" * 65 + "1" + ")" * 65

_ALL = (
    Page(
        "E0101", "a word or sign that does not fit here",
        "The parser met something that cannot stand at this place; the message lists what can.\n"
        "Fields of a model take a colon, steps of a block an equals sign, arguments of a call a comma.",
        model("stages = [2, 2]  block: basic"),
        model("stages: [2, 2]  block: basic"),
    ),
    Page(
        "E0102", "the text ends too early",
        "The end of the file came before a declaration was complete; mostly a closing brace is missing.",
        "model tiny {\n    stages: [2, 2]  block: basic\n",
        model("stages: [2, 2]  block: basic"),
    ),
    Page(
        "E0103", "a reserved word as a name",
        "Names become identifiers of the generated Python, so the words of the language and those of\n"
        "Python cannot be names, nor can what starts with two underscores.",
        "block class(width) {\n    return x -> conv(width, 3x3)\n}",
        with_block("block mine(width) {\n    return x -> conv(width, 3x3)\n}"),
    ),
    Page(
        "E0104", "a choice that is not a name",
        "`parameter = one | other` lists the names a parameter may take, the first being its default.\n"
        "Only names can be listed.",
        "block mine(width, kind = 1 | fast) {\n    return x -> conv(width, 3x3)\n}",
        with_block(
            "block mine(width, kind = slow | fast) {\n"
            "    return x -> (if kind == slow then conv(width, 5x5) else conv(width, 3x3))\n}"
        ),
    ),
    Page(
        "E0105", "too large or too deep to read",
        "A text may have 1,000,000 bytes, 64 levels of parentheses, numbers of 18 digits and names of 200\n"
        "letters, so that no spec can eat the machine. Give inner parts a name in a block of their own.",
        f"const n = {_DEEP}\n\n" + model("stages: [n]  block: basic"),
        "const n = 1\n\n" + model("stages: [n]  block: basic"),
    ),
    Page(
        "E0106", "a file of another kind",
        "The text is no spec at all: Python, JSON, YAML, a patch, a file with an unresolved merge. Where it\n"
        "says what a model would, the hint has that model.",
        '{ "name": "tiny", "stages": [2, 2], "block": "basic" }',
        model("stages: [2, 2]  block: basic"),
    ),
    Page(
        "E0201", "an unknown name",
        "The name is neither a step above, a parameter, a setting of the model, a constant, a block, an\n"
        "op, nor a part of the model. Blocks of other files need `use` first.",
        model("stages: [2, 2]  block: bottelneck"),
        model("stages: [2, 2]  block: bottleneck"),
    ),
    Page(
        "E0202", "an argument that is not taken",
        "The block or op has no argument of this name, or not as many; an argument given twice is one\n"
        "too many as well. Nothing is ever ignored.",
        with_block("block mine(width) {\n    return x -> conv(width, 3x3, strides=2)\n}"),
        with_block("block mine(width) {\n    return x -> conv(width, 3x3, stride=2)\n}"),
    ),
    Page(
        "E0203", "something needed is missing",
        "An argument or parameter without a default was not given, or the file declares no model.",
        with_block("block mine(width) {\n    return x -> conv(width)\n}"),
        with_block("block mine(width) {\n    return x -> conv(width, 3x3)\n}"),
    ),
    Page(
        "E0204", "a value that is not allowed",
        "The value has the wrong kind or lies outside the range of the argument or field: channels,\n"
        "kernels and strides are positive whole numbers, choices are one of the names listed.",
        with_block("block mine(width) {\n    return x -> conv(width, 3x3, stride=0)\n}"),
        with_block("block mine(width) {\n    return x -> conv(width, 3x3, stride=1)\n}"),
    ),
    Page(
        "E0205", "a field that nothing uses",
        "A field of a model is one of the language's own (`input`, `stem`, `stages`, `block`, `head`,\n"
        "`outputs`, `freeze`, …) or a parameter of its block; this is neither.",
        model("stages: [2, 2]  block: basic  cardinality: 32"),
        model("stages: [2, 2]  block: bottleneck  groups: 32"),
    ),
    Page(
        "E0206", "a value of the wrong kind",
        "A tensor, a number, a block or `true` was needed and something else is given. Steps of a\n"
        "pipeline are blocks or ops, both sides of a residual addition tensors or numbers,\n"
        "conditions and expectations true or false.",
        with_block("block mine() {\n    return x + true\n}"),
        with_block("block mine() {\n    return x + (x -> C(x.channels))\n}"),
    ),
    Page(
        "E0207", "a list that does not fit the stages",
        "A list for a parameter of the block has one value for each stage.",
        model("stages: [2, 2, 2]  block: basic  widths: [16, 32]"),
        model("stages: [2, 2, 2]  block: basic  widths: [16, 32, 64]"),
    ),
    Page(
        "E0208", "a name that is taken",
        "Two declarations, fields, parameters or steps have the same name, or it is that of an op.",
        model("stages: [2, 2]  block: basic  stages: [3, 3]"),
        model("stages: [2, 2]  block: basic"),
    ),
    Page(
        "E0209", "something that needs itself",
        "Blocks, constants, settings, models and files cannot use themselves, directly or through others:\n"
        "elaboration always ends. Repeat a block with `stages:` instead.",
        with_block("block mine(width) {\n    return x -> conv(width, 3x3) -> mine(width)\n}"),
        with_block("block mine(width) {\n    return x -> conv(width, 3x3)\n}", "stages: [2]  block: mine"),
    ),
    Page(
        "E0210", "a file that cannot be used",
        "`use name` takes a shipped spec, `use \"file.resnet\"` a file in or below the spec's own folder.",
        'use "../elsewhere.resnet"\n\n' + model("stages: [2, 2]  block: basic"),
        model("stages: [2, 2]  block: basic"),
    ),
    Page(
        "E0211", "two steps with one name",
        "The name of a step becomes the name of its parameters, so within a block, and among stem,\n"
        "stages and head, each has its own.",
        with_block("block mine(width) {\n    return x -> a: conv(width, 3x3) -> a: conv(width, 3x3)\n}"),
        with_block("block mine(width) {\n    return x -> a: conv(width, 3x3) -> b: conv(width, 3x3)\n}"),
    ),
    Page(
        "E0212", "a label that names no step",
        "A label goes right before the step it names. In front of a whole pipeline, of a name that is\n"
        "a tensor already, or of a block that is not applied yet, there is nothing it could name.",
        with_block(
            "block mine(width) {\n    return mix: (x -> conv(width, 3x3) -> bn)\n}",
            "stages: [1]  widths: [64]  block: mine",
        ),
        with_block(
            "block mine(width) {\n    return x -> mix: conv(width, 3x3) -> bn\n}",
            "stages: [1]  widths: [64]  block: mine",
        ),
    ),
    Page(
        "E0213", "a step that is not used",
        "A block computes something that does not reach its result: an addition was forgotten, or the\n"
        "line is left over.",
        with_block(
            "block mine(width) {\n    main = x -> conv(width, 3x3)\n    return relu(x)\n}",
            "stages: [1]  widths: [64]  block: mine",
        ),
        with_block(
            "block mine(width) {\n    main = x -> conv(width, 3x3)\n    return relu(main + x)\n}",
            "stages: [1]  widths: [64]  block: mine",
        ),
    ),
    Page(
        "E0214", "a part to freeze that the network does not have",
        "`freeze` lists parts of the network as it is built. `stem: none` and `head: none` leave nothing\n"
        "that could be frozen, and what no output needs is left out of the network.",
        model("stages: [1, 1]  block: basic  head: none  freeze: [stem, layer1, head]"),
        model("stages: [1, 1]  block: basic  head: none  freeze: [stem, layer1]"),
    ),
    Page(
        "E0215", "applications of a shared function that cannot be one",
        "`share(f)` is a function of which all applications use one set of tensors. So each needs tensors\n"
        "of the same shapes and does the same steps, the first gives it its name, and all stand in one\n"
        "place: one block, one part, or the stages.",
        with_block(
            "block mine(width) {\n    same = share(conv(width, 3x3))\n"
            "    return x -> conv(8, 1x1) -> same -> conv(16, 1x1) -> same\n}"
        ),
        with_block(
            "block mine(width) {\n    same = share(conv(width, 3x3))\n"
            "    return x -> conv(8, 1x1) -> same -> conv(8, 1x1) -> same\n}"
        ),
    ),
    Page(
        "E0301", "a residual addition of different shapes",
        "Both sides of an addition have the same channels, height and width for every input size; nothing\n"
        "is broadcast. Where a block changes the shape, its shortcut has to change it too: `B` projects\n"
        "where needed, `C` always, `A` pads with zeros.",
        with_block(
            "block mine(width, stride = 1) {\n    main = x -> conv(width, 3x3, stride=stride) -> bn\n"
            "    return relu(main + x)\n}",
            "stages: [1, 1]  block: mine",
        ),
        with_block(
            "block mine(width, stride = 1) {\n    main = x -> conv(width, 3x3, stride=stride) -> bn\n"
            "    return relu(main + (x -> B(width, stride)))\n}",
            "stages: [1, 1]  block: mine",
        ),
    ),
    Page(
        "E0302", "a product, quotient or maximum of different shapes",
        "A product takes equal shapes, or a map and a gate: the same channels and one pixel, or one channel\n"
        "and the same pixels. So does a quotient. `max` and `min` take equal shapes.",
        with_block("block mine() {\n    return x * (x -> gap -> conv(1, 1x1) -> sigmoid)\n}"),
        with_block("block mine() {\n    return x * (x -> gap -> conv(x.channels, 1x1) -> sigmoid)\n}"),
    ),
    Page(
        "E0303", "a concatenation of different sizes",
        "`concat` joins channels, so heights and widths have to be equal for every input size.",
        with_block(
            "block mine(width) {\n    return concat(x -> conv(width, 3x3), x -> conv(4, 3x3, stride=2))\n}"
        ),
        with_block(
            "block mine(width) {\n    return concat(x -> conv(width, 3x3), x -> conv(width, 5x5))\n}"
        ),
    ),
    Page(
        "E0304", "a window larger than the map",
        "A convolution or pooling window has to fit once into its padded input.",
        model("input: 3x32x32  stages: [1]  block: basic  head: avgpool(16, pad=0) -> gap -> fc(10)"),
        model("input: 3x64x64  stages: [1]  block: basic  head: avgpool(16, pad=0) -> gap -> fc(10)"),
    ),
    Page(
        "E0305", "channels that cannot be split into groups",
        "A grouped convolution needs input and output channels that its `groups` divide.",
        with_block("block mine(width) {\n    return x -> conv(width, 3x3, groups=48)\n}"),
        with_block("block mine(width) {\n    return x -> conv(width, 3x3, groups=32)\n}"),
    ),
    Page(
        "E0306", "a vector where a map belongs, or the other way round",
        "Convolutions and pools take maps, `fc` takes a vector or what `gap` leaves.",
        model("stages: [1]  block: basic  head: fc(10)"),
        model("stages: [1]  block: basic  head: gap -> fc(10)"),
    ),
    Page(
        "E0307", "a size that is not known",
        "With `H` or `W` in `input:` this step would depend on the input's size: a vector's length and\n"
        "arithmetic on heights need numbers.",
        model("input: 3xHxW  stages: [1]  block: basic  head: flatten -> fc(10)"),
        model("input: 3xHxW  stages: [1]  block: basic  head: gap -> fc(10)"),
    ),
    Page(
        "E0308", "more channels than the padding keeps",
        "Shortcut `A` and `pad_channels` only add channels; they never drop any.",
        model("stages: [1, 1]  block: basic  shortcut: A  widths: [64, 32]"),
        model("stages: [1, 1]  block: basic  shortcut: A  widths: [64, 128]"),
    ),
    Page(
        "E0401", "an expectation that does not hold",
        "`expect:` states what the author knows of the model: `params`, `trainable`, `buffers`, `macs`,\n"
        "`depth` or `output`. The message has the true figure. It is not checked under `--set`.",
        model("stages: [2, 2, 2, 2]  block: basic  expect: params == 11_000_000"),
        model("stages: [2, 2, 2, 2]  block: basic  expect: params == 11_689_512"),
    ),
    Page(
        "E0501", "too many ops",
        "A network may have 75,000 ops, elaborating it take 250,000 evaluations, and a spec use 64 files,\n"
        "so that none can eat the machine.",
        model("stages: [60_000, 60_000]  block: basic"),
        model("stages: [200, 200, 200]  block: basic  widths: [16, 32, 64]"),
    ),
    Page(
        "E0502", "a number that is too large",
        "Numbers go up to 10^18, powers up to an exponent of 64, and a model's parameters up to 10^11.",
        model("stages: [2]  block: basic  widths: 2 ** 65"),
        model("stages: [2]  block: basic  widths: 2 ** 6"),
    ),
    Page(
        "E0601", "a name that a framework keeps for itself",
        "A layer, a block or a stage becomes an attribute of a PyTorch module under its own name, which is\n"
        "also the name of its weights. Those classes need some names themselves, and keep all that start\n"
        "with `_`. A spec means the same everywhere, so these are refused whatever backend comes later.",
        with_block(
            "block mine(width) {\n    return x -> forward: conv(width, 3x3) -> bn\n}",
            "stages: [1]  widths: [64]  block: mine",
        ),
        with_block(
            "block mine(width) {\n    return x -> first: conv(width, 3x3) -> bn\n}",
            "stages: [1]  widths: [64]  block: mine",
        ),
    ),
    Page(
        "W0601", "holds at this size only",
        "The shapes agree at the input that `input:` gives, but not at every size: the network would fail\n"
        "on other images. The message says on which. A strided convolution rounds up, a pool without\n"
        "padding down; `ceil=true` makes it round up too.",
        with_block(
            "block mine(width, stride = 1) {\n    main = x -> conv(width, 3x3, stride=stride)\n"
            "    return main + (x -> avgpool(stride, pad=0) -> conv(width, 1x1))\n}",
            "stages: [1, 1]  block: mine",
        ),
        with_block(
            "block mine(width, stride = 1) {\n    main = x -> conv(width, 3x3, stride=stride)\n"
            "    return main + (x -> avgpool(stride, pad=0, ceil=true) -> conv(width, 1x1))\n}",
            "stages: [1, 1]  block: mine",
        ),
    ),
    Page(
        "W0602", "a setting without effect",
        "The language knows the field, but nothing in this model reads it.",
        "model tiny(depth = 2) {\n    stages: [depth]  block: basic  head: none  classes: 10\n}",
        "model tiny(depth = 2) {\n    stages: [depth]  block: basic  classes: 10\n}",
    ),
    Page(
        "W0603", "parts that no output needs",
        "`outputs:` lists what the model returns; what comes after the last of them is left out.",
        model("stages: [1, 1]  block: basic  outputs: [layer1]"),
        model("stages: [1, 1]  block: basic  outputs: [layer1, head]"),
    ),
    *RECIPES,
    *ADVICE,
    *RECIPE_ADVICE,
)  # fmt: skip

PAGES: dict[str, Page] = {page.code: page for page in _ALL}
