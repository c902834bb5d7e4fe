"""What holds of every text: it compiles or is refused with places, in little time, and formats to itself."""

from __future__ import annotations

import functools
import gc
import resource
import signal
import time
import unicodedata
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from resnet_dsl import driver, sources
from resnet_dsl.backend.discovery import find_backend
from resnet_dsl.cli.recipe_files import recipe_files
from resnet_dsl.diagnostics.codes import PAGES
from resnet_dsl.diagnostics.errors import CompileError, UsageError
from resnet_dsl.diagnostics.model import Diagnostic, Source, Span
from resnet_dsl.diagnostics.render.github import render_github
from resnet_dsl.diagnostics.render.json import render_json
from resnet_dsl.diagnostics.render.sarif import render_sarif
from resnet_dsl.diagnostics.render.terminal import render_all
from resnet_dsl.printing.stages import print_network
from resnet_dsl.program import Program
from resnet_dsl.recipe.compilation import check_recipes
from resnet_dsl.recipe.recipe import Recipe
from resnet_dsl.records import replace
from resnet_dsl.syntax import ast
from resnet_dsl.syntax.formatter import format as formatter
from resnet_dsl.syntax.formatter.format import format_source

SECONDS = 2.0  # of CPU, for checking a text and for formatting it
MEGABYTES = 300  # by which one text may raise the process's peak
ONE_IN = 8  # refused texts is formatted and refused again
STEERING = ("Cc", "Cf", "Cs", "Zl", "Zp")  # characters that a terminal obeys
NAME = "text.resnet"


class Broken(Exception):
    """A text for which something does not hold: `kind` is what, in a word or two."""

    def __init__(self, kind: str, message: str) -> None:
        self.kind = kind
        super().__init__(f"{kind}: {message}")


class OverTime(BaseException):
    """A text that takes longer than it may; no `except Exception` of the compiler can hide it."""


def examine(text: str) -> str:
    """Take a text through the front end and return what became of it; raises if something does not hold.

    What is raised is Broken, OverTime, or whatever the compiler should not have raised.
    """
    _parse_once()
    before = _peak()
    outcome = _examined(Source(NAME, text))
    if (rise := _peak() - before) > MEGABYTES:
        raise Broken("memory", f"{rise:.0f} MB more than before")
    return outcome


def _examined(source: Source) -> str:
    try:
        with limited(SECONDS):
            formatted = Source(NAME, format_source(source))
    except CompileError as error:
        _check_diagnostics(error.diagnostics)
        return "not parsed"
    if (again := format_source(formatted)) != formatted.text:
        raise Broken("fmt", f"formatting twice gives another text:\n{formatted.text}\n---\n{again}")
    if any(isinstance(each, ast.Recipe) for each in sources.DISK.tree(source).declarations):
        return _examined_recipes(source, formatted)
    wanted = _compiled(source)
    if isinstance(wanted, Program):
        found = _compiled(formatted)
        _check_diagnostics(wanted.warnings)
        if not isinstance(found, Program):
            raise Broken("fmt", f"the formatted text is refused:\n{render_all(found)}")
        if print_network(found) != print_network(wanted):
            raise Broken("fmt", "the formatted text is another network")
        return "compiled"
    _check_diagnostics(wanted)
    if zlib.crc32(source.text.encode()) % ONE_IN == 0:
        found = _compiled(formatted)
        if isinstance(found, Program) or _codes(found) != _codes(wanted):
            raise Broken("fmt", "the formatted text has other diagnostics")
    return "refused"


def _compiled(source: Source) -> Program | tuple[Diagnostic, ...]:
    try:
        with limited(SECONDS):
            return driver.compile_source(source)
    except CompileError as error:
        return error.diagnostics
    except UsageError as error:
        if not str(error):
            raise Broken("message", "a UsageError says nothing") from error
        return ()


def _examined_recipes(source: Source, formatted: Source) -> str:
    wanted = _recipes(source)
    found = _recipes(formatted) if zlib.crc32(source.text.encode()) % ONE_IN == 0 else wanted
    if isinstance(wanted, tuple):
        _check_diagnostics(wanted)
        if not isinstance(found, tuple) or _codes(found) != _codes(wanted):
            raise Broken("fmt", "the formatted text has other diagnostics")
        return "refused"
    if not isinstance(found, list):
        raise Broken("fmt", f"the formatted text is refused:\n{render_all(found)}")
    for one, other in zip(wanted, found, strict=True):
        _check_diagnostics(one.warnings)
        if _without_text(one) != _without_text(other):
            raise Broken("fmt", "the formatted text has another recipe")
    if found is not wanted:
        for recipe in wanted:
            _check_files(recipe)
    return "compiled"


def _recipes(source: Source) -> list[Recipe] | tuple[Diagnostic, ...]:
    try:
        with limited(SECONDS):
            return list(check_recipes(source))
    except CompileError as error:
        return error.diagnostics


def _without_text(recipe: Recipe) -> tuple[str, str]:
    bare = replace(recipe, text="", program=None)  # type: ignore[arg-type]
    return repr(bare), print_network(recipe.program)


def _check_files(recipe: Recipe) -> None:
    """A recipe's files are Python, or what a framework lacks is said."""
    for backend in (find_backend("torch"), find_backend("keras")):
        try:
            files = list(recipe_files(recipe, [backend]))
        except CompileError as error:
            _check_diagnostics(error.diagnostics)
        except UsageError:
            pass
        else:
            for name, content, _ in files:
                try:
                    compile(content, name, "exec")
                except SyntaxError as error:
                    raise Broken("script", f"{name}: {error}") from error


def _codes(diagnostics: Iterable[Diagnostic]) -> Counter[str]:
    return Counter(diagnostic.code for diagnostic in diagnostics)


# --- diagnostics -------------------------------------------------------------------------------


def _check_diagnostics(diagnostics: tuple[Diagnostic, ...]) -> None:
    for diagnostic in diagnostics:
        if diagnostic.code not in PAGES:
            raise Broken("code", f"{diagnostic.code} has no page")
        if not diagnostic.message or "internal error" in diagnostic.full_text:
            raise Broken("message", f"{diagnostic.code} says “{diagnostic.message}”")
        if diagnostic.span is None:
            raise Broken("place", f"{diagnostic.code} has no place")
        for span in (diagnostic.span, *(label.span for label in diagnostic.labels)):
            _check_place(diagnostic, span)
    shown = render_all(diagnostics)
    steering = (char for char in shown if char != "\n" and unicodedata.category(char) in STEERING)
    if bad := next(steering, None):
        raise Broken("render", f"{bad!r} goes to the terminal:\n{shown!r}")
    render_all(diagnostics, color=True)
    for render in (render_json, render_github, render_sarif):
        render(diagnostics)


def _check_place(diagnostic: Diagnostic, span: Span) -> None:
    if not 0 <= span.start <= span.end <= len(span.source.text):
        message = f"{diagnostic.code} is at {span.start} to {span.end} of {len(span.source.text)}"
        raise Broken("place", message)


# --- time and memory ---------------------------------------------------------------------------


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise OverTime where what is inside takes more CPU time.

    Nothing is collected meanwhile: that would be garbage of the whole process, which takes seconds in a
    large one.
    """

    def stop(*_: object) -> None:
        raise OverTime(f"more than {seconds:g} s of CPU")

    collects = gc.isenabled()
    gc.disable()
    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    start = time.process_time()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
        if collects:
            gc.enable()
    if time.process_time() - start > seconds:
        stop()


def _peak() -> float:
    """The most memory that the process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


Parsed = TypeVar("Parsed")


@functools.cache
def _parse_once() -> None:
    """Let the stages share one syntax tree of a text: they parse it seven times in an examination."""
    for module in (sources, formatter):
        vars(module)["parse"] = _remembering(vars(module)["parse"])


def _remembering(parse: Callable[[Source], Parsed]) -> Callable[[Source], Parsed]:
    return functools.lru_cache(maxsize=4)(parse)
