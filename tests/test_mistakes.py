"""Mistakes of those who write a first spec: each is named at its place, with the line to write."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.diagnostics.render.terminal import render_all
from resnet_dsl.elaborate.settings import FIELDS
from resnet_dsl.syntax.mistakes import MISTAKES
from resnet_dsl.syntax.mistakes.slip import FIELDS as FIELD_WORDS
from resnet_dsl.syntax.mistakes.slip import Slip
from resnet_dsl.syntax.mistakes.whole_files import foreign_bytes
from resnet_dsl.syntax.parser import parse
from tests.conftest import Golden
from tests.support.mistakes import FILE, Example, examples, written

EXAMPLES = list(examples())
each = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: ascii(example.name))
INNER = re.compile(r'\["[a-z]+", |Symbol|Tensor|Token|object at|__ANON|RBRACE|LPAR|a tensor\]|None|tuple\(')


def test_the_file_of_mistakes_is_up_to_date(golden: Golden) -> None:
    messages = {example.name: render_all(example.diagnostics()) for example in EXAMPLES}
    assert len(messages) == len(EXAMPLES)
    golden(FILE, written(messages))


def test_there_are_many_mistakes_to_learn_from() -> None:
    assert len(EXAMPLES) > 200


@each
def test_a_mistake_gives_its_message(example: Example, request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("--update-golden"):
        assert render_all(example.diagnostics()) == example.shown


@each
def test_a_mistake_of_the_text_is_one_error(example: Example) -> None:
    found = example.diagnostics()
    assert found
    assert len(found) == 1 or not any(one.code.startswith("E01") for one in found)


@each
def test_a_message_never_shows_the_compilers_inner_form(example: Example) -> None:
    for found in example.diagnostics():
        quoted = re.sub(r"`[^`]*`", "", found.full_text)  # what the author wrote
        assert not INNER.search(quoted), found.full_text


@each
def test_the_line_of_a_hint_parses_where_it_is_pasted(example: Example) -> None:
    (found, *_) = example.diagnostics()
    line = re.search(r"write `([^`]*)`\Z", found.hint)
    if line is None or not found.code.startswith("E01"):
        return
    assert found.span is not None
    lines = example.text.split("\n")
    first, last = found.span.place[0] - 1, found.span.end_place[0] - 1
    if found.code == "E0106":
        lines, first, last = [line[1]], 0, 0
    else:
        # A bracket is marked where it opens, and written where it has to close.
        lines[first : last + 1 if last > first and found.span.end_place[1] > 1 else first + 1] = [line[1]]
    try:
        parse(Source("net.resnet", "\n".join(lines)))
    except CompileError as error:
        (other,) = error.diagnostics
        assert other.span is not None
        later = other.span.place[0] > first + 1
        closing = other.code == "E0102" or other.message.startswith("this `{` is not closed")
        assert later or closing, (line[1], other.message)


@each
def test_a_fix_writes_the_line_of_the_hint(example: Example) -> None:
    for found in example.diagnostics():
        if found.fix is None:
            continue
        span, written = found.fix
        text = example.text[: span.start] + written + example.text[span.end :]
        line = text[: span.start + len(written)].count("\n")
        lines = [each.strip() for each in text.split("\n")[max(line - 1, 0) : line + 2]]
        assert found.hint.removeprefix("write `").removesuffix("`") in lines


def test_every_mistake_of_the_tables_has_an_example(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[Slip] = set()
    found = Slip.found

    def counted(mistake: Slip, stop: object) -> object:
        result = found(mistake, stop)  # type: ignore[arg-type]
        if result is not None:
            seen.add(mistake)
        return result

    monkeypatch.setattr(Slip, "found", counted)
    for example in EXAMPLES:
        example.diagnostics()
    assert [mistake.stands for mistake in MISTAKES if mistake not in seen] == []


def test_the_fields_of_models_are_known_to_the_tables() -> None:
    assert set(FIELDS) <= set(FIELD_WORDS.split("|"))


LOOSE = "\n".join(f"block b{i}(width) {{ return x -> conv(width, 3x3) -> bn -> relu }}" for i in range(1_500))


@pytest.mark.parametrize(
    "text",
    [
        f"{LOOSE}\nmodel net {{ stem: conv(64, 7x7) bn relu  stages: [2]  block: b1 }}",
        f"{LOOSE}\nmodel net {{ stages: [2]  block: b1",
        f"stem: conv(3)\n{LOOSE}",
        "model net { stages: [" + "2 " * 30_000 + "] }",
        "model net { stem: " + "conv(64, 3x3)\n" * 6_000 + "}",
        "x" * 100_000,
        "(" * 50 + "a " * 40_000,
        '"' * 99_999,
        "model m { a: " + "- " * 40_000,
    ],
    ids=["forgotten", "open", "loose", "list", "fields", "word", "brackets", "quotes", "signs"],
)
def test_a_large_text_with_a_mistake_is_reported_soon(text: str) -> None:
    start = time.process_time()
    with pytest.raises(CompileError):
        parse(Source("net.resnet", text))
    assert time.process_time() - start < 5  # well below a second on an idle machine


def test_a_good_text_does_not_load_the_tables(tmp_path: Path) -> None:
    spec = tmp_path / "net.resnet"
    spec.write_text("model net { stages: [1]  block: basic }")
    code = (
        "import sys; from resnet_dsl.cli.main import main; assert main() == 0; "
        "assert not any('mistakes' in name for name in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, "check", str(spec)], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"\x89HDF\r\n\x1a\n\x00", "HDF5"),
        (b"PK\x03\x04\x14", "zip"),
        (b"\x80\x02}q", "pickle"),
        (b"\x08\x08\x12\x07pytorch\x1a", "ONNX"),
        (b"\x10\x00\x00\x00\x00\x00\x00\x00" + b'{"a"', "safetensors"),
        ("model".encode("utf-16"), "UTF-16"),
        (b"\xe9t\xe9", ""),
    ],
)
def test_a_file_that_is_no_text_is_told_apart(data: bytes, what: str) -> None:
    assert what in foreign_bytes(data)
    assert bool(foreign_bytes(data)) == bool(what)
