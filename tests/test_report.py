"""Diagnostics as text, JSON, annotations and SARIF."""

from __future__ import annotations

import json

import pytest

from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Diagnostic, Label, Source, Span
from resnet_dsl.diagnostics.render.github import render_github
from resnet_dsl.diagnostics.render.json import render_json
from resnet_dsl.diagnostics.render.sarif import render_sarif
from resnet_dsl.diagnostics.render.terminal import MAX_WIDTH, render_text, wants_color

TEXT = "block mine(width) {\n    return relu(main + x)\n}\n"
SOURCE = Source("net.resnet", TEXT)


def span(word: str, source: Source = SOURCE) -> Span:
    start = source.text.index(word)
    return Span(source, start, start + len(word))


def body(diagnostic: Diagnostic) -> list[str]:
    return render_text(diagnostic).split("\n")


def test_labels_share_the_line_of_marks_and_the_last_keeps_its_text_there() -> None:
    labels = (Label(span("main"), "256x28x28: from conv"), Label(span("x)"), "64x56x56: the input"))
    found = Diagnostic("E0301", "different shapes", span("+"), labels, ("in layer2",), "project it")
    assert render_text(found) == (
        "error[E0301]: different shapes\n"
        "  --> net.resnet:2:22\n"
        "   |\n"
        " 2 |     return relu(main + x)\n"
        "   |                 ~~~~ ^ ~~ 64x56x56: the input\n"
        "   |                 256x28x28: from conv\n"
        "   = in layer2\n"
        "   = help: project it"
    )


def test_a_label_in_another_source_gets_its_own_snippet() -> None:
    library = Source("library/blocks.resnet", "\n" * 23 + "block B() { return x }\n", ours=True)
    found = Diagnostic("E0301", "no", span("main"), (Label(span("x", library), "here"),))
    assert render_text(found) == (
        "error[E0301]: no\n"
        "   --> net.resnet:2:17\n"
        "    |\n"
        "  2 |     return relu(main + x)\n"
        "    |                 ^^^^\n"
        "   ::: library/blocks.resnet:24:20\n"
        "    |\n"
        " 24 | block B() { return x }\n"
        "    |                    ~ here"
    )


def test_a_diagnostic_without_a_place_is_its_message() -> None:
    assert render_text(Diagnostic("W0602", "no effect", severity="warning")) == "warning[W0602]: no effect"
    assert render_text(Diagnostic("E0101", "bad", hint="do")) == "error[E0101]: bad\n  = help: do"


def test_tabs_and_wide_characters_keep_marks_below_what_they_mark() -> None:
    source = Source("a", '\tuse "日本" wrong')
    lines = body(Diagnostic("E0101", "m", span("wrong", source)))
    assert lines[3] == ' 1 |     use "日本" wrong'
    assert lines[4] == "   | " + " " * (4 + 5 + 4 + 2) + "^^^^^"


def test_a_span_over_several_lines_marks_the_first() -> None:
    lines = body(Diagnostic("E0101", "m", Span(SOURCE, 0, len(TEXT))))
    assert lines[3:] == [" 1 | block mine(width) {", "   | ^^^^^^^^^^^^^^^^^^^"]


@pytest.mark.parametrize("start", [len(TEXT), len(TEXT) + 5])
def test_a_span_at_or_past_the_end_marks_one_column(start: int) -> None:
    lines = body(Diagnostic("E0102", "m", Span(SOURCE, start, start)))
    assert lines[1:] == ["  --> net.resnet:4:1", "   |", " 4 |", "   | ^"]


def test_an_empty_span_and_an_empty_source_mark_one_column() -> None:
    assert body(Diagnostic("E0101", "m", Span(SOURCE, 3, 3)))[-1] == "   |    ^"
    assert body(Diagnostic("E0101", "m", Span(Source("a", ""), 0, 0)))[-1] == "   | ^"


@pytest.mark.parametrize("start", [0, 100, 5_000, 9_990])
def test_a_long_line_is_clipped_around_the_mark(start: int) -> None:
    source = Source("a", "a" * start + "WRONG" + "b" * (10_000 - start))
    lines = body(Diagnostic("E0101", "m", span("WRONG", source)))
    assert len(lines[3]) <= MAX_WIDTH + 6
    first, last = lines[4].index("^"), lines[4].rindex("^")
    assert lines[3][first : last + 1] == "WRONG"


def test_a_label_outside_the_clip_does_not_widen_it() -> None:
    source = Source("a", "WRONG" + "a" * 5_000 + "FAR")
    found = Diagnostic("E0101", "m", span("WRONG", source), (Label(span("FAR", source), "far"),))
    assert all(len(line) <= MAX_WIDTH + 12 for line in body(found))


def test_nothing_of_the_text_reaches_the_terminal_as_a_command() -> None:
    source = Source("a\x1b[2J", 'use "\x1b[31m\u202e" x')
    found = Diagnostic("E0101", "bad \x1b[0m\nline", span("use", source), hint="\x07")
    text = render_text(found)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "\x07" not in text
    assert text.count("\n") == 5


def test_colour_changes_nothing_but_the_colour() -> None:
    import re

    found = Diagnostic("E0301", "m", span("+"), (Label(span("main"), "left"),), ("note",), "hint")
    coloured = render_text(found, color=True)
    assert "\x1b[1;31m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == render_text(found)


class Stream:
    def __init__(self, terminal: bool) -> None:
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.mark.parametrize(
    ("mode", "environ", "terminal", "wanted"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"TERM": "dumb"}, True, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"NO_COLOR": ""}, True, True),
        ("auto", {"FORCE_COLOR": "1"}, False, True),
        ("auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
        ("always", {"NO_COLOR": "1"}, False, True),
        ("never", {"FORCE_COLOR": "1"}, True, False),
    ],
)
def test_colour_follows_the_option_then_the_environment(
    mode: str, environ: dict[str, str], terminal: bool, wanted: bool
) -> None:
    assert wants_color(mode, Stream(terminal), environ) is wanted


def test_an_exception_prints_its_diagnostics() -> None:
    error = CompileError([Diagnostic("E0101", "one"), Diagnostic("E0102", "two")])
    assert str(error) == "error[E0101]: one\n\nerror[E0102]: two"


FOUND = Diagnostic("E0301", "50% off\nhere", span("+"), (Label(span("main"), "left"),), ("a note",), "do")


def test_json_counts_rows_and_columns_from_one() -> None:
    (entry,) = json.loads(render_json([FOUND]))
    assert entry == {
        "code": "E0301",
        "severity": "error",
        "message": "50% off\nhere",
        "filename": "net.resnet",
        "location": {"row": 2, "column": 22},
        "end_location": {"row": 2, "column": 23},
        "labels": [
            {
                "message": "left",
                "filename": "net.resnet",
                "location": {"row": 2, "column": 17},
                "end_location": {"row": 2, "column": 21},
            }
        ],
        "notes": ["a note"],
        "hint": "do",
    }
    (bare,) = json.loads(render_json([Diagnostic("W0602", "m", severity="warning")]))
    assert (bare["filename"], bare["location"], bare["hint"]) == (None, None, None)
    assert json.loads(render_json([])) == []


def test_github_escapes_what_would_end_a_property_or_the_command() -> None:
    source = Source("a,b:100%.resnet", TEXT)
    (line,) = render_github([Diagnostic("E0301", "50% off\r\nhere", span("main", source))]).split("\n")
    assert line == (
        "::error file=a%2Cb%3A100%25.resnet,line=2,col=17,endLine=2,endColumn=20,"
        "title=resnet-dsl E0301::50%25 off%0D%0Ahere"
    )


def test_sarif_names_rules_levels_and_regions() -> None:
    warning = Diagnostic("W0602", "m", span("x)", Source("a b.resnet", TEXT)), severity="warning")
    log = json.loads(render_sarif([FOUND, warning, Diagnostic("E0301", "no place")]))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["E0301", "W0602"]
    assert [result["ruleIndex"] for result in run["results"]] == [0, 1, 0]
    assert [result["level"] for result in run["results"]] == ["error", "warning", "error"]
    place = run["results"][1]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "a%20b.resnet"
    assert place["region"] == {"startLine": 2, "startColumn": 24, "endLine": 2, "endColumn": 26}
    assert "locations" not in run["results"][2]
