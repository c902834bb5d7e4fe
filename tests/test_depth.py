"""A deep network costs what a shallow one does: blocks that are alike are counted and checked once."""

from __future__ import annotations

from itertools import accumulate

import pytest

from resnet_dsl.analysis.cost import cost_of
from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source, compile_spec
from resnet_dsl.ir.network import Network, Run
from resnet_dsl.limits import NAMES
from resnet_dsl.program import Program

PLAIN = "block plain(width) { return relu(x + (x -> conv(width, 3x3) -> bn)) }\n"
FIELDS = "input: 3x32x32  stem: conv(16, 3x3) -> bn  head: gap -> fc(4)  width: 16  block: plain"

# By what of a stage is told from the rest: the fields that say so, and the runs of both its stages.
TOLD_APART = {
    "nothing": ("stages: [9, 20]", [8, 1, 19, 1]),
    "an output": ("stages: [9, 20]  outputs: [layer1.3, layer2, head]", [3, 1, 4, 1, 19, 1]),
    "a step that is an output": ("stages: [9, 20]  outputs: [layer2.6.bn1, head]", [8, 1, 6, 1, 12, 1]),
    "a part that a later one takes": (
        "stages: [9, [layer1 -> plain(16), 19 * plain(16)]]",
        [8, 1, 1, 18, 1],
    ),
    "tensors of another": (
        "stages: [[4 * plain(16), 5 * again], [19 * again, plain(16)]]",
        [4, 1, 3, 1, 19, 1],
    ),
    "a frozen part": ("stages: [9, 20]  freeze: [stem, layer1]", [8, 1, 19, 1]),
    "a frozen block": ("stages: [4, 20]  freeze: [stem, layer1.0, layer1.1]", [1, 1, 1, 1, 19, 1]),
    "its number": ("stages: [3, 4]  block: falls  rate: 0.1 * index // 0.2", [2, 1, 2, 1, 1]),
    "its shape": ("stages: [[3 * plain(16), 3 * to(8), 3 * plain(8)], 11]  width: 8", [3, 1, 2, 2, 1, 10, 1]),
    "another size of the input": ("input: 3xHxW  stages: [9, 20]", [8, 1, 19, 1]),
    "what exists in training only": (
        "stages: [9, 20]  head: { main: gap -> fc(4)  side: layer1 -> gap -> fc(4) }  auxiliary: side",
        [8, 1, 19, 1],
    ),
}
DECLARED = PLAIN + (
    "block falls(width, rate) { return x -> conv(width, 3x3) -> stochastic_depth(rate) }\n"
    "const again = share(plain(16))\n"
    "block to(width) { return x -> conv(width, 3x3) }\n"
)


def program(fields: str, blocks: str = DECLARED, **settings: object) -> Program:
    """Compile a model with these fields, nearest first."""
    given = {field.partition(":")[0].removesuffix("s") for field in fields.split("  ")}
    rest = [field for field in FIELDS.split("  ") if field.partition(":")[0] not in given]
    text = f"{blocks}model m {{ {fields}  {'  '.join(rest)} }}"
    return compile_source(Source("m.resnet", text), overrides=settings)


def runs(network: Network) -> list[int]:
    return [run.count for part, _, run in network.runs() if part not in ("stem", "head")]


@pytest.mark.parametrize("told", TOLD_APART)
def test_what_tells_a_block_from_others_makes_a_run(told: str) -> None:
    fields, wanted = TOLD_APART[told]
    found = program(fields)
    assert runs(found.network) == wanted
    assert sum(wanted) == sum(stage.count for stage in found.network.stages)


@pytest.mark.parametrize("told", TOLD_APART)
def test_runs_cost_what_their_blocks_cost(told: str) -> None:
    lowered = program(TOLD_APART[told][0]).lowered
    assert cost_of(lowered.runs) == cost_of(lowered.flat)
    assert sum(node.times for node in lowered.runs.nodes) == len(lowered.flat.nodes)
    flat = {node.name: node for node in lowered.flat.nodes}
    for node in lowered.runs.nodes:
        assert (node.op, node.shape, node.part) == (flat[node.name].op, flat[node.name].shape, node.part)


def test_names_of_results_are_those_of_the_flat_graph() -> None:
    lowered = program("stages: [9, 20]  outputs: [stem, layer1.3, layer1, layer2.6.bn1, head]").lowered
    assert lowered.runs.outputs == lowered.flat.outputs
    assert set(lowered.runs.parts) <= set(lowered.flat.parts)


def test_a_check_makes_no_flat_graph_and_as_few_ops_for_many_blocks_as_for_few() -> None:
    few, many = (compile_spec("cifar_resnet", overrides={"n": n}) for n in (18, 1000))
    assert len(few.lowered.runs.nodes) == len(many.lowered.runs.nodes)
    assert "flat" not in vars(many.lowered)
    assert many.cost.depth == 6002
    assert len(many.graph.nodes) == 21_009


def test_a_stage_is_a_run_of_equal_blocks_and_the_blocks_one_by_one() -> None:
    stage = compile_spec("cifar_resnet", overrides={"n": 5}).network.stages[1]
    first, others = stage.runs
    assert (first.count, others.count, stage.count) == (1, 4, 5)
    assert stage.blocks == (first.body, *[others.body] * 4)
    assert stage.each[1:] == (Run(others.body),) * 4
    assert stage.last is others.body


# --- what is said is what the flat graph says ----------------------------------------------------

SHORTCUT = (
    "block short(channels, stride = 1) {"
    "  return if stride == 1 and x.channels < 0 then x else x -> conv(channels, 1x1, stride=stride) }\n"
)


def said(found: Program, code: str) -> list[str]:
    return [diagnostic.message for diagnostic in found.warnings if diagnostic.code == code]


def test_norms_that_are_left_are_counted_and_named_one_by_one() -> None:
    found = program("stages: [9]  block: basic", "", norm="gn(4)", shortcut="C")
    (message,) = said(found, "W0614")
    left = [f"layer1.{number}.downsample.1" for number in range(5)]
    assert message == f"18 norms are `gn(4)`, and 10 are still `bn`: bn1, {', '.join(left)}, …"


@pytest.mark.parametrize(("blocks", "warned"), [(63, True), (64, False)])
def test_a_branch_is_as_long_as_its_blocks_however_many_are_alike(blocks: int, warned: bool) -> None:
    """A projection beside a branch of more steps than are looked at is none beside it."""
    block = "block one(width) { return x -> conv(width, 3x3) }\n"
    far = "block far(skip) { return x + (skip -> short(16)) }\n"
    found = program(
        f"stages: [[{blocks} * one(16)], [far(skip=stem)]]  stem: conv(16, 1x1)", SHORTCUT + block + far
    )
    assert bool(said(found, "W0615")) == warned


def test_frozen_blocks_are_told_from_those_that_are_trained() -> None:
    found = program("stages: [3, 2]  freeze: [layer1.2]")
    wanted = "`layer1.2` is frozen, and what comes before it is trained: stem, layer1.0, layer1.1"
    assert said(found, "W0616") == [wanted]


def test_what_nothing_needs_is_called_as_in_the_flat_graph() -> None:
    with pytest.raises(CompileError) as error:
        program("stages: [9, [stem -> plain(16)]]")
    assert "`layer1.0.conv1` in layer1 is not used" in error.value.diagnostics[0].message


def test_names_are_as_long_as_all_of_them() -> None:
    """The bound is passed at a block whose number has more digits than that of the first."""
    name = "n" * 190
    block = f"block long(width) {{ return x -> {name}: conv(width, 1x1) -> {name}b: conv(width, 1x1) }}\n"
    lengths = (len(f"layer1.{i}.{name}layer1.{i}.{name}b") for i in range(37_000))
    passed = next(total for total in accumulate(lengths, initial=len("conv1bn1")) if total > NAMES.most)
    with pytest.raises(CompileError) as error:
        program("stages: [37000]  block: long", block)
    assert f"have {passed:,} characters" in error.value.diagnostics[0].message


# --- many stages ---------------------------------------------------------------------------------


def widths(found: Program) -> list[object]:
    return [dict(stage.last.arguments)["width"] for stage in found.network.stages]


@pytest.mark.parametrize(
    "item", ["4 + stage % 3", "4 + (block_number + index) % 3", "if stage < 0 then 9 else 4"]
)
def test_a_list_that_asks_for_the_stage_costs_what_it_has_items(item: str) -> None:
    """With every item once a stage, these were refused."""
    stages, given = (", ".join([each] * 1_500) for each in ("1", item))
    found = program(f"stages: [{stages}]  widths: [{given}]  block: to")
    assert widths(found) == [4 + stage % 3 if "%" in item else 4 for stage in range(1_500)]


def test_an_item_of_a_list_is_evaluated_for_each_block_that_it_asks_for() -> None:
    found = program("stages: [2, 3]  widths: [4, 4 + index]  block: to")
    assert [dict(block.arguments)["width"] for block in found.network.stages[1].blocks] == [4, 5, 6]


def test_what_is_wrong_with_any_item_of_a_list_is_told_in_one_run() -> None:
    with pytest.raises(CompileError) as error:
        program("stages: [1, 1, 1]  widths: [stage, less, more]  block: to")
    assert [found.message for found in error.value.diagnostics] == [
        "unknown name `less`",
        "unknown name `more`",
    ]


def test_a_list_of_choices_is_evaluated_once() -> None:
    """A choice is a name, and no place."""
    block = "block either(width, kind = low | high) { return x -> conv(if kind == low then 4 else 8, 1x1) }\n"
    stages, kinds = (", ".join([each] * 600) for each in ("1, 1", "low, high"))
    found = program(f"stages: [{stages}]  kinds: [{kinds}]  width: 4  block: either", block)
    assert [stage.last.output.channels for stage in found.network.stages] == [4, 8] * 600
