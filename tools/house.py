"""The figures of the house: what the next change costs, measured; and what may not be, refused.

    python tools/house.py            the table, for the tree as it is
    python tools/house.py --check    the same; exit status 1 if something is that may not be

Refused: a class name defined twice in the package (the syntax tree's aside, always written `ast.X`), a
cycle of modules, two folders that import each other, an op or a network named outside its place, and
a function of more than 60 lines. The other figures are directions. Everything is read from the source
but the last rows, which come from one run of `check`.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 60
SYNTAX_TREE = "resnet_dsl.syntax.ast"
# Twins: each backend has its own of these, and the referee has a module for each family of ops.
TWINS = re.compile(r"resnet_dsl_\w+\.(rules\.)?\w+|resnet_dsl\.(reference|ir\.ops)\.\w+")
# Where an op may be named: the catalogue, its meaning in the referee, and the rules of backends.
OPS_AT_HOME = re.compile(r"resnet_dsl\.(ir\.ops|reference)(\.\w+)*|resnet_dsl_\w+\.rules(\.\w+)*")
TWO_BLOCKS = "model net { stages: [1, 1]  block: basic }"


@dataclass(frozen=True)
class Module:
    """A module of the compiler or of a backend, as text and as a tree."""

    name: str
    path: Path
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree, as Python reads it."""
        return ast.parse(self.text)

    @property
    def lines(self) -> int:
        """How many lines it has."""
        return self.text.count("\n")

    @property
    def folder(self) -> str:
        """The room it is in: `resnet_dsl.cli`; a module of the package itself is a room of its own."""
        return ".".join(self.name.split(".")[:2]) if self.name.startswith("resnet_dsl.") else self.name


def modules() -> dict[str, Module]:
    """Return every module of the compiler and its backends by its dotted name."""
    found = {}
    for root in (ROOT, ROOT / "backends"):
        for path in sorted(root.glob("resnet_dsl*/**/*.py")):
            name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
            found[name] = Module(name, path, path.read_text(encoding="utf-8"))
    return found


# --- imports -----------------------------------------------------------------------------------


def imports(house: Mapping[str, Module]) -> dict[str, set[str]]:
    """Return what each module imports, local imports and those for types included."""
    found: dict[str, set[str]] = {}
    for module in house.values():
        found[module.name] = {name for name in _imported(module.tree, house) if name != module.name}
    return found


def _imported(tree: ast.Module, house: Mapping[str, Module]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in house)
        elif isinstance(node, ast.ImportFrom) and node.module is not None and node.module in house:
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from submodules & house.keys()
            if submodules - house.keys():
                yield node.module


def cycles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the groups of nodes that lead back to themselves (Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            group, stack[at:] = stack[at:], []
            if len(group) > 1:
                found.append(sorted(group))

    for node in graph:
        if node not in index:
            visit(node)
    return found


def two_way_folders(house: Mapping[str, Module], graph: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """Return the pairs of folders whose modules import each other."""
    ways = {(house[a].folder, house[b].folder) for a, found in graph.items() for b in found}
    return sorted((a, b) for a, b in ways if a < b and (b, a) in ways)


# --- names -------------------------------------------------------------------------------------


def classes_twice(house: Mapping[str, Module]) -> dict[str, list[str]]:
    """Return the class names that several modules define, and where."""
    homes: dict[str, list[str]] = defaultdict(list)
    for module in house.values():
        if module.name != SYNTAX_TREE and not module.name.startswith("resnet_dsl_"):
            for node in ast.walk(module.tree):
                if isinstance(node, ast.ClassDef):
                    homes[node.name].append(module.name)
    return {name: places for name, places in sorted(homes.items()) if len(places) > 1}


def files_twice(house: Mapping[str, Module]) -> dict[str, list[str]]:
    """Return the file names that occur more than once, twins and `__init__` aside."""
    homes: dict[str, list[str]] = defaultdict(list)
    for module in house.values():
        if module.path.name != "__init__.py" and not TWINS.fullmatch(module.name):
            homes[module.path.name].append(module.name)
    return {name: places for name, places in sorted(homes.items()) if len(places) > 1}


def ops_abroad(house: Mapping[str, Module]) -> list[str]:
    """Return the places outside catalogue, referee and rules that name the class of an op."""
    from resnet_dsl.ir.ops import CATALOGUE

    classes = {op.__name__ for op in CATALOGUE.values()}
    found = []
    for module in house.values():
        if not OPS_AT_HOME.fullmatch(module.name):
            for name, line in _op_names(module.tree, classes):
                found.append(f"{module.path.relative_to(ROOT)}:{line}: {name}")
    return found


def _op_names(tree: ast.Module, classes: set[str]) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("resnet_dsl.ir.ops"):
            yield from ((alias.name, node.lineno) for alias in node.names if alias.name in classes)
        elif isinstance(node, ast.Attribute) and node.attr in classes and ast.unparse(node.value) == "ops":
            yield f"ops.{node.attr}", node.lineno


def networks_named(house: Mapping[str, Module]) -> list[str]:
    """Return the places in code, docstrings aside, whose text is the name of a shipped spec or model."""
    paths = list((ROOT / "specs").rglob("*.resnet"))
    shipped = {path.stem for path in paths}
    for path in paths:
        shipped.update(re.findall(r"^model (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE))
    found = []
    for module in house.values():
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in shipped:
                found.append(f"{module.path.relative_to(ROOT)}:{node.lineno}: {node.value}")
    return found


# --- functions and lines -----------------------------------------------------------------------

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(house: Iterable[Module]) -> Iterator[tuple[Module, Function]]:
    """Yield every function with its module."""
    for module in house:
        for node in ast.walk(module.tree):
            if isinstance(node, Function):
                yield module, node


def long_functions(house: Iterable[Module]) -> list[str]:
    """Return the functions of more than LONGEST lines."""
    return [
        f"{module.path.relative_to(ROOT)}:{node.lineno}: {node.name} ({_length(node)} lines)"
        for module, node in functions(house)
        if _length(node) > LONGEST
    ]


def _length(node: Function) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def private_functions(house: Iterable[Module]) -> tuple[int, int]:
    """Return how many functions are private to their module, and how many of them are used once."""
    total = once = 0
    for module in house:
        names = [n.name for n in module.tree.body if isinstance(n, Function) and n.name.startswith("_")]
        uses = Counter(node.id for node in ast.walk(module.tree) if isinstance(node, ast.Name))
        total += sum(name != "_" for name in names)
        once += sum(uses[name] <= 1 for name in names if name != "_")
    return total, once


def module_names(house: Iterable[Module]) -> int:
    """Return how many names modules define at their top: functions, classes, constants."""
    count = 0
    for module in house:
        for node in module.tree.body:
            if isinstance(node, Function | ast.ClassDef):
                count += node.name != "_"
            elif isinstance(node, ast.Assign):
                count += sum(isinstance(target, ast.Name) for target in node.targets)
            elif isinstance(node, ast.AnnAssign):
                count += 1
    return count


def comments(house: Iterable[Module]) -> int:
    """Return how many lines bear a comment; rulers and directives to tools are none."""
    count = 0
    for module in house:
        for token in tokenize.generate_tokens(io.StringIO(module.text).readline):
            directive = re.match(r"# (---|type:|noqa|fmt:)", token.string)
            count += token.type == tokenize.COMMENT and directive is None
    return count


def anys(house: Iterable[Module]) -> int:
    """Return how often `Any` is written, imports of it aside."""
    return sum(
        isinstance(node, ast.Name) and node.id == "Any" for module in house for node in ast.walk(module.tree)
    )


# --- one run -----------------------------------------------------------------------------------


def run_of_a_check() -> tuple[int, int, int]:
    """Return functions and modules of ours that run to check a spec of two blocks, and how deep."""
    from resnet_dsl.diagnostics.model import Source
    from resnet_dsl.driver import compile_source

    compile_source(Source("warm", TWO_BLOCKS))  # the library is parsed once; that is not this spec's
    seen: set[tuple[str, str]] = set()
    depth = deepest = 0

    def profile(frame: object, event: str, _: object) -> None:
        nonlocal depth, deepest
        code = frame.f_code  # type: ignore[attr-defined]
        if f"{ROOT}/resnet_dsl" not in code.co_filename:
            return
        if event == "call":
            depth += 1
            deepest = max(deepest, depth)
            seen.add((code.co_filename, code.co_qualname))
        elif event == "return":
            depth -= 1

    sys.setprofile(profile)
    try:
        compile_source(Source("net", TWO_BLOCKS))
    finally:
        sys.setprofile(None)
    return len(seen), len({file for file, _ in seen}), deepest


# --- the table ---------------------------------------------------------------------------------


def table(house: Mapping[str, Module], graph: Mapping[str, set[str]]) -> list[tuple[str, str]]:
    """Return the figures, a row each."""
    all_modules = list(house.values())
    lines = sum(module.lines for module in all_modules)
    private, once = private_functions(all_modules)
    lengths = sorted(_length(node) for _, node in functions(all_modules))
    share = sum(length <= 20 for length in lengths) / len(lengths)
    return [
        ("modules, lines", f"{len(house)}, {lines:,}"),
        ("longest file", max(f"{m.lines} {m.path.relative_to(ROOT)}" for m in all_modules if m.lines > 99)),
        ("places that name an op beside catalogue, referee and rules", str(len(ops_abroad(house)))),
        ("networks named in code", str(len(networks_named(house)))),
        ("class names defined in several modules", str(len(classes_twice(house)))),
        ("file names that occur more than once, twins aside", str(len(files_twice(house)))),
        ("private functions a 1,000 lines", f"{1000 * private / lines:.1f}"),
        ("of them used once", f"{once / max(private, 1):.0%}"),
        ("module-level names a 1,000 lines", f"{1000 * module_names(all_modules) / lines:.1f}"),
        ("comment lines", f"{comments(all_modules) / lines:.1%}"),
        ("`Any` a 1,000 lines", f"{1000 * anys(all_modules) / lines:.1f}"),
        ("functions: median, at most 20 lines", f"{lengths[len(lengths) // 2]}, {share:.0%}"),
        ("functions over 60 lines", str(len(long_functions(all_modules)))),
        ("pairs of folders that import each other", str(len(two_way_folders(house, graph)))),
        ("cycles of modules, local and typing imports counted", str(len(cycles(graph)))),
        ("functions run to check a two-block spec", _check_in_words()),
    ]


def _check_in_words() -> str:
    try:
        ran, in_modules, deep = run_of_a_check()
    except ModuleNotFoundError as missing:  # all else is read, not run, and needs nothing installed
        return f"not run: {missing.name} is not installed"
    return f"{ran} in {in_modules} modules, {deep} deep"


def refused(house: Mapping[str, Module], graph: Mapping[str, set[str]]) -> list[str]:
    """Return what may not be, a line each."""
    return [
        *(f"class {name} is defined in {', '.join(where)}" for name, where in classes_twice(house).items()),
        *(f"a cycle: {' -> '.join(group)}" for group in cycles(graph)),
        *(f"{a} and {b} import each other" for a, b in two_way_folders(house, graph)),
        *(f"{place}: an op is named outside its place" for place in ops_abroad(house)),
        *(f"{place}: a network is named in code" for place in networks_named(house)),
        *(f"{place}: a function of more than {LONGEST} lines" for place in long_functions(house.values())),
        *_too_many_any(house),
    ]


def _too_many_any(house: Mapping[str, Module]) -> list[str]:
    share = 1000 * anys(house.values()) / sum(module.lines for module in house.values())
    return [f"`Any` stands {share:.1f} times a 1,000 lines; 5 are the limit"] if share > 5 else []


def main(arguments: list[str]) -> int:
    """Print the table; with --check also what is refused."""
    sys.path[:0] = [str(ROOT), str(ROOT / "backends")]
    house = modules()
    graph = imports(house)
    rows = table(house, graph)
    width = max(len(name) for name, _ in rows)
    print("\n".join(f"{name:<{width}}  {value}" for name, value in rows))
    problems = refused(house, graph) if "--check" in arguments else []
    print("\n".join(problems), file=sys.stderr, end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
