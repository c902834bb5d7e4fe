"""The command `draw`: formats, places, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from resnet_dsl.cli.main import main
from resnet_dsl.codegen.seal import condition


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_picture_goes_to_a_file_whose_suffix_is_the_format(capsys: pytest.CaptureFixture[str]) -> None:
    for name, start in (("a.svg", "<svg "), ("a.dot", "// drawn by"), ("a.mmd", "flowchart TB")):
        assert main(["draw", "resnet20", "-o", name]) == 0
        text = Path(name).read_text(encoding="utf-8")
        assert text.startswith(start)
        assert capsys.readouterr().out == f"wrote {name} (2 distinct blocks)\n"


def test_without_a_place_it_goes_here_under_the_name_of_the_model() -> None:
    assert main(["draw", "cifar_resnet", "--set", "n=2"]) == 0
    assert [path.name for path in Path().iterdir()] == ["cifar_resnet.svg"]


def test_a_folder_is_made(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["draw", "resnet20", "-o", "pictures/", "--format", "dot"]) == 0
    assert Path("pictures/resnet20.dot").is_file()
    assert main(["draw", "resnet20", "-o", "pictures"]) == 0
    assert Path("pictures/resnet20.svg").is_file()


def test_stdout_has_the_picture_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["draw", "resnet20", "-o", "-"]) == 0
    svg = capsys.readouterr().out
    assert main(["draw", "resnet20", "-o", "same.svg"]) == 0
    assert svg == Path("same.svg").read_text(encoding="utf-8")
    assert main(["draw", "resnet20", "-o", "-", "--format", "mmd"]) == 0
    assert capsys.readouterr().out.partition("flowchart TB\n")[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "x.png"], "no picture is written as .png; there are .svg, .dot, .mmd"),
        (["-o", "x.sgv"], "no picture is written as .sgv; did you mean `svg`[?]"),
        (["-o", "x"], "the name of a picture ends in its format; there are .svg, .dot, .mmd"),
        (["--format", "pdf"], "no picture is written as .pdf; there are .svg, .dot, .mmd"),
        (["-o", ""], "-o takes a path, not an empty text"),
        (["-o", "nowhere/x.svg"], r"nowhere/x.svg: the folder \S+/nowhere does not exist"),
    ],
)
def test_what_cannot_be_written_is_refused(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["draw", "resnet20", *arguments]) == 2
    assert re.fullmatch(f"error: {message}\n", capsys.readouterr().err)
    assert not list(Path().iterdir())


def test_a_foreign_file_is_kept_and_an_own_one_is_written_again(capsys: pytest.CaptureFixture[str]) -> None:
    path = Path("x.svg")
    path.write_text("<svg/>")
    assert main(["draw", "resnet20", "-o", "x.svg"]) == 2
    assert "exists and was not written by resnet-dsl; --force overwrites it" in capsys.readouterr().err
    assert path.read_text() == "<svg/>"
    assert main(["draw", "resnet20", "-o", "x.svg", "--force"]) == 0
    assert condition(path.read_bytes()) == "ours"
    assert main(["draw", "resnet32", "-o", "x.svg"]) == 0
    path.write_text(path.read_text(encoding="utf-8").replace("resnet32", "mine"), encoding="utf-8")
    assert main(["draw", "resnet20", "-o", "x.svg"]) == 2
    assert "was changed since resnet-dsl wrote it" in capsys.readouterr().err


def test_nothing_is_written_of_a_wrong_spec(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.resnet").write_text("model bad { stages: [1]  block: basik }")
    assert main(["draw", "bad.resnet", "-o", "x.svg"]) == 1
    assert "basik" in capsys.readouterr().err
    assert [path.name for path in Path().iterdir()] == ["bad.resnet"]


def test_a_device_may_be_written_to(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["draw", "resnet20", "-o", "/dev/null", "--format", "svg"]) == 0
