"""What an editor asks of a text, without an editor: names, places, words, completions, changes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from resnet_dsl.diagnostics.model import Source, Span
from resnet_dsl.driver import declared
from resnet_dsl.editor.analysis import Analysis, analysis
from resnet_dsl.editor.buffers import Buffers, below
from resnet_dsl.editor.completion import completions
from resnet_dsl.editor.descriptions import KEYWORDS, MODEL_FIELDS, described, op_text
from resnet_dsl.editor.entities import Entity
from resnet_dsl.editor.fixes import fixes
from resnet_dsl.editor.hover import hover
from resnet_dsl.editor.name_uses import occurrences
from resnet_dsl.editor.positions import TextPosition, TextPositions
from resnet_dsl.editor.recipe_words import TERMS, WORDS
from resnet_dsl.editor.references import applied_to, definition, references, renamed
from resnet_dsl.editor.step_facts import facts_of, formula_text
from resnet_dsl.elaborate.expressions import NUMERIC
from resnet_dsl.elaborate.settings import FIELDS
from resnet_dsl.ir.formulas import Fixed, Named, Operation
from resnet_dsl.ir.ops import CATALOGUE
from resnet_dsl.printing.summary import summary_json
from resnet_dsl.shipped import PACKAGE, files, shipped
from resnet_dsl.syntax import ast, words
from resnet_dsl.syntax.changes import Change
from resnet_dsl.syntax.parser import parse

HERE = Path("/nowhere/net.resnet")
NET = """\
const wide = 64

block mine(width, stride = 1, kind = slow | fast, norm = bn) {
    main = x -> conv(width, 3x3, stride=stride) -> norm -> relu
    return if kind == slow then main + (x -> down: B(width, stride)) else main
}

model net(classes = 10) {
    input: 3x64x64
    stem: conv(wide, 3x3) -> bn -> relu
    stages: [2, deep: 2 * mine]
    block: mine
    kind: slow
    widths: [wide, 128]
    outputs: [layer1, deep, head]
    head: gap -> flatten -> fc(classes)
}
"""


def known(text: str = NET, path: Path = HERE) -> Analysis:
    return analysis(Source(path.name, text, path=path), Buffers())


# --- places --------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32"])
def test_positions_and_offsets_are_inverse(encoding: str) -> None:
    text = "a\u00e9\U0001d4b3b\r\nmodel\rx\n\nend"
    positions = TextPositions(text, encoding)
    for offset in range(len(text) + 1):
        if text[offset - 1 : offset + 1] != "\r\n":
            assert positions.offset(*positions.at(offset)) == offset


def test_a_position_counts_code_units() -> None:
    text = "\U0001d4b3\u00e9 x"
    at = {encoding: TextPositions(text, encoding).at(3) for encoding in ("utf-8", "utf-16", "utf-32")}
    assert at == {"utf-8": TextPosition(0, 7), "utf-16": TextPosition(0, 4), "utf-32": TextPosition(0, 3)}


def test_a_position_past_a_line_is_its_end() -> None:
    positions = TextPositions("one\r\ntwo")
    assert (positions.offset(0, 99), positions.offset(9, 0)) == (3, 8)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [("abcd", "abxcd", (2, 2)), ("aaa", "aa", (2, 0)), ("", "a", (0, 0)), ("ab", "ab", (2, 0))],
)
def test_what_two_texts_have_alike(before: str, after: str, expected: tuple[int, int]) -> None:
    assert Change.between(before, after) == expected


def test_places_of_a_later_text_are_found_in_an_earlier_one() -> None:
    found = known()
    later = NET.replace("block: mine", "block: mi(ne")
    for words_ in ("const wide", "fc(classes"):
        assert found.then(later, later.index(words_)) == NET.index(words_)
    assert found.then(later, later.index("(ne") + 1) is None or later[later.index("(ne")] == "("


# --- names ---------------------------------------------------------------------------------------


def _named(found: Analysis, kind: str) -> set[str]:
    assert found.tree is not None
    assert found.scope is not None
    text = found.source.text
    all_names = occurrences(found.tree, found.scope)
    return {text[each.span.start : each.span.end] for each in all_names if each.entity.kind == kind}


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("constant", {"wide"}),
        ("block", {"mine", "B"}),
        ("parameter", {"width", "stride", "kind", "norm", "classes", "widths"}),
        ("variable", {"main"}),
        ("label", {"down"}),
        ("stage", {"deep", "layer1"}),
        ("op", {"conv", "bn", "relu", "gap", "flatten", "fc"}),
        ("choice", {"slow"}),
        ("argument", {"stride"}),
    ],
)
def test_names_are_told_apart(kind: str, names: set[str]) -> None:
    assert _named(known(), kind) == names


@pytest.mark.parametrize("path", files().values(), ids=files())
def test_every_name_of_the_shelf_means_something(path: Path) -> None:
    found = declared_alone(path)
    assert found.tree is not None
    assert found.scope is not None
    known_at = {each.span for each in occurrences(found.tree, found.scope)}
    names = (node for node in ast.below(found.tree) if isinstance(node, ast.Name))
    assert {node.id for node in names if node.span not in known_at} <= FREE


def declared_alone(path: Path) -> Analysis:
    """What a file declares, and no more: its models are not elaborated."""
    source = Source(path.name, path.read_text(encoding="utf-8"), path=path.resolve())
    scope, _ = declared(source, path.parent)
    return Analysis(source, parse(source), scope)


# What a field may call its place, numeric functions and `share`, what is expected, records of data, choices
# that a block passes on; of recipes the terms with their choices, and parts of the network.
FREE = {
    "stage", "index", "blocks", "block_number", "params", "trainable", "buffers", "macs", "depth", "output",
    "rgb", "bgr", "gray", "norms", "share", *NUMERIC,
    "head", "layer4", *TERMS, *WORDS["evaluate"],
    *(choice for _, term in TERMS.values() for _, rule, _ in term.arguments() for choice in rule.choices),
    *(choice for op in CATALOGUE.values() for _, rule, _ in op.arguments() for choice in rule.choices),
}  # fmt: skip


def test_a_definition_may_be_in_the_library() -> None:
    found = known()
    span = definition(found, NET.index("B(width"))
    assert span is not None
    assert span.source.name == "library/blocks.resnet"
    assert span.source.text[span.start :].startswith("B(channels")


def test_a_field_leads_to_the_parameter_that_it_sets() -> None:
    found = known()
    span = definition(found, NET.index("widths"))
    assert span is not None
    assert span.start == NET.index("width,")


def test_references_are_found_in_texts_that_are_open(tmp_path: Path) -> None:
    used, user = tmp_path / "blocks.resnet", tmp_path / "user.resnet"
    user.write_text('use "blocks.resnet"\nmodel user { stages: [1]  block: cell  width: 8 }\n')
    buffers = Buffers({used: "block cell(width) {\n    return x -> conv(width, 3x3)\n}\n"})
    found = analysis(Source(used.name, buffers.opened[used], path=used), buffers)
    assert definition(found, 6) is not None
    entity = Entity.declared("block", "cell", Span(found.source, 6, 10))
    places = {place.path: place.span.start for place in references(entity, buffers, (tmp_path,))}
    assert places == {used: 6, user: user.read_text().index("cell")}
    edits = renamed(found, 6, "unit", buffers, (tmp_path,))
    assert {path: [written for _, written in each] for path, each in edits.items()} == {
        used: ["unit"],
        user: ["unit"],
    }


@pytest.mark.parametrize(
    ("old", "new", "count"),
    [("deep", "last", 2), ("wide", "first", 3), ("down", "short", 1), ("main", "body", 3)],
)
def test_a_name_is_changed_wherever_it_is_meant(tmp_path: Path, old: str, new: str, count: int) -> None:
    path = tmp_path / "net.resnet"
    buffers = Buffers({path: NET})
    found = analysis(Source(path.name, NET, path=path), buffers)
    edits = renamed(found, NET.index(old), new, buffers, (tmp_path,))[path]
    assert len(edits) == count
    assert applied_to(NET, edits) == re.sub(rf"\b{old}\b", new, NET)


def test_a_parameter_that_is_passed_on_is_one_with_that_it_stands_for() -> None:
    text = (
        "block inner(width, gain = 1) {\n    return gain * (x -> conv(width, 3x3))\n}\n"
        "block outer(...) {\n    return x -> inner(gain=2 * gain, ...)\n}\n"
        "block plain(width, gain = 1) {\n    return gain * (x -> conv(width, 1x1))\n}\n"
    )
    found = known(text)
    assert found.tree is not None
    assert found.scope is not None
    wanted = text.index("gain")
    alike = [
        each for each in occurrences(found.tree, found.scope) if each.entity.place == (str(HERE), wanted)
    ]
    assert [text.count("\n", 0, each.span.start) for each in alike] == [0, 1, 4]


def test_what_is_shipped_and_opened_has_nothing_underlined() -> None:
    for path in (PACKAGE / "library").glob("*.resnet"):
        assert known(path.read_text(encoding="utf-8"), path).diagnostics == ()


def test_a_model_that_others_are_based_on_is_checked_with_them() -> None:
    base = "model shape { input: 3x32x32  block: basic }\n"
    assert known(f"{base}model net {{ base: shape  stages: [1] }}\n").diagnostics == ()
    (found,) = known(base).diagnostics
    assert found.code == "E0203"


def test_a_model_that_needs_arguments_is_checked_where_it_is_used() -> None:
    pattern = "model family(n) { input: 3x32x32  stages: [n]  block: basic }\n"
    assert known(pattern).diagnostics == ()
    assert known(f"{pattern}model one = family(1)\n").diagnostics == ()
    assert known(f"{pattern}model no_model = family(0)\n").diagnostics[0].code == "E0204"


def test_folders_of_packages_are_not_looked_through(tmp_path: Path) -> None:
    for folder in ("", "inner", ".venv", "node_modules"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "net.resnet").touch()
    assert [path.parent.name for path in below(tmp_path)] == [tmp_path.name, "inner"]


# --- words ---------------------------------------------------------------------------------------


def test_every_word_and_field_of_the_language_is_described() -> None:
    assert set(KEYWORDS) == words.KEYWORDS
    assert set(MODEL_FIELDS) == set(FIELDS)


@pytest.mark.parametrize("kind", CATALOGUE)
def test_an_op_is_described_by_its_declaration(kind: str) -> None:
    text = op_text(CATALOGUE[kind])
    assert text.startswith(f"```resnet\n{kind}(")
    for name, rule, _ in CATALOGUE[kind].arguments():
        assert f"- `{name}`: {rule.what}" in text
        assert rule.what in described(Entity.known("argument", name, kind), None)


def test_a_new_op_is_completed_and_described_without_more_ado(monkeypatch: pytest.MonkeyPatch) -> None:
    class Swap(CATALOGUE["maxpool"]):  # type: ignore[misc]
        """Another op."""

        kind = "swap"

    monkeypatch.setitem(CATALOGUE, "swap", Swap)
    text = NET.replace("-> norm", "-> ")
    assert "swap" in _labels(text, text.index("-> relu") - 1)
    assert "Another op." in described(Entity.known("op", "swap"), None)


def test_formulas_are_written_as_in_a_spec() -> None:
    width = Named("width")
    product = Operation("*", Fixed(4), Operation("+", width, Fixed(1)))
    assert formula_text(product) == "4 * (width + 1)"
    assert formula_text(Operation("max", width, Fixed(8))) == "max(width, 8)"


# --- steps ---------------------------------------------------------------------------------------


def test_steps_have_the_cost_that_the_summary_adds_up() -> None:
    found = known()
    ((_, program),) = found.programs
    stem = [facts_of(step) for step in found.applied if step.within == "in the stem of model net"]
    layers = json.loads(summary_json(program))["layers"][: len(stem)]
    shown = [("x".join(map(str, each["output"])), each["params"], each["macs"]) for each in layers]
    assert [each["op"] for each in layers] == ["conv", "bn", "relu"]
    assert [(facts.after, facts.params, facts.macs) for facts in stem] == shown


# --- completion ----------------------------------------------------------------------------------


def _labels(text: str, offset: int) -> list[str]:
    scope = known().scope
    assert scope is not None
    return [each.label for each in completions(text, offset, scope, None)]


@pytest.mark.parametrize(
    ("wrote", "typed", "first"),
    [
        ("stride=stride", "", ["channels", "kernel", "stride"]),
        ("stride=stride", "pad=", ["half", "same", "valid"]),
        ("kind: slow", "kind: ", ["slow", "fast"]),
        ("kind: slow", "base: ", ["net"]),
        ("layer1, deep, head", "", ["classes", "stem", "layer1", "deep"]),
        ("return if", "ret", ["return"]),
        ("if kind == slow", "x.", ["channels", "height", "width"]),
        ("const wide = 64", "con", ["use", "const", "block", "model", "recipe"]),
        ("classes = 10", "", []),
        ("const wide = 64", "# ", []),
    ],
)
def test_what_fits_a_place_comes_first(wrote: str, typed: str, first: list[str]) -> None:
    text = NET.replace(wrote, typed, 1)
    found = _labels(text, NET.index(wrote) + len(typed))
    assert found[: max(len(first), 1)] == first


def test_shipped_names_are_offered_behind_use() -> None:
    assert set(shipped()) <= set(_labels(f"use \n{NET}", 4))


def test_arguments_that_are_given_are_not_offered() -> None:
    text = NET.replace("3x3, stride=stride", "3x3, stride=stride, ")
    found = _labels(text, text.index("stride=stride, ") + len("stride=stride, "))
    assert found[0] == "channels"
    assert "pad" in found
    assert found.index("dilation") < found.index("kind")
    # `stride` is the parameter of the block alone
    assert found.index("stride") > found.index("gain")


def test_a_block_that_was_never_whole_has_its_parameters() -> None:
    text = NET + "block fresh(size, rate = 2) {\n    main = x -> conv("
    assert {"size", "rate", "main"} <= {*_labels(text, len(text)), "main"}


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("const a = none", "nothing of the kind"),
        ("# if not", ""),
        ("model m { block: basic  stages: [1] }", "The block that stages are made of"),
        ("block b(width) { return x }", "the result of a block"),
    ],
)
def test_words_of_the_language_are_explained_where_they_are_some(line: str, shown: str) -> None:
    at = {"const": line.find("none"), "#": 2, "model": line.find("block"), "block": line.find("return")}
    found = hover(known(line), line, at[line.split(" ")[0]])
    assert (shown in found.text) if found is not None else not shown


def test_no_place_of_a_broken_text_is_too_much() -> None:
    found = known()
    assert found.scope is not None
    for offset in range(0, len(NET), 3):
        for text in (NET[:offset], NET[:offset] + "(" + NET[offset:], NET[:offset] + NET[offset + 9 :]):
            shown = hover(found, text, offset)
            assert shown is None or 0 <= shown.start <= shown.end <= len(text)
            assert all(each.label for each in completions(text, offset, found.scope, None))


# --- fixes ---------------------------------------------------------------------------------------


def test_a_hint_of_several_names_is_a_fix_each() -> None:
    (found,) = known(NET.replace("block: mine", "block: mien")).diagnostics
    titles = {fix.title: fix.preferred for fix in fixes(found)}
    assert titles == {"write `mine`": False, "write `min`": False}


# --- the command ---------------------------------------------------------------------------------


def test_without_its_packages_the_command_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['pygls'] = None\n"
        "from resnet_dsl.cli.main import main\nsys.exit(main(['lsp']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[1],
    )
    assert done.returncode == 2
    assert done.stderr == 'error: lsp needs pygls, not installed here: pip install "resnet-dsl[lsp]"\n'
