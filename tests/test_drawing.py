"""Pictures: what they show of a network, that nothing lies on anything else, that they are well-formed."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from functools import cache
from pathlib import Path
from typing import ClassVar
from xml.etree import ElementTree

import pytest

import resnet_dsl
from fuzz.random_network import random_network
from resnet_dsl.diagnostics.errors import UsageError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.drawing.block_layout import LaidBlock, laid_out
from resnet_dsl.drawing.distinct import in_ranges, letters_for
from resnet_dsl.drawing.font_widths import text_width
from resnet_dsl.drawing.picture import BlockDrawing, Picture
from resnet_dsl.drawing.strip import picture_of
from resnet_dsl.drawing.strip_layout import LaidStrip, strip_laid_out
from resnet_dsl.drawing.svg import COLOURS, REMARK
from resnet_dsl.drawing.writers import drawn
from resnet_dsl.driver import compile_source, compile_spec
from resnet_dsl.ir.ops import CATALOGUE
from resnet_dsl.ir.ops.base import Op, declared
from resnet_dsl.program import Program
from resnet_dsl.shipped import models, shipped
from tests.conftest import Golden
from tests.support.picture_geometry import Corner, Item, geometry, real_font
from tools import gallery

ROOT = Path(__file__).parents[1]
SVG = "{http://www.w3.org/2000/svg}"
FAMILIES = {path: name for name, path in reversed(shipped().items())}  # the first network of each file
OTHERS = sorted(set(shipped()) - set(FAMILIES.values()))
NETWORKS = ("resnet50", "unet_resnet34", "res2net50", "googlenet", "retinanet_resnet50_fpn", "hrnet_w18")


@cache
def program(name: str) -> Program:
    return compile_spec(name)


def picture(name: str) -> Picture:
    return picture_of(program(name))


def of_text(text: str) -> Program:
    return compile_source(Source("net.resnet", text))


def block_named(shown: Picture, letter: str) -> BlockDrawing:
    return next(block for block in shown.blocks if letter in (block.letter, block.name))


def lines(block: BlockDrawing) -> list[str]:
    """The boxes of a block in words."""
    return [" / ".join(map(str, box.lines)) + f" ×{box.times}" * (box.times > 1) for box in block.boxes]


def layout(shown: Picture, letter: str) -> LaidBlock:
    return laid_out(block_named(shown, letter), tuple(block.letter for block in shown.blocks))


# --- nothing lies on anything else -----------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(FAMILIES.values()))
def test_nothing_overlaps_in_the_first_network_of_a_file(name: str) -> None:
    assert not list(geometry(drawn(program(name))).faults())


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_nothing_overlaps_in_the_other_networks(name: str) -> None:
    assert not list(geometry(drawn(compile_spec(name))).faults())


def test_every_network_of_the_shelf_is_looked_at() -> None:
    assert {*FAMILIES.values(), *OTHERS} == set(shipped())
    assert {models()[name].path for name in FAMILIES.values()} == {*shipped().values()}


def test_what_overlaps_is_seen() -> None:
    svg = drawn(program("resnet20"))
    whole = geometry(svg)
    assert not list(whole.faults())
    moved = svg.replace('<text class="b s" x="0" y="10">stem', '<text class="b s" x="20" y="58">stem')
    assert moved != svg
    assert any("overlap" in fault for fault in geometry(moved).faults())
    across = svg.replace('<path d="M', '<path d="M0 60L400 60M')
    assert any("goes through" in fault for fault in geometry(across).faults())
    narrow = re.sub(r' width="[\d.]+"', ' width="300"', svg, count=1)
    assert any("not on the page" in fault for fault in geometry(narrow).faults())


def test_a_line_that_ends_at_a_box_does_not_go_through_it() -> None:
    box = Item("box", 10, 10, 20, 20, "")
    assert not box.is_crossed(Corner(15, 0), Corner(15, 10))
    assert box.is_crossed(Corner(15, 0), Corner(15, 12))


def test_the_shipped_widths_are_those_of_the_font() -> None:
    try:
        fonts = {bold: real_font(bold) for bold in (False, True)}
    except OSError:
        pytest.skip("DejaVu Sans is not installed")
    letters = [chr(code) for code in range(32, 127)] + list("×÷–…·→")
    for bold, font in fonts.items():
        for letter in letters:
            assert text_width(letter, 1000, bold) == pytest.approx(font.getlength(letter), abs=1.0), letter


@pytest.mark.parametrize("count", [120])
def test_a_tangle_of_skips_is_drawn_without_overlap(count: int) -> None:
    steps = [
        f"v{i} = (v{i - 1} -> conv(8, 3x3)) + (v{i * 7919 % i} -> conv(8, 1x1)) + v{i * 31 % i}"
        for i in range(1, count)
    ]
    body = "\n    ".join(["v0 = x -> conv(8, 3x3)", *steps, f"return v{count - 1}"])
    tangled = of_text(f"block b {{\n    {body}\n}}\nmodel m {{ input: 3x32x32  stages: []  stem: b }}")
    assert not list(geometry(drawn(tangled)).faults())


@pytest.mark.parametrize("seed", range(25))
def test_a_random_network_is_drawn_without_overlap(seed: int) -> None:
    made = of_text(random_network(seed).text)
    assert not list(geometry(drawn(made)).faults())
    assert drawn(made, "dot").startswith("// drawn")
    assert drawn(made, "mmd").startswith("flowchart")


# --- what is shown ---------------------------------------------------------------------------------


def test_the_strip_has_the_parts_with_their_counts_sizes_and_blocks() -> None:
    shown = [(p.name, p.count, p.maps[0].text, p.contents) for p in picture("resnet50").parts]
    assert shown == [
        ("input", None, "3×224×224", ""),
        ("stem", None, "64×56×56", ""),
        ("layer1", 3, "256×56×56", "A, B ×2"),
        ("layer2", 4, "512×28×28", "C, B ×3"),
        ("layer3", 6, "1024×14×14", "C, B ×5"),
        ("layer4", 3, "2048×7×7", "C, B ×2"),
        ("head", None, "1000", ""),
    ]


def test_a_distinct_block_is_shown_once_with_all_its_uses() -> None:
    shown = picture("resnet50")
    assert [block.letter or block.name for block in shown.blocks] == ["stem", "A", "B", "C", "head"]
    block = block_named(shown, "B")
    assert in_ranges(block.uses) == ["layer1.1–2", "layer2.1–3", "layer3.1–5", "layer4.1–2"]
    assert lines(block) == [
        "x: 256, 512, 1024, 2048",
        "conv 1×1, 64, 128, 256, 512 / bn, relu",
        "conv 3×3, 64, 128, 256, 512 / bn, relu",
        "conv 1×1, 256, 512, 1024, 2048 / bn",
        "+",
        "relu",
    ]


def test_a_stride_is_written_where_it_is() -> None:
    assert "conv 3×3 /2, 128, 256, 512 / bn, relu" in lines(block_named(picture("resnet50"), "C"))
    assert "conv 1×1 /2, 128, 256, 512 / bn, relu" in lines(block_named(picture("resnet50_v1"), "C"))


def test_norms_and_activations_go_with_the_layer_behind_them_in_a_preactivated_block() -> None:
    block = block_named(picture("preresnet20"), "A")
    assert lines(block) == [
        "x: 16, 32, 64", "bn, relu / conv 3×3, 16, 32, 64", "bn, relu / conv 3×3, 16, 32, 64", "+",
    ]  # fmt: skip


def test_a_result_that_two_steps_take_is_no_part_of_a_layer() -> None:
    block = block_named(picture("preresnet50"), "A")
    assert lines(block)[1:3] == ["bn, relu", "conv 1×1, 64"]


def test_equal_steps_in_a_row_are_one_box() -> None:
    head = block_named(picture("retinanet_resnet50_fpn"), "cls_logits")
    assert "conv 3×3, 256 / relu ×4" in lines(head)
    assert lines(head).count("conv 3×3, 819 / shared weights") == 4


def test_a_small_block_is_written_out_and_another_is_drawn_by_itself() -> None:
    shown = picture("seresnet50")
    block = block_named(shown, "A")
    (called,) = [box.called for box in block.boxes if box.called is not None]
    assert "conv 1×1, 256 / bn" in lines(block)  # the projection, a block of its own in the text
    assert {box.look for box in shown.blocks[called].boxes} >= {"layer", "window", "sign"}


def test_what_does_the_same_twice_is_drawn_once() -> None:
    split = block_named(picture("resnest50d"), "split_attention")
    assert lines(split).count("part 0 of 2") == 2  # of the maps, and of the attention
    (part, _) = [box for box in split.boxes if str(box.lines[0]) == "part 0 of 2"]
    assert len(part.steps) == 2


def test_a_picture_says_the_parts_of_the_input_where_its_size_is_open() -> None:
    assert [part.maps[0].text for part in picture("unet_resnet34").parts][:3] == [
        "3×H×W",
        "64×H/4×W/4",
        "64×H/4×W/4",
    ]


def test_what_training_and_parameters_say_is_over_the_picture() -> None:
    assert picture("resnet50").facts == "input 3×224×224 · 25,557,032 parameters, 4.089 GMACs"


def test_uses_that_count_on_are_one_range() -> None:
    uses = [
        "layer1.0.se",
        "layer1.1.se",
        "layer1.2.se",
        "layer2.0.se",
        "x",
        "a.1.b.0",
        "a.1.b.1",
        "a.2.b.0",
        "a.2.b.1",
    ]
    assert in_ranges(uses) == ["layer1.0–2.se", "layer2.0.se", "x", "a.1–2.b.0–1"]


def test_letters_go_on_after_z() -> None:
    letters = list(letters_for(26 + 26 * 26 + 2))
    assert len(set(letters)) == len(letters)
    assert (letters[25], letters[26], letters[27], letters[51], letters[52]) == ("Z", "AA", "AB", "AZ", "BA")


@declared
class Kept(Op):
    """An activation that the catalogue does not have."""

    kind: ClassVar[str] = "kept"
    activation: ClassVar[bool] = True


@declared
class Merge(Op):
    """A join that the catalogue does not have."""

    kind: ClassVar[str] = "merge"
    inputs: ClassVar[int | None] = 2
    joined: ClassVar[str] = "merged"


def test_a_new_op_is_drawn_by_its_declaration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CATALOGUE, "kept", Kept)
    monkeypatch.setitem(CATALOGUE, "merge", Merge)
    text = "block b { return merge(x -> conv(8, 3x3) -> bn -> kept, x -> conv(8, 1x1)) }\n"
    new = of_text(text + "model m { input: 3x8x8  stages: []  stem: b }")
    block = block_named(picture_of(new), "stem")
    assert lines(block) == ["x: 3", "conv 3×3, 8 / bn, kept", "conv 1×1, 8", "merge, 8"]
    assert [box.look for box in block.boxes] == ["end", "layer", "layer", "bar"]


# --- where it stands -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_the_main_path_is_straight(name: str) -> None:
    shown = picture(name)
    for block in shown.blocks:
        laid = laid_out(block, tuple(b.letter for b in shown.blocks))
        narrow = [laid.boxes[i] for i in block.main if block.boxes[i].look != "bar"]
        assert [box.place.middle for box in narrow] == pytest.approx([narrow[0].place.middle] * len(narrow))
        tops = [laid.boxes[i].place.y for i in block.main]
        assert tops == sorted(tops)


def test_a_shortcut_goes_into_its_sum_from_the_side() -> None:
    laid = layout(picture("resnet50"), "B")
    (shortcut,) = [wire for wire in laid.wires if wire.wire.source == 0 and wire.wire.target == 4]
    plus = laid.boxes[4].place
    assert shortcut.points[-1] == (plus.x + plus.width, plus.y + plus.height / 2)
    assert max(x for x, _ in shortcut.points) > max(box.place.x + box.place.width for box in laid.boxes)


def test_branches_stand_in_lanes_in_the_order_of_the_text() -> None:
    laid = layout(picture("googlenet"), "A")
    places = {str(box.box.lines[0]): box.place for box in laid.boxes}
    concat = places["concat, 256–1024"]
    ends = [wire for wire in laid.wires if laid.boxes[wire.wire.target].place == concat]
    ends.sort(key=lambda wire: wire.wire.port)
    xs = [wire.points[-1][0] for wire in ends]
    assert len(xs) == 4
    assert xs == sorted(xs)
    assert concat.x <= xs[0]
    assert xs[-1] <= concat.x + concat.width
    assert all(len({x for x, _ in wire.points}) == 1 for wire in ends)  # straight down


def strip_of(name: str) -> LaidStrip:
    return strip_laid_out(picture(name).parts, 860.0)


def test_a_box_is_as_high_as_its_map() -> None:
    heights = [laid.boxes[0].height for laid in strip_of("resnet50").parts]
    assert heights[1] == heights[2]
    assert heights[2:] == sorted(heights[2:], reverse=True)
    assert len(set(heights[2:])) == 5
    up = [laid.boxes[0].height for laid in strip_of("unet_resnet34").parts]
    assert up[6:9] == [up[4], up[3], up[2]]


def test_skips_of_a_u_net_are_arcs_above_it_one_inside_the_other() -> None:
    strip = strip_of("unet_resnet34")
    arcs = [line for line in strip.lines if len(line) == 4]
    peaks = {round(line[0][0]): line[1][1] for line in arcs}
    assert len(arcs) == 4
    left_to_right = [peaks[x] for x in sorted(peaks)]
    assert left_to_right == sorted(left_to_right)
    assert all(line[1][1] < min(line[0][1], line[3][1]) for line in arcs)


def test_a_pyramid_stands_below_what_it_is_made_of() -> None:
    laid = {part.part.name: part.boxes[0] for part in strip_of("resnet50_fpn").parts}
    for level in "2345":
        assert laid[f"p{level}"].middle == laid[f"m{level}"].middle
        assert laid[f"p{level}"].y > laid[f"m{level}"].y
    assert laid["m5"].x > laid["layer4"].x


def test_maps_side_by_side_are_drawn_one_above_the_other() -> None:
    shown = {part.part.name: part for part in strip_of("hrnet_w18").parts}
    assert [len(shown[f"stage{i}"].boxes) for i in (2, 3, 4)] == [2, 3, 4]
    assert len({part.boxes[1].y for name, part in shown.items() if len(part.boxes) > 1}) == 1


# --- SVG -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_every_op_is_named_by_the_id_or_title_of_one_box(name: str) -> None:
    shown = picture(name)
    paths = [path for block in shown.blocks for box in block.boxes for path in block.paths(box)]
    ops = {node.name for node in program(name).graph.nodes}
    assert ops <= set(paths)
    assert len(paths) == len(set(paths))


@pytest.mark.parametrize("name", NETWORKS)
def test_ids_are_canonical_paths_and_every_link_leads_somewhere(name: str) -> None:
    root = ElementTree.fromstring(drawn(program(name)))
    ids = [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
    assert len(ids) == len(set(ids))
    parts = {part.name for part in picture(name).parts}
    known = {path for block in picture(name).blocks for box in block.boxes for path in block.paths(box)}
    assert {i for i in ids if not i.startswith("drawing:")} <= known | parts
    links = [element.attrib["href"] for element in root.iter(f"{SVG}a")]
    assert links
    assert {link.removeprefix("#") for link in links} <= set(ids)


def test_a_picture_is_described_for_those_who_do_not_see_it() -> None:
    root = ElementTree.fromstring(drawn(program("resnet20")))
    assert root.attrib["role"] == "img"
    named = {element.get("id"): element.text for element in root if element.get("id")}
    title, description = (named[i] for i in root.attrib["aria-labelledby"].split())
    assert title == "resnet20"
    assert "layer2: 3 blocks (B, A ×2), 32×16×16" in (description or "")
    groups = [element for element in root.iter(f"{SVG}g") if element.get("id")]
    boxes = [group for group in groups if group.find(f"{SVG}title") is not None]
    assert len(boxes) > 10


def luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(d * 2 for d in digits) if len(digits) == 3 else digits
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1])
def test_text_and_lines_can_be_read_on_every_ground(theme: int) -> None:
    """The ratios are those that the web's guidelines ask of text and of graphics."""
    colours = {
        (s, what): row[theme] for selector, what, *row in (*COLOURS, REMARK) for s in selector.split(",")
    }
    for ground in (".page", ".layer", ".window", ".point", ".block"):
        assert contrast(colours["text", "fill"], colours[ground, "fill"]) >= 7.0, ground
        assert contrast(colours[".m", "fill"], colours[ground, "fill"]) >= 4.5, ground
        assert contrast(colours[".r", "fill"], colours[ground, "fill"]) >= 4.5, ground
    page = colours[".page", "fill"]
    assert all(contrast(colours[line, "stroke"], page) >= 3.0 for line in (".w", ".layer", ".block"))


def test_dark_is_for_screens_alone() -> None:
    svg = drawn(program("resnet20"))
    assert svg.count("@media") == svg.count("@media screen and (prefers-color-scheme:dark)") == 1


def test_words_of_the_author_are_no_markup() -> None:
    block = '# <b>bold</b> & "quoted"\nblock b { return x -> conv(8, 3x3) }\n'
    root = ElementTree.fromstring(drawn(of_text(block + "model m { input: 3x8x8  stages: [1]  block: b }")))
    assert 'b: <b>bold</b> & "quoted"' in [title.text for title in root.iter(f"{SVG}title")]


def test_pictures_are_small_and_fast() -> None:
    deep = program("resnet1202")
    start = time.process_time()
    svg = drawn(deep)
    assert time.process_time() - start < 0.1
    assert len(svg.encode()) < 12_000


def test_what_is_marked_stands_out_in_any_use_of_a_block() -> None:
    assert marks("resnet50", "layer3.4.conv2") == {"layer1.1.conv2", "layer3"}
    assert "marked" not in drawn(program("resnet50")).partition("</style>")[2]


def marks(name: str, *paths: str) -> set[str | None]:
    """The ids of what is marked in a picture."""
    root = ElementTree.fromstring(drawn(program(name), marked=paths))
    marked = [e for e in root.iter() if "marked" in e.get("class", "").split()]
    return {g.get("id") for g in root.iter(f"{SVG}g") if any(child in marked for child in g)}


def test_what_is_around_a_mark_is_marked_too() -> None:
    assert marks("resnet50", "fc", "layer1") == {"fc", "head", "layer1"}
    assert marks("seresnet50", "layer2.1.se.fc1") == {"layer2", "layer1.1.se", "layer1.0.se.fc1"}


# --- other formats ---------------------------------------------------------------------------------

QUOTED = r'"(?:[^"\\]|\\.)*"'
DOT_LINE = re.compile(
    rf"""\s*(?:digraph\ {QUOTED}\ \{{ | subgraph\ \w+\ \{{ | \}} | label={QUOTED}
    | node\ \[.*\] | (?P<source>{QUOTED})\ ->\ (?P<target>{QUOTED})(?:\ \[.*\])?
    | (?P<node>{QUOTED})\ \[(?:\w+=(?:{QUOTED}|[\w.]+)\ ?)+\])""",
    re.VERBOSE,
)
MERMAID_LINE = re.compile(
    r"""\s*(?:flowchart\ TB | direction\ (?:LR|TB) | end | subgraph\ \w+\["[^"]*"\]
    | classDef\ \w+\ [\w:#,.-]+ | (?P<source>\w+)\ (?:-->|-\.->)(?:\|"[^"]*"\|)?\ (?P<target>\w+)
    | (?P<node>\w+)(?:\["[^"]*"\]|\(\("[^"]*"\)\)|\(\["[^"]*"\]\))(?::::\w+)?)""",
    re.VERBOSE,
)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    ("format", "pattern", "note"), [("dot", DOT_LINE, "//"), ("mmd", MERMAID_LINE, "%%")]
)
def test_other_formats_have_their_syntax(name: str, format: str, pattern: re.Pattern[str], note: str) -> None:
    text = drawn(program(name), format)
    found = [(line, pattern.fullmatch(line)) for line in text.splitlines() if not line.startswith(note)]
    assert not [line for line, match in found if match is None]
    nodes = [match["node"] for _, match in found if match and match["node"]]
    ends = {match[end] for _, match in found if match and match["source"] for end in ("source", "target")}
    assert len(nodes) == len(set(nodes))
    assert ends <= set(nodes)
    openings = [line for line, _ in found if line.endswith("{") or "subgraph" in line]
    assert len(openings) == sum(line.strip() in ("}", "end") for line, _ in found)


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
@pytest.mark.parametrize("name", NETWORKS)
def test_graphviz_draws_the_graph(name: str) -> None:
    done = subprocess.run(["dot", "-Tsvg"], input=drawn(program(name), "dot"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 'id="layer1.0' in done.stdout


def test_the_library_draws() -> None:
    svg = resnet_dsl.draw("resnet20")
    assert svg == resnet_dsl.load("resnet20").draw() == resnet_dsl.draw(resnet_dsl.load("resnet20"))
    assert resnet_dsl.draw("cifar_resnet", "mmd", n=2).startswith("flowchart TB")
    with pytest.raises(UsageError, match=r"no picture is written as \.png"):
        resnet_dsl.draw("resnet20", "png")


# --- pictures of the documentation -----------------------------------------------------------------

IMAGES = sorted((ROOT / "docs" / "images").glob("*.svg"))


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.stem)
def test_a_picture_of_the_documentation_is_what_draw_draws(path: Path, golden: Golden) -> None:
    """`pytest --update-golden` draws it again; the name `a-b` is that of what differs."""
    first, _, second = path.stem.partition("-")
    golden(path, resnet_dsl.diff(first, second).draw() if second else resnet_dsl.draw(first))


def test_every_picture_is_on_a_page_and_they_are_few() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    shown = {
        src
        for page in pages
        for src in re.findall(r'src="(?:docs/)?images/([\w-]+)\.svg"', page.read_text("utf-8"))
    }
    assert {path.stem for path in IMAGES} == shown
    assert len(IMAGES) <= 20
    assert "docs/images/resnet50.svg" in (ROOT / "README.md").read_text("utf-8").partition("## ")[0]
    assert sum(path.stat().st_size for path in IMAGES) < 300_000


def test_the_gallery_has_every_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = {name: models()[name] for name in ("resnet20", "lenet5", "unet", "retinanet")}
    monkeypatch.setattr(gallery, "models", lambda: few)
    gallery.main(tmp_path / "made")
    page = (tmp_path / "made" / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'<a href="(\w+)\.svg">', page) == ["resnet20", "unet", "lenet5"]  # a pattern is none
    assert all((tmp_path / "made" / f"{name}.svg").is_file() for name in ("resnet20", "lenet5", "unet"))
