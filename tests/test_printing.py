"""The printed forms of every stage, against golden files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source
from resnet_dsl.ir.ops import CATALOGUE
from resnet_dsl.printing.headline import headline
from resnet_dsl.printing.stages import print_ast, print_graph, print_network
from resnet_dsl.printing.summary import summary_facts, summary_json, summary_text
from resnet_dsl.program import Program
from resnet_dsl.syntax.parser import parse

Golden = Callable[[str | Path, str], None]

SPECS = {
    "resnet18": "model resnet18 { stages: [2, 2, 2, 2]  block: basic }",
    "cifar": """
        model cifar(n = 3) {
            input: 3x32x32
            stem: conv(16, 3x3) -> bn -> relu
            stages: [n, n, n]  widths: [16, 32, 64]
            block: basic  shortcut: A
            head: gap -> fc(10)
        }""",
    "backbone": """
        block gated(width, stride = 1) {
            main = x -> conv(width, 3x3, stride=stride) -> bn
            return relu((main -> se: se(4)) + (x -> downsample: B(width, stride)))
        }
        model backbone {
            input: 3xHxW
            stages: [early: 1, late: [gated(128, stride=2), 2 * gated(128)]]
            block: gated
            outputs: [early, late.0, head]
            freeze: [stem, early]
            preprocess: { color: rgb  mean: [0.5, 0.5, 0.5]  size: 224 }
            head: concat(late, late -> relu) -> conv(8, 1x1)
        }""",
}


def program(name: str) -> Program:
    return compile_source(Source(f"{name}.resnet", SPECS[name]))


@pytest.mark.parametrize("name", SPECS)
def test_the_network_prints(name: str, golden: Golden) -> None:
    golden(f"{name}.network.txt", print_network(program(name)))


@pytest.mark.parametrize("name", ["cifar", "backbone"])
def test_the_graph_prints(name: str, golden: Golden) -> None:
    golden(f"{name}.graph.txt", print_graph(program(name)))


@pytest.mark.parametrize("name", ["cifar", "backbone"])
def test_the_syntax_tree_prints(name: str, golden: Golden) -> None:
    golden(f"{name}.ast.txt", print_ast(parse(Source("a", SPECS[name]))))


@pytest.mark.parametrize("name", SPECS)
def test_the_summary_prints(name: str, golden: Golden) -> None:
    golden(f"{name}.summary.txt", summary_text(program(name)))


def test_the_summary_by_layers_prints(golden: Golden) -> None:
    golden("backbone.layers.txt", summary_text(program("backbone"), layers=True))


def test_the_summary_as_json_is_stable(golden: Golden) -> None:
    golden("backbone.summary.json", summary_json(program("backbone")) + "\n")


def test_specs_that_mean_the_same_print_the_same_but_for_the_name() -> None:
    own = """
        block my_block(w, s = 1) {
            first = x -> conv(w, 3x3, stride=s, pad=1) -> bn -> relu
            second = first -> conv(w, kernel=3) -> bn
            short = if s == 1 and x.channels == w then x
                    else x -> downsample: C(w, s)
            return relu(second + short)
        }
        model other {
            input: 3x224x224
            stem: conv(64, 7x7, stride=2) -> bn -> relu -> maxpool(3x3, stride=2)
            stages: [2 * my_block(64), [my_block(128, 2), my_block(128)],
                     [my_block(256, 2), my_block(256)], [my_block(512, 2), my_block(512)]]
            head: gap -> fc(1000)
        }"""
    ours = print_network(program("resnet18")).split("\n")
    theirs = print_network(compile_source(Source("b", own))).split("\n")
    assert ours[0] != theirs[0]
    assert ours[1:] == theirs[1:]


def test_every_argument_of_every_op_is_written_out() -> None:
    text = print_graph(program("backbone"))
    for kind in ("conv", "bn"):
        line = next(line for line in text.split("\n") if f"= {kind}(" in line)
        assert line.count(",") == len(list(CATALOGUE[kind].arguments()))


def test_the_facts_of_resnet18_are_torchvision_s() -> None:
    facts = summary_facts(program("resnet18"))
    assert (facts["params"], facts["trainable"], facts["buffers"]) == (11_689_512, 11_689_512, 9_600)
    assert (facts["macs"], facts["depth"]) == (1_814_073_344, 18)
    assert (facts["input"], facts["output"]) == ([3, 224, 224], [1000])
    assert "outputs" not in facts
    for key in ("params", "trainable", "buffers", "macs"):
        assert sum(layer[key] for layer in facts["layers"]) == facts[key]
        assert sum(stage[key] for stage in facts["stages"]) == facts[key]


def test_what_depends_on_an_open_input_size_is_null() -> None:
    facts = json.loads(summary_json(program("backbone")))
    assert facts["input"] == [3, None, None]
    assert facts["macs"] is None
    assert facts["activations"] is None
    assert list(facts["outputs"]) == ["early", "late.0", "head"]
    assert facts["trainable"] < facts["params"]


def test_the_headline_is_short() -> None:
    assert headline(program("resnet18")) == "11,689,512 parameters, 1.814 GMACs"
    assert headline(program("cifar")) == "269,722 parameters, 40.551 MMACs"
