"""The pages of what may be wrong with a recipe, E0701 and after, and its advice."""

from __future__ import annotations

from resnet_dsl.diagnostics.page import Page, recipe

SGD = "optimiser: sgd(lr=0.1, momentum=0.9)"

RECIPES = (
    Page(
        "E0701", "epochs behind the last one",
        "A schedule, a warm-up or a ramp of `drop_path` goes on when its phase has ended. Epochs count\n"
        "from 0 on, and in each phase anew: in one of 4 epochs the last is 3.",
        recipe(f"{SGD}  schedule: steps(at=[2, 4])"),
        recipe(f"{SGD}  schedule: steps(at=[2, 3])"),
    ),
    Page(
        "E0702", "nothing learns",
        "What the model freezes and what the recipe freezes is together all that could learn. In a phase,\n"
        "`train` lists the parts that learn, and `freeze` those that do not.",
        recipe(f'{SGD}  freeze: [stem, layer1, layer2, layer3, head]  weights: "start.safetensors"'),
        recipe(f'{SGD}  freeze: [stem, layer1, layer2, layer3]  weights: "start.safetensors"'),
    ),
    Page(
        "E0703", "losses that are not those of the outputs",
        "Each output that is to learn has a loss, under its name in a record; one loss alone is that of the\n"
        "only output, and, times 0.3, of each auxiliary one. A loss takes a vector, a number for each class.",
        recipe(f"{SGD}  loss: {{ logits: cross_entropy }}"),
        recipe(f"{SGD}  loss: {{ output: cross_entropy }}"),
    ),
    Page(
        "E0704", "images that are not what the network takes",
        "The steps of a pipeline say what size and how many channels its images have in the end, or that a\n"
        "window is larger than the image it is cut out of. What they leave open is checked with the data.",
        recipe(f"{SGD}  train: crop(28) -> normalise"),
        recipe(f"{SGD}  train: crop(32) -> normalise"),
    ),
    Page(
        "E0705", "steps that do not follow each other",
        "A pipeline works on images of bytes and ends in one `normalise`, which makes numbers of them. What\n"
        "draws at random is for `train`, what makes several images of one for `test`.",
        recipe(f"{SGD}  train: normalise -> flip"),
        recipe(f"{SGD}  train: flip -> normalise"),
    ),
    Page(
        "E0706", "another number of classes",
        "The last layer of the network has a number for each class. `data` may list the classes, then it\n"
        "has as many; so have all outputs with a loss.",
        recipe(f'{SGD}  loss: cross_entropy  evaluate: [top1, top5]', of="cifar_resnet(n=3, classes=5)"),
        recipe(f"{SGD}  loss: cross_entropy  evaluate: [top1, top5]"),
    ),
    Page(
        "E0707", "a batch that cannot be divided",
        "`accumulate` cuts the batch into equal parts, `bn_batch` a part into equal groups, `mix` into\n"
        "pairs.",
        recipe(f"{SGD}  accumulate: 3"),
        recipe(f"{SGD}  accumulate: 4"),
    ),
)  # fmt: skip

RECIPE_ADVICE = (
    Page(
        "W0623", "frozen parts without weights",
        "What is frozen from the first phase on keeps the weights that it starts with. Those are random,\n"
        "unless `weights` names a file; who wants random ones says so: `weights: none`.",
        recipe(f"{SGD}  freeze: [stem, layer1]"),
        recipe(f'{SGD}  freeze: [stem, layer1]  weights: "start.safetensors"'),
    ),
)  # fmt: skip
