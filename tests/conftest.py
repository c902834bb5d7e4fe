"""Golden files: `golden(name, text)` compares with tests/golden, `--update-golden` rewrites it."""

from __future__ import annotations

import gc
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
Golden = Callable[[str | Path, str], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None]:
    """What a file leaves behind is not searched for garbage again: that took a seventh of all time."""
    yield
    if nextitem is None or nextitem.path != item.path:
        gc.collect()
        gc.freeze()


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compare a text with a file: a name in tests/golden, or a path."""
    update = bool(request.config.getoption("--update-golden"))

    def compare(name: str | Path, text: str) -> None:
        path = TESTS / "golden" / name  # an absolute path stays itself
        if update:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(text.encode("utf-8"))
            return
        assert path.is_file(), f"no {path.name}: run pytest --update-golden, then review the file"
        assert text == path.read_bytes().decode("utf-8")

    return compare
