"""The shelf of shipped specs: where they lie, which models they declare, and what each says of itself.

A model is found by its own name, whatever file it stands in. What has a file of its name is found without
reading any; the names of all others come from the texts, by the lines that declare them. Shipped specs are
in the canonical form, in which such a line starts with its word.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from resnet_dsl.records import dataclass

SUFFIX = ".resnet"
RECIPES = "recipes"
PACKAGE = Path(__file__).parent

DECLARATION = r"(?m)^(?:use|const|block|model (\w+)|recipe \w+(?= \{))\b"
ALIAS = r"model \w+ = (\w+)"
HEADER = r"model \w+\("
SIGN = r'"[^"\n]*"|#[^\n]*|[=!<>]=|\w+|[^\w\s]'


@dataclass(frozen=True)
class ShelfModel:
    """A model of the shelf: its file, its own text, and what is said of it right above or atop the file."""

    name: str
    path: Path
    text: str
    description: str

    def expected(self, figure: str) -> int | None:
        """What the text expects of a figure, such as `params`; what it is another name of may say it.

        Expectations are checked at each compilation. None if the text says nothing of it.
        """
        said = re.search(rf"\b{figure} == ([\d_]+)", self.text)
        if said is not None:
            return int(said[1])
        alias = re.fullmatch(ALIAS, "\n".join(self._code()))
        return models()[alias[1]].expected(figure) if alias is not None and alias[1] in models() else None

    def _code(self) -> Iterator[str]:
        lines = (line.partition("#")[0].rstrip() for line in self.text.splitlines())
        return (line for line in lines if line)

    @property
    def is_whole(self) -> bool:
        """Whether the model needs nothing from outside: a parameter without a default makes it a pattern."""
        return all(_parameters(self.text))


def specs_folder() -> Path:
    """The folder of the shipped specs: inside an installed package, beside it in a checkout."""
    inside = PACKAGE / "specs"
    return inside if inside.is_dir() else PACKAGE.parent / "specs"


def name_maps_folder() -> Path:
    """The folder of the names that other libraries have for layers."""
    return specs_folder() / "name_maps"


@functools.cache
def files() -> dict[str, Path]:
    """The files of the shelf by name."""
    # A tree of paths would take longer than the check of a spec.
    found = (f"{folder}/{name}" for folder, _, names in os.walk(specs_folder()) for name in names)
    return {path.stem: path for path in sorted(Path(name) for name in found if name.endswith(SUFFIX))}


def recipe_files() -> dict[str, Path]:
    """The files of the shelf that recipes stand in, each called as the recipe that is meant."""
    folder = specs_folder() / RECIPES
    return {name: path for name, path in files().items() if path.parent == folder}


@functools.cache
def models() -> dict[str, ShelfModel]:
    """Every model of the shelf by name, file by file; of two of one name that of the file so called."""
    found: dict[str, ShelfModel] = {}
    for stem, path in files().items():
        for model in _declared(path):
            if model.name not in found or model.name == stem:
                found[model.name] = model
    return found


@functools.cache
def shipped() -> dict[str, Path]:
    """Every network of the shelf by name, with its file; patterns, which need arguments, are none."""
    return {name: model.path for name, model in models().items() if model.is_whole}


def file_of(name: str) -> Path | None:
    """Return the file of that name, or the one that declares a model of that name."""
    if name in files():
        return files()[name]
    return models()[name].path if name in models() else None


def model_named(name: str) -> str | None:
    """Return the name where it is that of a model in a file of another name, and not of a file."""
    return name if name not in files() and name in models() else None


def known() -> Iterator[str]:
    """Yield every name that `use` and the commands take."""
    yield from files()
    yield from (name for name in models() if name not in files())


def description(path: Path) -> str:
    """Return the first comment line of a spec, or an empty string if it starts with none."""
    with path.open(encoding="utf-8") as file:
        first = next((line.strip() for line in file if line.strip()), "")
    return first.lstrip("#").strip() if first.startswith("#") else ""


def folder_of(path: Path) -> str:
    """Return the folder a shipped spec lies in, as `list` groups them; empty at the top."""
    parent = path.parent.relative_to(specs_folder()).as_posix()
    return "" if parent == "." else parent


# --- what a file declares ----------------------------------------------------------------------


def _declared(path: Path) -> Iterator[ShelfModel]:
    """The models of a file, in order, each with its own text."""
    text = path.read_text(encoding="utf-8")
    first = description(path)
    places = [*re.finditer(DECLARATION, text), None]
    for match, following in pairwise(places):
        assert match is not None
        if match[1]:
            end = len(text) if following is None else following.start()
            about = _above(text, match.start()) or first
            yield ShelfModel(match[1], path, text[match.start() : end], about)


def _above(text: str, start: int) -> str:
    """The first of the comment lines right above a place."""
    found = ""
    for line in reversed(text[:start].split("\n")[:-1]):
        if not line.startswith("#"):
            break
        if not line.startswith("# resnet-dsl:"):
            found = line.lstrip("#").strip()
    return found


def _parameters(text: str) -> Iterator[bool]:
    """Whether each parameter of a model has a default."""
    header = re.match(HEADER, text)
    depth = 0
    parameter: list[str] = []
    for sign in () if header is None else re.findall(SIGN, text[header.end() - 1 :]):
        depth += (sign in "([{") - (sign in ")]}")
        if depth == 0 or (depth == 1 and sign == ","):
            if parameter:
                yield "=" in parameter
            parameter = []
        elif depth == 1 and sign not in "([{)]}" and not sign.startswith("#"):
            parameter.append(sign)
        if depth == 0:
            return
