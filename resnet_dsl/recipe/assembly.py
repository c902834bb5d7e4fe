"""Source text of definitions of `training`, with all that they need, as a script is to hold it.

The modules of `training` are read, not run: who compiles a recipe need not have NumPy.
"""

from __future__ import annotations

import ast
import symtable
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.resources import files

from resnet_dsl.records import dataclass

HOME = "resnet_dsl.training"
READING_ORDER = (
    "images", "array_files", "picture_folders", "idx", "cifar", "reading", "draws", "geometry", "warps",
    "colours", "views", "statistics", "mixtures", "batches", "rates", "metrics", "run_files", "progress_bar",
    "options", "process_memory",
)  # fmt: skip


@dataclass(frozen=True)
class TrainingDefinition:
    """A function, class or constant at the top of a module: its text, and the names that stand in it."""

    name: str
    module: str
    text: str
    names: frozenset[str]


@dataclass(frozen=True)
class ScriptImport:
    """A module, or a name that is taken from it."""

    module: str
    name: str = ""
    alias: str = ""

    @property
    def outside(self) -> bool:
        """Whether it is of a package that has to be installed."""
        return self.module.partition(".")[0] not in sys.stdlib_module_names


@dataclass(frozen=True)
class TrainingModule:
    """A module as its definitions and its imports, both by name."""

    title: str
    definitions: tuple[TrainingDefinition, ...]
    imports: dict[str, ScriptImport]


def assembled(names: Iterable[str]) -> str:
    """Return the imports, a blank line or two, and the definitions that `names` need, in reading order."""
    chosen = needed(names)
    return f"{imports_of(chosen)}\n\n{definitions_of(chosen)}"


def needed(names: Iterable[str]) -> tuple[TrainingDefinition, ...]:
    """Return the definitions of these names and of all that stand in them; raises KeyError for others."""
    known = all_definitions()
    found: dict[str, TrainingDefinition] = {}
    waiting = [known[name] for name in names]
    while waiting:
        definition = waiting.pop()
        if definition.name not in found:
            found[definition.name] = definition
            waiting += [known[name] for name in definition.names if name in known]
    return tuple(each for each in known.values() if each.name in found)


def imports_of(chosen: Iterable[TrainingDefinition], more: str = "") -> str:
    """Return the imports that definitions need, and those of the text `more`, as linters expect them."""
    found = set(imports_in(ast.parse(more)).values())
    for each in chosen:
        known = modules()[each.module].imports
        found |= {known[name] for name in each.names if name in known}
    groups = [["from __future__ import annotations"]]
    for outside in (False, True):
        groups.append(list(import_lines({each for each in found if each.outside == outside})))
    return "\n\n".join("\n".join(group) for group in groups if group)


def import_lines(found: set[ScriptImport]) -> Iterator[str]:
    """Yield the lines of imports: whole modules first, then what is taken from them."""
    for each in sorted(found, key=lambda each: each.module):
        if not each.name:
            yield f"import {each.module}" + (f" as {each.alias}" if each.alias else "")
    taken: dict[str, list[str]] = {}
    for each in found:
        if each.name:
            taken.setdefault(each.module, []).append(each.name)
    for module in sorted(taken):
        names = sorted(taken[module], key=lambda name: (not name.isupper(), not name[0].isupper(), name))
        yield f"from {module} import {', '.join(names)}"


def definitions_of(chosen: Iterable[TrainingDefinition]) -> str:
    """Return the text of definitions, a ruler with the module's subject before those of each."""
    parts: list[str] = []
    module = ""
    for each in chosen:
        if each.module != module:
            module = each.module
            parts.append(ruler(modules()[module].title))
        parts.append(each.text)
    return spaced(parts)


def spaced(parts: list[str]) -> str:
    """Return definitions as a formatter sets them: functions and classes apart, constants together."""
    text = before = ""
    for part in parts:
        kind = (
            "apart" if part.startswith(("def ", "class ", "@")) else "ruler" if part.startswith("# ") else ""
        )
        gap = "\n" if (before, kind) == ("ruler", "") else "\n\n" if before or kind else ""
        text += (f"\n{gap}" if text else "") + part
        before = kind
    return text + "\n"


def ruler(title: str, width: int = 99) -> str:
    """Return a comment that says what comes next."""
    return f"# --- {title} ".ljust(width, "-")


# --- reading the modules -----------------------------------------------------------------------


@cache
def all_definitions() -> dict[str, TrainingDefinition]:
    """Return every definition of `training` by its name, in reading order."""
    return {each.name: each for module in modules().values() for each in module.definitions}


@cache
def modules() -> dict[str, TrainingModule]:
    """Return the modules of `training` by name."""
    return {name: read_module(name) for name in READING_ORDER}


def read_module(name: str) -> TrainingModule:
    """Return a module in parts."""
    source = files(HOME).joinpath(f"{name}.py").read_text(encoding="utf-8")
    tree, lines = ast.parse(source), source.split("\n")
    title = (ast.get_docstring(tree) or name).partition(":")[0].split("\n")[0].rstrip(".").lower()
    return TrainingModule(title, tuple(definitions_in(tree, lines, name)), imports_in(tree))


def definitions_in(tree: ast.Module, lines: list[str], module: str) -> Iterator[TrainingDefinition]:
    """Yield the definitions of a module; a text below a constant, and a comment above, are part of it."""
    body = tree.body
    for place, node in enumerate(body):
        name = name_of(node)
        if name:
            after = body[place + 1] if place + 1 < len(body) else None
            last = after if after is not None and is_text(after) else node
            start = first_line(node)
            text = "\n".join(lines[start - 1 : last.end_lineno])
            yield TrainingDefinition(name, module, text, frozenset(names_in(node, text)) - {name})


def name_of(node: ast.stmt) -> str:
    """Return the name that a statement defines, or nothing."""
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return name
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
    return ""


def is_text(node: ast.stmt) -> bool:
    """Whether a statement is a text alone, which says what the constant above it is."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def first_line(node: ast.stmt) -> int:
    """Return the line that a definition begins in, that of its first decorator."""
    decorators = node.decorator_list if isinstance(node, ast.FunctionDef | ast.ClassDef) else []
    return min([node.lineno, *(each.lineno for each in decorators)])


def names_in(node: ast.AST, text: str) -> Iterator[str]:
    """Yield the names of other definitions and of imports that one needs; its own variables are none."""
    tables = [symtable.symtable(text, "training", "exec")]
    yield from (symbol.get_name() for symbol in tables[0].get_symbols() if symbol.is_referenced())
    while tables:
        table = tables.pop()
        tables += table.get_children()
        yield from (symbol.get_name() for symbol in table.get_symbols() if symbol.is_global())
    for annotation in annotations_in(node):
        yield from (each.id for each in ast.walk(annotation) if isinstance(each, ast.Name))


def annotations_in(node: ast.AST) -> Iterator[ast.expr]:
    """Yield the annotations of a definition, which are not evaluated and so in no table of symbols."""
    for each in ast.walk(node):
        match each:
            case ast.arg(annotation=ast.expr() as found) | ast.FunctionDef(returns=ast.expr() as found):
                yield found
            case ast.AnnAssign(annotation=found):
                yield found


def imports_in(tree: ast.Module) -> dict[str, ScriptImport]:
    """Return the imports of a module by the name they bind; those of `training` are none."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Import):
            for each in node.names:
                found[each.asname or each.name] = ScriptImport(each.name, "", each.asname or "")
        elif isinstance(node, ast.ImportFrom) and node.module and not node.module.startswith(HOME):
            found |= {each.name: ScriptImport(node.module, each.name) for each in node.names}
    return {name: each for name, each in found.items() if each.module != "__future__"}


def names_in_text(text: str) -> Iterator[str]:
    """Yield the names that a module's text refers to without having them from elsewhere."""
    return names_in(ast.parse(text), text)
