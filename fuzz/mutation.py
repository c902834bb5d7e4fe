"""Texts changed at random: bytes, words, and parts of the syntax tree exchanged for parts of other specs."""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from resnet_dsl.diagnostics.errors import CompileError
from resnet_dsl.diagnostics.model import Source
from resnet_dsl.driver import compile_source
from resnet_dsl.syntax import ast
from resnet_dsl.syntax.parser import parse

ROOT = Path(__file__).resolve().parents[1]
CORPUS = Path(__file__).resolve().parent / "corpus"
LONGEST = 600  # bytes of a text: large ones take long and show no more
LONGEST_PART = 160
LARGEST = 25  # ops of a seed
USE = re.compile(r"\b(use|base *:) *[a-z]")  # a shipped network has hundreds of ops
EXAMPLE = re.compile(r"^```resnet[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)

WORD = re.compile(r'\s+|#[^\n]*|"[^"\n]*"|->|//|\*\*|[=!<>]=|[0-9][0-9a-zA-Z_.]*|\w+|.', re.DOTALL)
SIGNS = ("(", ")", "[", "]", "{", "}", "->", ",", ":", "=", "+", "-", "*", "/", "//", "%", "**", "|", ".",
         "==", "!=", "<", "<=", "...", "\n", "#", '"')  # fmt: skip
WORDS = ("use", "const", "block", "model", "recipe", "return", "if", "then", "else", "and", "or", "not",
         "true", "false", "none", "x", "stage", "index", "min", "max", "round", "share", "floor", "ceil",
         "log2", "sqrt", "blocks", "block_number", "same", "half", "valid", "base", "auxiliary",
         "channels", "height", "width", "outputs", "freeze", "expect", "preprocess", "input", "stem",
         "stages", "head", "class", "__x", "H", "params", "output")  # fmt: skip
NUMBERS = ("0", "1", "2", "3", "4", "5", "7", "8", "16", "33", "0.5", "1e-5", "1e9", "1_000", "08",
           "999999999999999999", "1e999", "3x3", "1x1", "2x3", "0x0", "3xHxW", "3x8x8", "1xHx9", "9x9x9x9",
           "1000000")  # fmt: skip
STRANGE = (
    "\x00",
    "\r",
    "\ufeff",
    "é",
    "²",
    "٣",
    "日",
    "\u2028",
    "\x1b[31m",
    "\x85",
    ";",
    "\\",
    "'",
    "@",
    "ﬁ",
)
TRAINED = re.compile(r"^use \w+\n+(?=recipe )|(?<=^    model: )\w+(\(.*\))?$", re.MULTILINE)
# How often a stage repeats its blocks says nothing that one or two would not.
REPEATED = re.compile(r"(stages: *\[|\bn *[:=] *)([^\]\n}]*)")


@dataclass(frozen=True)
class Parts:
    """What texts are made of: parts of specs by the kind of node, and words."""

    by_kind: Mapping[str, tuple[str, ...]]
    words: tuple[str, ...]


def seeds() -> list[str]:
    """Return the texts to start from, small ones first: specs, examples, and what once failed."""
    found = {small(text) for text in seed_texts()}
    return sorted((text for text in found if _quick(text)), key=lambda text: (len(text), text))


def seed_texts() -> Iterator[str]:
    """Yield the specs of the project, those of its pages, and the corpus."""
    for folder in (ROOT / "specs", ROOT / "tests" / "bad", ROOT / "tests" / "golden", CORPUS):
        yield from (path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.resnet")))
    for page in sorted((ROOT / "docs").glob("*.md")):
        yield from EXAMPLE.findall(page.read_text(encoding="utf-8"))


def _quick(text: str) -> bool:
    """Whether a text takes a few milliseconds, and so do those that are made of it."""
    if len(text) > LONGEST or USE.search(text):
        return False
    try:
        return len(compile_source(Source("seed", text)).graph.nodes) <= LARGEST
    except CompileError:
        return True


def small(text: str) -> str:
    """Return a spec without its first comments and its figures, with one block a stage.

    A recipe of a shipped network becomes one of a small network.
    """
    text = re.sub(r"\A(#[^\n]*\n|\s)+", "", text)
    if text.startswith("use ") and "\nrecipe " in text:
        text = TRAINED.sub(lambda found: "" if found[0].startswith("use") else "cifar_resnet(n=1)", text)
    text = re.sub(r"^ *expect: *\[?params == [^\n]*\n", "", text, flags=re.MULTILINE)
    return REPEATED.sub(lambda found: found[1] + re.sub(r"\b\d[\d_]*\b", "1", found[2]), text)


def _calm(text: str) -> str:
    """Return a text without thousands of blocks: one takes as long as a thousand other texts."""
    return REPEATED.sub(lambda found: found[1] + re.sub(r"\b\d[\d_]+\b", "2", found[2]), text)


@functools.cache
def parts() -> Parts:
    """Return the parts of every seed and of the library."""
    by_kind: dict[str, dict[str, None]] = defaultdict(dict)
    words: dict[str, None] = dict.fromkeys((*SIGNS, *WORDS, *NUMBERS))
    library = sorted((ROOT / "resnet_dsl" / "library").glob("*.resnet"))
    for text in map(small, (*seed_texts(), *(path.read_text(encoding="utf-8") for path in library))):
        words |= dict.fromkeys(word for word in WORD.findall(text) if word.isidentifier())
        for kind, start, end in places(text):
            if 0 < end - start <= LONGEST_PART and not USE.search(text[start:end]):
                by_kind[kind][text[start:end]] = None
    return Parts({kind: tuple(found) for kind, found in by_kind.items()}, tuple(words))


@functools.lru_cache(maxsize=64)
def places(text: str) -> tuple[tuple[str, int, int], ...]:
    """Return the nodes of a text as (kind, start, end); none if it cannot be parsed."""
    try:
        stack: list[ast.Node] = [parse(Source("seed", text))]
    except CompileError:
        return ()
    found = []
    while stack:
        node = stack.pop()
        found.append((_kind(node), node.span.start, node.span.end))
        stack += ast.children(node)
    return tuple(found)


def _kind(node: ast.Node) -> str:
    match node:
        case ast.Field() | ast.Assign() | ast.Argument() | ast.Parameter():
            return type(node).__name__
        case ast.Use() | ast.Const() | ast.Block() | ast.Model() | ast.Recipe():
            return "Declaration"
        case ast.Call():
            return "Call"
        case _:
            return "Expression"


# --- changes -----------------------------------------------------------------------------------

Change = Callable[[str, Random], str]


def mutated(text: str, chance: Random) -> str:
    """Return a text with one to three changes."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        text = chance.choice(CHANGES)(text, chance)
    return _calm(text[:LONGEST])


def _exchange(text: str, chance: Random) -> str:
    """A node for one of its kind, from anywhere."""
    found = places(text)
    if len(found) < 2:
        return _replace_word(text, chance)
    kind, start, end = chance.choice(found[1:])
    own = [text[a:b] for k, a, b in found if k == kind]
    others = parts().by_kind.get(kind, ())
    new = chance.choice(own) if not others or chance.random() < 0.3 else chance.choice(others)
    return text[:start] + new + text[end:]


def _insert_node(text: str, chance: Random) -> str:
    """A field, step, argument, parameter or declaration more, beside one of its kind."""
    found = [place for place in places(text) if place[0] not in ("Expression", "Call")]
    if len(found) < 2:
        return _insert_word(text, chance)
    kind, _, end = chance.choice(found[1:])
    comma = ", " if kind in ("Argument", "Parameter") else "\n"
    new = chance.choice(parts().by_kind.get(kind) or ("",))
    return text[:end] + comma + new + text[end:]


def _delete_node(text: str, chance: Random) -> str:
    found = places(text)
    if len(found) < 2:
        return _delete_words(text, chance)
    _, start, end = chance.choice(found[1:])
    return text[:start] + text[end:]


def _wrap(text: str, chance: Random) -> str:
    """An expression within a larger one."""
    found = [place for place in places(text) if place[0] in ("Expression", "Call")]
    if not found:
        return _insert_word(text, chance)
    _, start, end = chance.choice(found)
    other = chance.choice(parts().by_kind["Expression"])
    before, after = chance.choice((
        ("(", ")"), ("[", "]"), ("-", ""), ("not ", ""), ("", f" -> {other}"), (f"{other} -> ", ""),
        ("", f" + {other}"), ("", f" * {other}"), ("", f"({other})"), ("", f"(stride={other})"),
        (f"if {other} then ", " else 1"), ("if true then ", f" else {other}"), ("", " ** 2"), ("a: ", ""),
        ("", f" == {other}"), ("max(", f", {other})"), ("[", f", {other}]"), ("", ".channels"),
    ))  # fmt: skip
    return text[:start] + before + text[start:end] + after + text[end:]


def _replace_word(text: str, chance: Random) -> str:
    words = WORD.findall(text)
    solid = [index for index, word in enumerate(words) if word.strip()]
    if not solid:
        return chance.choice(parts().words)
    index = chance.choice(solid)
    first = words[index][0]
    if first.isdigit():
        pool: Iterable[str] = NUMBERS
    elif first.isalpha() and chance.random() < 0.8:
        pool = parts().words[len(SIGNS) :]
    else:
        pool = SIGNS
    words[index] = chance.choice(tuple(pool))
    return "".join(words)


def _insert_word(text: str, chance: Random) -> str:
    words = WORD.findall(text)
    words.insert(chance.randint(0, len(words)), f" {chance.choice(parts().words)} ")
    return "".join(words)


def _delete_words(text: str, chance: Random) -> str:
    words = WORD.findall(text)
    start = chance.randint(0, len(words))
    del words[start : start + chance.choice((1, 1, 2, 5))]
    return "".join(words)


def _double_words(text: str, chance: Random) -> str:
    words = WORD.findall(text)
    start = chance.randint(0, len(words))
    some = words[start : start + chance.choice((1, 2, 8))]
    words[start:start] = some * chance.choice((1, 1, 1, 20))
    return "".join(words)


def _strange(text: str, chance: Random) -> str:
    at = chance.randint(0, len(text))
    return text[:at] + chance.choice(STRANGE) + text[at:]


CHANGES: tuple[Change, ...] = (
    *(_exchange,) * 6, *(_insert_node,) * 2, _delete_node, *(_wrap,) * 2, *(_replace_word,) * 3,
    _insert_word, _delete_words, _double_words, _strange,
)  # fmt: skip
