"""The catalogue of codes is complete, and its examples do what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from resnet_dsl.backend.discovery import find_backend
from resnet_dsl.diagnostics.codes import PAGES, render_page
from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.diagnostics.page import Page
from tests.support.checked_texts import checked

PAGES_AT = ("codes.py", "advice_pages.py", "recipe_pages.py")
PACKAGE = Path(__file__).parents[1] / "resnet_dsl"


def reported(text: str, folder: Path) -> list[str]:
    try:
        programs, warnings = checked(Source("a.resnet", text), folder)
        for program in programs:
            find_backend("torch").render(program, None)
        return [found.code for found in warnings]
    except CompileError as error:
        return [found.code for found in error.diagnostics]


def test_every_code_of_the_compiler_has_a_page_and_no_page_is_left_over() -> None:
    folders = (PACKAGE, PACKAGE.parent / "backends")
    sources = (path for folder in folders for path in folder.rglob("*.py") if path.name not in PAGES_AT)
    used = {code for path in sources for code in re.findall(r'"([EW]0\d{3})"', path.read_text("utf-8"))}
    assert used == set(PAGES)


@pytest.mark.parametrize("page", PAGES.values(), ids=lambda page: page.code)
def test_the_wrong_example_reports_its_code_and_the_right_one_nothing(page: Page, tmp_path: Path) -> None:
    assert reported(page.wrong, tmp_path) == [page.code]
    assert reported(page.right, tmp_path) == []


def test_a_page_shows_both_examples() -> None:
    text = render_page(PAGES["E0301"])
    assert text.startswith("# E0301: ")
    assert "## Wrong" in text
    assert "## Right" in text
