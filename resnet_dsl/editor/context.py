"""What a place of a text is in, as far as words and brackets tell: a text that is typed is mostly broken."""

from __future__ import annotations

import re
from functools import cached_property

from resnet_dsl.diagnostics.model import Source
from resnet_dsl.records import dataclass
from resnet_dsl.syntax.mistakes.place import Stop, without_comments

WORD_BEFORE = re.compile(r"\w*\Z")
TOKEN = re.compile(r"\"[^\"\n]*\"?|->|\.\.\.|[=!<>]=|\*\*|//|\w+|[^\w\s]")
DECLARATION = re.compile(r"\b(use|const|block|model|recipe)\s+(?!=)(\w+)")
NEXT = re.compile(r"^(?:use|const|block|model|recipe(?=\s+\w+\s*\{))\b", re.MULTILINE)
FIELD = re.compile(r"(\w+)\s*:")
STEP = re.compile(r"^[ \t]*(\w+)\s*=(?!=)", re.MULTILINE)
SIGNS = "= -> ( [ , : + - * / // % ** == != < > <= >= | ."
OPERATORS = frozenset((*SIGNS.split(), "if", "then", "else", "and", "or", "not", "return"))


@dataclass(frozen=True)
class Context:
    """The place where a word is being typed."""

    text: str
    offset: int

    @cached_property
    def start(self) -> int:
        """Where the word starts that is being typed."""
        return self.offset - len(WORD_BEFORE.findall(self.text[: self.offset])[0])

    @cached_property
    def is_code(self) -> bool:
        """Whether the place is in no comment and no string."""
        line = self.text[self.text.rfind("\n", 0, self.offset) + 1 : self.offset]
        return "#" not in re.sub(r'"[^"]*"', "", line) and line.count('"') % 2 == 0

    @cached_property
    def path_typed(self) -> str | None:
        """What is typed of the path behind `use "`, None where there is none."""
        line = self.text[self.text.rfind("\n", 0, self.offset) + 1 : self.offset]
        match = re.fullmatch(r'\s*use\s+"([^"\n]*)', line)
        return None if match is None else match[1]

    @cached_property
    def stop(self) -> Stop:
        """The brackets around."""
        return Stop(Source("", self.text), self.start, self.start)

    @property
    def inside(self) -> str:
        """The letters of what is around, from the outermost, as `Stop` has them."""
        inside = self.stop.inside
        if inside == "TP" and re.search(r"=\s*\w+\s*\Z", self.stop.text[: self.stop.open[0].offset]):
            return "TC"  # a model of one line, `model name = base(…)`
        return inside

    @cached_property
    def before(self) -> list[str]:
        """The words and signs before the place, from the last bracket or declaration on."""
        opened = self.stop.open[-1].offset if self.stop.open else 0
        return TOKEN.findall(self.stop.text, opened, self.start)

    @property
    def last(self) -> str:
        """The word or sign just before."""
        return self.before[-1] if self.before else ""

    @property
    def continues(self) -> bool:
        """Whether an expression has to go on here."""
        return self.last in OPERATORS

    @property
    def is_step(self) -> bool:
        """Whether a step of a pipeline has to stand here."""
        return self.last == "->"

    @cached_property
    def declaration(self) -> tuple[str, str]:
        """The kind and name of what is being declared around, or last before."""
        end = self.stop.open[0].offset if self.stop.open else self.start
        found = DECLARATION.findall(self.stop.text[:end])
        return found[-1] if found else ("", "")

    @cached_property
    def own_text(self) -> str:
        """The text of the declaration around, up to the next one."""
        opened = self.stop.open[0].offset if self.stop.open else self.start
        starts = [match.start() for match in DECLARATION.finditer(self.stop.text[:opened])]
        after = NEXT.search(self.text, self.start)
        end = after.start() if after else len(self.text)
        return without_comments(self.text[starts[-1] if starts else 0 : end])

    @cached_property
    def field(self) -> str:
        """The field of a model whose value is being written."""
        if not self.inside.startswith("TM"):
            return ""
        end = self.stop.open[1].offset if len(self.stop.open) > 1 else self.start
        body = self.stop.text[self.stop.open[0].offset : end]
        found = [match[1] for match in FIELD.finditer(_outermost(body))]
        return found[-1] if found else ""

    @cached_property
    def callee(self) -> str:
        """What is called around the place, by name."""
        if not self.inside.endswith("C"):
            return ""
        called = re.search(r"(\w+)\s*\Z", self.stop.text[: self.stop.open[-1].offset])
        return called[1] if called else ""

    @property
    def argument(self) -> str:
        """The argument whose value is being written, where it is given by name."""
        found = re.search(r"(\w+)\s*=\s*\Z", self.stop.text[: self.start])
        return found[1] if found else ""

    @property
    def given(self) -> set[str]:
        """The arguments of the call around, or fields of the model, that are there already."""
        if self.inside.endswith("C"):
            opened = self.stop.open[-1].offset
            return set(re.findall(r"(\w+)\s*=(?!=)", self.text[opened : self.text.find(")", self.start)]))
        return set(FIELD.findall(self.own_text))

    @property
    def steps(self) -> list[str]:
        """The names of the steps of the block around that are written before the place."""
        opened = self.stop.open[0].offset if self.stop.open else self.start
        return STEP.findall(self.stop.text[opened : self.start])


def _outermost(body: str) -> str:
    """The text of a model without what is in brackets, and without labels of steps."""
    while (shorter := re.sub(r"\([^()]*\)|\[[^\[\]]*\]", "", body)) != body:
        body = shorter
    return re.sub(r"->\s*\w+\s*:", "->", body)
