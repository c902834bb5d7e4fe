"""The pages of advice, W0610 and after: what is valid and seldom meant."""

from __future__ import annotations

from resnet_dsl.diagnostics.page import Page, model, with_block

ADVICE = (
    Page(
        "W0610", "a declaration that nothing uses",
        "No model of the file needs the block or constant, or the file needs nothing of what it uses. A\n"
        "block that another file is to use says so: `# resnet-dsl: allow W0610`. A file without models\n"
        "is there for others, and has no such warning.",
        with_block("block mine(width) {\n    return x -> conv(width, 3x3)\n}", "stages: [1]  block: basic"),
        with_block("block mine(width) {\n    return x -> conv(width, 3x3)\n}", "stages: [1]  block: mine"),
    ),
    Page(
        "W0611", "a parameter that nothing reads",
        "Whatever is given for it makes the same network. That goes for the parameters of a block and of\n"
        "a model, and for steps that make no tensor. What a block has to take because others call it, as\n"
        "a shortcut takes a stride, is left alone.",
        with_block(
            "block mine(width, stride = 1) {\n    return x -> conv(width, 3x3) -> relu\n}",
            "stages: [1, 1]  block: mine",
        ),
        with_block(
            "block mine(width, stride = 1) {\n    return x -> conv(width, 3x3, stride=stride) -> relu\n}",
            "stages: [1, 1]  block: mine",
        ),
    ),
    Page(
        "W0612", "a stride for every block",
        "`stride` serves each block of a stage, `strides` the first: a stage of three blocks with\n"
        "`stride: 2` makes the map eight times smaller.",
        model("stages: [2, 2, 2]  block: basic  stride: [1, 2, 2]"),
        model("stages: [2, 2, 2]  block: basic  strides: [1, 2, 2]"),
    ),
    Page(
        "W0613", "an input with its channels last",
        "`input` is channels, height, width. `224x224x3` has 224 channels of 224x3 pixels, and such a\n"
        "network compiles. Keras and most image libraries write the channels last.",
        model("input: 224x224x3  stages: [1]  block: basic"),
        model("input: 3x224x224  stages: [1]  block: basic"),
    ),
    Page(
        "W0614", "norms that are left over",
        "Most layers have the norm that the spec gives, and some the library's own: a field such as `norm`\n"
        "goes to the blocks of the stages, while stem, head and shortcuts take one of their own. A spec\n"
        "that writes out both norms itself is left alone.",
        model("stages: [2, 2]  block: basic  norm: gn(32)"),
        model(
            "stages: [2, 2]  block: basic  norm: gn(32)\n"
            "    stem: imagenet_stem(norm=gn(32))  shortcut: B(norm=gn(32))"
        ),
    ),
    Page(
        "W0615", "a projection where nothing changes",
        "A shortcut that decides, by stride or channels, when to project, and projects a block whose input\n"
        "it could pass on. A shortcut that projects always, as `C` does, says what it wants and is left\n"
        "alone.",
        "block mine(channels, stride = 1) {\n"
        "    return if stride == 1 then x -> conv(channels, 1x1) -> bn else x -> D(channels, stride)\n}\n\n"
        + model("stages: [2, 2]  block: basic  shortcut: mine"),
        "block mine(channels, stride = 1) {\n"
        "    return if stride == 1 and x.channels == channels then x else x -> D(channels, stride)\n}\n\n"
        + model("stages: [2, 2]  block: basic  shortcut: mine"),
    ),
    Page(
        "W0616", "a frozen part behind a trained one",
        "What is frozen keeps weights that were learned on the features before it. If those are trained\n"
        "they change, and the frozen part no longer fits. One freezes from the stem on. Norms do not count.",
        model("stages: [1, 1]  block: basic  freeze: [layer1]"),
        model("stages: [1, 1]  block: basic  freeze: [stem, layer1]"),
    ),
    Page(
        "W0617", "images of another size than the network takes",
        "`flatten` of a map ties a network to the size in `input`, and `preprocess` says that its images\n"
        "have another. What it says in the end is `crop`, or `size` where nothing is cropped.",
        model(
            "input: 3x32x32  stages: [1]  block: basic  head: flatten -> fc(10)\n"
            "    preprocess: { color: rgb  size: 36 }"
        ),
        model(
            "input: 3x32x32  stages: [1]  block: basic  head: flatten -> fc(10)\n"
            "    preprocess: { color: rgb  size: 36  crop: 32 }"
        ),
    ),
    Page(
        "W0618", "rows that nothing reads",
        "The last window of a pool or convolution without enough padding ends before the map does, and an\n"
        "eighth of the rows or columns or more is thrown away. Less than that is what strides leave at odd\n"
        "sizes, and no warning.",
        model("input: 3x64x64  stages: [1, 1]  block: basic  head: avgpool(7, pad=0) -> gap -> fc(10)"),
        model("input: 3x64x64  stages: [1, 1]  block: basic  head: gap -> fc(10)"),
    ),
    Page(
        "W0619", "a rate of 1 drops everything",
        "`rate` is the probability that a value, or a branch, is dropped. With 1 nothing comes through in\n"
        "training, and what comes before never learns.",
        model("stages: [1]  block: basic  drop_path: 1"),
        model("stages: [1]  block: basic  drop_path: 0.1"),
    ),
    Page(
        "W0620", "the momentum of another convention",
        "The `momentum` of `bn` is the weight of the new batch, as in torch: 0.1 is usual. Keras and ONNX\n"
        "write the weight of what is kept, such as 0.99 or 0.9. Here 0.99 makes the running statistics\n"
        "those of the last batch.",
        with_block("block mine(width) {\n    return x -> conv(width, 3x3) -> bn(momentum=0.99) -> relu\n}"),
        with_block("block mine(width) {\n    return x -> conv(width, 3x3) -> bn(momentum=0.01) -> relu\n}"),
    ),
    Page(
        "W0621", "an `allow` that means nothing",
        "`# resnet-dsl: allow W0610` silences a warning, on its own line or, where it stands alone, on the\n"
        "next line of code; `allow W0610 in this file` everywhere. Only warnings can be allowed.",
        "# resnet-dsl: allow W0699\n" + model("stages: [1]  block: basic"),
        "# resnet-dsl: allow W0601 in this file\n" + model("stages: [1]  block: basic"),
    ),
    Page(
        "W0622", "a `share` that does nothing",
        "`share(f)` makes all applications of a function use one set of tensors. What is applied once has\n"
        "one in any case, and what has no tensors, such as `relu`, has none to share. A function that is\n"
        "shared within a block is another one at each use of the block.",
        with_block(
            "block mine(width) {\n    same = share(conv(width, 3x3))\n"
            "    return x -> conv(width, 1x1) -> same\n}"
        ),
        with_block(
            "block mine(width) {\n    same = share(conv(width, 3x3))\n"
            "    return x -> conv(width, 1x1) -> same -> same\n}"
        ),
    ),
)  # fmt: skip
