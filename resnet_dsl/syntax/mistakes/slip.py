"""A mistake as a row of a table: the text around the place where the parser stopped, and what was meant."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache

from resnet_dsl.diagnostics.model import Label, Span
from resnet_dsl.records import dataclass
from resnet_dsl.syntax.mistakes.place import MARK, Stop

Groups = dict[str, str]

# Fields that are written often: what stands behind one of these is its value, and no step.
FIELDS = (
    "act|activation|antialias|attention|base|base_width|block|blocks|cardinality|channels|classes|depth|dilation|"
    "dilations|drop_path|expansion|expect|freeze|groups|head|init|input|layers|norm|outputs|preprocess|"
    "shortcut|auxiliary|stages|stage|stem|stride|strides|stride_on|width|widths"
)
NAME = r"[A-Za-z_]\w*"
SHORT = {
    "<name>": NAME,
    "<call>": rf"(?:{NAME}(?:\.{NAME})*(?:\((?:[^()\n]|\((?:[^()\n]|\([^()\n]*\))*\))*\))?)",
    "<field>": rf"(?:{FIELDS})",
    "<number>": r"(?:\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?)",
    "<gap>": r"\s+",
    "<tab>": r"[\t\x20]+",
    "<end>": r"\Z",
    " ": r"\s*",
}


@dataclass(frozen=True)
class Slip:
    """What stands in a text, and what was meant.

    `stands` is a pattern in which `§` is where the parser stopped and a blank is any space; its group
    `slip` is what is marked, and what `write` takes the place of. Messages, hints and replacements name
    the groups: `{slip}`. `inside` is what has to be around (the letters of `Stop.inside`, from the
    innermost back), `wants` the terminals, any of which would have done.
    """

    stands: str
    message: str
    write: str | Callable[[Groups], str] | None = None
    hint: str = ""
    inside: str = ""
    wants: str = ""
    code: str = "E0101"

    def found(self, stop: Stop) -> Found | None:
        """Return what this mistake is at a place, or None if it is another."""
        if self.wants and stop.expected.isdisjoint(self.wants.split("|")):
            return None
        if self.inside and not re.search(f"(?:{self.inside})\\Z", stop.inside):
            return None
        match = _pattern(self.stands).search(stop.window)
        if match is None:
            return None
        groups = {name: (text or "").replace(MARK, "") for name, text in match.groupdict().items()}
        start, end = stop.offset(match.start("slip")), stop.offset(match.end("slip"))
        write = (
            self.write.format(**groups) if isinstance(self.write, str) else self.write and self.write(groups)
        )
        return Found(
            Span(stop.source, start, end),
            self.code,
            self.message.format(**_short(groups)),
            write,
            self.hint.format(**_short(groups)),
        )


@dataclass(frozen=True)
class Found:
    """A mistake at its place; `write` takes the place of `change`, None where it is not known."""

    span: Span
    code: str
    message: str
    write: str | None = None
    hint: str = ""
    at: Span | None = None
    labels: tuple[Label, ...] = ()

    @property
    def change(self) -> Span:
        """What `write` takes the place of: what is marked, where nothing else is said."""
        return self.at or self.span


@cache
def _pattern(stands: str) -> re.Pattern[str]:
    for short, written in SHORT.items():
        stands = stands.replace(short, written)
    return re.compile(stands)


def _short(groups: Groups) -> Groups:
    """The groups as a sentence shows them: on one line, and not too long."""
    shown = {name: " ".join(text.split()) for name, text in groups.items()}
    return {name: text if len(text) <= 40 else f"{text[:40]}…" for name, text in shown.items()}


def all_found(stop: Stop, table: tuple[Slip, ...]) -> Iterator[Found]:
    """Yield every mistake of a table that the place may be, the likeliest first."""
    for mistake in table:
        if (found := mistake.found(stop)) is not None:
            yield found
