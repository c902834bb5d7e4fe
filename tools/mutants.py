"""Mutants of the compiler: small changes of single places, drawn at random from the parts that compute.

The operators are those of cosmic-ray. A place is drawn first, then one of its changes, so that a place with
many operators weighs no more than another. Left out is what cannot change a value: annotations, decorators
that cache or freeze, `zip`'s `strict`, and identity for equality: short texts and numbers are one object.
"""

from __future__ import annotations

import ast
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosmic_ray.ast import get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).resolve().parents[1]
IDENTITY = re.compile(r"_(Eq|NotEq)_Is(Not)?$")
QUIET_DECORATORS = {"dataclass", "cache", "cached_property", "overload", "lru_cache", "wraps"}


@dataclass(frozen=True)
class Area:
    """A part of the compiler, the tests that hold it, and the share of mutants that they have to kill."""

    files: tuple[str, ...]
    tests: tuple[str, ...]
    bar: float


TORCH, KERAS, ONNX = "backends/resnet_dsl_torch/", "backends/resnet_dsl_keras/", "backends/resnet_dsl_onnx/"
AREAS = {
    "rules": Area(
        (f"{TORCH}rules.py", f"{TORCH}helpers.py", f"{TORCH}initialise.py",
         f"{KERAS}rules*.py", f"{KERAS}rules/*.py", f"{KERAS}helpers.py", f"{KERAS}functions.py",
         f"{ONNX}rules/*.py"),
        ("rules", "op_matrix", "catalogue", "start", "golden_outputs", "planted_faults", "torch_backend",
         "keras_backend", "onnx_backend", "import_ops", "keras_layers", "torch_tools", "onnx_runtimes",
         "padding_by_side", "partial_norms"),
        0.90,
    ),
    "referee": Area(
        ("resnet_dsl/reference/*.py",),
        ("reference_ops", "reference_graph", "reference_tables", "op_matrix", "catalogue", "verify",
         "planted_faults", "initial_weights", "padding_by_side", "partial_norms"),
        0.90,
    ),
    "elaboration": Area(
        ("resnet_dsl/elaborate/*.py",),
        ("bad_specs", "reference_graph", "names", "passing_on", "formulas", "relatives", "documents",
         "printing", "golden_outputs", "docs", "codes", "api", "report", "codegen", "cli", "refusals",
         "fuzz_compile", "parser", "advice", "input_sizes", "freezing", "author_names", "names_of_layers",
         "values_in_places", "mistakes", "formatter", "arithmetic"),
        0.85,
    ),
    "sizes": Area(
        ("resnet_dsl/ir/sizes.py", "resnet_dsl/ir/shapes.py", "resnet_dsl/ir/formulas.py",
         "resnet_dsl/ir/ops/*.py", "resnet_dsl/analysis/input_sizes.py"),
        ("sizes", "input_sizes", "bad_specs", "formulas", "catalogue", "reference_ops", "documents", "report",
         "refusals", "codegen", "verify", "op_matrix", "op_facts"),
        0.85,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change of one place of a file."""

    area: str
    file: str
    line: int
    operator: str
    source: str

    def change(self, root: Path) -> str:
        """The line as it is and as it becomes."""
        before = (root / self.file).read_text().splitlines()
        after = self.source.splitlines()
        at = next(
            (n for n, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1]),
            self.line - 1,
        )
        return f"`{before[at].strip()}` → `{after[at].strip()}`"


def mutants(area: str, count: int, seed: int) -> list[Mutant]:
    """Draw `count` mutants of an area: a place first, then one of the changes that it allows."""
    rng = random.Random(f"{seed} {area}")
    places = [place for file in files_of(area) for place in sorted(_places(file).items())]
    rng.shuffle(places)
    found: list[Mutant] = []
    for (file, line, _), changes in places:
        if len(found) == count:
            break
        rng.shuffle(changes)
        source = (ROOT / file).read_text()
        for operator, occurrence in changes:
            mutated = _mutated(source, operator, occurrence)
            if mutated is not None and _meaning(mutated) not in (None, _meaning(source)):
                found.append(Mutant(area, file, line, operator.removeprefix("core/"), mutated))
                break
    return found


def files_of(area: str) -> Iterator[str]:
    """Yield the files of an area."""
    for pattern in AREAS[area].files:
        yield from (path.relative_to(ROOT).as_posix() for path in sorted(ROOT.glob(pattern)))


Place = tuple[str, int, int]


def _places(file: str) -> dict[Place, list[tuple[str, int]]]:
    """The changes that each place of a file allows: an operator, and which of its occurrences."""

    tree = get_ast((ROOT / file).read_text())
    found: dict[Place, list[tuple[str, int]]] = defaultdict(list)
    for name in operator_names():
        if "Variable" in name or IDENTITY.search(name):  # the first need to be told which variable
            continue
        operator, occurrence = get_operator(name)(), 0
        for node in _nodes(tree):
            for (line, column), _ in operator.mutation_positions(node):
                found[file, line, column].append((name, occurrence))
                occurrence += 1
    return found


def _nodes(node: Any) -> Iterator[Any]:
    yield node
    for child in getattr(node, "children", ()):
        yield from _nodes(child)


def _mutated(source: str, operator: str, occurrence: int) -> str | None:

    mutated: str | None = mutate_code(source, get_operator(operator)(), occurrence)
    return mutated


class _Bare(ast.NodeTransformer):
    """A tree without what cannot change a value."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        node.decorator_list = [d for d in node.decorator_list if not _is_quiet(d)]
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.decorator_list = [d for d in node.decorator_list if not _is_quiet(d)]
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        node.keywords = [keyword for keyword in node.keywords if keyword.arg != "strict"]
        return self.generic_visit(node)


def _is_quiet(decorator: ast.expr) -> bool:
    named = decorator.func if isinstance(decorator, ast.Call) else decorator
    return (named.attr if isinstance(named, ast.Attribute) else getattr(named, "id", "")) in QUIET_DECORATORS


def _meaning(source: str) -> str | None:
    try:
        return ast.dump(_Bare().visit(ast.parse(source)))
    except SyntaxError:
        return None
