"""The files of a run: log, curves, card; whole or not at all."""

from __future__ import annotations

import argparse
import resource
from pathlib import Path

import pytest

from resnet_dsl.training.options import whole_number
from resnet_dsl.training.progress_bar import ProgressBar
from resnet_dsl.training.run_files import RunError, card_text, csv_text, curves_png, write_whole

ROWS = [
    {"epoch": 1, "phase": "head", "lr": 0.1, "train_loss": 2.5, "test_loss": 2.25, "test_top1": 0.5},
    {"epoch": 2, "phase": "head", "lr": 0.1, "train_loss": 2.0, "test_loss": 2.125, "test_top1": 0.75},
    {"epoch": 3, "phase": "all", "lr": 0.01, "train_loss": 1.5, "test_loss": 2.0, "test_top1": 0.625},
]


def test_a_log_has_a_line_an_epoch() -> None:
    lines = csv_text(ROWS).splitlines()
    assert lines[0] == "epoch,phase,lr,train_loss,test_loss,test_top1"
    assert lines[3] == "3,all,0.01,1.5,2.0,0.625"


def test_curves_are_a_picture() -> None:
    pytest.importorskip("matplotlib")
    assert curves_png(ROWS, "digits").startswith(b"\x89PNG")


def test_a_card_shows_the_last_epoch_beside_the_best() -> None:
    text = card_text("digits", {"seed": 0}, ROWS, "recipe digits { }\n", "test_top1")
    assert "| seed | 0 |" in text
    assert "| test top1 | 0.625 | 0.75 |" in text
    assert text.endswith("```\nrecipe digits { }\n```\n")


def test_a_file_replaces_the_one_before_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    write_whole(path, b"old")
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_is_full_costs_nothing_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    write_whole(path, b"old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(RunError, match=r"log\.csv: .*; the one before is kept$"):
            write_whole(path, bytes(2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_without_a_terminal_an_epoch_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar("epoch 1", 200, shown=True, done=100) as bar:
        bar.advance(100)
        bar.show(loss=0.5, top1=0.75)
    with ProgressBar("epoch 1", 200, shown=False) as bar:
        bar.show(loss=0.5)
    out = capsys.readouterr().out
    assert out.startswith("epoch 1: loss 0.5  top1 0.75  ")
    assert out.count("\n") == 1


def test_an_option_is_a_whole_number_in_its_bounds() -> None:
    count, positive = whole_number(0), whole_number(1)
    assert (count("0"), positive("1"), count(str(2**63 - 1))) == (0, 1, 2**63 - 1)
    for kind, text in ((count, "-1"), (positive, "0"), (count, str(2**63))):
        with pytest.raises(argparse.ArgumentTypeError, match=f"^{text} is not a number from"):
            kind(text)
