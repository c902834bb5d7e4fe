"""Texts of shipped models: the syntax of their files, what they are based on, and a text of one alone."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path

from resnet_dsl.diagnostics.model import Source
from resnet_dsl.shipped import PACKAGE, SUFFIX, file_of, models
from resnet_dsl.syntax import ast
from resnet_dsl.syntax.parser import parse

MOST_BASES = 20
WORD = re.compile(r"\w+")
USE = re.compile(r"^use (\w+)", re.MULTILINE)


def shipped_file(name: str) -> ast.File:
    """Return the syntax of the file that declares a shipped model."""
    return _file(models()[name].path)


@functools.cache
def _file(path: Path) -> ast.File:
    return parse(Source(path.name, path.read_text(encoding="utf-8")))


@functools.cache
def words_for(path: Path) -> frozenset[str]:
    """Return every word of a shipped file, of those it uses and the library, all labels among them."""
    text = path.read_text(encoding="utf-8")
    found = set(WORD.findall(text))
    for name in USE.findall(text):
        used = file_of(name)
        found |= words_for(used) if used is not None and used != path else set()
    return frozenset(found | _words_of_library())


@functools.cache
def _words_of_library() -> frozenset[str]:
    texts = (path.read_text(encoding="utf-8") for path in (PACKAGE / "library").glob(f"*{SUFFIX}"))
    return frozenset(word for text in texts for word in WORD.findall(text))


def with_bases(name: str) -> Iterator[ast.Model]:
    """Yield a shipped model, what it is based on, and so on, as far as these are shipped too."""
    for _ in range(MOST_BASES):
        found = shipped_file(name).declarations
        model = next(each for each in found if isinstance(each, ast.Model) and each.name == name)
        yield model
        base = next((field.value for field in model.fields if field.name == "base"), None)
        callee = base.callee if isinstance(base, ast.Call) else base
        if not isinstance(callee, ast.Name) or callee.id not in models():
            return
        name = callee.id


def shipped_text(name: str) -> str:
    """Return a text of one shipped model: its file without the models that it is not based on."""
    file = shipped_file(name)
    text = file.span.source.text
    needed = [model.name for model in with_bases(name)]
    kept: list[str] = []
    own = ""
    begin, left_out = 0, False
    for declaration in file.declarations:
        part, begin = text[begin : declaration.span.end], declaration.span.end
        if not isinstance(declaration, ast.Model):
            kept.append(part)
        elif declaration.name == name:
            own = part
        elif declaration.name in needed:
            kept.append(part)
        else:
            left_out = True
    # A model of the file's name, or the last of it, is the one that is compiled.
    return f"{''.join([*kept, own]).lstrip()}\n" if left_out else text
