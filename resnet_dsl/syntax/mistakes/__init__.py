"""What is wrong where a text ceases to be a spec: a table of mistakes, what each means, the line to write.

The parser stops at the first token that fits nowhere. The mistake is often before it; each row of the
tables knows a mistake by the text around. Where no row fits, the message lists what could stand there.
This package is imported when a text has a mistake, never for a good one.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from resnet_dsl.diagnostics.model import Diagnostic, Source, Span
from resnet_dsl.records import replace
from resnet_dsl.syntax.mistakes.arrows import ARROWS
from resnet_dsl.syntax.mistakes.brackets import bracket
from resnet_dsl.syntax.mistakes.characters import character
from resnet_dsl.syntax.mistakes.declarations import DECLARATIONS
from resnet_dsl.syntax.mistakes.numbers_and_sizes import NUMBERS
from resnet_dsl.syntax.mistakes.other_languages import OTHER_LANGUAGES
from resnet_dsl.syntax.mistakes.place import Stop
from resnet_dsl.syntax.mistakes.python_words import PYTHON, RESERVED
from resnet_dsl.syntax.mistakes.repair import FindStop, Repair, line_to_write
from resnet_dsl.syntax.mistakes.separators import SEPARATORS
from resnet_dsl.syntax.mistakes.slip import Found, all_found
from resnet_dsl.syntax.mistakes.unexpected import unexpected
from resnet_dsl.syntax.mistakes.whole_files import foreign_text

MISTAKES = (*NUMBERS, *PYTHON, *DECLARATIONS, *OTHER_LANGUAGES, *ARROWS, *SEPARATORS)
MAX_TRIED = 3


def explained(stop: Stop, find_stop: FindStop) -> Diagnostic:
    """Return the diagnostic for the place where a text ceases to be a spec."""
    if stop.start == "start" and (foreign := foreign_text(stop.source.text)) is not None:
        span = Span(stop.source, foreign.at, foreign.at)
        fits = foreign.model and find_stop(Source("", foreign.model), "start") is None
        hint = f"write `{foreign.model}`" if fits else foreign.hint
        return Diagnostic("E0106", f"this is {foreign.what}, not a spec", span, hint=hint)
    found = list(islice(candidates(stop), MAX_TRIED))
    for mistake in found:
        if mistake.write is None:
            break
        if repair := line_to_write(mistake, stop, find_stop, likeliest):
            return _diagnostic(mistake, f"write `{repair.line}`", repair)
    return _diagnostic(found[0], _without_line(found[0])) if found else unexpected(stop)


def put_right(stop: Stop, diagnostic: Diagnostic, write: str | None, find_stop: FindStop) -> Diagnostic:
    """Return the diagnostic of a node that cannot be, with the line to write where that can be told."""
    assert diagnostic.span is not None
    if write is None:
        word = stop.source.text[stop.at : stop.end]
        return replace(diagnostic, hint=RESERVED.get(word, diagnostic.hint))
    found = Found(diagnostic.span, diagnostic.code, diagnostic.message, write)
    repair = line_to_write(found, stop, find_stop, likeliest)
    return _diagnostic(found, f"write `{repair.line}`" if repair else _without_line(found), repair)


def candidates(stop: Stop) -> Iterator[Found]:
    """Yield what the mistake may be, the likeliest first."""
    if not stop.terminal and (sign := character(stop)) is not None:
        yield sign
        return
    if (wrong := bracket(stop)) is not None:
        yield wrong
    yield from all_found(stop, MISTAKES)


def likeliest(stop: Stop) -> Found | None:
    """Return what the mistake is most likely to be, or None where nothing is likely."""
    return next(candidates(stop), None)


def _without_line(found: Found) -> str:
    if found.hint:
        return found.hint
    return f"`{' '.join(found.write.split())}` belongs there" if found.write and found.write.strip() else ""


def _diagnostic(found: Found, hint: str, repair: Repair | None = None) -> Diagnostic:
    fix = None if repair is None else repair.fix
    return Diagnostic(found.code, found.message, found.span, found.labels, hint=hint, fix=fix)
