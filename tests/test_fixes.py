"""What an editor offers to do about a diagnostic helps: it is done to every bad spec, and looked at again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from resnet_dsl.diagnostics.model import Diagnostic, Source
from resnet_dsl.editor.analysis import Analysis, analysis
from resnet_dsl.editor.buffers import Buffers
from resnet_dsl.editor.fixes import Fix, fixes
from resnet_dsl.editor.references import applied_to
from tests.support.mistakes import examples

BAD = Path(__file__).parent / "bad"
TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in sorted(BAD.glob("*.resnet"))}
TEXTS |= {example.name: example.text for example in examples()}


def analysed(text: str) -> Analysis:
    path = BAD / "net.resnet"
    return analysis(Source(path.name, text, path=path), Buffers())


def offered(text: str) -> Iterator[tuple[Diagnostic, Fix]]:
    for diagnostic in analysed(text).diagnostics:
        for fix in fixes(diagnostic):
            if all(span.source.text == text for span, _ in fix.edits):
                yield diagnostic, fix


def places(found: Analysis, diagnostic: Diagnostic) -> list[int]:
    """Where the same is reported, by lines from the end: fixes change how many there are before."""
    same = (
        each
        for each in found.diagnostics
        if (each.code, each.message) == (diagnostic.code, diagnostic.message)
    )
    lines = found.source.text.count("\n")
    return sorted(lines - each.span.place[0] for each in same if each.span is not None)


@pytest.mark.slow
def test_a_fix_does_away_with_what_it_is_for() -> None:
    tried = 0
    for name, text in TEXTS.items():
        for diagnostic, fix in offered(text):
            before = places(analysed(text), diagnostic)
            after = places(analysed(applied_to(text, list(fix.edits))), diagnostic)
            # The same mistake may be made again further down, where the parser did not come to before.
            assert len(after) < len(before) or after[-1] < before[-1], (name, fix.title)
            tried += 1
    assert tried > 250


def test_a_fix_is_called_what_the_hint_says() -> None:
    ((_, fix), *_) = offered(TEXTS["identity_over_a_stride"])
    assert fix.title == "project the input: `x -> B(width, stride)`"
    assert fix.preferred


def test_a_call_without_an_argument_is_written_with_it() -> None:
    text = "block mine(width) {\n    return x -> conv(width)\n}\nmodel net { stages: [1]  block: mine }\n"
    fixed = [applied_to(text, list(fix.edits)) for _, fix in offered(text)]
    assert text.replace("conv(width)", "conv(width, 3x3)") in fixed


def test_a_warning_can_be_allowed_where_it_is() -> None:
    text = TEXTS["momentum_of_keras"]
    ((_, fix),) = [each for each in offered(text) if each[1].title == "allow W0620 here"]
    assert analysed(applied_to(text, list(fix.edits))).diagnostics == ()
