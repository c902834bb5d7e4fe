"""Views of `summary`: bars, distinct blocks, memory; and what a pipe gets stays what it was."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

import resnet_dsl
from resnet_dsl.analysis import memory
from resnet_dsl.cli import command_options
from resnet_dsl.cli.main import main
from resnet_dsl.printing.bars import share_column

ROOT = Path(__file__).parents[1]


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["summary", *words]) == 0
    return capsys.readouterr().out


def on_a_terminal(width: int, *words: str) -> str:
    """What `summary` writes to a terminal of so many columns."""
    terminal, other = pty.openpty()
    environ = {**os.environ, "COLUMNS": str(width), "PYTHONIOENCODING": "utf-8"}
    environ["PYTHONPATH"] = f"{ROOT}{os.pathsep}{ROOT / 'backends'}"
    command = [sys.executable, "-m", "resnet_dsl", "summary", *words]
    done = subprocess.Popen(command, stdout=other, stderr=other, env=environ)
    os.close(other)
    text = b""
    try:
        while part := os.read(terminal, 65536):
            text += part
    except OSError:  # the other side is closed
        pass
    os.close(terminal)
    assert done.wait() == 0
    return text.decode().replace("\r\n", "\n")


def test_bars_are_for_terminals_that_are_wide_enough(capsys: pytest.CaptureFixture[str]) -> None:
    piped = printed(capsys, "resnet50")
    assert piped == resnet_dsl.load("resnet50").summary()
    assert "█" not in piped
    assert on_a_terminal(80, "resnet50") == piped
    assert on_a_terminal(200, "resnet50") == printed(capsys, "resnet50", "--bars")
    assert "█" in on_a_terminal(200, "resnet50")
    assert on_a_terminal(200, "resnet50", "--layers") == printed(capsys, "resnet50", "--layers")


def test_a_bar_is_as_long_as_its_share() -> None:
    assert share_column("all", [0, 25, 50, 25]) == [
        "all",
        "  0.0%",
        " 25.0% ████████",
        " 50.0% ████████████████",
        " 25.0% ████████",
    ]
    assert share_column("all", [3, 1], plain=True)[1:] == [" 75.0% ################", " 25.0% #####"]
    assert share_column("all", [1, 32])[1] == "  3.0% ▌"
    assert share_column("all", [1, None]) == ["all", "", "?"]
    assert share_column("all", [0, 0]) == ["all", "", ""]


def test_shares_of_parts(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, "resnet50", "--bars").splitlines()
    (last,) = [line for line in lines if line.startswith("layer4")]
    assert f"{14_964_736 / 25_557_032:.1%} {'█' * 16}   19.8% " in last
    assert printed(capsys, "resnet50", "--bars", "--set", "input=3xHxW").count("%") == 6


def test_each_distinct_block_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, "resnet20", "--blocks").splitlines()
    rows = [line.split("  ") for line in lines[4:]]
    model = resnet_dsl.load("resnet20")
    stages = [stage for stage in model.facts()["stages"] if stage["blocks"]]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert [row[-1] for row in cells] == [
        "layer1.0–2", "layer2.0", "layer2.1–2", "layer3.0", "layer3.1–2",
    ]  # fmt: skip
    assert [row[1] for row in cells] == ["3", "1", "2", "1", "2"]
    for column, field in ((3, "params"), (4, "macs")):
        total = sum(int(row[1]) * int(row[column].replace(",", "")) for row in cells)
        assert total == sum(stage[field] for stage in stages)
    assert cells[0][0] == "basic(width=16, stride=1)"


def test_a_network_without_stages_has_no_blocks(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(printed(capsys, "alexnet", "--blocks").splitlines()) == 4


def test_memory_as_table_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["resnet20", "--batch", "32", "--dtype", "float16", "--optimizer", "adam"]
    text = printed(capsys, *words)
    assert text.startswith(printed(capsys, "resnet20") + "\nat batch 32, float16, Adam\n\nmemory ")
    assert text.splitlines()[-1].split() == ["peak", "3.9", "MB", "26.5", "MB"]
    facts = json.loads(printed(capsys, *words, "--format", "json"))["memory"]
    assert (facts["batch"], facts["dtype"], facts["optimizer"]) == (32, "float16", "adam")
    assert facts["optimizer_state"] == 2 * facts["gradients"] == 2 * 2 * 269_722
    found = memory.memory_of(resnet_dsl.load("resnet20").program.graph, 32, "float16", "adam")
    assert (facts["inference"], facts["training"]) == (found.inference, found.training)
    assert "memory" not in json.loads(printed(capsys, "resnet20", "--format", "json"))


def test_memory_of_an_open_size_is_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, "resnet20", "--batch", "2", "--set", "input=3xHxW").splitlines()
    assert lines[-1].split() == ["peak", "?", "?"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--batch", "0"], "argument --batch: a whole number, 1 or more and at most 1,000,000,000, not 0"),
        (["--dtype", "int8"], "argument --dtype: invalid choice: 'int8'"),
        (["--layers", "--blocks"], "argument --blocks: not allowed with argument --layers"),
    ],
)
def test_what_cannot_be_shown_is_refused(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["summary", "resnet20", *words]) == 2
    assert message in capsys.readouterr().err


def test_the_options_have_what_the_analysis_knows() -> None:
    assert tuple(memory.DTYPES) == command_options.DTYPES
    assert tuple(memory.OPTIMIZERS) == command_options.OPTIMIZERS
