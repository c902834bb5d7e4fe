"""Bad specs beside the diagnostics they give, to the letter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from resnet_dsl.codes import PAGES
from resnet_dsl.diagnostics import CompileError, Diagnostic, Source
from resnet_dsl.driver import compile_source
from resnet_dsl.report import render_all

Golden = Callable[[str | Path, str], None]
BAD = sorted((Path(__file__).parent / "bad").glob("*.resnet"))


def diagnostics(path: Path) -> tuple[Diagnostic, ...]:
    source = Source(path.name, path.read_text(encoding="utf-8"))
    try:
        return compile_source(source, path.parent).warnings
    except CompileError as error:
        return error.diagnostics


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_spec_gives_its_message(path: Path, golden: Golden) -> None:
    found = diagnostics(path)
    assert found
    golden(path.with_suffix(".txt"), render_all(found) + "\n")


def test_every_code_has_a_bad_spec() -> None:
    reported = {found.code for path in BAD for found in diagnostics(path)}
    assert reported == set(PAGES)
