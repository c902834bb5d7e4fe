"""The texts with a mistake of `tests/data/mistakes.txt`, each with the message that it gives."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Diagnostic, Source
from resnet_dsl.driver import compile_source

FILE = Path(__file__).parents[1] / "data" / "mistakes.txt"
ENTRY = re.compile(
    r"^%%% (?P<title>[^\n]*)\n(?P<text>.*?)^%%%\n(?P<shown>.*?)(?=^%%% |^## |\Z)", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Example:
    """A text with a mistake: what it is about, and the message beside it in the file."""

    subject: str
    title: str
    text: str
    shown: str

    @property
    def name(self) -> str:
        """A name for a test."""
        return f"{self.subject}: {self.title}"

    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """What the compiler says of the text."""
        try:
            return compile_source(Source("net.resnet", self.text)).warnings
        except CompileError as error:
            return error.diagnostics


def examples() -> Iterator[Example]:
    """Yield the examples of the file in their order."""
    for part in re.split(r"^## ", FILE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        subject = part.partition("\n")[0]
        for entry in ENTRY.finditer(part):
            text = re.sub(r"<U\+([0-9A-F]+)>", lambda match: chr(int(match[1], 16)), entry["text"])
            yield Example(subject, entry["title"], text.removesuffix("\n"), entry["shown"].strip("\n"))


def written(messages: dict[str, str]) -> str:
    """Return the file with these messages beside its texts."""
    text = FILE.read_text(encoding="utf-8")
    head, *parts = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    for index, part in enumerate(parts):
        subject = part.partition("\n")[0].removeprefix("## ")

        def entry(match: re.Match[str], subject: str = subject) -> str:
            shown = messages[f"{subject}: {match['title']}"]
            return f"%%% {match['title']}\n{match['text']}%%%\n{shown}\n\n"

        parts[index] = ENTRY.sub(entry, part)
    return (head + "".join(parts)).rstrip("\n") + "\n"
