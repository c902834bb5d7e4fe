"""What differs as a picture: what is marked, what is said where, and that nothing lies on anything else."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import resnet_dsl
from fuzz.random_network import random_network
from resnet_dsl.cli.main import main
from resnet_dsl.compare.comparison_result import Comparison
from resnet_dsl.compare.network_differences import compared
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.drawing.remarks import Remark, shown_remarks
from resnet_dsl.drawing.strip import picture_of
from resnet_dsl.driver import compile_source, compile_spec
from tests.support.picture_geometry import geometry
from tests.test_drawing import DOT_LINE, MERMAID_LINE

SVG = "{http://www.w3.org/2000/svg}"
PAIRS = (
    ("resnet50", "resnet50_v1"), ("resnet50", "resnet50d"), ("resnet50", "resnet50_keras"),
    ("resnet50d", "resnet50"), ("densenet121", "densenetblur121d"), ("resnet18", "resnet50"),
    ("resnet50", "seresnet50"), ("unet_resnet34", "resnet34"), ("googlenet", "resnet50"),
    ("resnet50", "res2net50"), ("preresnet20", "resnet20"), ("resnest50d", "skresnet50"),
)  # fmt: skip


def of_text(*bodies: str) -> Comparison:
    """What differs between two blocks."""
    model = "model m { input: 8x16x16  stages: [2]  block: b  stem: conv(8, 3x3) }"
    texts = [f"block b {{ {body} }}\n{model}" for body in bodies]
    a, b = (compile_source(Source("net.resnet", text)) for text in texts)
    return compared(a, b, ("a", "b"))


def red(svg: str) -> list[str]:
    """The words in red."""
    texts = ElementTree.fromstring(svg).iter(f"{SVG}text")
    return [text.text or "" for text in texts if "r" in text.get("class", "").split()]


def outlined(svg: str) -> list[str | None]:
    """The ids of what has a red outline."""
    root = ElementTree.fromstring(svg)
    return [g.get("id") for g in root.iter(f"{SVG}g") if any("marked" in e.get("class", "") for e in g)]


# --- nothing lies on anything else -----------------------------------------------------------------


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_nothing_overlaps(pair: tuple[str, str]) -> None:
    svg = resnet_dsl.diff(*pair).draw()
    assert not list(geometry(svg).faults())
    ids = [element.get("id") for element in ElementTree.fromstring(svg).iter() if element.get("id")]
    assert Counter(ids).most_common(1)[0][1] == 1
    assert {link[1:] for link in re.findall(r'<a href="([^"]+)"', svg)} <= {*ids}


@pytest.mark.parametrize("seed", range(0, 20, 2))
def test_two_random_networks_are_drawn_without_overlap(seed: int) -> None:
    made = [compile_source(Source("net.resnet", random_network(each).text)) for each in (seed, seed + 1)]
    found = compared(made[0], made[1])
    assert not list(geometry(found.draw()).faults())
    for format, pattern in (("dot", DOT_LINE), ("mmd", MERMAID_LINE)):
        assert_syntax(found.draw(format), pattern)


@pytest.mark.parametrize(
    "body",
    [
        "y = x -> conv(8, 3x3) -> bn  return y * x",
        "y = x -> conv(8, 3x3) -> bn  return y + y",
        "y = x -> conv(8, 5x5) -> relu  return x + y + y",
    ],
)
def test_a_join_that_differs_has_room_for_its_words(body: str) -> None:
    svg = of_text("y = x -> conv(8, 3x3) -> bn  return y + x", body).draw()
    assert not list(geometry(svg).faults())
    assert any(line.startswith("(1) ") for line in red(svg))


# --- what is marked --------------------------------------------------------------------------------


def test_a_stride_that_moved_is_marked_in_both_networks() -> None:
    svg = resnet_dsl.diff("resnet50", "resnet50_v1").draw()
    here = ["layer2", "layer3", "layer4", "layer2.0.conv1", "layer2.0.conv2"]
    assert outlined(svg) == [*here, "first:layer2.0.conv1", "first:layer2.0.conv2"]
    assert red(svg) == [
        "(1) the first block of layer2, layer3 and layer4: stride on conv2 (v1.5) against conv1 (v1)",
        "(1)", "(1)", "(1)",
        "(1) stride on conv1 (v1), not", "conv2 (v1.5)", "(1)",
        "(1) stride on conv2 (v1.5),", "not conv1 (v1)", "(1)",
    ]  # fmt: skip


def test_of_the_first_network_only_blocks_with_marks_are_shown() -> None:
    svg = resnet_dsl.diff("resnet50", "resnet50_v1").draw()
    blocks = re.findall(r'id="(?:first:)?drawing:(\w+)"', svg)
    assert blocks == ["title", "desc", "tip", "stem", "A", "B", "C", "head", "c"]


def test_the_legend_has_all_and_in_red_what_is_marked() -> None:
    svg = resnet_dsl.diff("resnet50", "resnet50_keras").draw()
    numbers = [int(line[1]) for line in red(svg) if re.match(r"\(\d\) .*against", line)]
    assert numbers == [3, 4, 7]
    assert "8 differences: in red below; what changes a result is outlined" in svg
    for told in (
        "(1) every conv (53): bias=false against true",
        "(5) every bn (53): momentum=0.1 against 0.01",
    ):
        assert told in svg


def test_what_is_of_most_boxes_marks_none() -> None:
    program = compile_spec("resnet50")
    convs = [node.name for node in program.graph.nodes if node.op.kind == "conv"]
    every, some = (Remark(i, "other", frozenset(paths)) for i, paths in enumerate((convs, convs[:5])))
    assert shown_remarks(picture_of(program), [every, some]) == (some,)


def test_what_is_of_no_box_is_in_the_legend_alone() -> None:
    svg = resnet_dsl.diff("resnet50", resnet_dsl.load("resnet50", input="3x192x192")).draw()
    assert (red(svg), outlined(svg)) == ([], [])
    assert "1 difference: none is marked: each is of most boxes, or of none" in svg
    assert "(1) input: size 224x224 against 192x192" in svg


def test_what_changes_no_result_has_words_and_no_outline() -> None:
    svg = resnet_dsl.diff("resnet50", "resnet50d").draw()
    assert red(svg).count("(3) gamma=0.0, not 1.0") == 3  # A, B and C
    assert "layer1.0.conv3" not in outlined(svg)
    assert {"stem", "layer2.0.downsample.1", "first:conv1"} <= {*outlined(svg)}


def test_steps_that_the_other_has_not_and_steps_in_the_place_of_others_are_told_apart() -> None:
    lines = red(resnet_dsl.diff("densenet121", "densenetblur121d").draw())
    assert {"(3) not in densenet121", "(4) stride=1, not 2", "(1) channels=32, not 64"} <= {*lines}
    assert "(2) shortcut=D, not B" in red(resnet_dsl.diff("resnet50", "resnet50d").draw())


def test_what_is_of_a_whole_block_stands_over_it_with_the_uses_it_is_of() -> None:
    svg = resnet_dsl.diff("resnet18", "resnet50").draw()
    over = svg[svg.index('id="drawing:B"') :].partition("<g transform")[0]
    assert red(f'<svg xmlns="{SVG[1:-1]}">{over[over.index("<text") :]}</svg>') == [
        "(1) instead of basic (2 * conv", "3x3) (4 of 12)",
        "(2) 3, 4, 6, 3 blocks, not 2,", "2, 2, 2 (8 of 12)",
    ]  # fmt: skip


def test_networks_that_mean_the_same_have_a_picture_without_marks() -> None:
    svg = resnet_dsl.diff("resnet20", "resnet20").draw()
    assert "resnet20 and resnet20 mean the same" in svg
    assert (red(svg), outlined(svg)) == ([], [])
    assert "first:" not in svg


def test_who_does_not_see_the_picture_is_told_what_differs() -> None:
    root = ElementTree.fromstring(resnet_dsl.diff("resnet50", "resnet50_v1").draw())
    assert root.findtext(f"{SVG}title") == "resnet50 against resnet50_v1"
    assert "stride on conv2 (v1.5) against conv1 (v1). input: " in str(root.findtext(f"{SVG}desc"))


# --- other formats, ids ----------------------------------------------------------------------------


def assert_syntax(text: str, pattern: re.Pattern[str]) -> None:
    lines = [line for line in text.splitlines() if not line.startswith(("//", "%%"))]
    assert not [line for line in lines if not pattern.fullmatch(line)]
    found = [match for line in lines if (match := pattern.fullmatch(line))]
    nodes = [match["node"] for match in found if match["node"]]
    assert len(nodes) == len(set(nodes))
    assert {match[end] for match in found if match["source"] for end in ("source", "target")} <= set(nodes)


@pytest.mark.parametrize(("format", "pattern"), [("dot", DOT_LINE), ("mmd", MERMAID_LINE)])
def test_other_formats_have_the_marks_and_the_legend(format: str, pattern: re.Pattern[str]) -> None:
    text = resnet_dsl.diff("resnet50", "resnet50_v1").draw(format)
    assert_syntax(text, pattern)
    assert "1 difference: in red below" in text
    assert text.count("stride on conv1 (v1), not") == text.count("stride on conv2 (v1.5),") == 1
    assert text.count({"dot": "penwidth=2.5", "mmd": ":::marked"}[format]) == 7
    assert "in resnet50" in text


def test_a_prefix_keeps_the_ids_of_pictures_within_one_page_apart() -> None:
    model = resnet_dsl.load("seresnet18")
    pictures = [model.draw(), model.draw(prefix="one"), model.draw(prefix="two"),
                resnet_dsl.diff("resnet18", model).draw(prefix="three")]  # fmt: skip
    root = ElementTree.fromstring(f"<div>{''.join(pictures)}</div>")
    ids = Counter(element.get("id") for element in root.iter() if element.get("id"))
    assert max(ids.values()) == 1
    assert {"one:layer1.0.conv1", "two:drawing:A", "three:layer1.0.se.fc1"} <= {*ids}
    for svg, prefix in zip(pictures, ("", "one:", "two:", "three:"), strict=True):
        links = re.findall(r"(?:href=\"|url\()#([^\")]+)", svg)
        assert links
        assert all(link in ids and link.startswith(prefix) for link in links)


@pytest.mark.parametrize("prefix", ["1", "a b", "a:", '"', "é", "-a"])
def test_what_can_be_no_prefix_is_refused(prefix: str) -> None:
    with pytest.raises(UsageError, match="a prefix of ids has letters, digits, - and _"):
        resnet_dsl.load("resnet20").draw(prefix=prefix)


# --- the command -----------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_status_is_that_of_diff(capsys: pytest.CaptureFixture[str]) -> None:
    for name, start in (("a.svg", "<svg "), ("a.dot", "// drawn by"), ("a.mmd", "flowchart TB")):
        assert main(["diff", "resnet20", "resnet32", "-o", name]) == 1
        assert Path(name).read_text(encoding="utf-8").startswith(start)
        assert capsys.readouterr().out == f"wrote {name} (1 difference)\n"
    assert main(["diff", "resnet20", "resnet20", "-o", "same.svg"]) == 0
    assert capsys.readouterr().out == "wrote same.svg (0 differences)\n"
    assert main(["diff", "resnet20", "resnet32", "-o", "pictures/"]) == 1
    assert Path("pictures/resnet20-resnet32.svg").is_file()


def test_stdout_has_the_picture_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    svg = resnet_dsl.diff("resnet20", "resnet32").draw()
    for arguments in (["-o", "-"], ["--format", "svg"], ["-o", "-", "--format", "svg"]):
        assert main(["diff", "resnet20", "resnet32", *arguments]) == 1
        assert capsys.readouterr() == (svg, "")


FORMATS = "there are .svg, .dot, .mmd"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-o", "x.png"], f"no picture is written as .png; {FORMATS}"),
        (["-o", "x"], f"the name of a picture ends in its format; {FORMATS}"),
        (["-o", "x.json"], f"-o is where a picture goes, and json is none; {FORMATS}"),
        (["-o", "x.svg", "--format", "text"], f"-o is where a picture goes, and text is none; {FORMATS}"),
        (["--format", "pdf"], "--format takes text, json, svg, dot, mmd, not `pdf`"),
        (["--format", "sgv"], "--format takes text, json, svg, dot, mmd, not `sgv`; did you mean `svg`[?]"),
        (["-o", "nowhere/x.svg"], r"nowhere/x.svg: the folder \S+/nowhere does not exist"),
    ],
)
def test_what_cannot_be_written_is_status_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["diff", "resnet20", "resnet32", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(f"error: {message}\n", err)
    assert not list(Path().iterdir())


def test_a_foreign_file_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    Path("x.svg").write_text("<svg/>")
    assert main(["diff", "resnet20", "resnet32", "-o", "x.svg"]) == 2
    assert "--force overwrites it" in capsys.readouterr().err
    assert Path("x.svg").read_text() == "<svg/>"
    assert main(["diff", "resnet20", "resnet32", "-o", "x.svg", "--force"]) == 1


def test_a_picture_says_what_a_file_does_not_tell() -> None:
    np.savez("mystery.npz", **resnet_dsl.load("resnet20").state(seed=0))
    assert main(["diff", "mystery.npz", "resnet20", "-o", "x.svg"]) == 0
    svg = Path("x.svg").read_text(encoding="utf-8")
    assert "mystery.npz and resnet20 mean the same, as far as mystery.npz can tell" in svg
    assert "tensors of mystery.npz are those of resnet20" in svg
    assert main(["diff", "mystery.npz", "resnet32", "-o", "y.svg"]) == 1
    assert "(1) 5, 5, 5 blocks, not 3, 3," in red(Path("y.svg").read_text(encoding="utf-8"))
